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
    """``entries`` has a row for each customer's first entry into a step, ``clusters`` one for each known segment value
    at such an entry, from nothing that happened later; the columns are in the ``.sql`` files of the same names.
    """

    entries: pa.Table
    clusters: pa.Table
    sequences: Scan


def read_cohorts(lake: Lake, engine: Engine, maps: Sequence[JourneyMap], *, as_of: dt.datetime) -> Cohorts:
    """The cohorts of these journeys before ``as_of``, the instant before which the data is complete."""
    sequences, declared = lake.scan(tables.SEQUENCES), _pairs(maps, "segment", lambda one: one.segments)
    entries = engine.query(sql_text(__package__, "entries.sql"), {"steps": lake.scan(tables.STEPS)}, {"as_of": as_of})
    clusters = engine.query(
        sql_text(__package__, "clusters.sql"),
        {
            "entries": entries,
            "sequences": sequences,
            "profiles": lake.scan(tables.PROFILES),
            "identity_map": lake.scan(tables.IDENTITY_MAP),
            "segments": declared,
        },
        {"as_of": as_of},
    )
    return Cohorts(entries, clusters, sequences)


def support_types(maps: Sequence[JourneyMap]) -> pa.Table:
    """Journey and event type: the customer turns to support."""
    return _pairs(maps, "type", lambda one: one.support_events)


def friction_types(maps: Sequence[JourneyMap]) -> pa.Table:
    """Journey and event type: something that goes wrong."""
    return _pairs(maps, "type", lambda one: one.friction_events)


def waits(maps: Sequence[JourneyMap]) -> pa.Table:
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
