"""When records arrive, and which day of the temporary lake a stretch of the replay is.

Belongs here: arithmetic on the time of a replay, in whole microseconds since it began. Does not belong here: what
arrives (``shelf.py``).

The schedule is an open loop: arrivals do not wait for the pipeline. A record's latency counts from its arrival in the
schedule, however late the pipeline came to ask for it: one that stalls cannot make its own test easier.
"""

import datetime as dt
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from cx_orchestration.integration.times import micros
from cx_orchestration.model.days import DayRange

#: One moment of a replay, or many: microseconds since it began.
Moments = npt.NDArray[np.int64]

SECOND = 1_000_000

NONE: Moments = np.array([], dtype=np.int64)

_FIRST_DAY = dt.date(2024, 1, 1)
# Clocks are changed at night. A record lies between these hours of its day, so that no way of writing times makes it
# ambiguous, and no bound of a window that is written coarsely cuts it off.
_MORNING, _EVENING = 6, 18
_DAYTIME = (_EVENING - _MORNING) * 3600 * SECOND


class Stopwatch:
    """Microseconds since the replay began; before ``start`` none have passed. Tests bring a clock of their own."""

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._clock = clock
        self._sleep = sleep
        self._started: float | None = None

    def start(self) -> None:
        self._started = self._clock()

    def at(self) -> int:
        return 0 if self._started is None else round((self._clock() - self._started) * SECOND)

    def wait_until(self, moment: int) -> None:
        if (left := moment - self.at()) > 0:
            self._sleep(left / SECOND)


@dataclass(frozen=True)
class Slices:
    """A replay of ``length`` microseconds in slices of ``every``. Each is one day of the temporary lake, so that the
    pipeline reads, lands and maps it as it does any day; slices that it is behind with are one range of days."""

    length: int
    every: int

    @classmethod
    def of(cls, seconds: float, every: float) -> "Slices":
        return cls(round(seconds * SECOND), round(every * SECOND))

    @property
    def count(self) -> int:
        return -(-self.length // self.every)

    def over(self, at: int) -> int:
        """How many slices have ended by then."""
        return self.count if at >= self.length else at // self.every

    def end(self, number: int) -> int:
        return min((number + 1) * self.every, self.length)

    def days(self, first: int, last: int) -> DayRange:
        """The days of these slices, the last one included."""
        return DayRange(_FIRST_DAY + dt.timedelta(days=first), _FIRST_DAY + dt.timedelta(days=last))

    def times(self, arrivals: Moments, zone: ZoneInfo) -> Moments:
        """The times, in microseconds since 1970, that records with these arrivals carry; later ones never less."""
        days = self.days(0, self.count - 1)
        mornings = np.array([micros(dt.datetime.combine(day, dt.time(_MORNING), zone)) for day in days], dtype=np.int64)
        numbers, within = np.divmod(arrivals, self.every)
        found: Moments = mornings[numbers] + (within * (_DAYTIME / self.every)).astype(np.int64)
        return found


def records_in(per_second: float, seconds: float) -> int:
    """How many records arrive at this rate: the rate times the time, at least one."""
    return max(1, round(per_second * seconds))


def arrivals_of(records: Mapping[str, int], per_second: float, length: int, *, seed: int = 0) -> dict[str, Moments]:
    """When the records of each stream arrive, ascending; ``records`` says in which proportion the streams bring them.

    The total is the rate times the time, at least one. Times are independent and uniform: a Poisson process, given
    its total, with the bursts that steady pacing lacks. The same seed gives the same schedule.
    """
    total = records_in(per_second, length / SECOND)
    random = np.random.default_rng(seed)
    counts = _allotted(records, total)
    return {name: np.sort(random.integers(0, length, count, dtype=np.int64)) for name, count in counts.items()}


def _allotted(weights: Mapping[str, int], total: int) -> dict[str, int]:
    """``total`` in the proportion of the weights, by largest remainder."""
    whole = sum(weights.values())
    exact = {name: total * weight / whole for name, weight in weights.items()}
    counts = {name: int(share) for name, share in exact.items()}
    by_remainder = sorted(exact, key=lambda name: (counts[name] - exact[name], name))
    for name in by_remainder[: total - sum(counts.values())]:
        counts[name] += 1
    return counts
