"""Sessions: events of a customer with no more than a gap between each and the next.

Belongs here: the pass and the sum over buckets. A session's end is the last of its events; a gap of exactly the given
length is still inside. A session that may still go on is counted like any other.
"""

from dataclasses import dataclass
from typing import Self

import numba
import numpy as np
from numpy.typing import NDArray

from cx_orchestration.journeys.paths.durations import LOW_BITS, LOW_MASK, carry, mean_seconds

Ints = NDArray[np.int64]
Codes = NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class Sessions:
    """By the code that sessions begin with: ``begun``, ``single`` those of one event, their ``events`` and the sum of
    their durations; ``ended`` counts sessions by the code that they end with."""

    begun: Ints
    single: Ints
    events: Ints
    low: Ints
    high: Ints
    ended: Ints

    def __add__(self, other: Self) -> "Sessions":
        low, high = self.low + other.low, self.high + other.high
        carry(low, high)
        begun, single, events = self.begun + other.begun, self.single + other.single, self.events + other.events
        return Sessions(begun, single, events, low, high, self.ended + other.ended)

    @property
    def mean_seconds(self) -> NDArray[np.float64]:
        return mean_seconds(self.low, self.high, self.begun)


def sessions(customer: Codes, kind: Codes, at: Ints, kinds: int, *, gap: int) -> Sessions:
    """The sessions of one bucket; ``gap`` in microseconds."""
    return Sessions(*_sessions(customer, kind, at, kinds, gap))


@numba.njit(cache=True)  # type: ignore[untyped-decorator]  # numba has no type stubs
def _sessions(
    customer: Codes, kind: Codes, at: Ints, kinds: int, gap: int
) -> tuple[Ints, Ints, Ints, Ints, Ints, Ints]:
    begun, single, events = np.zeros(kinds, np.int64), np.zeros(kinds, np.int64), np.zeros(kinds, np.int64)
    low, high, ended = np.zeros(kinds, np.int64), np.zeros(kinds, np.int64), np.zeros(kinds, np.int64)
    n = len(customer)
    first = 0
    for i in range(n):
        if i + 1 < n and customer[i + 1] == customer[i] and at[i + 1] - at[i] <= gap:
            continue
        entry, took = kind[first], at[i] - at[first]
        begun[entry] += 1
        single[entry] += i == first
        events[entry] += i - first + 1
        low[entry] += took & LOW_MASK
        high[entry] += took >> LOW_BITS
        ended[kind[i]] += 1
        first = i + 1
    carry(low, high)
    return begun, single, events, low, high, ended
