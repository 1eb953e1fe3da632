"""What the tests of this folder share: declarations in a line, a session that does not sleep, a server of raw bytes."""

import datetime as dt
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import orjson
from werkzeug import Request, Response

from cx_orchestration.integration.http import ServiceSession, Shared
from cx_orchestration.integration.inflate import Limits
from cx_orchestration.integration.records import Record
from cx_orchestration.integration.staging import DayIndex
from cx_orchestration.model.connection import Client
from cx_orchestration.model.days import DayRange
from cx_orchestration.model.service import ServiceDeclaration, Stream

SECRET = "canary-secret-7f3a"
PERSON = "ada.canary@example.org"
ENVIRON = {"TOKEN": SECRET, "USER": "canary-user", "PASSWORD": "canary-password"}


def json_response(body: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(orjson.dumps(body), status=status, mimetype="application/json", headers=headers)


def session_for(
    url: str,
    *,
    sleeps: list[float] | None = None,
    limits: Limits | None = None,
    environ: dict[str, str] | None = None,
    shared: Shared | None = None,
    **client: Any,
) -> ServiceSession:
    usual = {"auth": {"type": "bearer", "token_env": "TOKEN"}, "rate": {"per_second": 1_000_000}}
    declared = Client.model_validate({"base_url": url, **usual, **client})
    slept = [] if sleeps is None else sleeps
    return ServiceSession(
        "billing", declared, ENVIRON if environ is None else environ, shared=shared, limits=limits, sleep=slept.append
    )


def stream_for(**changes: Any) -> Stream:
    declared: dict[str, Any] = {
        "endpoint": {"path": "/charges", "data_selector": "data", "paginator": {"type": "single_page"}},
        "record_id": "id",
        "updated_at": {"path": "created", "format": "epoch_s"},
        **changes,
    }
    return Stream.model_validate({key: value for key, value in declared.items() if value is not None})


def service_for(url: str, streams: dict[str, Stream], **client: Any) -> ServiceDeclaration:
    declared = {
        "base_url": url,
        "auth": {"type": "bearer", "token_env": "TOKEN"},
        "rate": {"per_second": 1000},
        **client,
    }
    return ServiceDeclaration.model_validate(
        {
            "service": "billing",
            "kind": "rest",
            "client": declared,
            "streams": {n: s.model_dump() for n, s in streams.items()},
        }
    )


def in_days(records: list[Record], days: DayRange, zone: ZoneInfo) -> dict[dt.date, list[str]]:
    """The ids of the records of each day of a range, sorted."""
    places = DayIndex(days, zone).places(np.array([record.updated_at for record in records], np.int64))
    found: dict[dt.date, list[str]] = {day: [] for day in days}
    for record, place in zip(records, places, strict=True):
        if place >= 0:
            found[list(days)[place]].append(record.record_id)
    return {day: sorted(ids) for day, ids in found.items()}


def answers(*replies: Response | Callable[[Request], Response]) -> Callable[[Request], Response]:
    """A handler that gives one answer after the other, the last one for ever."""
    left = list(replies)

    def handle(request: Request) -> Response:
        reply = left.pop(0) if len(left) > 1 else left[0]
        return reply(request) if callable(reply) and not isinstance(reply, Response) else reply

    return handle


@contextmanager
def raw_server(*scripts: Callable[[socket.socket], None], heard: list[bytes] | None = None) -> Iterator[str]:
    """A server that gives each connection in turn to a script, the last script to all that follow; its base URL.

    What the clients sent is added to ``heard``.
    """
    stopped = threading.Event()
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        left = list(scripts)
        while not stopped.is_set():
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            script = left.pop(0) if len(left) > 1 else left[0]
            with connection:
                request = connection.recv(65536)
                if heard is not None:
                    heard.append(request)
                try:
                    script(connection)
                except OSError:
                    continue

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        stopped.set()
        # Closing alone does not wake a thread that waits in accept().
        with socket.create_connection(listener.getsockname()) as wake:
            wake.sendall(b"stop")
        listener.close()
        thread.join(5)
