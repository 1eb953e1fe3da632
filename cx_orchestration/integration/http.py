"""One HTTP session with one declared service: credentials, rate, deadline, size limits, retries.

Belongs here: getting one JSON body, or a failure that says what to do. Does not belong here: pages, streams, records.
Messages name service, stream, status and path; never parameters, bodies or credentials.
"""

import datetime as dt
import random
import re
import time
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlencode, urljoin, urlsplit

import orjson
import requests
import urllib3
from requests.utils import parse_header_links

from cx_orchestration.integration.auth import ClientCredentials, Sign, credentials_of, environment_value
from cx_orchestration.integration.deadline import DeadlineAdapter
from cx_orchestration.integration.inflate import Inflate
from cx_orchestration.integration.rate import RateLimiter
from cx_orchestration.integration.records import parse_json
from cx_orchestration.model.connection import Client
from cx_orchestration.model.failures import Failure, PermanentFailure, TransientFailure

_TRANSIENT_STATUS = frozenset({408, 425, 429, 500, 502, 503, 504})
_LONGEST_WAIT = 60.0
_REDIRECTS = 3
_KEEP_THE_METHOD = frozenset({307, 308})
_READ = 1 << 16
_VARIABLE = re.compile(r"\$\{([A-Z][A-Z0-9_]*)\}")

Params = Mapping[str, str | int]
Headers = Mapping[str, str]


class CredentialsRefused(PermanentFailure):
    """The service does not accept the credentials: every further request would be refused as well."""


@dataclass(frozen=True)
class Limits:
    """What one answer may take: bytes on the wire, and bytes after decompression."""

    body_bytes: int = 64 * 2**20
    decoded_bytes: int = 128 * 2**20


@dataclass(frozen=True)
class Reply:
    """A parsed body, and what paging needs to know besides. ``headers`` are found whatever their case. ``exact`` is
    false when the body held values that are not proper JSON (NaN, lone surrogates): its records are then looked at
    one by one."""

    body: Any
    url: str
    headers: Headers
    exact: bool = True

    @property
    def next_link(self) -> str | None:
        """The address in ``Link: <...>; rel="next"`` (RFC 8288), if there is one."""
        links = parse_header_links(self.headers.get("Link", ""))
        return next((link["url"] for link in links if "next" in link.get("rel", "").lower().split()), None)


@dataclass(frozen=True)
class _Question:
    """One request as often as it must be sent; ``for_token`` is one that gets the credentials for all others."""

    method: str
    url: str
    params: Params | None = None
    body: bytes | None = None
    content_type: str | None = None
    for_token: bool = False


class ServiceSession:
    """Asks one service for JSON. Threads may share it; its rate limit then holds for all of them together.

    ``environ`` is where credentials and ``${NAME}`` in the base URL come from. Raises ``PermanentFailure`` at once
    when a variable is missing, naming it.
    """

    def __init__(
        self,
        service: str,
        client: Client,
        environ: Mapping[str, str],
        *,
        limits: Limits | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.service = service
        self.requests = 0
        self._client = client
        self._limits = limits or Limits()
        self._sleep = sleep
        self._rate = RateLimiter(client.rate.per_second, sleep=sleep)
        self.base_url = self._resolve_base_url(environ)
        self._credentials = credentials_of(service, client.auth, environ)
        self._session = requests.Session()
        self._session.headers.update({"Accept": "application/json", "Accept-Encoding": "gzip", **client.headers})
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, DeadlineAdapter())

    def ask(
        self, path: str, params: Params | None = None, *, body: Mapping[str, Any] | None = None, stream: str = ""
    ) -> Reply:
        """The JSON at a path under the base URL, or at an absolute address on the same host.

        With ``body`` the request is a POST of that JSON. It is sent again after a transient failure as a GET is: a
        service is only ever asked, and a question asked twice changes nothing.

        Raises ``PermanentFailure`` or, when all attempts are used up or the service asks for a long wait,
        ``TransientFailure``.
        """
        url = self.address(path)
        where = f"{self.service}/{stream}" if stream else self.service
        if body is None:
            return self._ask(where, _Question("GET", url, params))
        return self._ask(where, _Question("POST", url, params, orjson.dumps(body), "application/json"))

    def address(self, path: str, *, against: str | None = None) -> str:
        """An absolute address on the service's host; ``against`` is the page that a relative one was found on.

        Raises ``PermanentFailure`` for an address elsewhere: credentials would go to a stranger.
        """
        url = _joined(against, path) if against else path if "://" in path else self.base_url + "/" + path.lstrip("/")
        if _origin(url) != _origin(self.base_url):
            raise PermanentFailure(
                f"{self.service}: an address leads to another host than base_url; credentials are not sent there"
            )
        return url

    def close(self) -> None:
        self._session.close()

    def _resolve_base_url(self, environ: Mapping[str, str]) -> str:
        def value(match: re.Match[str]) -> str:
            return environment_value(self.service, match[1], environ)

        url = _VARIABLE.sub(value, self._client.base_url).rstrip("/")
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
            outcome = self._attempt(where, question)
            if isinstance(outcome, Reply):
                return outcome
            refused = isinstance(outcome, CredentialsRefused) and not question.for_token
            if refused and not renewed and self._credentials.renew():
                renewed = True
                continue
            if not isinstance(outcome, TransientFailure):
                raise outcome
            wait = outcome.retry_after
            if attempt >= self._client.max_attempts or (wait is not None and wait > _LONGEST_WAIT):
                raise outcome
            self._sleep(wait if wait is not None else _backoff(attempt))

    def _attempt(self, where: str, question: _Question) -> Reply | Failure:
        """One exchange. Failures are returned, so that no exception that knows the address is ever their context."""
        sign = self._credentials.signer() if question.for_token else self._signer()
        url, params = question.url, question.params
        headers = {} if question.content_type is None else {"Content-Type": question.content_type}
        for _ in range(_REDIRECTS + 1):
            path = urlsplit(url).path
            self._rate.wait()
            self.requests += 1
            started = time.monotonic()
            try:
                response = self._session.request(
                    question.method, url, params=params, data=question.body, headers=headers, auth=sign,
                    timeout=self._client.timeout_seconds, stream=True, allow_redirects=False,
                )  # fmt: skip
                with response:
                    if not response.is_redirect:
                        return self._read(where, path, response, started, question.for_token)
                    if question.method == "POST" and response.status_code not in _KEEP_THE_METHOD:
                        return PermanentFailure(f"{where}: {path} redirects a POST: correct the path")
                    target = response.headers["Location"]
            except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
                return _transport_failure(where, path, error, self._client.timeout_seconds)
            url, params = _joined(url, target), None
            if _origin(url) != _origin(self.base_url):
                return PermanentFailure(
                    f"{where}: {path} redirects to another host, which is not followed: correct client.base_url"
                )
        return PermanentFailure(f"{where}: {path} redirects in circles: correct the path")

    def _read(self, where: str, path: str, response: requests.Response, started: float, token: bool) -> Reply | Failure:
        if response.status_code != 200:
            return self._status_failure(where, path, response, token)
        body = self._body(where, path, response, started)
        if isinstance(body, Failure):
            return body
        parsed = parse_json(body)
        if parsed is None:
            kind = "an HTML page" if body.lstrip()[:1] == b"<" else "a body that is not JSON"
            return PermanentFailure(
                f"{where}: {path} answered 200 with {kind} ({len(body)} bytes) where JSON is declared; "
                "check client.base_url, the path and whether the service shows a login or maintenance page"
            )
        return Reply(parsed[0], response.url, response.headers, parsed[1])

    def _body(self, where: str, path: str, response: requests.Response, started: float) -> bytes | Failure:
        encoding = response.headers.get("Content-Encoding", "identity").lower()
        if encoding not in ("identity", "gzip", ""):
            return PermanentFailure(f"{where}: {path} has Content-Encoding {encoding[:20]}; only gzip is accepted")
        inflate = Inflate(self._limits.decoded_bytes) if encoding == "gzip" else None
        parts: list[bytes] = []
        received = 0
        for chunk in response.raw.stream(_READ, decode_content=False):
            received += len(chunk)
            if received > self._limits.body_bytes:
                return _too_big(where, path, self._limits.body_bytes)
            if time.monotonic() - started > self._client.timeout_seconds:
                return _too_slow(where, path, self._client.timeout_seconds)
            if inflate is None:
                parts.append(chunk)
                continue
            try:
                parts.extend(inflate(chunk))
            except zlib.error:
                return TransientFailure(f"{where}: {path} sent a body whose gzip is damaged")
            if inflate.overflow:
                return _too_big(where, path, self._limits.decoded_bytes)
        if inflate is not None and not inflate.complete:
            return TransientFailure(f"{where}: {path} sent a body whose gzip ends too early")
        return b"".join(parts)

    def _status_failure(self, where: str, path: str, response: requests.Response, token: bool) -> Failure:
        status = response.status_code
        if status in (401, 403) or (token and status == 400):
            return CredentialsRefused(
                f"{where}: {path} refused the credentials (HTTP {status}): check {self._credentials.named}"
            )
        if status in _TRANSIENT_STATUS:
            wait = _retry_after(response.headers)
            asked = "" if wait is None else f" and asks to wait {wait:.0f} s"
            return TransientFailure(f"{where}: {path} answers HTTP {status}{asked}", retry_after=wait)
        hint = "check client.base_url and the endpoint's path" if status == 404 else "check the endpoint's parameters"
        return PermanentFailure(f"{where}: {path} answers HTTP {status}: {hint}")

    def _signer(self) -> Sign:
        if isinstance(self._credentials, ClientCredentials):
            return self._credentials.token_signer(self._post_form)
        return self._credentials.signer()

    def _post_form(self, path: str, form: Mapping[str, str]) -> Any:
        content = urlencode(form).encode()
        kind = "application/x-www-form-urlencoded"
        return self._ask(self.service, _Question("POST", self.address(path), None, content, kind, for_token=True)).body


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


def _transport_failure(where: str, path: str, error: Exception, seconds: float) -> Failure:
    if isinstance(error, requests.exceptions.SSLError):
        return PermanentFailure(f"{where}: {path}: the TLS certificate is not accepted; check client.base_url")
    if isinstance(error, requests.Timeout | urllib3.exceptions.TimeoutError | TimeoutError):
        return _too_slow(where, path, seconds)
    if isinstance(error, requests.exceptions.InvalidHeader | requests.exceptions.InvalidURL):
        return PermanentFailure(f"{where}: {path}: the address or a header is malformed; check 'client'")
    return TransientFailure(f"{where}: {path}: no complete answer ({type(error).__name__}); is the service up?")


def _too_slow(where: str, path: str, seconds: float) -> TransientFailure:
    return TransientFailure(f"{where}: {path} took longer than client.timeout_seconds ({seconds:g} s) in all")


def _too_big(where: str, path: str, limit: int) -> PermanentFailure:
    return PermanentFailure(f"{where}: {path} sent more than {limit} bytes in one answer: ask for smaller pages")


def _backoff(attempt: int) -> float:
    return min(0.5 * 2.0 ** (attempt - 1), 30.0) * random.uniform(0.5, 1)  # noqa: S311


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait, by RFC 9110 10.2.3; a date is read against the server's own clock if it says what that is."""
    text = headers.get("Retry-After", "").strip()
    if re.fullmatch(r"\d+(\.\d+)?", text):
        return float(text)
    until, now = _http_date(text), _http_date(headers.get("Date", "")) or dt.datetime.now(dt.UTC)
    return None if until is None else max(0.0, (until - now).total_seconds())


def _http_date(text: str) -> dt.datetime | None:
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)
