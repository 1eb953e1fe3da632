"""OAuth2 tokens in the registry, encrypted: what was rotated by one process must be known to the next.

Belongs here: the table, its encryption, and who may renew. Does not belong here: how a token is got.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from sqlalchemy import Connection, Engine, Float, Integer, String, Text, insert, or_, select, update
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.orm import Mapped, mapped_column

from cx_orchestration.model.failures import PermanentFailure, TransientFailure
from cx_orchestration.storage.rows import Base

KEY_VARIABLE = "CX_REGISTRY_KEY"


class TokenRow(Base):
    """The newest tokens of one service. ``origin`` is a hash of the refresh token that they began with."""

    __tablename__ = "oauth_tokens"

    service: Mapped[str] = mapped_column(String(63), primary_key=True)
    generation: Mapped[int] = mapped_column(Integer)
    origin: Mapped[str] = mapped_column(String(64))
    sealed: Mapped[str] = mapped_column(Text)
    claimed_by: Mapped[str | None] = mapped_column(String(32))
    claimed_until: Mapped[float | None] = mapped_column(Float)


@dataclass(frozen=True)
class Tokens:
    """``expires_at`` is in seconds since 1970, ``None`` where the service does not say."""

    access: str = field(repr=False)
    refresh: str = field(repr=False)
    expires_at: float | None = None


@dataclass(frozen=True)
class KeptTokens:
    """What is kept of a service; ``generation`` counts how often it was renewed."""

    generation: int
    tokens: Tokens | None


class RegistryTokens:
    """The table behind a registry's engine. The key is in ``CX_REGISTRY_KEY``; of several, separated by commas, the
    first encrypts and each decrypts, so that a key can be replaced.

    All methods raise ``PermanentFailure`` when the key is missing or is not the one that the tokens were kept with, and
    ``TransientFailure`` when the database does not answer or is locked for seconds.
    """

    def __init__(self, engine: Engine, environ: Mapping[str, str]) -> None:
        self._engine = engine
        self._keys = environ.get(KEY_VARIABLE, "")

    def read(self, service: str, origin: str) -> KeptTokens:
        fernet = self._fernet(service)
        query = select(TokenRow.generation, TokenRow.origin, TokenRow.sealed).where(TokenRow.service == service)
        with self._transaction(service) as connection:
            row = connection.execute(query).one_or_none()
        if row is None:
            return KeptTokens(0, None)
        if row.origin != origin:
            return KeptTokens(row.generation, None)
        try:
            opened = json.loads(fernet.decrypt(row.sealed.encode()))
        except InvalidToken:
            raise PermanentFailure(
                f"{service}: its tokens in the registry were encrypted with another key than {KEY_VARIABLE} holds; add "
                "the former key behind a comma, or give the consent again and set the new refresh token"
            ) from None
        return KeptTokens(row.generation, Tokens(opened["access"], opened["refresh"], opened["expires_at"]))

    def claim(self, service: str, holder: str, *, now: float, until: float) -> bool:
        free = or_(TokenRow.claimed_until.is_(None), TokenRow.claimed_until < now, TokenRow.claimed_by == holder)
        claimed = (
            update(TokenRow)
            .where(TokenRow.service == service, free)
            .values(claimed_by=holder, claimed_until=until)
        )  # fmt: skip
        self._add_row(service)
        with self._transaction(service) as connection:
            return connection.execute(claimed).rowcount == 1

    def write(self, service: str, origin: str, generation: int, tokens: Tokens) -> bool:
        opened = {"access": tokens.access, "refresh": tokens.refresh, "expires_at": tokens.expires_at}
        sealed = self._fernet(service).encrypt(json.dumps(opened).encode()).decode()
        kept = (
            update(TokenRow)
            .where(TokenRow.service == service, TokenRow.generation == generation)
            .values(generation=generation + 1, origin=origin, sealed=sealed)
        )
        with self._transaction(service) as connection:
            return connection.execute(kept).rowcount == 1

    def release(self, service: str, holder: str) -> None:
        free = (
            update(TokenRow)
            .where(TokenRow.service == service, TokenRow.claimed_by == holder)
            .values(claimed_by=None, claimed_until=None)
        )
        with self._transaction(service) as connection:
            connection.execute(free)

    @contextmanager
    def _transaction(self, service: str) -> Iterator[Connection]:
        try:
            with self._engine.begin() as connection:
                yield connection
        except OperationalError:
            raise TransientFailure(
                f"{service}: the registry, where tokens are kept for all runs, does not answer or is locked"
            ) from None

    def _add_row(self, service: str) -> None:
        with self._transaction(service) as connection:
            if connection.execute(select(TokenRow.service).where(TokenRow.service == service)).first():
                return
        try:
            with self._transaction(service) as connection:
                connection.execute(insert(TokenRow).values(service=service, generation=0, origin="", sealed=""))
        except IntegrityError:
            return  # another process has added it meanwhile

    def _fernet(self, service: str) -> MultiFernet:
        keys = [key.strip() for key in self._keys.split(",") if key.strip()]
        how = "make one with: python -c 'from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())'"
        if not keys:
            raise PermanentFailure(
                f"{service}: the environment variable {KEY_VARIABLE} is not set; it encrypts the tokens in the "
                f"registry; {how}"
            )
        try:
            return MultiFernet([Fernet(key) for key in keys])
        except ValueError:
            raise PermanentFailure(f"{service}: {KEY_VARIABLE} holds something that is no key; {how}") from None
