"""Directly-follows: how often which code comes right after which, and after how long.

Belongs here: the pass and the sum over buckets. Codes are event types, or channels: then it counts hand-offs.
"""

from dataclasses import dataclass
from typing import Self

import numba
import numpy as np
from numpy.typing import NDArray

from cx_orchestration.journeys.paths.durations import LOW_BITS, LOW_MASK, carry, mean_seconds, ratio

Ints = NDArray[np.int64]
Codes = NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class Follows:
    """Square matrices over the codes and, last, the outside: row -1 counts first events, column -1 last ones.

    ``customers`` counts those with at least one such pair; ``low`` and ``high`` are the sum of durations.
    """

    count: Ints
    customers: Ints
    low: Ints
    high: Ints

    def __add__(self, other: Self) -> "Follows":
        low, high = self.low + other.low, self.high + other.high
        carry(low, high)
        return Follows(self.count + other.count, self.customers + other.customers, low, high)

    @property
    def mean_seconds(self) -> NDArray[np.float64]:
        return mean_seconds(self.low, self.high, self.count)

    @property
    def share(self) -> NDArray[np.float64]:
        """The transition matrix: what share of a code's events is followed by which code, or by nothing."""
        return ratio(self.count, np.broadcast_to(self.count.sum(axis=1, keepdims=True), self.count.shape))


def directly_follows(customer: Codes, kind: Codes, at: Ints, kinds: int) -> Follows:
    """The follows of one bucket whose codes lie below ``kinds``."""
    return Follows(*_follow(customer, kind, at, kinds))


@numba.njit(cache=True)  # type: ignore[untyped-decorator]  # numba has no type stubs
def _follow(customer: Codes, kind: Codes, at: Ints, kinds: int) -> tuple[Ints, Ints, Ints, Ints]:
    shape = (kinds + 1, kinds + 1)
    count, customers = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
    low, high = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
    seen = np.full(shape, -1, np.int32)
    n = len(customer)
    for i in range(n):
        to = kind[i]
        if i == 0 or customer[i] != customer[i - 1]:
            count[kinds, to] += 1
            customers[kinds, to] += 1
        else:
            source = kind[i - 1]
            took = at[i] - at[i - 1]
            count[source, to] += 1
            low[source, to] += took & LOW_MASK
            high[source, to] += took >> LOW_BITS
            if seen[source, to] != customer[i]:
                seen[source, to] = customer[i]
                customers[source, to] += 1
        if i == n - 1 or customer[i] != customer[i + 1]:
            count[to, kinds] += 1
            customers[to, kinds] += 1
    carry(low, high)
    return count, customers, low, high
