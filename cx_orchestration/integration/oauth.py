"""OAuth2: tokens that a service gives out, got when they are first needed and again before they expire.

Belongs here: the grants of RFC 6749, and how several processes share one token. Does not belong here: sending requests,
and how tokens are kept (``storage/tokens.py``).
"""

import hashlib
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from typing import Any, Protocol
from urllib.parse import quote_plus

from cx_orchestration.integration.answers import CredentialsRefused
from cx_orchestration.integration.credentials import Credentials, PostForm, basic, environment_value
from cx_orchestration.model.connection import OAuth2ClientCredentials, OAuth2RefreshToken
from cx_orchestration.model.failures import PermanentFailure, TransientFailure
from cx_orchestration.storage.tokens import KeptTokens, Tokens

_EXPIRES_EARLY = 30.0
_LONGEST_WAIT = 60.0
_POLL = 0.5


class TokenStore(Protocol):
    """Where the tokens of a service are kept for all processes; ``storage.tokens`` has them in the registry."""

    def read(self, service: str, origin: str) -> KeptTokens:
        """What is kept. Tokens that began with another consent than ``origin`` count as none."""

    def claim(self, service: str, holder: str, *, now: float, until: float) -> bool:
        """The right to renew, for one holder at a time and until an instant at most."""

    def write(self, service: str, origin: str, generation: int, tokens: Tokens) -> bool:
        """Keep tokens unless somebody has kept newer ones than those of ``generation``; whether they were kept."""

    def release(self, service: str, holder: str) -> None:
        """Give the right to renew back."""


class ClientCredentials(Credentials):
    """RFC 6749, 4.4: a token for the client itself, asked for with HTTP Basic (2.3.1), kept until it expires."""

    def __init__(
        self,
        service: str,
        auth: OAuth2ClientCredentials,
        environ: Mapping[str, str],
        clock: Callable[[], float] = time.time,
    ) -> None:
        client_id = environment_value(service, auth.client_id_env, environ)
        secret = environment_value(service, auth.client_secret_env, environ)
        super().__init__({}, f"the environment variables {auth.client_id_env} and {auth.client_secret_env}")
        self._client = _basic(client_id, secret)
        self._path = auth.token_path
        self._form = {"grant_type": "client_credentials", **({"scope": auth.scope} if auth.scope else {})}
        self._service = service
        self._clock = clock
        self._lock = threading.Lock()
        self._tokens: Tokens | None = None

    def headers(self, post: PostForm) -> Mapping[str, str]:
        with self._lock:
            if self._tokens is None or not _still_good(self._tokens, self._clock()):
                reply = post(self._path, self._form, self._client)
                self._tokens = _tokens(self._service, self._path, reply, self._clock())
            return _bearer(self._tokens)

    def renew(self, refused: Mapping[str, str]) -> bool:
        with self._lock:
            if self._tokens is not None and _bearer(self._tokens) == refused:
                self._tokens = None
        return True


class RefreshToken(Credentials):
    """RFC 6749, 6: an access token for a person's consent, renewed by a refresh token that may change each time.

    All processes share what the store keeps. One renews at a time; the others wait for what it gets. A process that
    dies between the service's answer and the store, or finds the store shut for a minute, loses the new refresh token:
    where the service no longer takes the old one, the consent has to be given again, which the message then says.
    """

    def __init__(
        self,
        service: str,
        auth: OAuth2RefreshToken,
        environ: Mapping[str, str],
        store: TokenStore,
        *,
        patience: float,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        client_id = environment_value(service, auth.client_id_env, environ)
        secret = environment_value(service, auth.client_secret_env, environ) if auth.client_secret_env else None
        self._first = environment_value(service, auth.refresh_token_env, environ)
        names = ", ".join(name for name in (auth.client_id_env, auth.client_secret_env) if name)
        super().__init__(
            {},
            f"the environment variables {names} and {auth.refresh_token_env}; if they are right, the consent has ended "
            f"or its newest token was lost: give it again and put the new refresh token into {auth.refresh_token_env}",
        )
        self._client = _basic(client_id, secret) if secret else {}
        self._form = {
            "grant_type": "refresh_token",
            **({} if secret else {"client_id": client_id}),
            **({"scope": auth.scope} if auth.scope else {}),
        }
        self._path = auth.token_path
        self._service = service
        self._store = store
        self._origin = hashlib.sha256(self._first.encode()).hexdigest()
        self._holder = uuid.uuid4().hex
        self._patience = patience
        self._clock = clock
        self._sleep = sleep
        self._lock = threading.Lock()
        self._tokens: Tokens | None = None
        self._refused: str | None = None

    def headers(self, post: PostForm) -> Mapping[str, str]:
        with self._lock:
            if self._tokens is None or not self._usable(self._tokens):
                self._tokens = self._shared_or_new(post)
            return _bearer(self._tokens)

    def renew(self, refused: Mapping[str, str]) -> bool:
        with self._lock:
            if self._tokens is not None and _bearer(self._tokens) == refused:
                self._refused, self._tokens = self._tokens.access, None
        return True

    def _usable(self, tokens: Tokens) -> bool:
        return tokens.access != self._refused and _still_good(tokens, self._clock())

    def _shared_or_new(self, post: PostForm) -> Tokens:
        waited = 0.0
        while True:
            kept = self._store.read(self._service, self._origin)
            if kept.tokens is not None and self._usable(kept.tokens):
                return kept.tokens
            now = self._clock()
            if self._store.claim(self._service, self._holder, now=now, until=now + self._patience):
                break
            if waited >= _LONGEST_WAIT:
                raise TransientFailure(
                    f"{self._service}: another run has been renewing the token for a minute", retry_after=_LONGEST_WAIT
                )
            self._sleep(_POLL)
            waited += _POLL
        try:
            return self._renewed(post)
        finally:
            self._store.release(self._service, self._holder)

    def _renewed(self, post: PostForm) -> Tokens:
        kept = self._store.read(self._service, self._origin)
        if kept.tokens is not None and self._usable(kept.tokens):
            return kept.tokens
        refresh = kept.tokens.refresh if kept.tokens is not None and kept.tokens.refresh else self._first
        try:
            reply = post(self._path, {**self._form, "refresh_token": refresh}, self._client)
        except CredentialsRefused:
            if (newer := self._newer_than(kept)) is None:
                raise
            return newer
        tokens = _tokens(self._service, self._path, reply, self._clock(), refresh)
        if self._write(kept.generation, tokens):
            return tokens
        return self._newer_than(kept) or tokens

    def _write(self, generation: int, tokens: Tokens) -> bool:
        """Keep tokens, with patience: the service may take the former refresh token no more, and this one is nowhere
        else."""
        waited = 0.0
        while True:
            try:
                return self._store.write(self._service, self._origin, generation, tokens)
            except TransientFailure:
                if waited >= _LONGEST_WAIT:
                    raise
            self._sleep(_POLL)
            waited += _POLL

    def _newer_than(self, kept: KeptTokens) -> Tokens | None:
        """What another process has kept meanwhile: one that took this one for dead because it was so slow."""
        now = self._store.read(self._service, self._origin)
        return now.tokens if now.generation != kept.generation else None


def _tokens(service: str, path: str, reply: Any, now: float, refresh: str = "") -> Tokens:
    answer = reply if isinstance(reply, dict) else {}
    access, following, seconds = answer.get("access_token"), answer.get("refresh_token"), answer.get("expires_in")
    if not isinstance(access, str) or not access or not (access.isascii() and access.isprintable()):
        raise PermanentFailure(f"{service}: {path} answered without a usable 'access_token'")
    expires_at = None
    if isinstance(seconds, int | float) and not isinstance(seconds, bool):
        expires_at = now + max(0.0, seconds - _EXPIRES_EARLY)
    return Tokens(access, following if isinstance(following, str) and following else refresh, expires_at)


def _still_good(tokens: Tokens, now: float) -> bool:
    return tokens.expires_at is None or now < tokens.expires_at


def _bearer(tokens: Tokens) -> dict[str, str]:
    return {"Authorization": f"Bearer {tokens.access}"}


def _basic(client_id: str, secret: str) -> dict[str, str]:
    return basic(quote_plus(client_id), quote_plus(secret))
