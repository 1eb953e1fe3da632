"""Cohort retention: how many of the customers who came in one period are still there so many periods later.

Belongs here: the pass and the sum over buckets. Periods of a customer are counted from the customer's first event, so
each is as long as any other; only those that are over at ``as_of`` count, and nobody is lost who had no time yet.
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
class Retention:
    """By cohort and period since the first event: ``observed`` customers for whom the period is over, and ``active``,
    those of them with an event in it. ``customers`` by cohort, whether a period is over or not."""

    customers: Ints
    observed: Ints
    active: Ints

    def __add__(self, other: Self) -> "Retention":
        return Retention(self.customers + other.customers, self.observed + other.observed, self.active + other.active)

    @property
    def share(self) -> NDArray[np.float64]:
        return ratio(self.active, self.observed)


def retention(customer: Codes, at: Ints, *, origin: int, period: int, cohorts: int, as_of: int) -> Retention:
    """The retention of one bucket: cohort ``c`` has the customers whose first event lies in the ``c``-th period from
    ``origin``, times in microseconds. Customers of earlier or later periods are left out, as are events from ``as_of``
    on."""
    return Retention(*_retention(customer, at, origin, period, cohorts, as_of))


@numba.njit(cache=True)  # type: ignore[untyped-decorator]  # numba has no type stubs
def _retention(
    customer: Codes, at: Ints, origin: int, period: int, cohorts: int, as_of: int
) -> tuple[Ints, Ints, Ints]:
    customers = np.zeros(cohorts, np.int64)
    observed, active = np.zeros((cohorts, cohorts), np.int64), np.zeros((cohorts, cohorts), np.int64)
    cohort, over, last = -1, 0, -1
    first = np.int64(0)
    for i in range(len(customer)):
        if i == 0 or customer[i] != customer[i - 1]:
            first, last, cohort = at[i], -1, -1
            if first < origin or first >= as_of or (first - origin) // period >= cohorts:
                continue
            cohort = (first - origin) // period
            customers[cohort] += 1
            over = min(cohorts, (as_of - first) // period)
            for age in range(over):
                observed[cohort, age] += 1
        if cohort < 0:
            continue
        age = (at[i] - first) // period
        if age != last and age < over:
            active[cohort, age] += 1
            last = age
    return customers, observed, active
