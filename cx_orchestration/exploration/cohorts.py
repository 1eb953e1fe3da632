"""Who is compared: customers at their first entry into a step, and the clusters they belonged to at that instant.

Belongs here: entries, clusters, and what the maps declare as small tables. Does not belong here: outcomes.
"""

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from cx_orchestration.model import tables
from cx_orchestration.model.days import MICROSECONDS_A_DAY
from cx_orchestration.model.journey import JourneyMap
from cx_orchestration.storage.engine import Engine, Input, sql_text
from cx_orchestration.storage.lake import Lake
from cx_orchestration.storage.scan import Scan


@dataclass(frozen=True)
class Cohorts:
    """The customers of some journeys as of one instant: what every analysis starts from, read once for all of them.

    ``visits`` has the moves of each customer's first visit to a step, or of every visit, ``entries`` a row for each
    such visit, ``clusters`` one for each known segment value at such an entry, from nothing that happened later; the
    columns are in the ``.sql`` files of the same names.
    ``segments`` are those that the maps declare, in their order (journey, segment).
    ``costs`` has the values of the attribute that a map names as ``acquisition_cost``, in the columns of ``clusters``.
    ``sequences`` are the events of one version of the lake; those from ``as_of`` on do not count.
    """

    as_of: dt.datetime
    visits: pa.Table
    entries: pa.Table
    clusters: pa.Table
    segments: pa.Table
    sequences: Scan
    support_types: pa.Table
    human_types: pa.Table
    friction_types: pa.Table
    milestones: pa.Table
    waits: pa.Table
    costs: pa.Table


def read_cohorts(
    lake: Lake, engine: Engine, maps: Sequence[JourneyMap], *, as_of: dt.datetime, every_visit: bool = False
) -> Cohorts:
    """The cohorts of these journeys, followed up to ``as_of``, at which the journeys were folded: customers at their
    first entry into each step, or with ``every_visit`` at every one."""
    sequences = lake.scan(tables.SEQUENCES)
    visits = engine.query(
        sql_text(__package__, "visits.sql"),
        {"steps": lake.scan(tables.STEPS)},
        {"as_of": as_of, "every": int(every_visit)},
    )
    entries = engine.query(sql_text(__package__, "entries.sql"), {"visits": visits})

    def known(names: pa.Table) -> pa.Table:
        inputs: dict[str, Input] = {
            "entries": entries,
            "sequences": sequences,
            "profiles": lake.scan(tables.PROFILES),
            "identity_map": lake.scan(tables.IDENTITY_MAP),
            "segments": names,
        }
        return engine.query(sql_text(__package__, "clusters.sql"), inputs, {"as_of": as_of})

    segments = _pairs(maps, "segment", lambda one: one.segments)
    clusters = known(segments)
    costs = clusters.slice(0, 0)
    if named := {one.acquisition_cost for one in maps if one.acquisition_cost is not None}:
        told = known(_pairs(maps, "segment", lambda one: [one.acquisition_cost] if one.acquisition_cost else []))
        costs = told.filter(pc.is_in(told["segment"], pa.array(sorted(named))))
    return Cohorts(
        as_of=as_of,
        visits=visits,
        entries=entries,
        clusters=clusters,
        segments=segments,
        sequences=sequences,
        support_types=_pairs(maps, "type", lambda one: one.support_events),
        human_types=_pairs(maps, "type", lambda one: one.human_events),
        friction_types=_pairs(maps, "type", lambda one: one.friction_events),
        milestones=_pairs(maps, "step", lambda one: [name for name, step in one.steps.items() if step.milestone]),
        waits=_waits(maps),
        costs=costs,
    )


def _waits(maps: Sequence[JourneyMap]) -> pa.Table:
    """Journey, step and wait: the microseconds after which a customer who rests there counts as abandoned."""
    rows = [
        {"journey": one.journey, "step": name, "wait": round(step.abandoned_after_days * MICROSECONDS_A_DAY)}
        for one in maps
        for name, step in one.steps.items()
        if step.abandoned_after_days is not None
    ]
    return pa.Table.from_pylist(
        rows, pa.schema([("journey", pa.string()), ("step", pa.string()), ("wait", pa.int64())])
    )


def _pairs(maps: Sequence[JourneyMap], column: str, names: Callable[[JourneyMap], list[str]]) -> pa.Table:
    rows = [{"journey": one.journey, column: name} for one in maps for name in names(one)]
    return pa.Table.from_pylist(rows, pa.schema([("journey", pa.string()), (column, pa.string())]))
