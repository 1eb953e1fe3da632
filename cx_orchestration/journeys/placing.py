"""One bucket of customers placed on journey maps: what every engine calls, bucket by bucket.

Belongs here: the compiled pass over the events of some customers, for all maps in the order of their nesting, and its
result as rows of ``journeys/steps`` and ``journeys/instances``. Does not belong here: the lake (``fold``), the
semantics (``kernel``).
"""

import datetime as dt
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from cx_orchestration.journeys import kernel
from cx_orchestration.journeys.charts import CompiledMap
from cx_orchestration.journeys.coding import EPOCH, UNITS, Events, Threads, symbols, threads
from cx_orchestration.journeys.kernel import ABANDONED, ACTIVE, COMPLETED, Codes, Flags, Instances, Ints, Rows
from cx_orchestration.journeys.micro import Doings, doings, with_doings
from cx_orchestration.journeys.micro_events import is_micro_event
from cx_orchestration.model import tables
from cx_orchestration.model.uuid5 import as_uuid5
from cx_orchestration.storage.engine import Engine, sql_text

#: The week of an instance that is still open.
STILL_OPEN = -1

_WEEK = 604_800_000_000
_FIRST_MONDAY = -259_200_000_000  # 29 December 1969, in microseconds from 1970 on
_NAMESPACE = uuid.UUID("6f3c1a52-9d0e-5b47-8f1d-2f6f7a1c9e04")
_STATUS = pa.array(["active", "completed", "abandoned"])


@dataclass(frozen=True)
class JourneyCounts:
    """What one map made of the events: ``active`` + ``completed`` + ``abandoned`` instances, and where events fell.

    ``moves`` + ``deviations`` are the rows of ``journeys/steps``; with ``off_map`` (inside an instance, not on its map)
    and ``outside`` (in no instance), and without ``jointly`` (rows of events that moved another part already), they add
    up to all events folded and ``micro_events``, what micro journeys did.
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
    jointly: int
    micro_events: int


@dataclass(frozen=True)
class Folded:
    """Steps and instances of one journey, as rows of ``tables.STEPS`` and ``tables.INSTANCES``, week after week."""

    steps: pa.Table
    instances: pa.Table
    counts: JourneyCounts


def fold_bucket(
    events: Events, charts: Sequence[CompiledMap], *, as_of: dt.datetime, support_contact_cost: float
) -> list[Folded]:
    """What each map makes of the events of some customers; a customer's events must lie in one call.

    Maps come after those nested in them. ``as_of`` is the instant at which an instance that rests is judged.
    """
    contact_cost = int((Decimal(str(support_contact_cost)) * UNITS).to_integral_value())
    until = microseconds(as_of)
    done: list[Doings] = []
    folded = []
    for chart in charts:
        seen = with_doings(events, chart.event_types, done)
        on_map = threads(seen, chart)
        made, rows, used = _passed(seen, chart, on_map, until)
        ids = _instance_ids(chart.journey, seen, made)
        done.append(doings(chart.journey, seen, made, ids))
        steps = _steps(seen, chart, on_map, made, rows, ids)
        instances = _instances(seen, chart, on_map, made, ids, contact_cost)
        folded.append(Folded(steps, instances, _counts(chart, instances, made, rows, used, len(seen) - len(events))))
    return folded


def _passed(events: Events, chart: CompiledMap, on_map: Threads, as_of: int) -> tuple[Instances, Rows, kernel.Used]:
    """The compiled pass: all instances and rows."""
    symbol = symbols(events, chart)
    named = np.concatenate([chart.table.on_map.any(axis=0), [False]])[symbol]
    room, parts = int(named.sum()), chart.table.starts_at.shape[1]
    made = _instances_for(room, parts)
    rows = _rows_for(room * parts)
    used = kernel.fold_events(
        chart.table,
        events.customer,
        events.at,
        symbol,
        on_map.thread,
        events.amount,
        on_map.of_customers,
        _threads_for(len(on_map.customer), parts, int(chart.table.memory.max(initial=-1)) + 1),
        made,
        0,
        rows,
        as_of,
    )
    kept = (column[: used.instances] for column in made)
    return Instances._make(kept), Rows._make(column[: used.rows] for column in rows), used


def _instances_for(room: int, parts: int) -> Instances:
    times, codes = [np.empty(room, np.int64) for _ in range(6)], [np.empty(room, np.int32) for _ in range(5)]
    thread, first, last, moved, ended, amount = times
    state, status, moves, deviations, contacts = codes
    standing = np.full((room, parts), kernel.NOWHERE, np.int32)
    return Instances(thread, first, last, moved, ended, state, status, moves, deviations, contacts, amount, standing)


def _rows_for(room: int) -> Rows:
    source, target, place = (np.empty(room, np.int32) for _ in range(3))
    return Rows(np.empty(room, np.int64), np.empty(room, np.int64), source, target, place, np.empty(room, np.bool_))


def _threads_for(count: int, parts: int, places: int) -> kernel.Threads:
    instance = np.full(count, -1, np.int64)
    status, seen = np.full(count, kernel.NEVER, np.int32), np.zeros(count, np.int32)
    of_parts, last = np.zeros(count, np.int32), np.zeros(count, np.int32)
    step, since = np.full((count, parts), kernel.NOWHERE, np.int32), np.zeros((count, parts), np.int64)
    return kernel.Threads(
        instance, status, seen, of_parts, last, step, since, np.full((count, places), kernel.NOWHERE, np.int32)
    )


def _steps(
    events: Events, chart: CompiledMap, on_map: Threads, made: Instances, rows: Rows, ids: pa.ChunkedArray
) -> pa.Table:
    words = _Words(chart)
    week = _weeks(events.at[rows.event])
    by_week = np.argsort(week, kind="stable")
    rows, week = Rows._make(column[by_week] for column in rows), week[by_week]
    return _table(
        tables.STEPS,
        journey=_repeated(chart.journey, len(rows.event)),
        map_version=words.version[rows.target],
        instance_id=ids.take(rows.instance),
        customer_id=events.column("customer_id", rows.event),
        seq=rows.place,
        event_id=events.ids(rows.event),
        type=events.types_of(rows.event),
        from_state=words.name.take(pa.array(rows.source, mask=rows.source < 0)),
        to_state=words.name.take(rows.target),
        stage=words.stage.take(rows.target),
        channel=events.column("channel", rows.event),
        occurred_at=_times(events.at[rows.event]),
        deviation=rows.deviation,
        correlation=on_map.keys_of(made.thread[rows.instance]),
        part=words.part.take(rows.target),
        week=week,
    )


def _instances(
    events: Events, chart: CompiledMap, on_map: Threads, made: Instances, ids: pa.ChunkedArray, contact_cost: int
) -> pa.Table:
    words = _Words(chart)
    week = np.where(made.status == ACTIVE, STILL_OPEN, _weeks(np.where(made.status == ACTIVE, 0, made.ended_at)))
    by_week = np.argsort(week, kind="stable")
    made, week, ids = Instances._make(column[by_week] for column in made), week[by_week], ids.take(by_week)
    return _table(
        tables.INSTANCES,
        journey=_repeated(chart.journey, len(made.state)),
        map_version=words.version[made.state],
        instance_id=ids,
        customer_id=events.column("customer_id", made.first_event),
        started_at=_times(events.at[made.first_event]),
        last_step_at=_times(made.moved_at),
        ended_at=_times(made.ended_at, mask=made.status == ACTIVE),
        state=words.name.take(made.state),
        stage=words.stage.take(made.state),
        status=_STATUS.take(made.status),
        last_event_id=events.ids(made.last_event),
        last_event_at=_times(events.at[made.last_event]),
        steps=made.moves,
        deviations=made.deviations,
        support_events=made.contacts,
        revenue=_money(made.amount),
        cost=_money(made.contacts.astype(np.int64) * contact_cost),
        correlation=on_map.keys_of(made.thread),
        standing=words.standing(made.standing),
        week=week,
    )


class _Words:
    """What codes of steps stand for."""

    def __init__(self, chart: CompiledMap) -> None:
        declared = [chart.versions[n].journey_map.steps[name] for n, name in chart.steps]
        self.name = pa.array([name for _, name in chart.steps], pa.string())
        self.stage = pa.array([step.stage for step in declared], pa.string())
        self.part = pa.array([step.part for step in declared], pa.string())
        self.version = np.array([chart.versions[n].journey_map.version for n, _ in chart.steps], np.int64)

    def standing(self, steps: NDArray[np.int32]) -> pa.Array:
        """The steps by part, joined by `` + ``; null in a map without parts."""
        if steps.shape[1] == 1:
            return pa.nulls(len(steps), pa.string())
        columns = [self.name.take(pa.array(column, mask=column < 0)) for column in steps.T]
        of_parts = pc.binary_join_element_wise(*columns, " + ", null_handling="skip")
        return pc.if_else(pa.array(steps[:, 1] >= 0), of_parts, None)


def _counts(
    chart: CompiledMap, instances: pa.Table, made: Instances, rows: Rows, used: kernel.Used, micro_events: int
) -> JourneyCounts:
    deviations = int(np.sum(rows.deviation))
    return JourneyCounts(
        journey=chart.journey,
        map_version=chart.journey_map.version,
        customers=pc.count_distinct(instances.column("customer_id")).as_py(),
        active=int(np.sum(made.status == ACTIVE)),
        completed=int(np.sum(made.status == COMPLETED)),
        abandoned=int(np.sum(made.status == ABANDONED)),
        moves=used.rows - deviations,
        deviations=deviations,
        off_map=used.off_map,
        outside=used.outside,
        jointly=used.jointly,
        micro_events=micro_events,
    )


def _instance_ids(journey: str, events: Events, made: Instances) -> pa.ChunkedArray:
    kinds = [kind if is_micro_event(kind) else "" for kind in events.types]
    begun = pa.table(
        {
            "customer_id": events.column("customer_id", made.first_event),
            "event_id": events.ids(made.first_event),
            "type": pa.array(kinds, pa.string()).take(events.kind[made.first_event]),
        }
    )
    sql = sql_text(__package__, "instance_ids.sql")
    return as_uuid5(Engine().query(sql, {"begun": begun}, {"namespace": _NAMESPACE.hex, "journey": journey}).column(0))


def _table(table: tables.Table, **columns: Any) -> pa.Table:
    return pa.table([columns[name] for name in table.schema.names], names=table.schema.names).cast(table.schema)


def _repeated(word: str, times: int) -> pa.Array:
    return pa.array([word], pa.string()).take(pa.array(np.zeros(times, np.int32)))


def microseconds(at: dt.datetime) -> int:
    """A time as the kernel has it."""
    return (at - EPOCH) // dt.timedelta(microseconds=1)


def week_of(at: int) -> int:
    """The week of a time in microseconds, counted as in ``journeys/sequences``."""
    return (at - _FIRST_MONDAY) // _WEEK


def _weeks(at: Ints) -> Codes:
    return ((at - _FIRST_MONDAY) // _WEEK).astype(np.int32)


def _times(microseconds: Ints, mask: Flags | None = None) -> pa.Array:
    return pa.array(microseconds, pa.int64(), mask=mask).cast(tables.UTC_MICROSECONDS)


def _money(units: Ints) -> pa.Array:
    """Ten-thousandths as decimals: a 128-bit little-endian integer is the low 64 bits, then the sign's."""
    wide = np.stack([units, units >> 63], axis=1).astype("<i8")
    return pa.Array.from_buffers(tables.MONEY, len(units), [None, pa.py_buffer(np.ascontiguousarray(wide))])
