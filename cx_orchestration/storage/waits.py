"""Waits: which service is left alone until when, and why.

Belongs here: how long to wait after a failure, and until when a service asked to be left alone. Does not belong here:
who looks at it before asking (the integration sensor and the landing assets).
"""

import datetime as dt
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

from sqlalchemy import DateTime, Integer, String, Text, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, Session, mapped_column

from cx_orchestration.model.failures import TransientFailure
from cx_orchestration.storage.rows import Base, in_utc

#: The wait after a first failure; each further one doubles it, up to the longest.
FIRST_WAIT, LONGEST_WAIT = dt.timedelta(minutes=5), dt.timedelta(hours=1)

#: A service may ask for a longer wait than ours, but not put itself to sleep for good by a broken header.
LONGEST_ASKED_WAIT = dt.timedelta(days=1)


class WaitRow(Base):
    """One service that is to be left alone for some time."""

    __tablename__ = "waits"

    service: Mapped[str] = mapped_column(String(63), primary_key=True)
    since: Mapped[dt.datetime] = mapped_column(DateTime(timezone=True))
    until: Mapped[dt.datetime] = mapped_column(DateTime(timezone=True))
    asked_until: Mapped[dt.datetime | None] = mapped_column(DateTime(timezone=True))
    failures: Mapped[int] = mapped_column(Integer)
    reason: Mapped[str] = mapped_column(Text)


@dataclass(frozen=True)
class Wait:
    """A service that did not answer ``failures`` times since ``since`` and is not asked by itself before ``until``.

    ``asked_until`` is set when the service asked for the wait: nobody asks it before that.
    """

    service: str
    since: dt.datetime
    until: dt.datetime
    asked_until: dt.datetime | None
    failures: int
    reason: str

    def __str__(self) -> str:
        times = "once" if self.failures == 1 else f"{self.failures} times"
        asked = ", as it asked" if self.asked_until == self.until else ""
        until = f"{self.until:%Y-%m-%d %H:%M} UTC"
        return f"{self.service} is left alone until {until}{asked}; it failed {times}: {self.reason}"


class Waits:
    """The services that are left alone; ``session`` opens a transaction on the registry."""

    def __init__(self, session: Callable[[], AbstractContextManager[Session]]) -> None:
        self._session = session

    def standing(self) -> dict[str, Wait]:
        """By service, those that failed and have not answered since, whether or not their time to be asked has come."""
        with self._session() as session:
            return {row.service: _wait(row) for row in session.scalars(select(WaitRow).order_by(WaitRow.service))}

    def in_force(self, now: dt.datetime) -> dict[str, Wait]:
        """By service, those that are not to be asked yet."""
        return {service: wait for service, wait in self.standing().items() if now < wait.until}

    def postpone(self, service: str, failure: TransientFailure, *, now: dt.datetime) -> Wait:
        """Leave a service alone after a failure: twice as long as after the one before, or as long as it asks.

        Failures while it is being left alone belong to the same trouble and do not make the wait longer.
        """
        try:
            return self._postpone(service, failure, now)
        except IntegrityError:  # another process met the service's first failure in the same moment
            return self._postpone(service, failure, now)

    def answered(self, service: str) -> None:
        """The service answers again: nothing is remembered of its failures."""
        with self._session() as session:
            if (row := session.get(WaitRow, service)) is not None:
                session.delete(row)

    def _postpone(self, service: str, failure: TransientFailure, now: dt.datetime) -> Wait:
        with self._session() as session:
            row = session.get(WaitRow, service, with_for_update=True)
            before = _wait(row) if row is not None else None
            again = before is None or now >= before.until
            failures = (before.failures if before else 0) + again
            until = now + min(FIRST_WAIT * 2 ** min(failures - 1, 20), LONGEST_WAIT)
            asked_until = None
            if failure.retry_after is not None:
                asked_until = now + dt.timedelta(seconds=min(failure.retry_after, LONGEST_ASKED_WAIT.total_seconds()))
            if before is not None and not again:
                until = before.until
                asked_until = max(filter(None, (asked_until, before.asked_until)), default=None)
            wait = Wait(
                service,
                since=before.since if before else now,
                until=max(until, asked_until) if asked_until else until,
                asked_until=asked_until,
                failures=failures,
                reason=str(failure),
            )
            session.merge(WaitRow(**vars(wait)))
            return wait


def _wait(row: WaitRow) -> Wait:
    return Wait(
        service=row.service,
        since=in_utc(row.since),
        until=in_utc(row.until),
        asked_until=in_utc(row.asked_until) if row.asked_until else None,
        failures=row.failures,
        reason=row.reason,
    )
