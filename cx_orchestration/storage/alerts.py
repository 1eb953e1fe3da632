"""Alerts: which troubles people were told of and are not over yet.

Belongs here: one row a trouble until it is over. Does not belong here: what is sent, and where to.
"""

import datetime as dt
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

from sqlalchemy import DateTime, String, Text, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, Session, mapped_column

from cx_orchestration.storage.rows import Base, in_utc


class AlertRow(Base):
    """One trouble of one subject, from its first sight to its end."""

    __tablename__ = "alerts"

    subject: Mapped[str] = mapped_column(String(63), primary_key=True)
    family: Mapped[str] = mapped_column(String(32), primary_key=True)
    since: Mapped[dt.datetime] = mapped_column(DateTime(timezone=True))
    run_id: Mapped[str] = mapped_column(String(64))
    days: Mapped[str] = mapped_column(String(64))
    reason: Mapped[str] = mapped_column(Text)
    told_at: Mapped[dt.datetime | None] = mapped_column(DateTime(timezone=True))


@dataclass(frozen=True)
class Trouble:
    """What people are told once: ``subject`` (a service, or a job that spans services) fails with one class of failure.

    ``days`` and ``run_id`` are those of the first sight; both may be empty. ``told_at`` is ``None`` until some
    destination took the message.
    """

    subject: str
    family: str
    since: dt.datetime
    run_id: str
    days: str
    reason: str
    told_at: dt.datetime | None = None


class Troubles:
    """The troubles that are not over; ``session`` opens a transaction on the registry."""

    def __init__(self, session: Callable[[], AbstractContextManager[Session]]) -> None:
        self._session = session

    def standing(self) -> list[Trouble]:
        """All troubles that are not over, the oldest first."""
        with self._session() as session:
            rows = session.scalars(select(AlertRow).order_by(AlertRow.since, AlertRow.subject, AlertRow.family))
            return [_trouble(row) for row in rows]

    def begin(self, trouble: Trouble) -> bool:
        """Remember a trouble; whether it is a new one."""
        try:
            with self._session() as session:
                if session.get(AlertRow, (trouble.subject, trouble.family)) is not None:
                    return False
                session.add(AlertRow(**vars(trouble)))
        except IntegrityError:  # another process saw it in the same moment
            return False
        return True

    def told(self, trouble: Trouble, now: dt.datetime) -> None:
        """People know of it."""
        with self._session() as session:
            if (row := session.get(AlertRow, (trouble.subject, trouble.family))) is not None:
                row.told_at = now

    def over(self, trouble: Trouble) -> None:
        """It is over: the next one of its kind is a new one."""
        with self._session() as session:
            if (row := session.get(AlertRow, (trouble.subject, trouble.family))) is not None:
                session.delete(row)


def _trouble(row: AlertRow) -> Trouble:
    return Trouble(
        subject=row.subject,
        family=row.family,
        since=in_utc(row.since),
        run_id=row.run_id,
        days=row.days,
        reason=row.reason,
        told_at=in_utc(row.told_at) if row.told_at else None,
    )
