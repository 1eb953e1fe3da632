"""Events of one bucket as the integers that the kernel takes.

Belongs here: reading a bucket's events, their order, their symbols and threads on one compiled map. Does not belong
here: what moves (``kernel``), what micro journeys add to the events (``micro``).
"""

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numba
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cx_orchestration.journeys.charts import CompiledMap
from cx_orchestration.journeys.guards import COLUMNS, fitting
from cx_orchestration.journeys.kernel import Codes, Ints, code_threads
from cx_orchestration.journeys.micro_events import is_micro_event
from cx_orchestration.model import tables
from cx_orchestration.model.failures import PermanentFailure
from cx_orchestration.storage.engine import Engine, sql_text
from cx_orchestration.storage.scan import Scan

EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)

#: Money is counted in ten-thousandths: ``tables.MONEY`` has four decimals.
UNITS = 10_000
_MOST_UNITS = 10**18 - 1  # what tables.MONEY can hold

_READ = ("customer_id", "event_id", "type", "channel", "occurred_at", "e.at", "amount", "in_other_currency")

# What a guard asks of an event, by the name that it has in a guard.
_ASKED = {"amount": "money"}


@dataclass(frozen=True, eq=False)
class Events:
    """What happened to some customers, sorted by customer, time and event id: ``rows`` as read, and integers.

    ``customer`` ascends from 0. ``kind`` is the place of an event's type in ``types``. ``row`` is the row that says
    what an event carries: its own, and for what a micro journey did the one that caused it; ``id`` its place among the
    ids of the rows and, after them, ``more_ids``; ``anchor`` the row that it is or comes after.
    """

    rows: pa.Table
    customer: Ints
    at: Ints
    amount: Ints
    types: tuple[str, ...]
    kind: Codes
    row: Ints
    id: Ints
    anchor: Ints
    more_ids: pa.ChunkedArray

    def __len__(self) -> int:
        return len(self.at)

    @property
    def customers(self) -> int:
        return int(self.customer[-1]) + 1 if len(self) else 0

    def column(self, name: str, places: Ints) -> pa.ChunkedArray:
        """A column of the rows that say what these events carry."""
        return self.rows.column(name).take(self.row[places])

    def ids(self, places: Ints) -> pa.ChunkedArray:
        """What these events are called: ``event_id``, or the id of an instance that was abandoned."""
        own = self.rows.column("event_id")
        every = pa.chunked_array([*own.chunks, *self.more_ids.chunks], pa.string())
        return every.take(self.id[places])

    def types_of(self, places: Ints) -> pa.Array:
        return pa.array(self.types, pa.string()).take(self.kind[places])


def read_events(
    engine: Engine, sequences: Scan | pa.Table, charts: Sequence[CompiledMap], *, as_of: dt.datetime, currency: str
) -> pa.Table:
    """The events of one bucket before ``as_of``, and in columns ``asked_<name>`` what maps ask of them."""
    inner = sql_text(__package__, "fold_input.sql")
    sql = f"SELECT {', '.join([*_READ, *_asked(charts)])} FROM ({inner}) AS e"
    return engine.query(sql, {"sequences": sequences}, {"as_of": as_of, "currency": currency})


def code_events(rows: pa.Table) -> Events:
    """The integers of rows as ``read_events`` gives them; rows that are not in order are sorted."""
    amount = _whole(rows, "amount")
    if np.abs(amount.astype(np.float64)).sum() > _MOST_UNITS:
        raise PermanentFailure(
            f"{tables.SEQUENCES.path}: the amounts of one bucket add up to more than {_MOST_UNITS // UNITS}, "
            "which revenue cannot hold; look for a wrong 'scale' in a service's mapping"
        )
    at = _whole(rows, "at")
    customer = rows.column("customer_id").combine_chunks().dictionary_encode().indices.to_numpy().astype(np.int64)
    if not _is_sorted(rows, customer, at):
        return code_events(rows.sort_by([(name, "ascending") for name in ("customer_id", "at", "event_id")]))
    of_type = rows.column("type").combine_chunks().dictionary_encode()
    places = np.arange(rows.num_rows)
    return Events(
        rows=rows,
        customer=customer,
        at=at,
        amount=amount,
        types=tuple(of_type.dictionary.to_pylist()),
        kind=of_type.indices.to_numpy().astype(np.int32),
        row=places,
        id=places,
        anchor=places,
        more_ids=pa.chunked_array([], pa.string()),
    )


def symbols(events: Events, chart: CompiledMap) -> Codes:
    """The symbol of each event on a map, -1 for types that it does not name."""
    known = {kind: code for code, kind in enumerate(chart.event_types)}
    code_of = np.array([known.get(kind, -1) for kind in events.types], np.int32)
    offsets = np.array([*chart.offsets, -1], np.int32)
    symbol = offsets[code_of][events.kind] if len(events) else np.empty(0, np.int32)
    for code, of_type in enumerate(chart.guards):
        if not of_type or chart.event_types[code] not in events.types:
            continue
        places = np.flatnonzero(events.kind == events.types.index(chart.event_types[code]))
        names = sorted({guard.name for guards in of_type for guard in guards})
        carried = pa.table({name: events.column(f"asked_{name}", places) for name in names})
        for bit, guards in enumerate(of_type):
            symbol[places] += fitting(guards, carried).astype(np.int32) << bit
    return symbol


@dataclass(frozen=True, eq=False)
class Threads:
    """What has instances one after the other: the ``thread`` of each event (-1: without the correlation key), whose
    each thread is, and which key it has, as a place in ``keys``; without correlation every customer is one thread.
    Those of customer c are ``of_customers[c]`` to ``of_customers[c + 1]``."""

    thread: Ints
    customer: Ints
    of_customers: Ints
    key: Ints
    keys: pa.Array | None

    def keys_of(self, threads: Ints) -> pa.Array:
        """The values of the correlation key, null without one."""
        if self.keys is None:
            return pa.nulls(len(threads), pa.string())
        return self.keys.take(self.key[threads])


def threads(events: Events, chart: CompiledMap) -> Threads:
    """The threads of one bucket's events on a map."""
    if chart.correlation is None:
        everybody = np.arange(events.customers)
        starts = np.arange(events.customers + 1)
        return Threads(events.customer, everybody, starts, np.zeros_like(everybody), None)
    name = f"asked_{chart.correlation}"
    column = events.rows.column(name).combine_chunks()
    if pa.types.is_floating(column.type):
        column = column.cast(pa.string())
    column = pc.if_else(pc.equal(pc.utf8_trim_whitespace(column), ""), None, column)
    coded = column.dictionary_encode()
    key = pc.fill_null(coded.indices, -1).to_numpy(zero_copy_only=False).astype(np.int64)[events.row]
    thread, customer, of_thread = code_threads(events.customer, key, len(coded.dictionary))
    of_customers = np.searchsorted(customer, np.arange(events.customers + 1))
    return Threads(thread, customer, of_customers, of_thread, coded.dictionary)


def _whole(rows: pa.Table, name: str) -> Ints:
    values: Ints = rows.column(name).to_numpy().astype(np.int64)
    return values


def _is_sorted(rows: pa.Table, customer: Ints, at: Ints) -> bool:
    """Customers are coded in the order in which they come, so they lie together when their codes never fall."""
    ascending, ties = _order(customer, at)
    if not ascending:
        return False
    ids = rows.column("event_id")
    return pc.all(pc.less(ids.take(ties), ids.take(ties + 1))).as_py() is not False


@numba.njit(cache=True)  # type: ignore[untyped-decorator]  # numba has no type stubs
def _order(customer: Ints, at: Ints) -> tuple[bool, Ints]:
    """Whether customers, and times of each customer, never fall; and the places of events as late as their next."""
    ties = []
    for i in range(len(customer) - 1):
        if customer[i + 1] < customer[i] or (customer[i + 1] == customer[i] and at[i + 1] < at[i]):
            return False, np.empty(0, np.int64)
        if customer[i + 1] == customer[i] and at[i + 1] == at[i]:
            ties.append(i)
    return True, np.array(ties, np.int64) if len(ties) else np.empty(0, np.int64)


def _asked(charts: Iterable[CompiledMap]) -> list[str]:
    """SELECT items for what maps ask of events; names and types are of letters, digits, _ and dots alone."""
    of_types: dict[str, set[str]] = {}
    of_all: set[str] = set()
    for chart in charts:
        for name, kinds in chart.names.items():
            of_types.setdefault(name, set()).update(kinds)
            # What a micro journey did carries what its cause does, of whatever type that is.
            of_all |= {name} if any(map(is_micro_event, kinds)) else set()
        of_all |= {chart.correlation} if chart.correlation is not None else set()
    items = []
    for name in sorted(of_all | set(of_types)):
        value = _ASKED.get(name, name) if name in COLUMNS else f"""json_extract_string(attributes, '$."{name}"')"""
        if name not in of_all:
            named = ", ".join(f"'{kind}'" for kind in sorted(of_types[name]))
            value = f"CASE WHEN type IN ({named}) THEN {value} ELSE NULL END"
        items.append(f"{value} AS asked_{name}")
    return items
