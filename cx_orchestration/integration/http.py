"""One HTTP session with one declared service: credentials, rate, deadline, size limits, retries.

Belongs here: getting one JSON body, or a failure that says what to do. Does not belong here: what an answer means
(``answers.py``), pages, streams, records. Messages name service, stream, status and path; never parameters, bodies or
credentials.
"""

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import urlencode, urljoin, urlsplit

import orjson
import requests
import urllib3

from cx_orchestration.integration.answers import CredentialsRefused, Judge, Reply, growing_pause
from cx_orchestration.integration.auth import credentials_of
from cx_orchestration.integration.deadline import DeadlineAdapter
from cx_orchestration.integration.inflate import Limits
from cx_orchestration.integration.oauth import TokenStore
from cx_orchestration.integration.rate import Limiter, OwnUsage, UsageStore
from cx_orchestration.integration.transport_failures import transport_failure
from cx_orchestration.integration.variables import filled
from cx_orchestration.model.connection import Client, OAuth2RefreshToken, Rate
from cx_orchestration.model.failures import Failure, PermanentFailure, TransientFailure

_LONGEST_WAIT = 60.0
_REDIRECTS = 3
_KEEP_THE_METHOD = frozenset({307, 308})
_ABSOLUTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADERS = {"User-Agent": "cx-orchestration", "Accept": "application/json", "Accept-Encoding": "gzip"}

Params = Mapping[str, str | int]


@dataclass(frozen=True)
class _Question:
    """One request as often as it must be sent; ``for_token`` is one that gets the credentials for all others.

    ``shown`` is what messages say of its address: a service may have put anybody's name into it.
    """

    method: str
    url: str
    shown: str
    params: Params | None = None
    body: bytes | None = None
    headers: Mapping[str, str] | None = None
    for_token: bool = False


@dataclass(frozen=True)
class _Redirect:
    status: int
    location: str


@dataclass(frozen=True)
class Shared:
    """What all processes that ask the same service have in common; ``None`` is what this process keeps by itself."""

    usage: UsageStore | None = None
    tokens: TokenStore | None = None


def shares(client: Client) -> bool:
    """Whether anything of this connection must be known to other processes.

    The default rate is a courtesy; a rate that was declared is the service's own, and is kept to by all together.
    """
    return client.rate != Rate() or isinstance(client.auth, OAuth2RefreshToken)


class Asks(Protocol):
    """What reading a listing needs of a session."""

    @property
    def service(self) -> str: ...

    def ask(
        self,
        path: str,
        params: Params | None = None,
        *,
        body: Mapping[str, Any] | None = None,
        stream: str = "",
        shown: str = "",
    ) -> Reply: ...

    def address(self, path: str, *, against: str | None = None) -> str: ...


class ServiceSession:
    """Asks one service for JSON. Threads may share it; its rate limit then holds for all of them together, and with
    ``shared`` for all processes.

    ``environ`` is where credentials and ``${NAME}`` in the base URL come from. Raises ``PermanentFailure`` at once
    when a variable is missing, naming it.
    """

    def __init__(
        self,
        service: str,
        client: Client,
        environ: Mapping[str, str],
        *,
        shared: Shared | None = None,
        limits: Limits | None = None,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.service = service
        self.requests = 0
        self._client = client
        self._sleep = sleep
        shared = shared or Shared()
        seconds = client.timeout_seconds
        usage = shared.usage or OwnUsage()
        self._limiter = Limiter(service, client.rate, usage, request_seconds=seconds, clock=clock, sleep=sleep)
        self.base_url = self._resolve_base_url(environ)
        self._origin = _origin(self.base_url)
        patience = client.max_attempts * (seconds + _LONGEST_WAIT)
        self._credentials = credentials_of(service, client.auth, environ, tokens=shared.tokens, patience=patience)
        self._judge = Judge(client.retry_on, limits or Limits(), self._credentials.named)
        self._headers = {**_HEADERS, **self._declared_headers()}
        token_path = getattr(client.auth, "token_path", "")
        addresses = [self.base_url, *([token_path] if _ABSOLUTE.match(token_path) else [])]
        try:
            self._adapters = {_origin(address): DeadlineAdapter(address) for address in addresses}
        except (requests.RequestException, urllib3.exceptions.LocationValueError):
            raise PermanentFailure(f"{service}: client.base_url has a host or proxy that is no address") from None

    @property
    def credentials(self) -> str:
        """Where the credentials come from, in words: the names of environment variables."""
        return self._credentials.named

    def ask(
        self,
        path: str,
        params: Params | None = None,
        *,
        body: Mapping[str, Any] | None = None,
        stream: str = "",
        shown: str = "",
    ) -> Reply:
        """The JSON at a path under the base URL, or at an absolute address on the same host.

        With ``body`` the request is a POST of that JSON. It is sent again after a transient failure as a GET is: a
        service is only ever asked, and a question asked twice changes nothing. ``shown`` is the path for messages,
        where the real one was filled in with what may be somebody's.

        Raises ``PermanentFailure`` or, when all attempts are used up or the service asks for a long wait,
        ``TransientFailure``.
        """
        url = self.address(path)
        where = f"{self.service}/{stream}" if stream else self.service
        given = "an address that the service gave" if _ABSOLUTE.match(path) else urlsplit(url).path
        shown = urlsplit(self.address(shown)).path if shown else given
        if body is None:
            return self._ask(where, _Question("GET", url, shown, params))
        headers = {"Content-Type": "application/json"}
        return self._ask(where, _Question("POST", url, shown, params, orjson.dumps(body), headers))

    def address(self, path: str, *, against: str | None = None) -> str:
        """An absolute address on the service's host; ``against`` is the page that a relative one was found on.

        Raises ``PermanentFailure`` for an address elsewhere: credentials would go to a stranger.
        """
        if against:
            url = _joined(against, path)
        else:
            url = path if _ABSOLUTE.match(path) else self.base_url + "/" + path.lstrip("/")
        if _origin(url) != self._origin:
            raise PermanentFailure(
                f"{self.service}: an address leads to another host than base_url; credentials are not sent there"
            )
        return url

    def close(self) -> None:
        self._limiter.close()
        for adapter in self._adapters.values():
            adapter.close()

    def _declared_headers(self) -> Mapping[str, str]:
        for name, value in self._client.headers.items():
            if not _HEADER_NAME.fullmatch(name) or not (value.isascii() and value.isprintable()):
                raise PermanentFailure(f"{self.service}: client.headers has a name or value that HTTP cannot carry")
        return {name: value.strip() for name, value in self._client.headers.items()}

    def _resolve_base_url(self, environ: Mapping[str, str]) -> str:
        url = filled(self.service, self._client.base_url, environ).rstrip("/")
        origin = _origin(url)
        if origin is None or origin[0] not in ("http", "https") or not origin[1] or "@" in url or "?" in url:
            raise PermanentFailure(
                f"{self.service}: client.base_url must be an http(s) address with a host, "
                "without credentials and parameters"
            )
        return url

    def _ask(self, where: str, question: _Question) -> Reply:
        renewed = False
        attempt = 0
        while True:
            attempt += 1
            signed = {} if question.for_token else self._credentials.headers(self._post_form)
            outcome = self._attempt(where, question, signed)
            if isinstance(outcome, Reply):
                return outcome
            expired = isinstance(outcome, CredentialsRefused) and outcome.renewable and not question.for_token
            if expired and not renewed and self._credentials.renew(signed):
                renewed = True
                continue
            if not isinstance(outcome, TransientFailure):
                raise outcome
            wait = outcome.retry_after
            if attempt >= self._client.max_attempts or (wait is not None and wait > _LONGEST_WAIT):
                raise outcome
            self._sleep(wait if wait is not None else growing_pause(attempt))

    def _attempt(self, where: str, question: _Question, signed: Mapping[str, str]) -> Reply | Failure:
        """One exchange. Failures are returned, so that no exception that knows the address is ever their context."""
        headers = {**self._headers, **(question.headers or {}), **signed}
        url, params = question.url, question.params
        here = f"{where}: {question.shown}"
        for _ in range(_REDIRECTS + 1):
            with self._limiter.request():
                self.requests += 1
                outcome = self._exchange(here, question, url, params, headers)
            if not isinstance(outcome, _Redirect):
                return outcome
            if question.method == "POST" and outcome.status not in _KEEP_THE_METHOD:
                return PermanentFailure(f"{here} redirects a POST: correct the path")
            url, params = _joined(url, outcome.location), None
            if _origin(url) != _origin(question.url):
                return PermanentFailure(
                    f"{here} redirects to another host, which is not followed: correct client.base_url"
                )
            here = f"{where}: {question.shown} (redirected)"
        return PermanentFailure(f"{where}: {question.shown} redirects in circles: correct the path")

    def _exchange(
        self, here: str, question: _Question, url: str, params: Params | None, headers: Mapping[str, str]
    ) -> Reply | Failure | _Redirect:
        seconds = self._client.timeout_seconds
        try:
            request = _prepared(question.method, url, params, headers, question.body)
            response = self._adapters[_origin(url)].exchange(request, seconds)
            try:
                if response.is_redirect:
                    return _Redirect(response.status_code, response.headers["Location"])
                return self._judge.reply(response, url, here, for_token=question.for_token)
            finally:
                # A connection whose answer was not read to its end can serve no other request.
                response.close()
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            return transport_failure(here, error, seconds)

    def _post_form(self, path: str, form: Mapping[str, str], headers: Mapping[str, str]) -> Any:
        """The answer to a form that gets a token. ``path`` was declared, so that it may be another host's address."""
        url = path if _ABSOLUTE.match(path) else self.address(path)
        content = urlencode(form).encode()
        kind = {"Content-Type": "application/x-www-form-urlencoded", **headers}
        return self._ask(
            self.service, _Question("POST", url, urlsplit(url).path, None, content, kind, for_token=True)
        ).body


def _prepared(
    method: str, url: str, params: Params | None, headers: Mapping[str, str], body: bytes | None
) -> requests.PreparedRequest:
    """A request without what ``prepare()`` adds by itself: cookies, and credentials that stand in an address."""
    request = requests.PreparedRequest()
    request.prepare_method(method)
    # Taking values of any kind costs `requests` a third of all that preparing does; here all are plain.
    request.prepare_url(url, urlencode(params) if params else None)
    request.prepare_headers(headers)
    request.prepare_body(body, None)
    return request


def _origin(url: str) -> tuple[str, str | None, int | None] | None:
    """Scheme, host and port; ``None`` for what is no address."""
    try:
        parts = urlsplit(url)
        return parts.scheme, parts.hostname, parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    except ValueError:
        return None


def _joined(base: str, address: str) -> str:
    try:
        return urljoin(base, address)
    except ValueError:
        return address
