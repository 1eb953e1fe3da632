"""How much a service has been asked, by all processes together: allowances, the day's count, requests under way.

Belongs here: the numbers, changed by one process at a time. Does not belong here: what they must not exceed
(``integration/rate.py``, ``integration/slots.py``).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from sqlalchemy import Connection, Engine, Float, Integer, String, delete, insert, select, update
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.orm import Mapped, mapped_column

from cx_orchestration.model.failures import TransientFailure
from cx_orchestration.storage.rows import Base

T = TypeVar("T")


class UsageRow(Base):
    """One row a service; whoever changes it or the service's leases holds its lock meanwhile."""

    __tablename__ = "service_usage"

    service: Mapped[str] = mapped_column(String(63), primary_key=True)
    second: Mapped[float] = mapped_column(Float)
    minute: Mapped[float] = mapped_column(Float)
    filled_at: Mapped[float] = mapped_column(Float)
    day: Mapped[int] = mapped_column(Integer)
    asked: Mapped[int] = mapped_column(Integer)


class LeaseRow(Base):
    """How many requests one process may have under way at a service."""

    __tablename__ = "request_leases"

    service: Mapped[str] = mapped_column(String(63), primary_key=True)
    holder: Mapped[str] = mapped_column(String(32), primary_key=True)
    slots: Mapped[int] = mapped_column(Integer)
    wanted: Mapped[int] = mapped_column(Integer)
    expires_at: Mapped[float] = mapped_column(Float)


@dataclass(frozen=True)
class Usage:
    """``second`` and ``minute`` are the requests left of what a second and a minute allow, as of ``filled_at``
    (seconds since 1970); below zero when some of what is to come is spoken for. ``asked`` counts the requests of
    ``day`` (days of UTC since 1970)."""

    second: float = 0.0
    minute: float = 0.0
    filled_at: float = 0.0
    day: int = 0
    asked: int = 0


@dataclass(frozen=True)
class Lease:
    """Requests that ``holder`` has the right to have under way until ``expires_at``; it would use ``wanted``."""

    holder: str
    slots: int
    wanted: int
    expires_at: float


class RegistryUsage:
    """The numbers in the registry. Each change is one short transaction, alone on the service's row."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def change(self, service: str, how: Callable[[Usage], tuple[Usage, T]]) -> T:
        """Replace a service's usage by what ``how`` makes of it, and return what else ``how`` gives. If ``how``
        raises, nothing changes."""
        columns = (UsageRow.second, UsageRow.minute, UsageRow.filled_at, UsageRow.day, UsageRow.asked)

        def changed(connection: Connection) -> T:
            before = Usage(*connection.execute(select(*columns).where(UsageRow.service == service)).one())
            after, result = how(before)
            if after != before:
                connection.execute(update(UsageRow).where(UsageRow.service == service).values(**vars(after)))
            return result

        return self._alone(service, changed)

    def change_leases(self, service: str, how: Callable[[Sequence[Lease]], tuple[Sequence[Lease], T]]) -> T:
        """The same for the leases of a service."""
        columns = (LeaseRow.holder, LeaseRow.slots, LeaseRow.wanted, LeaseRow.expires_at)

        def changed(connection: Connection) -> T:
            rows = connection.execute(select(*columns).where(LeaseRow.service == service).order_by(LeaseRow.holder))
            after, result = how([Lease(*row) for row in rows])
            connection.execute(delete(LeaseRow).where(LeaseRow.service == service))
            if after:
                connection.execute(insert(LeaseRow), [{"service": service, **vars(lease)} for lease in after])
            return result

        return self._alone(service, changed)

    def _alone(self, service: str, work: Callable[[Connection], T]) -> T:
        """Raises ``TransientFailure`` when the database does not answer or is locked for seconds."""
        try:
            while True:
                with self._engine.begin() as connection:
                    # The first statement writes, so that SQLite takes its lock before anything is read, as PostgreSQL
                    # does.
                    lock = update(UsageRow).where(UsageRow.service == service).values(service=service)
                    if connection.execute(lock).rowcount:
                        return work(connection)
                self._add_row(service)
        except OperationalError:
            raise TransientFailure(
                f"{service}: the registry, where requests are counted for all runs, does not answer or is locked"
            ) from None

    def _add_row(self, service: str) -> None:
        try:
            with self._engine.begin() as connection:
                connection.execute(insert(UsageRow).values(service=service, **vars(Usage())))
        except IntegrityError:
            return  # another process has added it meanwhile
