"""A company with one service that misbehaves: a real server that can answer in bytes, and what became of its days."""

import datetime as dt
import gzip
import socket
import struct
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit
from zoneinfo import ZoneInfo

import orjson
from integration_fakes import ENVIRON, service_for, stream_for

from cx_orchestration.integration.answers import CredentialsRefused
from cx_orchestration.integration.http import ServiceSession
from cx_orchestration.integration.inflate import Limits
from cx_orchestration.integration.landing import Landing, land
from cx_orchestration.integration.mapping import Mapped, map_events
from cx_orchestration.integration.source import ServiceSource
from cx_orchestration.model.days import DayRange
from cx_orchestration.model.failures import Failure, TransientFailure
from cx_orchestration.model.tables import EVENTS, REJECTED_RECORDS, landed
from cx_orchestration.storage.engine import Engine
from cx_orchestration.storage.lake import Lake

Row = dict[str, Any]
Params = dict[str, str]

#: When everything is read: the days of the tests are long over.
NOW = dt.datetime(2024, 2, 1, 4, tzinfo=dt.UTC)

#: What the client takes at most of one answer.
LIMITS = Limits(body_bytes=2**20, decoded_bytes=2**20)

EVENT = {
    "type": "payment.made",
    "occurred_at": {"path": "made", "format": "epoch_s"},
    "channel": "web",
    "entity": "customer",
}


def epoch(day: int, hour: float = 12) -> int:
    """An instant of January 2024, in seconds."""
    return int(dt.datetime(2024, 1, 1, tzinfo=dt.UTC).timestamp() + (day - 1) * 86400 + hour * 3600)


def row(name: str, day: int, hour: float = 12, **more: Any) -> Row:
    made = epoch(day, hour)
    return {"id": name, "created": made, "made": made, "customer": f"of-{name}", **more}


def rows(*days: int, each: int = 5) -> list[Row]:
    """``each`` records a day, ``2a`` to ``2e`` for the second of January."""
    return [row(f"{day}{chr(97 + n)}", day, n + 1) for day in days for n in range(each)]


# --- the server -----------------------------------------------------------------------------------------------------


class Answer:
    """What a server says: a status, headers, and a body of JSON or of bytes."""

    def __init__(self, body: Any, status: int = 200, headers: dict[str, str] | None = None) -> None:
        self.body = body if isinstance(body, bytes) else orjson.dumps(body)
        self.status, self.headers = status, headers or {}

    def __call__(self, handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(self.status)
        for name, value in {"Content-Type": "application/json", **self.headers}.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(self.body)))
        handler.end_headers()
        handler.wfile.write(self.body)


#: A way to answer: an answer, or bytes as a handler sends them.
Answering = Callable[[BaseHTTPRequestHandler], None]
Handle = Callable[[Params, Any], Answering]


def reset(handler: BaseHTTPRequestHandler) -> None:
    """The connection is cut."""
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.close_connection = True
    handler.connection.close()


def truncated(handler: BaseHTTPRequestHandler) -> None:
    """A body shorter than promised."""
    handler.send_response(200)
    handler.send_header("Content-Length", "500")
    handler.end_headers()
    handler.wfile.write(b'{"data": [{"id": "')
    handler.close_connection = True


def drip(handler: BaseHTTPRequestHandler) -> None:
    """One byte after the other, without end."""
    handler.send_response(200)
    handler.send_header("Content-Length", "100000")
    handler.end_headers()
    handler.close_connection = True
    for _ in range(1000):
        handler.wfile.write(b" ")
        threading.Event().wait(0.02)


def bomb() -> Answer:
    """A few kilobytes that stand for much more than is taken."""
    return Answer(gzip.compress(b" " * 2 * LIMITS.decoded_bytes), headers={"Content-Encoding": "gzip"})


@contextmanager
def serving(handle: Handle) -> Iterator[str]:
    """A server on a free port whose answers to parameters and JSON are those of ``handle``; its base URL."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        wbufsize = -1

        def do_GET(self) -> None:
            self._answer(None)

        def do_POST(self) -> None:
            self._answer(orjson.loads(self.rfile.read(int(self.headers["Content-Length"]))))

        def _answer(self, body: Any) -> None:
            parts = urlsplit(self.path)
            params = dict(parse_qsl(parts.query, keep_blank_values=True)) | {"path": parts.path}
            try:
                handle(params, body)(self)
            except OSError:  # the client has had enough
                self.close_connection = True

        def handle_one_request(self) -> None:
            try:
                super().handle_one_request()
            except (OSError, ValueError):  # closed by the answer itself
                self.close_connection = True

        def finish(self) -> None:
            try:
                super().finish()
            except (OSError, ValueError):
                self.close_connection = True

        def log_message(self, format: str, *args: Any) -> None:
            """Requests are not logged."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads, server.block_on_close = True, False
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


def cursor_pages(rows: list[Row], size: int = 2, *, heeds: bool = True) -> Callable[[Params], Answer]:
    """A listing by window and cursor, ``size`` records a page."""

    def answer(params: Params) -> Answer:
        since, until = int(params["since"]), int(params["until"])
        found = [each for each in rows if not heeds or since <= each["created"] < until]
        first = int(params.get("after", "0"))
        following = first + size if first + size < len(found) else None
        return Answer({"data": found[first : first + size], "next": following and str(following)})

    return answer


# --- the company ----------------------------------------------------------------------------------------------------

ENDPOINT: dict[str, Any] = {
    "path": "/charges",
    "params": {"since": "{window.start}", "until": "{window.end}"},
    "window": {"format": "epoch_s", "max_days": 1},
    "data_selector": "data",
    "paginator": {"type": "cursor", "cursor_path": "next", "cursor_param": "after"},
}


def endpoint(**changes: Any) -> dict[str, Any]:
    return {key: value for key, value in {**ENDPOINT, **changes}.items() if value is not None}


class Company:
    """Reads one service by its declaration. Waiting takes no time and is remembered in ``slept``."""

    def __init__(self, lake: Lake, url: str, streams: dict[str, dict[str, Any]], *, zone: str, **client: Any) -> None:
        defaults = {"endpoint": ENDPOINT, "events": [EVENT]}
        declared = {name: stream_for(**{**defaults, **changes}) for name, changes in streams.items()}
        self.declaration = service_for(url, declared, **{"rate": {"per_second": 10_000}, "max_attempts": 3, **client})
        self.lake, self.slept = lake, list[float]()
        self.source = ServiceSource(self.declaration, zone=ZoneInfo(zone), folder=Path(), environ=ENVIRON)
        assert self.declaration.client is not None
        self.source.__dict__["session"] = ServiceSession(
            "billing", self.declaration.client, ENVIRON, limits=LIMITS, sleep=self.slept.append
        )

    def land(self, first: int, last: int | None = None, stream: str = "charges") -> Landing:
        return land(self.lake, self.source, stream, january(first, last), run_id="run", now=NOW)

    def map(self, first: int, last: int | None = None) -> Mapped:
        return map_events(Engine(), self.lake, self.declaration, january(first, last), run_id="run")

    def ids(self, stream: str = "charges", *, deleted: bool = False) -> dict[int, list[str]]:
        """The ids that landed, by day, each as often as it is there."""
        found: dict[int, list[str]] = {}
        for each in self.lake.read(landed("billing", stream)).to_pylist():
            if bool(each["deleted"]) is deleted:
                found.setdefault(each["day"].day, []).append(each["record_id"])
        return {day: sorted(ids) for day, ids in sorted(found.items())}

    def payloads(self, stream: str = "charges") -> dict[tuple[int, str], Any]:
        table = self.lake.read(landed("billing", stream)).to_pylist()
        return {(each["day"].day, each["record_id"]): orjson.loads(each["payload"]) for each in table}

    def events(self) -> dict[int, list[str]]:
        """The ids of the records that gave events, by day, each as often as it did."""
        found: dict[int, list[str]] = {}
        for each in self.lake.read(EVENTS).to_pylist():
            found.setdefault(each["day"].day, []).append(each["record_id"])
        return {day: sorted(ids) for day, ids in sorted(found.items())}

    def rejected(self) -> dict[str, list[str]]:
        """The ids in quarantine, by reason."""
        found: dict[str, list[str]] = {}
        for each in self.lake.read(REJECTED_RECORDS).to_pylist():
            found.setdefault(each["reason"], []).append(each["record_id"])
        return {reason: sorted(ids) for reason, ids in sorted(found.items())}


@contextmanager
def company(
    lake: Lake,
    handle: Handle,
    streams: dict[str, dict[str, Any]] | None = None,
    *,
    zone: str = "UTC",
    client: dict[str, Any] | None = None,
    **charges: Any,
) -> Iterator[Company]:
    with serving(handle) as url:
        found = Company(lake, url, streams or {"charges": charges}, zone=zone, **(client or {}))
        try:
            yield found
        finally:
            found.source.close()


def january(first: int, last: int | None = None) -> DayRange:
    return DayRange(dt.date(2024, 1, first), dt.date(2024, 1, last or first))


def family(failure: Failure) -> str:
    """``later`` is asked again by itself, ``credentials`` and ``permanent`` need a person."""
    if isinstance(failure, TransientFailure):
        return "later"
    return "credentials" if isinstance(failure, CredentialsRefused) else "permanent"


def failed(landing: Landing) -> dict[int, str]:
    return {day.day: family(failure) for day, failure in landing.failures.items()}


def names(day: int, letters: Iterable[str] = "abcde") -> list[str]:
    return [f"{day}{letter}" for letter in letters]
