"""``journeys/steps`` and ``journeys/instances``: every customer's way through every journey map.

Belongs here: events to integers, the compiled pass, its result as tables. Does not belong here: the semantics
(``kernel``), whether a map is sound (``maps``).
"""

import datetime as dt
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from cx_orchestration.journeys.kernel import (
    ABANDONED,
    ACTIVE,
    COMPLETED,
    DEVIATION,
    MOVE,
    OFF_MAP,
    OUTSIDE,
    fold_events,
)
from cx_orchestration.journeys.maps import TransitionTable, compile_map
from cx_orchestration.model import tables
from cx_orchestration.model.failures import PermanentFailure
from cx_orchestration.model.journey import JourneyMap
from cx_orchestration.storage.engine import Engine, sql_text
from cx_orchestration.storage.lake import Lake

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_UNITS = 10_000  # tables.MONEY has four decimals
_MOST_UNITS = 10**18 - 1  # what tables.MONEY can hold
_NAMESPACE = uuid.UUID("6f3c1a52-9d0e-5b47-8f1d-2f6f7a1c9e04")
_STATUS = pa.array(["active", "completed", "abandoned"])


@dataclass(frozen=True)
class JourneyCounts:
    """What one map made of the events: ``active`` + ``completed`` + ``abandoned`` instances, and where events fell.

    ``moves`` + ``deviations`` are the rows of ``journeys/steps``; with ``off_map`` (inside an instance, not on its map)
    and ``outside`` (in no instance) they add up to all events folded.
    """

    journey: str
    map_version: int
    customers: int
    active: int
    completed: int
    abandoned: int
    moves: int
    deviations: int
    off_map: int
    outside: int


@dataclass(frozen=True)
class FoldSummary:
    """``events`` were folded; ``in_other_currency`` of them carry money that no instance's revenue includes.

    ``removed`` are journeys of an earlier fold that no map declares any more.
    """

    events: int
    in_other_currency: int
    journeys: tuple[JourneyCounts, ...]
    removed: tuple[str, ...]


@dataclass(frozen=True)
class Events:
    """Events sorted by customer, time and event id: the ``rows`` as read, and the integers that the kernel takes."""

    rows: pa.Table
    customer: NDArray[np.int64]
    at: NDArray[np.int64]
    amount: NDArray[np.int64]


@dataclass(frozen=True)
class Folded:
    """Steps and instances of one journey, as rows of ``tables.STEPS`` and ``tables.INSTANCES``."""

    steps: pa.Table
    instances: pa.Table
    counts: JourneyCounts


def fold_journeys(
    lake: Lake,
    engine: Engine,
    maps: Sequence[JourneyMap],
    *,
    as_of: dt.datetime,
    currency: str,
    support_contact_cost: float,
    run_id: str,
) -> FoldSummary:
    """Fold ``journeys/sequences`` over all maps of a project and replace each journey's steps and instances.

    ``as_of`` is the instant at which an instance that rests is judged; events from then on are not read. Events that
    have not come in by then make their customers look idle. ``support_contact_cost`` is in ``currency``, the project's.
    Raises ``InvalidProject`` for a map that is not sound, before anything is written.
    """
    charts = [compile_map(journey_map) for journey_map in maps]
    folded: dict[str, list[Folded]] = {chart.journey_map.journey: [] for chart in charts}
    events_read = in_other_currency = 0
    for bucket in _values(lake, engine, tables.SEQUENCES, "bucket"):
        events = _read(lake, engine, bucket, as_of=as_of, currency=currency)
        events_read += events.rows.num_rows
        in_other_currency += pc.sum(events.rows.column("in_other_currency")).as_py() or 0
        for chart in charts:
            folded[chart.journey_map.journey].append(
                fold_bucket(events, chart, as_of=as_of, support_contact_cost=support_contact_cost)
            )
    removed = tuple(name for name in _values(lake, engine, tables.INSTANCES, "journey") if name not in folded)
    for journey, parts in [*folded.items(), *[(name, []) for name in removed]]:
        slice_ = {"journey": journey}
        steps = pa.concat_tables([tables.STEPS.empty(), *[part.steps for part in parts]])
        instances = pa.concat_tables([tables.INSTANCES.empty(), *[part.instances for part in parts]])
        lake.replace(tables.STEPS, steps, where=slice_, run_id=run_id)
        lake.replace(tables.INSTANCES, instances, where=slice_, run_id=run_id)
    counts = tuple(_add_up(chart, [part.counts for part in folded[chart.journey_map.journey]]) for chart in charts)
    return FoldSummary(events_read, in_other_currency, counts, removed)


def fold_bucket(events: Events, chart: TransitionTable, *, as_of: dt.datetime, support_contact_cost: float) -> Folded:
    """What one map makes of the events of some customers; a customer's events must lie in one call."""
    journey_map = chart.journey_map
    of_type = events.rows.column("type").combine_chunks()
    kind = pc.fill_null(pc.index_in(of_type, pa.array(chart.event_types, pa.string())), -1)
    support = pc.is_in(of_type, pa.array(journey_map.support_events, pa.string()))
    per_event, per_instance = fold_events(
        events.customer,
        events.at,
        kind.to_numpy(zero_copy_only=False).astype(np.int32),
        support.to_numpy(zero_copy_only=False).astype(np.bool_),
        events.amount,
        chart.next_step,
        chart.first_step,
        chart.wait,
        chart.completes,
        journey_map.re_entry,
        (as_of - _EPOCH) // dt.timedelta(microseconds=1),
    )
    instance, role, source, target, place = per_event
    first_event, last_event, moved_at, step, status, moves, deviations, contacts, money = per_instance

    journey, version = journey_map.journey, journey_map.version
    begun = events.rows.select(["customer_id", "event_id", "occurred_at"]).take(first_event)
    ids = _instance_ids(journey, begun)
    on_map = np.flatnonzero((role == MOVE) | (role == DEVIATION))
    recorded = events.rows.take(on_map)
    stages = pa.array([journey_map.steps[name].stage for name in chart.steps])
    names = pa.array(chart.steps)

    completed, abandoned = status == COMPLETED, status == ABANDONED
    ended_at = np.where(completed, moved_at, moved_at + chart.wait[step])
    contact_cost = int((Decimal(str(support_contact_cost)) * _UNITS).to_integral_value())
    steps = _table(
        tables.STEPS,
        journey=[journey] * len(on_map),
        map_version=np.full(len(on_map), version),
        instance_id=ids.take(instance[on_map]),
        customer_id=recorded.column("customer_id"),
        seq=place[on_map],
        event_id=recorded.column("event_id"),
        type=recorded.column("type"),
        from_state=names.take(pa.array(source[on_map], mask=source[on_map] < 0)),
        to_state=names.take(pa.array(target[on_map])),
        stage=stages.take(pa.array(target[on_map])),
        channel=recorded.column("channel"),
        occurred_at=recorded.column("occurred_at"),
        deviation=role[on_map] == DEVIATION,
    )
    instances = _table(
        tables.INSTANCES,
        journey=[journey] * len(step),
        map_version=np.full(len(step), version),
        instance_id=ids,
        customer_id=begun.column("customer_id"),
        started_at=begun.column("occurred_at"),
        last_step_at=_times(moved_at),
        ended_at=_times(ended_at, mask=status == ACTIVE),
        state=names.take(pa.array(step)),
        stage=stages.take(pa.array(step)),
        status=_STATUS.take(pa.array(status)),
        last_event_id=events.rows.column("event_id").take(last_event),
        last_event_at=events.rows.column("occurred_at").take(last_event),
        steps=moves,
        deviations=deviations,
        support_events=contacts,
        revenue=_money(money),
        cost=_money(contacts.astype(np.int64) * contact_cost),
    )
    counts = JourneyCounts(
        journey=journey,
        map_version=version,
        customers=pc.count_distinct(begun.column("customer_id")).as_py(),
        active=int(np.sum(status == ACTIVE)),
        completed=int(np.sum(completed)),
        abandoned=int(np.sum(abandoned)),
        moves=int(np.sum(role == MOVE)),
        deviations=int(np.sum(role == DEVIATION)),
        off_map=int(np.sum(role == OFF_MAP)),
        outside=int(np.sum(role == OUTSIDE)),
    )
    return Folded(steps, instances, counts)


def code_events(rows: pa.Table) -> Events:
    """The integers of rows as ``fold_input.sql`` gives them."""
    amount = rows.column("amount").to_numpy().astype(np.int64)
    if np.abs(amount.astype(np.float64)).sum() > _MOST_UNITS:
        raise PermanentFailure(
            f"{tables.SEQUENCES.path}: the amounts of one bucket add up to more than {_MOST_UNITS // _UNITS}, "
            "which revenue cannot hold; look for a wrong 'scale' in a service's mapping"
        )
    customer = rows.column("customer_id").combine_chunks().dictionary_encode().indices
    return Events(rows, customer.to_numpy().astype(np.int64), rows.column("at").to_numpy().astype(np.int64), amount)


def _read(lake: Lake, engine: Engine, bucket: int, *, as_of: dt.datetime, currency: str) -> Events:
    sequences = lake.scan(tables.SEQUENCES, {"bucket": bucket})
    params = {"as_of": as_of, "currency": currency}
    return code_events(engine.query(sql_text(__package__, "fold_input.sql"), {"sequences": sequences}, params))


def _values(lake: Lake, engine: Engine, table: tables.Table, column: str) -> list[Any]:
    found = engine.query(f"SELECT DISTINCT {column} FROM t ORDER BY {column}", {"t": lake.scan(table)})
    values: list[Any] = found.column(column).to_pylist()
    return values


def _instance_ids(journey: str, begun: pa.Table) -> pa.Array:
    pairs = zip(begun.column("customer_id").to_pylist(), begun.column("event_id").to_pylist(), strict=True)
    return pa.array(
        [str(uuid.uuid5(_NAMESPACE, f"{journey}\x1f{customer}\x1f{event}")) for customer, event in pairs], pa.string()
    )


def _table(table: tables.Table, **columns: Any) -> pa.Table:
    return pa.table([columns[name] for name in table.schema.names], names=table.schema.names).cast(table.schema)


def _times(microseconds: NDArray[np.int64], mask: NDArray[np.bool_] | None = None) -> pa.Array:
    return pa.array(microseconds, pa.int64(), mask=mask).cast(tables.UTC_MICROSECONDS)


def _money(units: NDArray[np.int64]) -> pa.Array:
    """Ten-thousandths as decimals: a 128-bit little-endian integer is the low 64 bits, then the sign's."""
    wide = np.stack([units, units >> 63], axis=1).astype("<i8")
    return pa.Array.from_buffers(tables.MONEY, len(units), [None, pa.py_buffer(np.ascontiguousarray(wide))])


def _add_up(chart: TransitionTable, counts: Iterable[JourneyCounts]) -> JourneyCounts:
    parts = list(counts)
    totals = {
        name: sum(getattr(part, name) for part in parts)
        for name in JourneyCounts.__dataclass_fields__
        if name not in {"journey", "map_version"}
    }
    return JourneyCounts(journey=chart.journey_map.journey, map_version=chart.journey_map.version, **totals)
