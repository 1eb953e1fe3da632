"""Leaving: after which events customers went quiet.

Belongs here: the pass and the sum over buckets. Does not belong here: instances of a map that are abandoned
(``journeys.fold``), which wait at a step and not after an event.
"""

from dataclasses import dataclass
from typing import Self

import numba
import numpy as np
from numpy.typing import NDArray

from cx_orchestration.journeys.paths.durations import ratio

Ints = NDArray[np.int64]
Codes = NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class Leaving:
    """By code: ``visits``, and of these ``left`` that nothing followed in time, ``returned`` the part of ``left`` that
    something followed later, and ``open``, those whose time is not over, whatever followed: who comes back at once is
    known at once, who does not is not. The rate of leaving is ``left`` of ``visits - open``."""

    visits: Ints
    left: Ints
    returned: Ints
    open: Ints

    def __add__(self, other: Self) -> "Leaving":
        return Leaving(
            self.visits + other.visits,
            self.left + other.left,
            self.returned + other.returned,
            self.open + other.open,
        )

    @property
    def rate(self) -> NDArray[np.float64]:
        return ratio(self.left, self.visits - self.open)


def leaving(customer: Codes, kind: Codes, at: Ints, wait: Ints, *, as_of: int) -> Leaving:
    """After which events of one bucket nothing followed within ``wait[code]`` microseconds, its end included; codes
    whose wait is below 0 are only counted. An event is judged once its time is over at ``as_of``."""
    return Leaving(*_leaving(customer, kind, at, wait, as_of))


@numba.njit(cache=True)  # type: ignore[untyped-decorator]  # numba has no type stubs
def _leaving(customer: Codes, kind: Codes, at: Ints, wait: Ints, as_of: int) -> tuple[Ints, Ints, Ints, Ints]:
    kinds = len(wait)
    visits, left = np.zeros(kinds, np.int64), np.zeros(kinds, np.int64)
    returned, still_open = np.zeros(kinds, np.int64), np.zeros(kinds, np.int64)
    n = len(customer)
    for i in range(n):
        code = kind[i]
        visits[code] += 1
        if wait[code] < 0:
            continue
        if as_of - at[i] <= wait[code]:
            still_open[code] += 1
        elif i + 1 == n or customer[i + 1] != customer[i]:
            left[code] += 1
        elif at[i + 1] - at[i] > wait[code]:
            left[code] += 1
            returned[code] += 1
    return visits, left, returned, still_open
