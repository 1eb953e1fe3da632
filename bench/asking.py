"""What one request costs besides the exchange itself: a session with all its checks against bare ``requests``.

A server in another process gives the same page of 100 records again and again, plain and zipped. Prints CPU
microseconds of this process a request: ``requests.Session.get`` with orjson, the session, and the session whose rate is
drawn from a registry. Run it as ``python bench/asking.py [REQUESTS]``.
"""

import gzip
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import closing

import orjson
import requests

from cx_orchestration.integration.http import ServiceSession, Shared
from cx_orchestration.model.connection import Client
from cx_orchestration.storage.registry import Registry
from cx_orchestration.storage.usage import RegistryUsage

PAGE = {"data": [{"id": number, "created": 1_700_000_000 + number, "note": "x" * 350} for number in range(100)]}
PARAMS = {"limit": 100, "cursor": "abc"}
ROUNDS = 3


def serve() -> None:
    """Answer each request line by the page, zipped where the path says so; prints its port first."""
    plain = orjson.dumps(PAGE)
    answers = {b"/plain": _answer(plain, b""), b"/zipped": _answer(gzip.compress(plain), b"Content-Encoding: gzip\r\n")}
    listener = socket.create_server(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)
    while True:
        connection, _ = listener.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=_talk, args=(connection, answers), daemon=True).start()


def _answer(body: bytes, encoding: bytes) -> bytes:
    head = (
        b"HTTP/1.1 200 OK\r\nServer: vendor\r\nDate: Mon, 01 Jun 2026 00:00:00 GMT\r\n"
        b"Content-Type: application/json\r\nCache-Control: no-cache\r\n"
        b"X-Request-Id: 0123456789abcdef\r\nX-RateLimit-Remaining: 699\r\n"
    )
    return head + encoding + b"Content-Length: %d\r\n\r\n" % len(body) + body


def _talk(connection: socket.socket, answers: dict[bytes, bytes]) -> None:
    while request := connection.recv(65536):
        connection.sendall(answers[request.split(b"?")[0].split(b" ")[1]])


def microseconds(ask: Callable[[], object], times: int) -> float:
    """CPU of this process for one call, the best of some rounds."""
    best = float("inf")
    for _ in range(ROUNDS):
        started = time.process_time()
        for _ in range(times):
            ask()
        best = min(best, time.process_time() - started)
    return best / times * 1e6


def main(times: int) -> None:
    server = subprocess.Popen([sys.executable, __file__, "serve"], stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    url = f"http://127.0.0.1:{server.stdout.readline().strip()}"
    fast = Client.model_validate({"base_url": url, "rate": {"per_second": 1_000_000}})
    counted = Client.model_validate({"base_url": url, "rate": {"per_second": 1_000_000, "per_day": 10**9}})
    try:
        with tempfile.TemporaryDirectory() as folder, closing(Registry(f"sqlite:///{folder}/registry.db")) as registry:
            own = ServiceSession("own", fast, {})
            shared = ServiceSession("shared", counted, {}, shared=Shared(RegistryUsage(registry.engine)))
            bare = requests.Session()
            print(f"{'CPU us a request':12s} {'bare requests':>14s} {'session':>9s} {'ratio':>6s} {'shared rate':>12s}")
            for path in ("/plain", "/zipped"):
                base = microseconds(lambda: orjson.loads(bare.get(url + path, params=PARAMS).content), times)  # noqa: B023
                ours = microseconds(lambda: own.ask(path, PARAMS), times)  # noqa: B023
                with_registry = microseconds(lambda: shared.ask(path, PARAMS), times)  # noqa: B023
                print(f"{path:16s} {base:14.0f} {ours:9.0f} {ours / base:6.2f} {with_registry:12.0f}")
            own.close()
            shared.close()
    finally:
        server.terminate()
        server.wait()


if __name__ == "__main__":
    if sys.argv[1:] == ["serve"]:
        serve()
    main(int(sys.argv[1]) if sys.argv[1:] else 2000)
