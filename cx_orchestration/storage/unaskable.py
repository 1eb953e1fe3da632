"""Services that cannot even be asked what is new: no run is made for them, so no partition fails.

Belongs here: one row a service from the first question that failed for good until one is answered. Does not belong
here: services that may answer later (``waits.py``), and partitions that failed (``registry.py``).
"""

import datetime as dt
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

from sqlalchemy import DateTime, Integer, String, Text, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, Session, mapped_column

from cx_orchestration.model.failures import Failure
from cx_orchestration.storage.rows import Base, in_utc


class UnaskableRow(Base):
    """One service that could not be asked the last time."""

    __tablename__ = "unaskable"

    service: Mapped[str] = mapped_column(String(63), primary_key=True)
    since: Mapped[dt.datetime] = mapped_column(DateTime(timezone=True))
    times: Mapped[int] = mapped_column(Integer)
    reason: Mapped[str] = mapped_column(Text)


@dataclass(frozen=True)
class Unaskable:
    """A service that could not be asked ``times`` times since ``since``, the last time for ``reason``."""

    service: str
    since: dt.datetime
    times: int
    reason: str

    def __str__(self) -> str:
        often = "once" if self.times == 1 else f"{self.times} times"
        return f"{self.service}: could not be asked, {often} since {self.since:%Y-%m-%d %H:%M} UTC"

    def as_row(self) -> dict[str, str | int]:
        """All of it in plain values, for JSON and for tables."""
        return {
            "service": self.service,
            "reason": self.reason,
            "failed_since": self.since.isoformat(),
            "times": self.times,
        }


class UnaskableServices:
    """The services that cannot be asked; ``session`` opens a transaction on the registry."""

    def __init__(self, session: Callable[[], AbstractContextManager[Session]]) -> None:
        self._session = session

    def standing(self) -> dict[str, Unaskable]:
        """By service, those that could not be asked the last time."""
        with self._session() as session:
            rows = session.scalars(select(UnaskableRow).order_by(UnaskableRow.service))
            return {row.service: Unaskable(row.service, in_utc(row.since), row.times, row.reason) for row in rows}

    def failed(self, service: str, failure: Failure, *, now: dt.datetime) -> None:
        """A question could not be asked, and trying again by itself is of no use."""
        try:
            self._failed(service, failure, now)
        except IntegrityError:  # another process met the service's first failure in the same moment
            self._failed(service, failure, now)

    def answered(self, service: str) -> None:
        """The service can be asked: nothing is remembered of its failures."""
        with self._session() as session:
            if (row := session.get(UnaskableRow, service)) is not None:
                session.delete(row)

    def _failed(self, service: str, failure: Failure, now: dt.datetime) -> None:
        with self._session() as session:
            row = session.get(UnaskableRow, service, with_for_update=True)
            if row is None:
                session.add(UnaskableRow(service=service, since=now, times=1, reason=str(failure)))
            else:
                row.times, row.reason = row.times + 1, str(failure)
