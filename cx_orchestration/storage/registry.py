"""The registry: small operational facts queried by key, in SQLite or PostgreSQL.

Belongs here: what happened to which partition, and what a person must be able to ask while the lake is busy.
Does not belong here: anything with many rows a day, or any person's data.
"""

import datetime as dt
import threading
import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Date, DateTime, Engine, Index, Integer, String, Text, and_, case, create_engine, func, select
from sqlalchemy.exc import DatabaseError, IntegrityError, OperationalError, ProgrammingError
from sqlalchemy.orm import Mapped, Session, mapped_column

from cx_orchestration.model.failures import PermanentFailure, TransientFailure
from cx_orchestration.storage.alerts import Troubles
from cx_orchestration.storage.erasures import Erasures
from cx_orchestration.storage.rows import Base, in_utc
from cx_orchestration.storage.unaskable import UnaskableServices
from cx_orchestration.storage.waits import Waits


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


#: What was ``not_asked``, because the service asked to be left alone, is as it was before.
Outcome = Literal["landed", "failed", "not_asked"]

#: The stream under which the mapping of a service's day to events is recorded: no declared stream can bear this name.
MAPPING = "(events)"

_UPGRADE_ATTEMPTS = 6
#: Alembic keeps the migration that is under way in a global variable.
_MIGRATING = threading.Lock()


@dataclass(frozen=True)
class Attempt:
    """What became of one attempt at one day of one stream, or of its mapping; ``failure`` is the failure's family."""

    service: str
    stream: str
    day: dt.date
    run_id: str
    attempted_at: dt.datetime
    outcome: Outcome
    records: int = 0
    failure: str = ""
    message: str = ""


@dataclass(frozen=True)
class LeftFailed:
    """A partition whose newest attempt failed: ``times`` since it last succeeded, for the first time at ``since``.

    ``lasting`` of these failures were not transient: trying again by itself is of no use.
    """

    attempt: Attempt
    since: dt.datetime
    times: int
    lasting: int

    @property
    def is_transient(self) -> bool:
        """Whether the newest failure is one that may pass by itself."""
        return self.attempt.failure == TransientFailure.__name__


@dataclass(frozen=True)
class DayState:
    """What is known of one day of one service.

    ``landed``: every stream has landed it at some time. ``mapped``: it was mapped to events after all of them last did.
    ``failures``: the most failed attempts of a stream, or of the mapping, since that last succeeded.
    """

    landed: bool
    mapped: bool
    failures: int

    @property
    def awaits_mapping(self) -> bool:
        """All its records are in the lake, and its events are not what they say."""
        return self.landed and not self.mapped

    @property
    def integrated(self) -> bool:
        """The day's records are in the lake, and its events are what they say."""
        return self.landed and self.mapped


class Registry:
    """Opens the database at a SQLAlchemy URL and brings its tables up to date."""

    def __init__(self, url: str) -> None:
        self._engine = create_engine(url, hide_parameters=True)
        if self._engine.url.drivername.startswith("sqlite") and self._engine.url.database:
            Path(self._engine.url.database).parent.mkdir(parents=True, exist_ok=True)
        self.upgrade()
        self.waits = Waits(self._session)
        self.unaskable = UnaskableServices(self._session)
        self.troubles = Troubles(self._session)
        self.erasures = Erasures(self._session)

    @property
    def engine(self) -> Engine:
        """The database, for the tables that other modules of this package keep in it."""
        return self._engine

    def upgrade(self, revision: str = "head", *, attempts: int = _UPGRADE_ATTEMPTS) -> None:
        """Bring the tables up to date; several processes may do so at once, and all but one find it done.

        Raises ``TransientFailure`` when the database cannot be opened or does not answer, ``PermanentFailure`` when it
        is damaged, or of another version.
        """
        for attempt in range(attempts):
            try:
                with _MIGRATING:
                    command.upgrade(self._alembic(), revision)
            except (OperationalError, ProgrammingError, IntegrityError) as error:
                if attempt == attempts - 1:
                    if isinstance(error, OperationalError):
                        raise self._unusable(error) from None
                    raise
                time.sleep(0.1 * 2**attempt)
            except DatabaseError as error:
                raise self._damaged(error) from None
            except CommandError as error:
                raise PermanentFailure(
                    f"the registry {self._place} cannot be brought up to date ({error}): it is of another, perhaps a "
                    f"newer version of this software. Run that version, or restore the registry from the backup"
                ) from None
            else:
                return

    def downgrade(self, revision: str = "base") -> None:
        with _MIGRATING:
            command.downgrade(self._alembic(), revision)

    def close(self) -> None:
        self._engine.dispose()

    def record(self, attempts: Iterable[Attempt]) -> None:
        """Add attempts, all or none."""
        with self._session() as session:
            session.add_all([AttemptRow(**vars(attempt)) for attempt in attempts])

    def latest(self, service: str | None = None) -> list[Attempt]:
        """The newest attempt of every partition that was ever attempted, by service, stream and day."""
        newest = (
            select(func.max(AttemptRow.id))
            .where(AttemptRow.outcome != "not_asked")
            .group_by(AttemptRow.service, AttemptRow.stream, AttemptRow.day)
        )
        query = select(AttemptRow).where(AttemptRow.id.in_(newest))
        if service is not None:
            query = query.where(AttemptRow.service == service)
        with self._session() as session:
            rows = session.scalars(query.order_by(AttemptRow.service, AttemptRow.stream, AttemptRow.day))
            return [_attempt(row) for row in rows]

    def services(self) -> list[str]:
        """The services of which a partition was ever attempted, by name."""
        with self._session() as session:
            return list(session.scalars(select(AttemptRow.service).distinct().order_by(AttemptRow.service)))

    def failed(self) -> list[Attempt]:
        """The partitions whose newest attempt failed."""
        return [left.attempt for left in self.left_failed()]

    def left_failed(self, service: str | None = None) -> list[LeftFailed]:
        """The partitions whose newest attempt failed, with what failed since they last succeeded."""
        partition = (AttemptRow.service, AttemptRow.stream, AttemptRow.day)
        success = func.max(case((AttemptRow.outcome == "landed", AttemptRow.id), else_=0)).label("success")
        known = select(*partition, success).group_by(*partition)
        if service is not None:
            known = known.where(AttemptRow.service == service)
        last = known.subquery()
        lasting = case((AttemptRow.failure == TransientFailure.__name__, 0), else_=1)
        same = and_(*(column == last.c[column.key] for column in partition))
        since = (
            select(
                func.max(AttemptRow.id).label("newest"),
                func.min(AttemptRow.attempted_at).label("since"),
                func.count().label("times"),
                func.sum(lasting).label("lasting"),
            )
            .join(last, and_(same, AttemptRow.id > last.c.success))
            .where(AttemptRow.outcome == "failed")
            .group_by(*partition)
            .subquery()
        )
        query = (
            select(AttemptRow, since.c.since, since.c.times, since.c.lasting)
            .join(since, AttemptRow.id == since.c.newest)
            .order_by(*partition)
        )
        with self._session() as session:
            return [
                LeftFailed(_attempt(row), in_utc(first), times, lasting)
                for row, first, times, lasting in session.execute(query)
            ]

    def transient_runs(self, run_ids: Collection[str]) -> set[str]:
        """Those of these runs in which some partition failed with a transient failure, or was not asked for, and none
        failed with another."""
        query = select(AttemptRow.run_id, AttemptRow.failure).where(
            AttemptRow.run_id.in_(run_ids), AttemptRow.outcome != "landed"
        )
        families: dict[str, set[str]] = {}
        with self._session() as session:
            for run_id, family in session.execute(query.distinct()):
                families.setdefault(run_id, set()).add(family)
        return {run_id for run_id, found in families.items() if found == {TransientFailure.__name__}}

    def days(self, service: str, streams: Collection[str]) -> dict[dt.date, DayState]:
        """What is known of every day of a service that was ever attempted, in order."""
        newest = (
            select(
                AttemptRow.stream,
                AttemptRow.day,
                func.max(case((AttemptRow.outcome == "landed", AttemptRow.id), else_=0)).label("success"),
            )
            .where(AttemptRow.service == service)
            .group_by(AttemptRow.stream, AttemptRow.day)
            .subquery()
        )
        failed_since = and_(AttemptRow.outcome == "failed", AttemptRow.id > newest.c.success)
        query = (
            select(newest.c.day, newest.c.stream, newest.c.success, func.sum(case((failed_since, 1), else_=0)))
            .join(AttemptRow, and_(AttemptRow.stream == newest.c.stream, AttemptRow.day == newest.c.day))
            .where(AttemptRow.service == service)
            .group_by(newest.c.day, newest.c.stream, newest.c.success)
            .order_by(newest.c.day)
        )
        by_day: dict[dt.date, dict[str, tuple[int, int]]] = {}
        with self._session() as session:
            for day, stream, success, failures in session.execute(query):
                by_day.setdefault(day, {})[stream] = (success, failures)
        return {day: _state(attempts, streams) for day, attempts in by_day.items()}

    def integrated_days(self, service: str, streams: Collection[str]) -> set[dt.date]:
        """The days that these streams have landed and that were mapped to events after that."""
        return {day for day, state in self.days(service, streams).items() if state.integrated}

    def records_by_day(self, service: str, stream: str) -> dict[dt.date, int]:
        """How many records each day of a stream had when it last landed."""
        ours = (AttemptRow.service == service, AttemptRow.stream == stream, AttemptRow.outcome == "landed")
        newest = select(func.max(AttemptRow.id)).where(*ours).group_by(AttemptRow.day)
        query = select(AttemptRow.day, AttemptRow.records).where(AttemptRow.id.in_(newest))
        with self._session() as session:
            return {row.day: row.records for row in session.execute(query)}

    def landed_at(self, service: str, stream: str) -> dict[dt.date, dt.datetime]:
        """When each day of a stream was last read successfully."""
        query = (
            select(AttemptRow.day, func.max(AttemptRow.attempted_at))
            .where(AttemptRow.service == service, AttemptRow.stream == stream, AttemptRow.outcome == "landed")
            .group_by(AttemptRow.day)
        )
        with self._session() as session:
            return {day: in_utc(at) for day, at in session.execute(query)}

    @contextmanager
    def _session(self) -> Iterator[Session]:
        try:
            with Session(self._engine) as session, session.begin():
                yield session
        except OperationalError as error:
            raise self._unusable(error) from None
        except DatabaseError as error:
            if type(error) is not DatabaseError:
                raise
            raise self._damaged(error) from None

    @property
    def _place(self) -> str:
        return str(self._engine.url.database or self._engine.url.host)

    def _damaged(self, error: DatabaseError) -> PermanentFailure:
        return PermanentFailure(
            f"the registry {self._place} is damaged ({error.orig}). Restore it from the backup; without one move it "
            f"away: a new one is made, every day is landed anew, and refresh tokens and erasures must be entered again"
        )

    def _unusable(self, error: OperationalError) -> TransientFailure:
        reason = str(error.orig).partition("\n")[0]
        return TransientFailure(
            f"the registry {self._place} cannot be used ({reason}); look at its disk and its server, then rerun"
        )

    def _alembic(self) -> Config:
        config = Config()
        config.set_main_option("script_location", str(Path(__file__).with_name("migrations")).replace("%", "%%"))
        config.attributes["engine"] = self._engine
        return config


def _state(attempts: Mapping[str, tuple[int, int]], streams: Collection[str]) -> DayState:
    landings = [attempts.get(stream, (0, 0))[0] for stream in streams]
    landed = bool(landings) and min(landings) > 0
    mapped = landed and attempts.get(MAPPING, (0, 0))[0] > max(landings)
    failures = [attempts[stream][1] for stream in (*streams, MAPPING) if stream in attempts]
    return DayState(landed, mapped, max(failures, default=0))


def _attempt(row: AttemptRow) -> Attempt:
    outcome: Outcome = "failed" if row.outcome == "failed" else "landed"
    return Attempt(
        service=row.service,
        stream=row.stream,
        day=row.day,
        run_id=row.run_id,
        attempted_at=in_utc(row.attempted_at),
        outcome=outcome,
        records=row.records,
        failure=row.failure,
        message=row.message,
    )
