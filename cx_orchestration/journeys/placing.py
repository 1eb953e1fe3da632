"""One bucket of customers placed on journey maps: what every engine calls, bucket by bucket.

Belongs here: the compiled pass over the events of some customers, for all maps in the order of their nesting. Does not
belong here: the lake (``fold``), the semantics (``kernel``), what comes of it as rows (``placed``, ``carrying``).
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cx_orchestration.journeys import kernel
from cx_orchestration.journeys.carrying import SetOut, set_out, thread_rows
from cx_orchestration.journeys.charts import CompiledMap
from cx_orchestration.journeys.coding import UNITS, Events, Threads, symbols, threads
from cx_orchestration.journeys.kernel import ABANDONED, ACTIVE, COMPLETED, Instances, Rows
from cx_orchestration.journeys.micro import Doings, doings, with_doings
from cx_orchestration.journeys.micro_events import micro_event
from cx_orchestration.journeys.past import is_active, past_of
from cx_orchestration.journeys.placed import instance_rows, microseconds, new_ids, step_rows
from cx_orchestration.model import tables


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
    """Steps and instances of one journey, as rows of ``tables.STEPS`` and ``tables.INSTANCES``, week after week; and
    of ``tables.THREADS`` those that differ from what was carried."""

    steps: pa.Table
    instances: pa.Table
    threads: pa.Table
    counts: JourneyCounts


@dataclass(frozen=True, eq=False)
class _Pass:
    """What the kernel was given and has filled in, for one map."""

    instances: Instances
    rows: Rows
    used: kernel.Used
    threads: kernel.Threads
    before: SetOut


def fold_bucket(
    events: Events,
    charts: Sequence[CompiledMap],
    *,
    as_of: dt.datetime,
    support_contact_cost: float,
    carried: Sequence[pa.Table] = (),
    bucket: int = 0,
    fold: int = 0,
) -> list[Folded]:
    """What each map makes of the events of some customers; a customer's events must lie in one call, and before it in
    those that left what is ``carried``, for which ``events`` have been coded.

    Maps come after those nested in them. ``as_of`` is the instant at which an instance that rests is judged. ``bucket``
    and ``fold`` are for the rows of threads.
    """
    contact_cost = int((Decimal(str(support_contact_cost)) * UNITS).to_integral_value())
    until = microseconds(as_of)
    going_on = carried or [tables.THREADS.empty()] * len(charts)
    past_rows = [one.num_rows + pc.sum(is_active(one), min_count=0).as_py() for one in going_on]
    before = events.rows.num_rows - sum(past_rows)
    on_maps = {kind for chart in charts for kind in chart.event_types}
    done: list[Doings] = []
    folded = []
    for chart, goes_on, rows_there in zip(charts, going_on, past_rows, strict=True):
        seen = with_doings(events, chart.event_types, done)
        micro_events = len(seen) - len(events)
        on_map, symbol = threads(seen, chart, goes_on), symbols(seen, chart)
        seen = seen.with_past(past_of(goes_on, before))
        before += rows_there
        found = _passed(seen, chart, on_map, symbol, goes_on, until)
        made, old = found.instances, len(found.before.made.thread)
        ids = pa.chunked_array(
            [
                *goes_on.filter(is_active(goes_on))["instance_id"].chunks,
                *new_ids(chart.journey, seen, made.first_event[old:]).chunks,
            ],
            pa.string(),
        )
        done.append(doings(chart.journey, seen, made, ids, old))
        instances = instance_rows(seen, chart, on_map, made, ids, contact_cost)
        resting = thread_rows(
            chart,
            seen,
            on_map,
            found.threads,
            made,
            ids,
            found.before.changed(found.threads, made),
            bucket=bucket,
            fold=fold,
            on_other_maps=micro_event(chart.journey, "abandoned") in on_maps,
        )
        steps = step_rows(seen, chart, on_map, made, found.rows, ids)
        folded.append(Folded(steps, instances, resting, _counts(chart, on_map, found, micro_events)))
    return folded


def _passed(
    events: Events, chart: CompiledMap, on_map: Threads, symbol: kernel.Codes, carried: pa.Table, as_of: int
) -> _Pass:
    """The compiled pass: all instances and rows."""
    named = np.concatenate([chart.table.on_map.any(axis=0), [False]])[symbol]
    room, parts = int(named.sum()), chart.table.starts_at.shape[1]
    made = _instances_for(room + carried.num_rows, parts)
    rows = _rows_for(room * parts)
    resting = _threads_for(len(on_map.customer), parts, int(chart.table.memory.max(initial=-1)) + 1)
    going_on = set_out(carried, on_map.carried, resting, made, len(events))
    before = SetOut.of(on_map.carried, resting, made, going_on)
    used = kernel.fold_events(
        chart.table,
        events.customer[: len(events)],
        events.at,
        symbol,
        on_map.thread,
        events.amount,
        on_map.of_customers,
        resting,
        made,
        going_on,
        rows,
        as_of,
    )
    kept = Instances._make(column[: used.instances] for column in made)
    return _Pass(kept, Rows._make(column[: used.rows] for column in rows), used, resting, before)


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


def _counts(chart: CompiledMap, on_map: Threads, found: _Pass, micro_events: int) -> JourneyCounts:
    used, status = found.used, found.instances.status
    deviations = int(np.sum(found.rows.deviation))
    has_instance = np.zeros(len(on_map.of_customers) - 1, np.bool_)
    has_instance[on_map.customer[found.instances.thread]] = True
    return JourneyCounts(
        journey=chart.journey,
        map_version=chart.journey_map.version,
        customers=int(has_instance.sum()),
        active=int(np.sum(status == ACTIVE)),
        completed=int(np.sum(status == COMPLETED)),
        abandoned=int(np.sum(status == ABANDONED)),
        moves=used.rows - deviations,
        deviations=deviations,
        off_map=used.off_map,
        outside=used.outside,
        jointly=used.jointly,
        micro_events=micro_events,
    )
