"""Erasures in the registry: who erased whom when and why, tombstones, and what services must still be told.

Belongs here: the tables and their transactions. Does not belong here: erasing (``privacy``). No value of a person
stands here: subjects and tombstones are keyed digests, and the ids that a service must be told are encrypted.
"""

import base64
import datetime as dt
import hashlib
import json
import secrets
import uuid
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from cryptography.fernet import Fernet
from sqlalchemy import DateTime, Integer, String, Text, delete, func, insert, or_, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from cx_orchestration.model.failures import PermanentFailure
from cx_orchestration.model.tombstones import NO_TOMBSTONES, Kind, Tombstones, digest, joined, number
from cx_orchestration.storage.rows import Base, in_utc

KEY_VARIABLE = "CX_ERASURE_KEY"

_MANY = 500
_CHECK = "check"


class ErasureKeyRow(Base):
    """The key of all digests: here, or in the environment with only its check here."""

    __tablename__ = "erasure_key"

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    key: Mapped[str | None] = mapped_column(String(64))
    check: Mapped[str] = mapped_column(String(64))


class ErasureRow(Base):
    """One erasure: the audit."""

    __tablename__ = "erasures"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    begun_at: Mapped[dt.datetime] = mapped_column(DateTime(timezone=True))
    finished_at: Mapped[dt.datetime | None] = mapped_column(DateTime(timezone=True))
    role: Mapped[str] = mapped_column(String(120))
    reason: Mapped[str] = mapped_column(Text)
    subjects: Mapped[str] = mapped_column(Text)
    removed: Mapped[str] = mapped_column(Text)
    blotted: Mapped[str] = mapped_column(Text)


class TombstoneRow(Base):
    """One thing that must not come back; ``service`` is empty where it may come from any."""

    __tablename__ = "tombstones"

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    service: Mapped[str] = mapped_column(String(63), index=True)
    erased_at: Mapped[dt.datetime] = mapped_column(DateTime(timezone=True))
    erasure: Mapped[str] = mapped_column(String(32))


class NoticeRow(Base):
    """One customer of one service that this service must be told to erase; once told, who it was is forgotten."""

    __tablename__ = "erasure_notices"

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    erasure: Mapped[str] = mapped_column(String(32))
    service: Mapped[str] = mapped_column(String(63))
    entity: Mapped[str | None] = mapped_column(Text)
    erased_at: Mapped[dt.datetime] = mapped_column(DateTime(timezone=True))
    told_at: Mapped[dt.datetime | None] = mapped_column(DateTime(timezone=True))


class LiftRow(Base):
    """One erasure that was lifted for one customer of one service: the audit, and since when they may come back."""

    __tablename__ = "erasure_lifts"

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    digest: Mapped[str] = mapped_column(String(64), index=True)
    erasure: Mapped[str] = mapped_column(String(32))
    lifted_at: Mapped[dt.datetime] = mapped_column(DateTime(timezone=True))
    role: Mapped[str] = mapped_column(String(120))
    reason: Mapped[str] = mapped_column(Text)


@dataclass(frozen=True)
class Grave:
    """One tombstone to be set: its parts in clear, which are never kept."""

    kind: Kind
    parts: tuple[str, ...]

    @property
    def service(self) -> str:
        return self.parts[0] if self.kind in (Kind.ENTITY, Kind.RECORD) else ""


@dataclass(frozen=True)
class Lift:
    """What is kept of lifting an erasure for one customer of one service."""

    lifted_at: dt.datetime
    role: str
    reason: str


@dataclass(frozen=True)
class Erasure:
    """What is kept of one erasure: ``subjects`` are keyed digests, ``removed`` and ``blotted`` count rows by table.

    ``untold`` has, by service, how many of its customers it must still be told to erase; ``lifts`` are
    those of its customers who may come back.
    """

    id: str
    begun_at: dt.datetime
    finished_at: dt.datetime | None
    role: str
    reason: str
    subjects: list[str]
    removed: Mapping[str, int]
    blotted: Mapping[str, int]
    untold: Mapping[str, int] = field(default_factory=dict)
    lifts: list[Lift] = field(default_factory=list)


@dataclass(frozen=True)
class Notice:
    """What one service must be told: to erase its customer ``entity``."""

    service: str
    entity: str
    erased_at: dt.datetime


class Erasures:
    """The erasures of a registry; ``session`` opens a transaction on it.

    The key of the digests is in ``CX_ERASURE_KEY`` when that is set at the first erasure, and must be the same ever
    after; else one is made and kept in the registry, where it protects against those who see the digests alone.
    """

    def __init__(self, session: Callable[[], AbstractContextManager[Session]]) -> None:
        self._session = session

    def tombstones(self, environ: Mapping[str, str], *, service: str | None = None) -> Tombstones:
        """All tombstones, or those that what a service gives may meet."""
        query = select(TombstoneRow.digest, TombstoneRow.erased_at)
        if service is not None:
            query = query.where(or_(TombstoneRow.service == service, TombstoneRow.service == ""))
        with self._session() as session:
            rows = session.execute(query).all()
            if not rows:
                return NO_TOMBSTONES
            key = _key(session, environ)
            lifts = session.execute(select(LiftRow.digest, LiftRow.lifted_at)).all()
        erased = {number(row.digest): _micros(row.erased_at) for row in rows}
        lifted = {number(row.digest): _micros(row.lifted_at) for row in sorted(lifts, key=lambda row: row.lifted_at)}
        return Tombstones(
            key, erased, {each: at for each, at in lifted.items() if each in erased and at > erased[each]}
        )

    def begin(
        self,
        graves: Collection[Grave],
        *,
        subjects: Iterable[tuple[str, ...]],
        notices: Iterable[tuple[str, str]],
        role: str,
        reason: str,
        environ: Mapping[str, str],
        now: dt.datetime,
    ) -> str:
        """Set tombstones and open the audit, all or nothing; the erasure's id. From now on nothing comes back.

        ``subjects`` are the parts that name each person, ``notices`` pairs of service and entity.
        """
        erasure = uuid.uuid4().hex
        with self._session() as session:
            key = _key(session, environ)
            seal = _seal(key)
            rows = {
                (found := digest(key, grave.kind, joined(*grave.parts))): {
                    "digest": found,
                    "service": grave.service,
                    "erased_at": now,
                    "erasure": erasure,
                }
                for grave in graves
            }
            digests = list(rows)
            for start in range(0, len(digests), _MANY):
                some = digests[start : start + _MANY]
                session.execute(delete(TombstoneRow).where(TombstoneRow.digest.in_(some)))
                session.execute(insert(TombstoneRow), [rows[each] for each in some])
            session.add(
                ErasureRow(
                    id=erasure,
                    begun_at=now,
                    role=role,
                    reason=reason,
                    subjects=json.dumps([digest(key, Kind.CUSTOMER, joined(*parts)) for parts in subjects]),
                    removed="{}",
                    blotted="{}",
                )
            )
            session.add_all(
                NoticeRow(
                    erasure=erasure,
                    service=service,
                    entity=seal.encrypt(entity.encode()).decode(),
                    erased_at=now,
                )
                for service, entity in notices
            )
        return erasure

    def lift(
        self, service: str, entity: str, *, role: str, reason: str, environ: Mapping[str, str], now: dt.datetime
    ) -> None:
        """Let an erased customer of a service be a customer again, from ``now`` on; all other tombstones stay.

        Raises ``PermanentFailure`` for one who was not erased, or whose erasure was lifted; the message does not repeat
        who. Erased again, they are out again.
        """
        with self._session() as session:
            key = _key(session, environ)
            of_entity = digest(key, Kind.ENTITY, joined(service, entity))
            grave = session.get(TombstoneRow, of_entity)
            if grave is None:
                raise PermanentFailure(
                    f"no customer of {service} with that id was erased, so nothing keeps them out; give the id as it "
                    "was in the service, 'cx erasures' lists who erased and why"
                )
            last = session.scalar(select(func.max(LiftRow.lifted_at)).where(LiftRow.digest == of_entity))
            if last is not None and in_utc(last) > in_utc(grave.erased_at):
                raise PermanentFailure(
                    f"that erasure was lifted already, on {in_utc(last):%Y-%m-%d %H:%M} UTC: what is newer lands"
                )
            lift = LiftRow(digest=of_entity, erasure=grave.erasure, lifted_at=now, role=role, reason=reason)
            session.add(lift)

    def count(self, erasure: str, table: str, *, removed: int, blotted: int) -> None:
        """Add to what an erasure has removed from one table; kept as it goes, so that a killed one says it too."""
        with self._session() as session:
            row = session.get_one(ErasureRow, erasure)
            for column, more in (("removed", removed), ("blotted", blotted)):
                counts = Counter(json.loads(getattr(row, column)))
                counts[table] += more
                setattr(row, column, json.dumps({name: count for name, count in sorted(counts.items()) if count}))

    def finish(self, now: dt.datetime) -> None:
        """Every erasure that was open is done."""
        with self._session() as session:
            session.execute(update(ErasureRow).where(ErasureRow.finished_at.is_(None)).values(finished_at=now))

    def unfinished(self) -> list[Erasure]:
        """The erasures that were begun and not finished, the oldest first."""
        return [erasure for erasure in self.all() if erasure.finished_at is None]

    def all(self) -> list[Erasure]:
        """Every erasure, the oldest first."""
        with self._session() as session:
            untold: dict[str, Counter[str]] = {}
            for notice in session.scalars(select(NoticeRow).where(NoticeRow.told_at.is_(None))):
                untold.setdefault(notice.erasure, Counter())[notice.service] += 1
            lifts: dict[str, list[Lift]] = {}
            for lift in session.scalars(select(LiftRow).order_by(LiftRow.id)):
                lifts.setdefault(lift.erasure, []).append(Lift(in_utc(lift.lifted_at), lift.role, lift.reason))
            rows = session.scalars(select(ErasureRow).order_by(ErasureRow.begun_at, ErasureRow.id))
            return [_erasure(row, untold.get(row.id, {}), lifts.get(row.id, [])) for row in rows]

    def untold(self, environ: Mapping[str, str]) -> list[Notice]:
        """What services must still be told, with the ids of their customers in clear."""
        query = select(NoticeRow).where(NoticeRow.told_at.is_(None), NoticeRow.entity.is_not(None))
        with self._session() as session:
            rows = list(session.scalars(query.order_by(NoticeRow.service, NoticeRow.id)))
            seal = _seal(_key(session, environ)) if rows else None
            return [
                Notice(row.service, seal.decrypt(row.entity).decode(), in_utc(row.erased_at))
                for row in rows
                if seal is not None and row.entity is not None
            ]

    def told(self, service: str, now: dt.datetime) -> int:
        """A service was told everything, or somebody deleted there by hand; how many of its customers that were."""
        with self._session() as session:
            open_ones = (NoticeRow.service == service, NoticeRow.told_at.is_(None))
            rows = session.scalars(select(NoticeRow).where(*open_ones)).all()
            for row in rows:
                row.told_at, row.entity = now, None
            return len(rows)


def _key(session: Session, environ: Mapping[str, str]) -> bytes:
    """The key; made when there is none. Raises ``PermanentFailure`` when the environment has another one, or none."""
    given = environ.get(KEY_VARIABLE)
    row = session.get(ErasureKeyRow, 1)
    if row is None:
        key = given.encode() if given else secrets.token_bytes(32)
        session.add(ErasureKeyRow(id=1, key=None if given else key.hex(), check=digest(key, Kind.VALUE, _CHECK)))
        return key
    key = bytes.fromhex(row.key) if row.key else (given or "").encode()
    if digest(key, Kind.VALUE, _CHECK) != row.check:
        state = "is not set" if not given else "is not the one that the tombstones were made with"
        raise PermanentFailure(
            f"the environment variable {KEY_VARIABLE} {state}: without it erased persons cannot be recognised, and "
            "would come back; set it to the value that it had at the first erasure"
        )
    return key


def _seal(key: bytes) -> Fernet:
    return Fernet(base64.urlsafe_b64encode(hashlib.sha256(b"seal" + key).digest()))


def _erasure(row: ErasureRow, untold: Mapping[str, int], lifts: list[Lift]) -> Erasure:
    return Erasure(
        id=row.id,
        begun_at=in_utc(row.begun_at),
        finished_at=in_utc(row.finished_at) if row.finished_at else None,
        role=row.role,
        reason=row.reason,
        subjects=json.loads(row.subjects),
        removed=json.loads(row.removed),
        blotted=json.loads(row.blotted),
        untold=dict(untold),
        lifts=lifts,
    )


def _micros(when: dt.datetime) -> int:
    return round(in_utc(when).timestamp() * 1_000_000)
