"""Who is compared: customers at their first entry into a step, and the clusters they belonged to at that instant.

Belongs here: entries, clusters, and what the maps declare as small tables. Does not belong here: outcomes.
"""

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pyarrow as pa

from cx_orchestration.model import tables
from cx_orchestration.model.journey import JourneyMap
from cx_orchestration.storage.engine import Engine, sql_text
from cx_orchestration.storage.lake import Lake
from cx_orchestration.storage.scan import Scan

MICROSECONDS_A_DAY = 86_400_000_000


@dataclass(frozen=True)
class Cohorts:
    """The customers of some journeys as of one instant: what every analysis starts from, read once for all of them.

    ``visits`` has the moves of each customer's first visit to a step, ``entries`` a row for each such visit,
    ``clusters`` one for each known segment value at such an entry, from nothing that happened later; the columns are in
    the ``.sql`` files of the same names.
    ``sequences`` are the events of one version of the lake; those from ``as_of`` on do not count.
    """

    as_of: dt.datetime
    visits: pa.Table
    entries: pa.Table
    clusters: pa.Table
    sequences: Scan
    support_types: pa.Table
    friction_types: pa.Table
    waits: pa.Table


def read_cohorts(lake: Lake, engine: Engine, maps: Sequence[JourneyMap], *, as_of: dt.datetime) -> Cohorts:
    """The cohorts of these journeys, followed up to ``as_of``, at which the journeys were folded."""
    sequences = lake.scan(tables.SEQUENCES)
    visits = engine.query(sql_text(__package__, "visits.sql"), {"steps": lake.scan(tables.STEPS)}, {"as_of": as_of})
    entries = engine.query(sql_text(__package__, "entries.sql"), {"visits": visits})
    clusters = engine.query(
        sql_text(__package__, "clusters.sql"),
        {
            "entries": entries,
            "sequences": sequences,
            "profiles": lake.scan(tables.PROFILES),
            "identity_map": lake.scan(tables.IDENTITY_MAP),
            "segments": _pairs(maps, "segment", lambda one: one.segments),
        },
        {"as_of": as_of},
    )
    return Cohorts(
        as_of=as_of,
        visits=visits,
        entries=entries,
        clusters=clusters,
        sequences=sequences,
        support_types=_pairs(maps, "type", lambda one: one.support_events),
        friction_types=_pairs(maps, "type", lambda one: one.friction_events),
        waits=_waits(maps),
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
