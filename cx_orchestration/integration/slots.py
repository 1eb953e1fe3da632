"""How many requests to a service are under way at once, in all processes together.

A process leases as many slots as its threads use, for as long as it goes on asking; what a killed process had is free
again when its lease ends. Belongs here: who has how many slots. Does not belong here: how often is asked (``rate.py``).
"""

import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TypeAlias

from cx_orchestration.model.failures import TransientFailure
from cx_orchestration.storage.usage import Lease

#: Changes the leases of a service, alone, and returns how many slots there now are.
ChangeLeases: TypeAlias = Callable[[str, Callable[[Sequence[Lease]], tuple[Sequence[Lease], int]]], int]

_RENEW_SECONDS = 5.0
_MARGIN_SECONDS = 10.0
_POLL_SECONDS = 0.25
_PATIENCE_SECONDS = 60.0


class Slots:
    """The slots of one process at one service. Threads may share it."""

    def __init__(
        self,
        service: str,
        limit: int,
        change: ChangeLeases,
        request_seconds: float,
        clock: Callable[[], float] = time.time,
        *,
        patience: float = _PATIENCE_SECONDS,
    ) -> None:
        self._service = service
        self._limit = limit
        self._change = change
        self._lease_seconds = request_seconds + _RENEW_SECONDS + _MARGIN_SECONDS
        self._clock = clock
        self._patience = patience
        self._holder = uuid.uuid4().hex
        self._state = threading.Condition()
        self._held = 0
        self._in_use = 0
        self._renew_at = 0.0

    @contextmanager
    def one(self) -> Iterator[None]:
        """The time in which one slot is the caller's. Raises ``TransientFailure`` after a minute without one."""
        with self._state:
            self._take()
        try:
            yield
        finally:
            with self._state:
                self._in_use -= 1
                self._state.notify()

    def close(self) -> None:
        """Give all slots back."""
        with self._state:
            if self._held:
                self._change(self._service, partial(_without, self._holder))
                self._held = 0

    def _take(self) -> None:
        give_up_at = time.monotonic() + self._patience
        while not self._has_one():
            left = give_up_at - time.monotonic()
            if left <= 0:
                self._claim(self._in_use)
                raise TransientFailure(
                    f"{self._service}: client.rate.concurrency ({self._limit}) is taken up by other requests",
                    retry_after=_PATIENCE_SECONDS,
                )
            self._state.wait(min(left, _POLL_SECONDS))
        self._in_use += 1

    def _has_one(self) -> bool:
        if self._in_use >= self._held or self._clock() >= self._renew_at:
            self._claim(self._in_use + 1)
        return self._in_use < self._held

    def _claim(self, wanted: int) -> None:
        now = self._clock()
        share = partial(shared, self._holder, self._limit, self._in_use, wanted, now, now + self._lease_seconds)
        self._held = self._change(self._service, share)
        self._renew_at = now + _RENEW_SECONDS


def shared(
    holder: str, limit: int, in_use: int, wanted: int, now: float, until: float, before: Sequence[Lease]
) -> tuple[Sequence[Lease], int]:
    """The leases after ``holder`` has asked for ``wanted`` slots, and how many it now has.

    It gets what is free. Where others wait, one that has slots already keeps no more than its even share, which may be
    none, but never loses those in use.
    """
    others = [lease for lease in before if lease.holder != holder and lease.expires_at > now]
    had = sum(lease.slots for lease in before if lease.holder == holder)
    slots = min(wanted, max(0, limit - sum(lease.slots for lease in others)))
    if had and any(lease.wanted > lease.slots for lease in others):
        slots = min(slots, limit // (len(others) + 1))
    slots = max(slots, in_use)
    return [*others, Lease(holder, slots, wanted, until)], slots


def _without(holder: str, before: Sequence[Lease]) -> tuple[Sequence[Lease], int]:
    return [lease for lease in before if lease.holder != holder], 0
