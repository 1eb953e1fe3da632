"""The registry: small operational facts queried by key, in SQLite or PostgreSQL.

Belongs here: what happened to which partition, and what a person must be able to ask while the lake is busy.
Does not belong here: anything with many rows a day, or any person's data.
"""

import datetime as dt
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from alembic import command
from alembic.config import Config
from sqlalchemy import Date, DateTime, Index, Integer, String, Text, create_engine, func, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column


class Base(DeclarativeBase):
    pass


class AttemptRow(Base):
    """One attempt at one day of one stream."""

    __tablename__ = "attempts"
    __table_args__ = (Index("attempts_by_partition", "service", "stream", "day", "id"),)

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    service: Mapped[str] = mapped_column(String(63))
    stream: Mapped[str] = mapped_column(String(63))
    day: Mapped[dt.date] = mapped_column(Date)
    run_id: Mapped[str] = mapped_column(String(64))
    attempted_at: Mapped[dt.datetime] = mapped_column(DateTime(timezone=True))
    outcome: Mapped[str] = mapped_column(String(16))
    records: Mapped[int] = mapped_column(Integer)
    failure: Mapped[str] = mapped_column(String(32), default="")
    message: Mapped[str] = mapped_column(Text, default="")


Outcome = Literal["landed", "failed"]


@dataclass(frozen=True)
class Attempt:
    """What became of one attempt at one day of one stream; ``failure`` is the family of the failure, if any."""

    service: str
    stream: str
    day: dt.date
    run_id: str
    attempted_at: dt.datetime
    outcome: Outcome
    records: int = 0
    failure: str = ""
    message: str = ""


class Registry:
    """Opens the database at a SQLAlchemy URL and brings its tables up to date."""

    def __init__(self, url: str) -> None:
        self._engine = create_engine(url)
        if self._engine.url.drivername.startswith("sqlite") and self._engine.url.database:
            Path(self._engine.url.database).parent.mkdir(parents=True, exist_ok=True)
        self.upgrade()

    def upgrade(self, revision: str = "head") -> None:
        command.upgrade(self._alembic(), revision)

    def downgrade(self, revision: str = "base") -> None:
        command.downgrade(self._alembic(), revision)

    def close(self) -> None:
        self._engine.dispose()

    def record(self, attempts: Iterable[Attempt]) -> None:
        """Add attempts, all or none."""
        with self._session() as session:
            session.add_all([AttemptRow(**vars(attempt)) for attempt in attempts])

    def latest(self, service: str | None = None) -> list[Attempt]:
        """The newest attempt of every partition that was ever attempted, by service, stream and day."""
        newest = select(func.max(AttemptRow.id)).group_by(AttemptRow.service, AttemptRow.stream, AttemptRow.day)
        query = select(AttemptRow).where(AttemptRow.id.in_(newest))
        if service is not None:
            query = query.where(AttemptRow.service == service)
        with self._session() as session:
            rows = session.scalars(query.order_by(AttemptRow.service, AttemptRow.stream, AttemptRow.day))
            return [_attempt(row) for row in rows]

    def failed(self) -> list[Attempt]:
        """The partitions whose newest attempt failed."""
        return [attempt for attempt in self.latest() if attempt.outcome == "failed"]

    def landed_days(self, service: str, streams: Collection[str]) -> set[dt.date]:
        """The days whose newest attempt landed in every one of these streams."""
        landed: Counter[dt.date] = Counter(
            attempt.day for attempt in self.latest(service) if attempt.outcome == "landed" and attempt.stream in streams
        )
        return {day for day, count in landed.items() if count == len(streams)}

    def attempts_of(self, service: str, day: dt.date) -> int:
        """How often any stream of a service was attempted for a day, at most."""
        counted = (
            select(func.count())
            .where(AttemptRow.service == service, AttemptRow.day == day)
            .group_by(AttemptRow.stream)
            .order_by(func.count().desc())
            .limit(1)
        )
        with self._session() as session:
            return session.scalar(counted) or 0

    @contextmanager
    def _session(self) -> Iterator[Session]:
        with Session(self._engine) as session, session.begin():
            yield session

    def _alembic(self) -> Config:
        config = Config()
        config.set_main_option("script_location", str(Path(__file__).with_name("migrations")).replace("%", "%%"))
        config.attributes["engine"] = self._engine
        return config


def _attempt(row: AttemptRow) -> Attempt:
    when = row.attempted_at if row.attempted_at.tzinfo else row.attempted_at.replace(tzinfo=dt.UTC)
    outcome: Outcome = "failed" if row.outcome == "failed" else "landed"
    return Attempt(
        service=row.service,
        stream=row.stream,
        day=row.day,
        run_id=row.run_id,
        attempted_at=when,
        outcome=outcome,
        records=row.records,
        failure=row.failure,
        message=row.message,
    )
