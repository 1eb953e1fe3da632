"""How often a service may be asked: allowances that all who ask it draw on, in small batches.

A second is kept to by spacing, a minute is a token bucket, a day of UTC is a count. Belongs here: what may be sent
when. Does not belong here: where the numbers are kept (``storage/usage.py``), and how many requests are under way at
once (``slots.py``).
"""

import datetime as dt
import math
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol, TypeVar

from cx_orchestration.integration.slots import Slots
from cx_orchestration.model.connection import Rate
from cx_orchestration.model.failures import TransientFailure
from cx_orchestration.storage.usage import Lease, Usage

T = TypeVar("T")

_DAY = 86_400
#: Somewhat more than a minute, so that a limit of one request a minute can be kept to by waiting.
_LONGEST_WAIT = 65.0
#: The longest batch; a batch of one, which the slowest services have, is sent at once.
_BATCH_SECONDS = 0.5
#: A batch has a time for each of its requests. One that is not sent by then and this much later is lost.
_LATE_SECONDS = 0.04
#: By how much more than 1 / per_second requests are spaced: lateness, and that not all take equally long to arrive.
_MARGIN = 0.05


class UsageStore(Protocol):
    """Where the numbers of a service are kept: ``storage.usage`` has them in the registry, for all processes."""

    def change(self, service: str, how: Callable[[Usage], tuple[Usage, T]]) -> T:
        """Replace the usage by what ``how`` makes of it; alone, and not at all if ``how`` raises."""

    def change_leases(self, service: str, how: Callable[[Sequence[Lease]], tuple[Sequence[Lease], T]]) -> T:
        """The same for leases."""


class OwnUsage:
    """The numbers of this process alone."""

    def __init__(self) -> None:
        self._usage = Usage()
        self._leases: Sequence[Lease] = ()
        self._lock = threading.Lock()

    def change(self, service: str, how: Callable[[Usage], tuple[Usage, T]]) -> T:  # noqa: ARG002
        with self._lock:
            self._usage, result = how(self._usage)
            return result

    def change_leases(
        self,
        service: str,  # noqa: ARG002
        how: Callable[[Sequence[Lease]], tuple[Sequence[Lease], T]],
    ) -> T:
        with self._lock:
            self._leases, result = how(self._leases)
            return result


@dataclass(frozen=True)
class Bucket:
    """``capacity`` requests may come at once, and ``per_second`` are added."""

    capacity: float
    per_second: float

    def level(self, before: float, seconds: float) -> float:
        return min(self.capacity, before + seconds * self.per_second)


@dataclass(frozen=True)
class Drawn:
    """``requests`` may be sent: the first after ``wait`` seconds, each further one a gap after the one before."""

    requests: int
    wait: float


class Limiter:
    """Lets requests to one service through as its ``rate`` allows. Threads may share it.

    What it draws from ``usage`` in one go is at most half a second's requests and a thousandth of a day's, so that the
    numbers may lie in a database that other processes use as well. ``request_seconds`` is the longest that one request
    takes. ``clock`` gives seconds since 1970.
    """

    def __init__(
        self,
        service: str,
        rate: Rate,
        usage: UsageStore,
        *,
        request_seconds: float,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._service = service
        self._usage = usage
        self._clock = clock
        self._sleep = sleep
        self._gap = spacing(rate.per_second)
        self._minute = None if rate.per_minute is None else minute_bucket(rate.per_minute)
        per_second = rate.per_second if self._minute is None else min(rate.per_second, self._minute.per_second)
        self._largest_batch = max(1, int(per_second * _BATCH_SECONDS))
        self._per_day = rate.per_day
        self._slots = None
        if rate.concurrency is not None:
            seconds = request_seconds + _LONGEST_WAIT
            self._slots = Slots(service, rate.concurrency, usage.change_leases, seconds, clock)
        self._lock = threading.Lock()
        self._batch, self._left, self._next, self._missed = 1, 0, float("-inf"), False
        self._day_batch, self._day_left, self._day = 1, 0, -1

    @contextmanager
    def request(self) -> Iterator[None]:
        """The time in which the caller may have one request under way; it begins when the rate allows.

        Raises ``TransientFailure`` when that is more than a minute away: when the day's requests are used up, say.
        """
        if self._slots is None:
            self._wait()
            yield
            return
        with self._slots.one():
            self._wait()
            yield

    def close(self) -> None:
        """Give back what was drawn and not used."""
        # What a database that is gone does not take back ends by itself, with the lease and with the day.
        with self._lock, suppress(TransientFailure):
            left, self._day_left = self._day_left, 0
            if left:
                self._usage.change(self._service, partial(_given_back, left, self._day))
            if self._slots is not None:
                self._slots.close()

    def _wait(self) -> None:
        with self._lock:
            now = self._clock()
            if self._per_day is not None:
                self._count_into_the_day(self._per_day, now)
            self._pass_over(now)
            # A clock that was set back must not make anybody wait until it has caught up.
            if self._left == 0 or self._next > now + _LONGEST_WAIT + _BATCH_SECONDS:
                self._draw(now)
            wait = self._next - now
            self._left, self._next = self._left - 1, self._next + self._gap
        if wait > 0:
            self._sleep(wait)

    def _pass_over(self, now: float) -> None:
        """Lose the requests of the batch whose times are over."""
        late = now - _LATE_SECONDS - self._next
        if self._left and late > 0:
            missed = min(self._left, math.ceil(late / self._gap))
            self._left, self._next, self._missed = self._left - missed, self._next + missed * self._gap, True

    def _draw(self, now: float) -> None:
        """A batch twice as large as the one before if all of that was used, else half as large."""
        larger = self._batch // 2 if self._missed else 2 * self._batch
        in_use = now <= self._next + 4 * _BATCH_SECONDS
        self._batch = max(1, min(larger, self._largest_batch)) if in_use else 1
        draw = partial(drawn, self._service, self._gap, self._minute, self._batch, now)
        got = self._usage.change(self._service, draw)
        self._left, self._next, self._missed = got.requests, now + got.wait, False

    def _count_into_the_day(self, per_day: int, now: float) -> None:
        day = int(now // _DAY)
        if day != self._day:
            self._day, self._day_batch, self._day_left = day, 1, 0
        if self._day_left == 0:
            count = partial(counted, self._service, per_day, self._day_batch, now)
            self._day_left = self._usage.change(self._service, count)
            self._day_batch = min(2 * self._day_batch, max(1, per_day // 1000))
        self._day_left -= 1


def spacing(per_second: float) -> float:
    """Seconds between requests, so that there are never more than ``per_second``, rounded up, in one second.

    Times are a gap apart, and what is sent within a second had its time within ``1 + _LATE_SECONDS``.
    """
    return (1 + _MARGIN) / per_second


def minute_bucket(per_minute: int) -> Bucket:
    """Never more than ``per_minute`` in 60 seconds, a tenth of them at once.

    A bucket lets at most ``capacity + seconds * per_second`` through, rounded down. The last of a batch
    has its time half a second after the first, so that what is sent within 60 seconds was drawn within 61.
    """
    capacity = max(1.0, per_minute / 10)
    return Bucket(capacity, (per_minute + 1 - capacity) / (60 + 4 * _BATCH_SECONDS))


def drawn(
    service: str, gap: float, minute: Bucket | None, wanted: int, now: float, before: Usage
) -> tuple[Usage, Drawn]:
    """Up to ``wanted`` requests of what a minute allows, all of them after a wait if there are none now; the first not
    before the last that anybody has drawn is a ``gap`` past.

    Raises ``TransientFailure`` when the wait would be more than a minute.
    """
    # The same for a clock that was set back since somebody drew last.
    elapsed = now - before.filled_at if before.filled_at - now < _LONGEST_WAIT else _DAY
    seconds = max(0.0, elapsed)
    filled_at = now - elapsed + seconds
    free = min(1.0, before.second + seconds / gap)
    # Another process's clock may be a little ahead.
    ahead = filled_at - now
    wait = max(0.0, ahead + (1 - free) * gap)
    requests, minute_left = wanted, 0.0
    if minute is not None:
        level = minute.level(before.minute, seconds)
        requests = min(wanted, int(level)) if level >= 1 else wanted
        wait = max(wait, (requests - level) / minute.per_second)
        minute_left = level - requests
    if wait > _LONGEST_WAIT:
        raise TransientFailure(
            f"{service}: client.rate allows no further request for {wait:.0f} s, those of other runs included",
            retry_after=wait,
        )
    second_left = 1 - requests - (wait - ahead) / gap
    return replace(before, second=second_left, minute=minute_left, filled_at=filled_at), Drawn(requests, wait)


def counted(service: str, per_day: int, wanted: int, now: float, before: Usage) -> tuple[Usage, int]:
    """Up to ``wanted`` requests of what a day of UTC allows.

    Raises ``TransientFailure`` when there are none left, with the seconds until the next day.
    """
    day = int(now // _DAY)
    asked = before.asked if before.day == day else 0
    if asked >= per_day:
        tomorrow = dt.datetime.fromtimestamp((day + 1) * _DAY, dt.UTC)
        raise TransientFailure(
            f"{service}: the {per_day} requests of client.rate.per_day are used up until {tomorrow:%Y-%m-%d %H:%M} UTC",
            retry_after=(day + 1) * _DAY - now,
        )
    requests = min(wanted, per_day - asked)
    return replace(before, day=day, asked=asked + requests), requests


def _given_back(requests: int, day: int, before: Usage) -> tuple[Usage, None]:
    return (replace(before, asked=max(0, before.asked - requests)) if before.day == day else before), None
