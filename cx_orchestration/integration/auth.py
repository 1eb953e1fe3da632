"""The kinds of credentials a declaration may name, put on requests as headers.

Belongs here: environment variables to headers, OAuth2 tokens. Does not belong here: sending requests.
"""

import base64
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote_plus

from requests import PreparedRequest

from cx_orchestration.model.connection import (
    Auth,
    BasicAuth,
    BearerAuth,
    HeaderAuth,
    NoAuth,
    OAuth2ClientCredentials,
    OAuth2RefreshToken,
)
from cx_orchestration.model.failures import PermanentFailure

Sign = Callable[[PreparedRequest], PreparedRequest]

#: Posts a form to a path of the service and returns the parsed body.
PostForm = Callable[[str, Mapping[str, str]], Any]

_EXPIRES_EARLY = 30.0


def environment_value(service: str, name: str, environ: Mapping[str, str]) -> str:
    """A variable that a declaration names, fit to be part of an HTTP header.

    Raises ``PermanentFailure`` naming the variable, never its value.
    """
    value = environ.get(name, "")
    if not value:
        raise PermanentFailure(
            f"{service}: the environment variable {name} is not set; the service's declaration names it"
        )
    if not (value.isascii() and value.isprintable()):
        raise PermanentFailure(
            f"{service}: the environment variable {name} holds a character that HTTP headers cannot carry"
        )
    return value


class Credentials:
    """Constant headers. ``named`` tells the on-call engineer where the credentials come from."""

    def __init__(self, headers: Mapping[str, str], named: str) -> None:
        self._headers = dict(headers)
        self.named = named

    def signer(self) -> Sign:
        """What puts the credentials on a request."""
        return _signer(self._headers)

    def renew(self) -> bool:
        """Get rid of what was refused; true if the next request would carry something new."""
        return False


class ClientCredentials(Credentials):
    """RFC 6749, 4.4: a token for the client itself, asked for with HTTP Basic (2.3.1), kept until it expires."""

    def __init__(
        self,
        service: str,
        auth: OAuth2ClientCredentials,
        environ: Mapping[str, str],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        client_id = environment_value(service, auth.client_id_env, environ)
        secret = environment_value(service, auth.client_secret_env, environ)
        super().__init__(
            _basic(quote_plus(client_id), quote_plus(secret)),
            f"the environment variables {auth.client_id_env} and {auth.client_secret_env}",
        )
        self.path = auth.token_path
        self.form = {"grant_type": "client_credentials", **({"scope": auth.scope} if auth.scope else {})}
        self._service = service
        self._clock = clock
        self._lock = threading.RLock()
        self._token: str | None = None
        self._expires_at = float("inf")

    def token_signer(self, post: PostForm) -> Sign:
        """What puts the token on a request; ``post`` gets one when there is none that is still good."""
        with self._lock:
            if self._token is None or self._clock() >= self._expires_at:
                self._keep(post(self.path, self.form))
            return _signer({"Authorization": f"Bearer {self._token}"})

    def renew(self) -> bool:
        with self._lock:
            self._token = None
        return True

    def _keep(self, reply: Any) -> None:
        token = reply.get("access_token") if isinstance(reply, dict) else None
        if not isinstance(token, str) or not token or not (token.isascii() and token.isprintable()):
            raise PermanentFailure(f"{self._service}: {self.path} answered without a usable 'access_token'")
        seconds = reply.get("expires_in")
        known = isinstance(seconds, int | float) and not isinstance(seconds, bool)
        self._expires_at = self._clock() + max(0.0, seconds - _EXPIRES_EARLY) if known else float("inf")
        self._token = token


def credentials_of(service: str, auth: Auth, environ: Mapping[str, str]) -> Credentials:
    """The credentials that a declaration describes, with their values from the environment."""

    def value(name: str) -> str:
        return environment_value(service, name, environ)

    match auth:
        case NoAuth():
            return Credentials({}, "client.auth: none is declared")
        case BearerAuth():
            return Credentials(
                {"Authorization": f"Bearer {value(auth.token_env)}"}, f"the environment variable {auth.token_env}"
            )
        case HeaderAuth():
            names = ", ".join(auth.headers_env.values())
            headers = {header: value(name) for header, name in auth.headers_env.items()}
            return Credentials(headers, f"the environment variables {names}")
        case BasicAuth():
            return Credentials(
                _basic(value(auth.username_env), value(auth.password_env)),
                f"the environment variables {auth.username_env} and {auth.password_env}",
            )
        case OAuth2ClientCredentials():
            return ClientCredentials(service, auth, environ)
        case OAuth2RefreshToken():
            raise PermanentFailure(f"{service}: client.auth of type oauth2_refresh_token cannot be used yet")


def _signer(headers: Mapping[str, str]) -> Sign:
    def sign(request: PreparedRequest) -> PreparedRequest:
        request.headers.update(headers)
        return request

    return sign


def _basic(username: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()}
