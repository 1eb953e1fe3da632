"""What the vendors' servers have in common: records ready to send, JSON, credentials, a limit on requests.

Belongs here: the parts every vendor module is made of. Does not belong here: one vendor's paths or words.
"""

import base64
import bisect
import datetime as dt
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from cx_orchestration.demo.servers.faults import Fault, FaultyApp
from cx_orchestration.demo.services.writing import Records

#: Environment variables of one service: the names that its declaration uses, and what they are at this start.
Environment: TypeAlias = dict[str, str]


class Shelf:
    """The records of one stream, serialised once and in the order of their times."""

    def __init__(self, records: Records) -> None:
        self.times: list[int] = records.times.tolist()
        self.records = records.records
        self.ready = [orjson.Fragment(orjson.dumps(record)) for record in records.records]

    def __len__(self) -> int:
        return len(self.ready)

    def between(self, start: int | None, end: int | None) -> tuple[int, int]:
        """The positions of the records from ``start`` to before ``end``, microseconds; absent bounds are open."""
        first = 0 if start is None else bisect.bisect_left(self.times, start)
        last = len(self.times) if end is None else bisect.bisect_left(self.times, end)
        return first, max(first, last)


@dataclass(frozen=True)
class Limit:
    """At most so many requests in any ``seconds`` that begin with a request."""

    requests: int = 500
    seconds: float = 1.0


@dataclass(frozen=True)
class Vendor:
    """One vendor's API: routes, its test of credentials, and its words for a refusal.

    ``open_paths`` need no credentials; ``environment`` is what a client must know, but for the address.
    """

    routes: list[Route]
    accepts: Callable[[Request], bool]
    refusal: Any
    environment: Environment
    open_paths: frozenset[str] = field(default_factory=frozenset)


def serve_vendor(vendor: Vendor, *, fault: Fault | None = None, limit: Limit | None = None) -> ASGIApp:
    """The vendor's app behind its credentials, its limit and, if any, its fault."""
    app: ASGIApp = _Guarded(Starlette(routes=vendor.routes), vendor, refuses_all=_is(fault, "unauthorized"))
    if fault is not None and fault.kind not in ("unauthorized", "empty"):
        app = FaultyApp(app, fault)
    return _Limited(app, limit or Limit())


def _is(fault: Fault | None, kind: str) -> bool:
    return fault is not None and fault.kind == kind


class _Guarded:
    def __init__(self, app: ASGIApp, vendor: Vendor, *, refuses_all: bool) -> None:
        self._app, self._vendor, self._refuses_all = app, vendor, refuses_all

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope)
        path = request.url.path.removeprefix(scope.get("root_path", ""))
        known = path in self._vendor.open_paths or self._vendor.accepts(request)
        if self._refuses_all or not known:
            await json_response(self._vendor.refusal, 401)(scope, receive, send)
        else:
            await self._app(scope, receive, send)


class _Limited:
    def __init__(self, app: ASGIApp, limit: Limit) -> None:
        self._app, self._limit = app, limit
        self._began, self._count = float("-inf"), 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        now = time.monotonic()
        if now - self._began >= self._limit.seconds:
            self._began, self._count = now, 0
        self._count += 1
        if self._count <= self._limit.requests:
            await self._app(scope, receive, send)
            return
        wait = max(1, round(self._began + self._limit.seconds - now))
        refused = json_response({"error": "rate limit exceeded"}, 429, {"Retry-After": str(wait)})
        await refused(scope, receive, send)


def json_response(body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A JSON body; ``Fragment``s in it are sent as they are."""
    return Response(orjson.dumps(body), status, headers, media_type="application/json")


def new_token(prefix: str = "") -> str:
    """A credential for this start of the servers only."""
    return prefix + secrets.token_urlsafe(24).replace("_", "A").replace("-", "B")


def same(given: str | None, expected: str) -> bool:
    """Compare credentials without telling how much of one was right."""
    return given is not None and secrets.compare_digest(given.encode(), expected.encode())


def bearer(request: Request) -> str | None:
    """The token of an ``Authorization: Bearer`` header."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token if scheme.lower() == "bearer" else None


def basic(request: Request) -> tuple[str, str] | None:
    """User and password of an ``Authorization: Basic`` header; ``None`` where there is none that can be read."""
    scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        user, _, password = base64.b64decode(encoded, validate=True).decode().partition(":")
    except ValueError:
        return None
    return user, password


def microseconds(text: str) -> int:
    """An ISO 8601 instant in microseconds since 1970, UTC unless it says otherwise; raises ``ValueError``."""
    moment = dt.datetime.fromisoformat(text.replace(" ", "+"))
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=dt.UTC)
    return int((moment - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)) / dt.timedelta(microseconds=1))


def whole_number(request: Request, name: str, default: int, *, lowest: int = 0, highest: int | None = None) -> int:
    """A query parameter that must be a number of at least ``lowest``; above ``highest`` it counts as ``highest``."""
    text = request.query_params.get(name, str(default))
    if not text.isdecimal() or int(text) < lowest:
        raise ValueError(f"{name} must be a whole number of at least {lowest}")
    return int(text) if highest is None else min(int(text), highest)
