"""The replayed service over HTTP on this machine: each stream in pages, as its paginator is declared.

Belongs here: answers. Does not belong here: which records there are (``shelf.py``). A stream's listing is served under
its own name, and its window comes in two parameters of ours besides the declared ones, so that no vendor's query
language needs to be understood; everything else of the endpoint is as declared.
"""

import socketserver
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import orjson

from cx_orchestration.integration.loadtest.schedule import Stopwatch
from cx_orchestration.integration.loadtest.shelf import Shelf
from cx_orchestration.integration.loadtest.templates import number_of, put
from cx_orchestration.integration.page import EACH
from cx_orchestration.integration.paths import MISSING, parse_path
from cx_orchestration.integration.times import time_reader
from cx_orchestration.model.connection import NoAuth
from cx_orchestration.model.endpoint import (
    CursorPaginator,
    Endpoint,
    FeedTombstones,
    HeaderCursorPaginator,
    LastIdPaginator,
    LinkHeaderPaginator,
    NextUrlPaginator,
    OffsetPaginator,
    PageNumberPaginator,
    SinglePage,
)
from cx_orchestration.model.failures import PermanentFailure
from cx_orchestration.model.service import ServiceDeclaration, Stream
from cx_orchestration.model.values import Time

_SINCE, _UNTIL, _AFTER, _FROM = "replay_since", "replay_until", "replay_after", "replay_from"

# What our parameters carry, of what the declared path, parameters and body may carry.
_CARRIED = {_SINCE: "window.start", _UNTIL: "window.end", _AFTER: "tie_break.id"}


@dataclass(frozen=True)
class Asked:
    """One request: the stream, the rest of the path, the parameters, and the JSON of a POST."""

    stream: str
    path: str
    params: Mapping[str, str]
    body: Any = None

    def value(self, param: str | None, body_path: str | None) -> str | None:
        """What a paginator put into the parameter or, where it is declared so, into the body."""
        if body_path is None:
            return self.params.get(str(param))
        found = parse_path(body_path).of(self.body)
        return None if found is None or found is MISSING else str(found)


@dataclass(frozen=True)
class Answer:
    """One JSON body with its headers."""

    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


#: Answers a request. An ``OSError`` breaks the connection off.
Answers = Callable[[Asked], Answer]


@dataclass(frozen=True)
class LocalService:
    """What the service answers by now. ``page_size`` holds for paginators whose declaration does not say theirs."""

    shelves: Mapping[str, Shelf]
    stopwatch: Stopwatch
    page_size: int

    def __call__(self, asked: Asked) -> Answer:
        shelf = self.shelves[asked.stream]
        endpoint = endpoint_of(shelf.stream)
        since, until = (_bound(shelf.updated_at, endpoint, asked.params.get(name)) for name in (_SINCE, _UNTIL))
        found = shelf.between(since, until, self.stopwatch.at())
        after = number_of(asked.params.get(_AFTER, ""))
        ascending = found if after is None else range(max(found.start, min(after + 1, found.stop)), found.stop)
        descending = endpoint.order is not None and endpoint.order.direction == "descending"
        listed = ascending[::-1] if descending else ascending
        first, size = self._place(endpoint, asked, listed)
        page = listed[first : first + size]
        rest = listed[first + size :]
        records = [orjson.Fragment(shelf.record(number)) for number in page]
        return self._answer(endpoint, asked, listed, records, rest[0] if rest else None)

    def _place(self, endpoint: Endpoint, asked: Asked, listed: range) -> tuple[int, int]:
        """Where in the listing the page asked for begins, and how many records it may hold. What the service told as
        the way to the next page is the number of its first record: new arrivals do not shift it."""
        size, first = self.page_size, str(listed.start)
        match endpoint.paginator:
            case SinglePage():
                return 0, len(listed)
            case PageNumberPaginator() as how:
                return (int(asked.params[how.page_param]) - how.base_page) * size, size
            case OffsetPaginator() as how:
                return int(asked.value(how.offset_param, how.offset_body_path) or 0), how.limit
            case LastIdPaginator() as how:
                last = number_of(asked.params.get(how.cursor_param, ""))
                return 0 if last is None else abs(last - listed.start) + 1, size
            case CursorPaginator() as how:
                number = asked.value(how.cursor_param, how.cursor_body_path) or first
            case HeaderCursorPaginator() as how:
                number = asked.params.get(how.cursor_param or _FROM, first)
            case NextUrlPaginator() | LinkHeaderPaginator():
                number = asked.params.get(_FROM, first)
        return abs(int(number) - listed.start), size

    def _answer(
        self, endpoint: Endpoint, asked: Asked, listed: range, records: list[orjson.Fragment], following: int | None
    ) -> Answer:
        last = following is None
        link = f"/{asked.stream}{asked.path}?{urlencode({**asked.params, _FROM: str(following)})}"
        marks: dict[str, Any] = {endpoint.data_selector: records}
        headers: dict[str, str] = {}
        match endpoint.paginator:
            case PageNumberPaginator() as how:
                if how.total_pages_path is not None:
                    marks[how.total_pages_path] = -(-len(listed) // self.page_size)
                if how.total_path is not None:
                    marks[how.total_path] = len(listed)
            case OffsetPaginator() as how:
                marks[how.total_path] = len(listed)
            case CursorPaginator() as how:
                if not (last and how.null_when_absent):
                    marks[how.cursor_path] = None if last else str(following)
                if how.end_path is not None:
                    marks[how.end_path] = how.end_value if last else _not(how.end_value)
            case HeaderCursorPaginator() as how if not last:
                headers[how.cursor_header] = str(following) if how.cursor_param else link
            case LastIdPaginator(has_more_path=str(path)):
                marks[path] = not last
            case NextUrlPaginator() as how:
                marks[how.next_url_path] = None if last else link
                if how.done_path is not None:
                    marks[how.done_path] = last
            case LinkHeaderPaginator() if not last:
                headers["Link"] = f'<{link}>; rel="next"'
        if endpoint.complete_when is not None and last:
            marks[endpoint.complete_when.path] = endpoint.complete_when.equals
        return Answer(orjson.dumps(_document(marks)), headers)


def rehearsed(declaration: ServiceDeclaration, base_url: str, *, share: float = 1) -> ServiceDeclaration:
    """The declaration with its address replaced by the local service's: without credentials, and each endpoint under
    its stream's name. The rate is ``share`` of the declared one, without a limit a day: the replay's minute is none.
    Nothing is deleted during a replay, so no feed of deletions is asked for. An order by anything but the time of
    change is not promised: replayed records keep those values. All else is as declared."""
    if declaration.client is None:
        return declaration
    rate = declaration.client.rate
    per_second = {"per_second": rate.per_second * share, "per_day": None}
    client = declaration.client.model_copy(
        update={"base_url": base_url, "auth": NoAuth(), "rate": rate.model_copy(update=per_second)}
    )
    streams = {name: _rehearsed_stream(name, stream) for name, stream in declaration.streams.items()}
    return declaration.model_copy(update={"client": client, "streams": streams})


@contextmanager
def serving(answers: Answers) -> Iterator[str]:
    """Serve from threads on a free port of 127.0.0.1 while the block runs; gives the base URL."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # Else the body would wait for the client to acknowledge the head.
        disable_nagle_algorithm = True
        wbufsize = -1

        def do_GET(self) -> None:
            self._answer(None)

        def do_POST(self) -> None:
            self._answer(orjson.loads(self.rfile.read(int(self.headers["Content-Length"]))))

        def _answer(self, body: Any) -> None:
            parts = urlsplit(self.path)
            _, stream, path = parts.path.split("/", 2)
            answer = answers(Asked(stream, "/" + path, dict(parse_qsl(parts.query, keep_blank_values=True)), body))
            self.send_response(200)
            for name, value in {"Content-Type": "application/json", **answer.headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body)

        def log_message(self, format: str, *args: Any) -> None:
            """Requests are not logged."""

    with _Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    # Connections that the client keeps open would be waited for.
    block_on_close = False

    def server_bind(self) -> None:
        """Bind without asking the name service who 127.0.0.1 is."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), self.server_address[1]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A broken connection is no error of the server's; anything else is, and is shown."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


def _rehearsed_stream(name: str, stream: Stream) -> Stream:
    endpoint = endpoint_of(stream)
    text = orjson.dumps([endpoint.path, endpoint.params, endpoint.body]).decode()
    carried = {param: f"{{{placeholder}}}" for param, placeholder in _CARRIED.items() if f"{{{placeholder}}}" in text}
    here: dict[str, Any] = {"path": f"/{name}/{endpoint.path.lstrip('/')}", "params": {**endpoint.params, **carried}}
    if endpoint.order is not None and endpoint.order.by not in (stream.updated_at.paths if stream.updated_at else ()):
        here["order"] = None
    if EACH in endpoint.data_selector:
        # What landed are the inner objects, with what surrounds them: they are served as they landed.
        here["data_selector"] = "records"
    tombstones = None if isinstance(stream.tombstones, FeedTombstones) else stream.tombstones
    return stream.model_copy(update={"endpoint": endpoint.model_copy(update=here), "tombstones": tombstones})


def endpoint_of(stream: Stream) -> Endpoint:
    """The endpoint of a stream that is not read from files."""
    if stream.endpoint is None:
        raise ValueError("this stream is read from files")
    return stream.endpoint


def _bound(updated_at: Time, endpoint: Endpoint, text: str | None) -> int | None:
    """A bound of the window, read as it was written; its end may name the last unit within. No record lies near it."""
    if text is None or endpoint.window is None:
        return None
    written = Time(path="bound", format=endpoint.window.format, time_zone=updated_at.time_zone)
    return time_reader(written)({"bound": text})


def _not(end: bool | str) -> bool | str:
    return not end if isinstance(end, bool) else f"not {end}"


def _document(values: Mapping[str, Any]) -> Any:
    """A body that holds each value at its path."""
    document: Any = {"body": {}}
    for path, value in values.items():
        steps = parse_path(path).steps
        if (not steps and len(values) > 1) or not put(document, ("body", *steps), value):
            raise PermanentFailure(f"no body can hold {', '.join(repr(each) for each in values)} at once")
    return document["body"]
