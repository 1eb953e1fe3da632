"""An event log as it comes, in any order and with text ids, put into the order and the integers that passes take.

Belongs here: a log in memory, as a notebook or an export has it. Does not belong here: the lake's events, whose order
and integers are made once (``sequences``) and read back (``reading``).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numba
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Codes = NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class Log:
    """Events by customer, time and event id; ``customers`` and ``types`` name the codes."""

    customer: Codes
    kind: Codes
    at: Ints
    customers: pa.Array
    types: pa.Array


def order_log(rows: pa.Table, event_ids: Callable[[], pa.ChunkedArray]) -> Log:
    """The log of rows with ``customer_id``, ``type`` and ``occurred_at``, none of which is null.

    Customers and types are numbered in the order in which they first appear. ``event_ids`` gives the ids of the rows;
    it is called only when a customer has several events at one instant, as reading them costs more than all the rest.
    """
    customer, kind = (_coded(rows[name]) for name in ("customer_id", "type"))
    at = rows["occurred_at"].cast(pa.timestamp("us", tz="UTC")).cast(pa.int64()).to_numpy()
    numbers, kinds = (each.indices.to_numpy() for each in (customer, kind))
    order, tied = _order(numbers, at, len(customer.dictionary))
    if len(tied):
        _by_event_id(order, tied, event_ids())
    customers, in_order, times = _gather(order, numbers, kinds, at)
    return Log(customers, in_order, times, customer.dictionary, kind.dictionary)


def _coded(column: pa.ChunkedArray) -> pa.DictionaryArray:
    return column.combine_chunks().dictionary_encode() if len(column) else pa.array([], pa.string()).dictionary_encode()


def _by_event_id(order: Codes, tied: Ints, event_id: pa.ChunkedArray) -> None:
    """Put the rows of each run of ties into the order of their ids, in place; ``tied`` has the run of each place, or
    -1."""
    places = np.flatnonzero(tied >= 0)
    rows = order[places]
    runs = pa.table({"run": tied[places], "id": event_id.take(pa.array(rows)), "row": rows})
    order[places] = runs.sort_by([("run", "ascending"), ("id", "ascending")])["row"].to_numpy()


@numba.njit(cache=True)  # type: ignore[untyped-decorator]  # numba has no type stubs
def _order(customer: Codes, at: Ints, customers: int) -> tuple[Codes, Ints]:
    """The rows by customer and time, and by place the number of the run of ties that it belongs to, -1 for none; no
    places at all when there are no ties."""
    n = len(customer)
    start = np.zeros(customers + 1, np.int64)
    for i in range(n):
        start[customer[i] + 1] += 1
    for one in range(customers):
        start[one + 1] += start[one]
    order, times = np.empty(n, np.int32), np.empty(n, np.int64)
    free = start.copy()
    for i in range(n):
        place = free[customer[i]]
        order[place], times[place] = i, at[i]
        free[customer[i]] = place + 1
    ties = 0
    for one in range(customers):
        low, high = start[one], start[one + 1]
        if high - low > 64:
            inside = np.argsort(times[low:high], kind="mergesort")
            order[low:high] = order[low:high].copy()[inside]
            times[low:high] = times[low:high].copy()[inside]
        else:
            for i in range(low + 1, high):
                row, time, place = order[i], times[i], i
                while place > low and times[place - 1] > time:
                    order[place], times[place] = order[place - 1], times[place - 1]
                    place -= 1
                order[place], times[place] = row, time
        for i in range(low + 1, high):
            ties += times[i] == times[i - 1]
    if ties == 0:
        return order, np.empty(0, np.int64)
    tied = np.full(n, -1, np.int64)
    run = 0
    for one in range(customers):
        run += 1
        for i in range(start[one] + 1, start[one + 1]):
            if times[i] == times[i - 1]:
                tied[i - 1] = tied[i] = run
            else:
                run += 1
    return order, tied


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _gather(order: Codes, customer: Codes, kind: Codes, at: Ints) -> tuple[Codes, Codes, Ints]:
    n = len(order)
    customers, kinds, times = np.empty(n, np.int32), np.empty(n, np.int32), np.empty(n, np.int64)
    for i in range(n):
        row = order[i]
        customers[i], kinds[i], times[i] = customer[row], kind[row], at[row]
    return customers, kinds, times
