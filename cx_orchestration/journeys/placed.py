"""What the kernel found in one bucket, as rows of ``journeys/steps`` and ``journeys/instances``.

Belongs here: codes to names, ids, times, money and weeks. Does not belong here: the pass (``placing``), what the next
fold goes on from (``carrying``).
"""

import datetime as dt
import uuid
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from cx_orchestration.journeys.charts import CompiledMap
from cx_orchestration.journeys.coding import EPOCH, Events, Threads
from cx_orchestration.journeys.kernel import ACTIVE, Codes, Flags, Instances, Ints, Rows
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


def step_rows(
    events: Events, chart: CompiledMap, on_map: Threads, made: Instances, rows: Rows, ids: pa.ChunkedArray
) -> pa.Table:
    """Moves and deviations, week after week."""
    words = _Words(chart)
    week = _weeks(events.at[rows.event])
    by_week = np.argsort(week, kind="stable")
    rows, week = Rows._make(column[by_week] for column in rows), week[by_week]
    return as_table(
        tables.STEPS,
        journey=repeated(chart.journey, len(rows.event)),
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


def instance_rows(
    events: Events, chart: CompiledMap, on_map: Threads, made: Instances, ids: pa.ChunkedArray, contact_cost: int
) -> pa.Table:
    """Instances, week after week; ``contact_cost`` in ten-thousandths."""
    words = _Words(chart)
    week = np.where(made.status == ACTIVE, STILL_OPEN, _weeks(np.where(made.status == ACTIVE, 0, made.ended_at)))
    by_week = np.argsort(week, kind="stable")
    made, week, ids = Instances._make(column[by_week] for column in made), week[by_week], ids.take(by_week)
    return as_table(
        tables.INSTANCES,
        journey=repeated(chart.journey, len(made.state)),
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


def new_ids(journey: str, events: Events, first_event: Ints) -> pa.ChunkedArray:
    """The ids of instances that began with these events."""
    kinds = [kind if is_micro_event(kind) else "" for kind in events.types]
    begun = pa.table(
        {
            "customer_id": events.column("customer_id", first_event),
            "event_id": events.ids(first_event),
            "type": pa.array(kinds, pa.string()).take(events.kind[first_event]),
        }
    )
    sql, engine = sql_text(__package__, "instance_ids.sql"), Engine().sized(begun.num_rows)
    return as_uuid5(engine.query(sql, {"begun": begun}, {"namespace": _NAMESPACE.hex, "journey": journey}).column(0))


def as_table(table: tables.Table, **columns: Any) -> pa.Table:
    """The rows of a table of the lake."""
    return pa.table([columns[name] for name in table.schema.names], names=table.schema.names).cast(table.schema)


def repeated(word: str, times: int) -> pa.Array:
    """A column of one word."""
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
