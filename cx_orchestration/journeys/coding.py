"""Events of one bucket as the integers that the kernel takes.

Belongs here: a bucket's events in order, their symbols and threads on one compiled map. Does not belong here: reading
files (``reading``), what moves (``kernel``), what micro journeys add to the events (``micro``).
"""

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numba
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cx_orchestration.journeys.charts import CompiledMap
from cx_orchestration.journeys.guards import COLUMNS, fitting
from cx_orchestration.journeys.kernel import Codes, Flags, Ints, code_threads
from cx_orchestration.journeys.micro_events import is_micro_event
from cx_orchestration.journeys.past import Past, is_active, past_rows
from cx_orchestration.journeys.reading import AT, CODE, KEY, in_order, order_by_key
from cx_orchestration.model import tables
from cx_orchestration.model.failures import PermanentFailure
from cx_orchestration.storage.engine import Engine

EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)

#: Money is counted in ten-thousandths: ``tables.MONEY`` has four decimals.
UNITS = 10_000
_MOST_UNITS = 10**18 - 1  # what tables.MONEY can hold

_READ = (KEY, CODE, AT, "customer_id", "event_id", "channel", "amount", "currency")

# What a guard asks of an event, by the name that it has in a guard.
_ASKED = {"amount": "CAST(amount AS DOUBLE)"}


@dataclass(frozen=True, eq=False)
class Events:
    """What happened to some customers, sorted by customer, time and event id: ``rows`` as they lie, and integers.

    ``customer`` ascends from 0. ``kind`` is the place of an event's type in ``types``. ``row`` is the row that says
    what an event carries: its own, and for what a micro journey did the one that caused it; ``id`` its place among the
    ids of the rows and, after them, ``more_ids``; ``anchor`` the row that it is or comes after.

    By customer, ``key`` is that of ``journeys/sequences``, ``who`` a row that names the customer, and ``begins`` where
    the customer's rows begin. The last ``past`` places are of events folded before: instances that go on point to them.
    """

    rows: pa.Table
    customer: Ints
    at: Ints
    amount: Ints
    in_other_currency: int
    types: tuple[str, ...]
    kind: Codes
    row: Ints
    id: Ints
    anchor: Ints
    more_ids: pa.ChunkedArray
    key: Ints
    who: Ints
    begins: Ints
    past: int = 0

    def __len__(self) -> int:
        return len(self.at) - self.past

    @property
    def customers(self) -> int:
        return len(self.key)

    def with_past(self, past: Past) -> "Events":
        """These, and after them the places of the events that instances of one map go on from."""
        customer = np.searchsorted(self.key, past.key)
        nothing = np.zeros(len(past.key), np.int64)
        return replace(
            self,
            customer=np.concatenate([self.customer, customer]),
            at=np.concatenate([self.at, past.at]),
            amount=np.concatenate([self.amount, nothing]),
            kind=np.concatenate([self.kind, nothing.astype(np.int32)]),
            row=np.concatenate([self.row, past.row]),
            id=np.concatenate([self.id, past.row]),
            anchor=np.concatenate([self.anchor, nothing]),
            past=len(past.key),
        )

    def column(self, name: str, places: Ints) -> pa.ChunkedArray:
        """A column of the rows that say what these events carry."""
        return self.rows.column(name).take(self.row[places])

    def ids(self, places: Ints) -> pa.ChunkedArray:
        """What these events are called: ``event_id``, or the id of an instance that was abandoned."""
        own = self.rows.column("event_id")
        if not self.more_ids.num_chunks:
            return own.take(self.id[places])
        every = pa.chunked_array([*own.chunks, *self.more_ids.chunks], pa.string())
        return every.take(self.id[places])

    def types_of(self, places: Ints) -> pa.Array:
        return pa.array(self.types, pa.string()).take(self.kind[places])


def sequence_columns(charts: Sequence[CompiledMap]) -> list[str]:
    """The columns of ``journeys/sequences`` that ``code_events`` takes for these maps."""
    asked = {name for chart in charts for name in (*chart.names, chart.correlation) if name is not None}
    more = {name if name in COLUMNS else "attributes" for name in asked}
    return [*_READ, *sorted(more.difference(_READ))]


def code_events(
    rows: pa.Table,
    charts: Sequence[CompiledMap],
    *,
    types: Sequence[str],
    as_of: dt.datetime,
    currency: str,
    carried: Sequence[pa.Table] = (),
) -> Events:
    """The events of one bucket before ``as_of``, of rows with ``sequence_columns``.

    ``carried`` are rows of ``journeys/threads``, map by map, of the customers whose earlier events are folded already;
    they are among the customers whether anything happened to them or not.

    Rows come as the bucket's files have them, week after week, each sorted by customer, time and id; in another order
    they are sorted first. ``types`` are the event types by code. Raises ``PermanentFailure`` for amounts in
    ``currency`` that add up to more than revenue can hold.
    """
    key, code, at = (rows[name].to_numpy() for name in (KEY, CODE, AT))
    order = order_by_key(key)
    if not _is_sorted(rows, key[order], at[order], order):
        return code_events(
            rows.sort_by([(name, "ascending") for name in (KEY, AT, "event_id")]),
            charts,
            types=types,
            as_of=as_of,
            currency=currency,
            carried=carried,
        )
    order = order[at[order] < (as_of - EPOCH) // dt.timedelta(microseconds=1)]
    customer, kind, at, happened_to = in_order(order, key, code, at)
    amount, other = _money(rows, currency)
    if np.abs(amount.astype(np.float64)).sum() > _MOST_UNITS:
        raise PermanentFailure(
            f"{tables.SEQUENCES.path}: the amounts of one bucket add up to more than {_MOST_UNITS // UNITS}, "
            "which revenue cannot hold; look for a wrong 'scale' in a service's mapping"
        )
    row = order.astype(np.int64)
    shown = _with_asked(rows, charts, types)
    everybody = np.unique(np.concatenate([happened_to, *(of_map[KEY].to_numpy() for of_map in carried)]))
    who = np.zeros(len(everybody), np.int64)
    before = shown.num_rows
    for of_map in carried:
        past = past_rows(of_map, shown.schema)
        # Of threads at rest it is not read whose they are: who has nothing else neither moves nor is moved.
        named = np.flatnonzero(is_active(of_map).to_numpy())
        who[np.searchsorted(everybody, of_map[KEY].to_numpy()[named])] = before + named
        shown = pa.concat_tables([shown, past])
        before += past.num_rows
    customer = np.searchsorted(everybody, happened_to)[customer]
    who[customer] = row
    return Events(
        rows=shown,
        customer=customer,
        at=at,
        amount=amount[row],
        in_other_currency=int(other[row].sum()),
        types=tuple(types),
        kind=kind,
        row=row,
        id=row,
        anchor=np.arange(len(row)),
        more_ids=pa.chunked_array([], pa.string()),
        key=everybody,
        who=who,
        begins=np.searchsorted(customer, np.arange(len(everybody))),
    )


def _money(rows: pa.Table, currency: str) -> tuple[Ints, Flags]:
    """Amounts in ten-thousandths of a currency, 0 without one, and which are in another currency."""
    given = rows.column("amount").combine_chunks()
    # A decimal is a 128-bit little-endian integer; what fits into 18 digits is in its lower half.
    halves = np.frombuffer(given.buffers()[1], np.int64) if len(given) else np.empty(0, np.int64)
    units = halves[2 * given.offset : 2 * (given.offset + len(given)) : 2]
    is_given = _flags(pc.is_valid(given))
    is_ours = _flags(pc.fill_null(pc.equal(rows.column("currency"), currency), False))
    return np.where(is_given & is_ours, units, 0), is_given & ~is_ours


def _flags(values: pa.Array | pa.ChunkedArray) -> Flags:
    found: Flags = values.to_numpy(zero_copy_only=False) if isinstance(values, pa.Array) else values.to_numpy()
    return found.astype(np.bool_)


def _with_asked(rows: pa.Table, charts: Sequence[CompiledMap], types: Sequence[str]) -> pa.Table:
    """What steps and instances show of events, and in columns ``asked_<name>`` what maps ask of them."""
    shown = rows.select(["customer_id", "event_id", "channel"])
    if not (items := _asked(charts, types)):
        return shown
    # The engine of this process: the rows are in its memory already.
    engine = Engine().sized(rows.num_rows)
    found = engine.query(f"SELECT {', '.join(items)} FROM events", {"events": rows})
    for name in found.column_names:
        shown = shown.append_column(name, found.column(name))
    return shown


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
    Those of customer c are ``of_customers[c]`` to ``of_customers[c + 1]``; ``carried`` are those that go on."""

    thread: Ints
    customer: Ints
    of_customers: Ints
    key: Ints
    keys: pa.Array | None
    carried: Ints

    def keys_of(self, threads: Ints) -> pa.Array:
        """The values of the correlation key, null without one."""
        if self.keys is None:
            return pa.nulls(len(threads), pa.string())
        return self.keys.take(self.key[threads])


def threads(events: Events, chart: CompiledMap, carried: pa.Table) -> Threads:
    """The threads of one bucket's events on a map, and of those that go on there."""
    of_carried = np.searchsorted(events.key, carried[KEY].to_numpy())
    if chart.correlation is None:
        everybody = np.arange(events.customers)
        starts = np.arange(events.customers + 1)
        return Threads(events.customer, everybody, starts, np.zeros_like(everybody), None, of_carried)
    column = events.rows.column(f"asked_{chart.correlation}")
    if pa.types.is_floating(column.type):
        column = column.cast(pa.string())
    column = pc.if_else(pc.equal(pc.utf8_trim_whitespace(column), ""), None, column)
    every = pa.chunked_array([*column.chunks, *carried["correlation"].chunks], pa.string())
    coded = every.combine_chunks().dictionary_encode()
    codes = pc.fill_null(coded.indices, -1).to_numpy(zero_copy_only=False).astype(np.int64)
    key, customer = codes[: events.rows.num_rows][events.row], events.customer
    if carried.num_rows:
        key, customer = np.concatenate([codes[events.rows.num_rows :], key]), np.concatenate([of_carried, customer])
    order = np.argsort(customer, kind="stable") if carried.num_rows else slice(None)
    of_events, of_threads, keys = code_threads(customer[order], key[order], len(coded.dictionary))
    thread = np.empty_like(of_events)
    thread[order] = of_events
    of_customers = np.searchsorted(of_threads, np.arange(events.customers + 1))
    goes_on = thread[: carried.num_rows]
    return Threads(thread[carried.num_rows :], of_threads, of_customers, keys, coded.dictionary, goes_on)


def _is_sorted(rows: pa.Table, key: Ints, at: Ints, order: Codes) -> bool:
    """Whether time, and among events of one time the id, never falls within a customer."""
    ascending, ties = _ties(key, at)
    ids = rows.column("event_id")
    return ascending and pc.all(pc.less(ids.take(order[ties]), ids.take(order[ties + 1]))).as_py() is not False


@numba.njit(cache=True)  # type: ignore[untyped-decorator]  # numba has no type stubs
def _ties(key: Ints, at: Ints) -> tuple[bool, Ints]:
    """Whether times of each customer never fall; and the places of events as late as their next."""
    count = 0
    for i in range(len(key) - 1):
        if key[i + 1] == key[i]:
            if at[i + 1] < at[i]:
                return False, np.empty(0, np.int64)
            count += at[i + 1] == at[i]
    ties = np.empty(count, np.int64)
    count = 0
    for i in range(len(key) - 1):
        if key[i + 1] == key[i] and at[i + 1] == at[i]:
            ties[count] = i
            count += 1
    return True, ties


def asked_of_events(name: str) -> str:
    """What a guard of this name asks of a row of ``journeys/sequences``, as SQL."""
    return _ASKED.get(name, name) if name in COLUMNS else f"""json_extract_string(attributes, '$."{name}"')"""


def _asked(charts: Iterable[CompiledMap], types: Sequence[str]) -> list[str]:
    """SELECT items for what maps ask of events; names are of letters, digits and _ alone."""
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
        value = asked_of_events(name)
        if name not in of_all:
            codes = ", ".join(str(code) for code, kind in enumerate(types) if kind in of_types[name])
            # Not IN: of a longer list DuckDB makes a join, whose rows several threads give in any order.
            value = f"CASE WHEN list_contains([{codes or -1}], {CODE}) THEN {value} ELSE NULL END"
        items.append(f"{value} AS asked_{name}")
    return items
