"""What a broken or hostile server may send, and the exact failure that it becomes."""

import contextlib
import datetime as dt
import gzip
import logging
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable
from email.utils import format_datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from integration_fakes import PERSON, SECRET, answers, json_response, raw_server, session_for
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from cx_orchestration.integration.inflate import Limits
from cx_orchestration.model.failures import Failure, PermanentFailure, TransientFailure

WHOLE = b'HTTP/1.1 200 OK\r\nContent-Length: 12\r\nConnection: close\r\n\r\n{"data": []}'


def says(text: bytes) -> Callable[[socket.socket], None]:
    return lambda connection: connection.sendall(text)


def failure_of(*scripts: Callable[[socket.socket], None], limits: Limits | None = None) -> Failure:
    with raw_server(*scripts) as url:
        session = session_for(url, limits=limits, max_attempts=2, timeout_seconds=5)
        with pytest.raises(Failure) as caught:
            session.ask("/q", {"email": PERSON}, stream="charges")
    assert PERSON not in str(caught.value)
    assert caught.value.__cause__ is None and caught.value.__context__ is None
    return caught.value


def drip(connection: socket.socket) -> None:
    """One byte after the other until the client has had enough, for ten seconds at most."""
    connection.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    connection.settimeout(0.05)
    for _ in range(200):
        connection.sendall(b"0")
        with contextlib.suppress(TimeoutError):
            if connection.recv(1) == b"":
                return


def reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def test_a_reset_connection_is_asked_again() -> None:
    with raw_server(reset, reset, says(WHOLE)) as url:
        session = session_for(url)
        assert session.ask("/q").body == {"data": []}
        assert session.requests == 3


def test_resets_at_every_attempt_are_a_transient_failure() -> None:
    failure = failure_of(reset)
    assert isinstance(failure, TransientFailure)
    assert str(failure) == "billing/charges: /q: no complete answer (ConnectionResetError); is the service up?"


def test_429_with_a_date_is_waited_for_by_the_servers_clock() -> None:
    theirs = dt.datetime(2031, 1, 1, tzinfo=dt.UTC)
    later = format_datetime(theirs + dt.timedelta(seconds=30), usegmt=True)
    head = f"HTTP/1.1 429 Slow\r\nDate: {format_datetime(theirs, usegmt=True)}\r\nRetry-After: {later}\r\n"
    sleeps: list[float] = []
    with raw_server(says(head.encode() + b"Content-Length: 0\r\nConnection: close\r\n\r\n"), says(WHOLE)) as url:
        session_for(url, sleeps=sleeps).ask("/q")
    assert sleeps == [30.0]


def test_a_content_length_that_promises_too_much_is_asked_again_and_then_transient() -> None:
    failure = failure_of(says(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{}"))
    assert isinstance(failure, TransientFailure) and "no complete answer" in str(failure)


def test_a_content_length_that_cuts_the_body_is_no_json() -> None:
    failure = failure_of(says(b'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n{"data": []}'))
    assert isinstance(failure, PermanentFailure)
    assert "answered 200 with a body that is not JSON (5 bytes)" in str(failure)


def test_what_follows_a_body_is_not_taken_for_the_next_answer() -> None:
    forged = WHOLE.replace(b"Connection: close\r\n", b"") + b'HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n{"x": 1}'
    with raw_server(says(forged), says(WHOLE)) as url:
        session = session_for(url)
        assert [session.ask("/q").body for _ in range(2)] == [{"data": []}] * 2


@pytest.mark.parametrize("length", [b"-1", b"12x", b"12, 13"])
def test_a_content_length_that_is_no_number_is_no_reason_to_believe_the_body(length: bytes) -> None:
    failure = failure_of(says(b"HTTP/1.1 200 OK\r\nContent-Length: " + length + b'\r\n\r\n{"data": [1'))
    assert isinstance(failure, Failure)


def test_json_that_breaks_off_without_a_declared_length_is_asked_again() -> None:
    with raw_server(says(b'HTTP/1.1 200 OK\r\n\r\n{"data": [{"id"'), says(WHOLE)) as url:
        assert session_for(url).ask("/q").body == {"data": []}


@pytest.mark.parametrize(
    "headers", [b"X-Long: " + b"x" * 70_000 + b"\r\n", b"".join(b"X-%d: y\r\n" % number for number in range(200))]
)
def test_huge_headers_are_refused_at_once(headers: bytes) -> None:
    failure = failure_of(says(b"HTTP/1.1 200 OK\r\n" + headers + b"Content-Length: 2\r\n\r\n{}"))
    assert isinstance(failure, PermanentFailure)
    assert str(failure) == "billing/charges: /q sent more headers than any service needs; check client.base_url"


@pytest.mark.parametrize("start", [b"HTTP/9.9 what\r\n\r\n", b"\x00\x01\x02\r\n\r\n", b"220 mail.example ESMTP\r\n"])
def test_a_server_that_speaks_something_else_is_transient(start: bytes) -> None:
    assert isinstance(failure_of(says(start)), TransientFailure)


def test_a_huge_chunk_is_refused_when_it_passes_the_limit() -> None:
    body = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n100000\r\n" + b" " * 0x100000 + b"\r\n0\r\n\r\n"
    failure = failure_of(says(body), limits=Limits(body_bytes=100_000))
    assert isinstance(failure, PermanentFailure) and "more than 100000 bytes" in str(failure)


@pytest.mark.parametrize("hops", [2, 3])
def test_redirects_are_followed_three_times_at_most(httpserver: HTTPServer, hops: int) -> None:
    for hop in range(hops):
        moved = Response(status=302, headers={"Location": f"/hop{hop + 1}"})
        httpserver.expect_request(f"/hop{hop}").respond_with_handler(answers(moved))
    httpserver.expect_request(f"/hop{hops}").respond_with_json({"data": []})
    session = session_for(httpserver.url_for(""))
    assert session.ask("/hop0").url == httpserver.url_for(f"/hop{hops}")
    assert session.requests == hops + 1


@pytest.mark.parametrize(
    "target",
    [
        "http://169.254.169.254/latest/meta-data",
        "//2130706433/",
        "https://127.0.0.1/",
        "http://[::ffff:127.0.0.1]/",
        "http://127.0.0.1@evil.example/",
        "http://0x7f.1/",
        "file:///etc/passwd",
        "javascript:1",
        "http://[::1",
        "\\\\evil.example\\x",
    ],
)
def test_addresses_elsewhere_are_neither_followed_nor_accepted(target: str) -> None:
    moved = f"HTTP/1.1 302 Moved\r\nLocation: {target}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode()
    with raw_server(says(moved)) as url:
        session = session_for(url, max_attempts=1)
        with pytest.raises(PermanentFailure) as caught:
            session.ask("/q")
        assert session.requests == (4 if "\\" in target else 1)
        assert "another host" in str(caught.value) or "in circles" in str(caught.value)
        if "\\" not in target:
            with pytest.raises(PermanentFailure, match="another host"):
                session.address(target, against=url + "/q")


def test_credentials_and_parameters_in_a_next_address_change_nothing(httpserver: HTTPServer) -> None:
    seen: list[Request] = []
    httpserver.expect_request("/next").respond_with_handler(lambda request: seen.append(request) or json_response({}))
    session = session_for(httpserver.url_for(""))
    port = httpserver.port
    session.ask(session.address(f"http://mallory:word@{httpserver.host}:{port}/next?page=2#part"))
    assert seen[0].headers["Authorization"] == f"Bearer {SECRET}"
    assert seen[0].query_string == b"page=2"


def test_a_path_may_hold_an_address_as_a_parameter(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/q", query_string="back=http://other.example/").respond_with_json({"ok": 1})
    assert session_for(httpserver.url_for("")).ask("/q?back=http://other.example/").body == {"ok": 1}


def test_no_cookie_is_kept(httpserver: HTTPServer) -> None:
    seen: list[str | None] = []

    def handle(request: Request) -> Response:
        seen.append(request.headers.get("Cookie"))
        return json_response({}, headers={"Set-Cookie": f"session={SECRET}"})

    httpserver.expect_request("/q").respond_with_handler(handle)
    session = session_for(httpserver.url_for(""))
    session.ask("/q")
    session.ask("/q")
    assert seen == [None, None]


def test_no_address_with_its_parameters_reaches_a_log(caplog: pytest.LogCaptureFixture) -> None:
    odd = b"HTTP/1.1 200 OK\r\nno colon here\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"
    with caplog.at_level(logging.DEBUG), raw_server(says(odd), reset) as url:
        session_for(url, max_attempts=1).ask("/q", {"email": PERSON})
        with pytest.raises(TransientFailure):
            session_for(url, max_attempts=1).ask("/q", {"email": PERSON})
    assert PERSON not in caplog.text and "example.org" not in caplog.text and SECRET not in caplog.text


@pytest.mark.parametrize("headers", [{"X-Bad": "a\r\nX-Forged: 1"}, {"X Bad": "a"}, {"X-Bad": "\u2603"}])
def test_a_declared_header_that_http_cannot_carry_is_refused(headers: dict[str, str]) -> None:
    with pytest.raises(PermanentFailure, match=r"client\.headers"):
        session_for("http://billing.example", headers=headers)


def test_a_certificate_that_nobody_vouches_for_is_refused(httpserver: HTTPServer, tmp_path: Path) -> None:
    with HTTPServer(ssl_context=own_certificate(tmp_path)) as server:
        server.expect_request("/q").respond_with_json({})
        session = session_for(f"https://localhost:{server.port}")
        with pytest.raises(PermanentFailure, match="the TLS certificate is not accepted"):
            session.ask("/q")
    assert session.requests == 1


def test_a_certificate_of_the_company_is_accepted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    context = own_certificate(tmp_path)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "certificate.pem"))
    with HTTPServer(ssl_context=context) as server:
        server.expect_request("/q").respond_with_json({"ok": 1})
        session = session_for(f"https://localhost:{server.port}")
        assert [session.ask("/q").body for _ in range(2)] == [{"ok": 1}] * 2


@pytest.mark.parametrize("part", ["handshake", "headers", "body"])
def test_a_slow_drip_through_tls_ends_at_the_deadline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    context = own_certificate(tmp_path)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "certificate.pem"))
    stop = threading.Event()

    def serve() -> None:
        plain, _ = listener.accept()
        with contextlib.suppress(OSError), plain:
            if part == "handshake":
                plain.sendall(b"\x16\x03\x03\x40\x00")  # a record of 16 kB begins
                while not stop.wait(0.05) and time.monotonic() < give_up_at:
                    plain.sendall(b"\x00")
                return
            with context.wrap_socket(plain, server_side=True) as connection:
                connection.recv(65536)
                start = b"X-Slow: " if part == "headers" else b"Content-Length: 100000\r\n\r\n"
                connection.sendall(b"HTTP/1.1 200 OK\r\n" + start)
                while not stop.wait(0.05) and time.monotonic() < give_up_at:
                    connection.sendall(b"0")

    give_up_at = time.monotonic() + 10
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        session = session_for(f"https://localhost:{listener.getsockname()[1]}", timeout_seconds=0.5, max_attempts=1)
        with pytest.raises(TransientFailure) as caught:
            session.ask("/q")
        stop.set()
        thread.join(5)
    assert str(caught.value) == "billing: /q took longer than client.timeout_seconds (0.5 s) in all"


def test_behind_a_proxy_the_request_goes_through_it(monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[bytes] = []

    with raw_server(says(WHOLE), heard=heard) as url:
        monkeypatch.setenv("http_proxy", url.replace("//", "//ada:word@"))
        monkeypatch.setenv("no_proxy", "")
        assert session_for("http://billing.example/v1").ask("/q", {"a": 1}).body == {"data": []}
    assert heard[0].startswith(b"GET http://billing.example/v1/q?a=1 HTTP/1.1\r\n")
    assert b"Proxy-Authorization: Basic YWRhOndvcmQ=" in heard[0]


@pytest.mark.parametrize("proxy", ["socks5://127.0.0.1:1", "http://", "gopher://127.0.0.1:1"])
def test_a_proxy_that_cannot_be_used_is_refused_at_once(monkeypatch: pytest.MonkeyPatch, proxy: str) -> None:
    monkeypatch.setenv("http_proxy", proxy)
    monkeypatch.setenv("no_proxy", "")
    with pytest.raises(PermanentFailure, match="a host or proxy that is no address"):
        session_for("http://billing.example")


def test_the_login_of_a_netrc_file_is_not_sent(
    httpserver: HTTPServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text(f"machine {httpserver.host} login ada password word\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    seen: list[Request] = []
    httpserver.expect_request("/q").respond_with_handler(lambda request: seen.append(request) or json_response({}))
    session_for(httpserver.url_for(""), auth={"type": "none"}).ask("/q")
    assert "Authorization" not in seen[0].headers


def test_a_proxy_is_never_told_another_host(monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[bytes] = []
    with raw_server(says(WHOLE), heard=heard) as url:
        monkeypatch.setenv("http_proxy", url)
        monkeypatch.setenv("no_proxy", "")
        session = session_for("http://billing.example")
        # Before the backslash stands what some take for the host, behind it what others do.
        session.ask(session.address("http://mallory.example\\@billing.example/q"))
    assert heard[0].startswith(b"GET http://billing.example/")


@pytest.mark.parametrize("host", ["*.billing.example", "ä" * 70])
def test_a_host_that_no_name_server_could_know_is_refused_at_once(host: str) -> None:
    with pytest.raises(PermanentFailure, match="a host or proxy that is no address"):
        session_for(f"http://{host}")


@pytest.mark.parametrize("host", ["billing..example", "b" * 70])
def test_a_host_that_only_connecting_shows_to_be_none_is_a_permanent_failure(host: str) -> None:
    session = session_for(f"http://{host}")
    with pytest.raises(PermanentFailure, match="the address is malformed") as caught:
        session.ask("/q", {"email": PERSON})
    assert caught.value.__context__ is None and session.requests == 1


def test_an_address_from_the_service_that_cannot_be_read_is_a_permanent_failure() -> None:
    session = session_for("http://billing.example")
    with pytest.raises(PermanentFailure) as caught:
        session.ask(session.address("http://mallory:99999\\@billing.example/q"))
    assert str(caught.value).startswith("billing: an address that the service gave: the address is malformed")
    assert caught.value.__context__ is None


def documented() -> dict[str, tuple[str, str]]:
    """Failure and message of the document by what came."""
    text = (Path(__file__).parents[2] / "docs" / "services.md").read_text()
    table = text.split("### What the connection may meet\n")[1].split("\n\n")[0].strip()
    rows = [line.strip("|").split(" | ") for line in table.splitlines()[2:]]
    return {what.strip(): (family, message.strip()) for what, family, message in rows}


LIMIT_USED_UP = (
    b'HTTP/1.1 403 No\r\nContent-Length: 43\r\nConnection: close\r\n\r\n[{"errorCode": "REQUEST_LIMIT_EXCEEDED"}]  '
)
BOMB = gzip.compress(b" " * 5_000_000)
HEAD = b"HTTP/1.1 200 OK\r\n"
WORST = {
    "a code of `retry_on`, at every attempt": says(LIMIT_USED_UP),
    "a reset connection, at every attempt": reset,
    "a body shorter than promised, at every attempt": says(HEAD + b"Content-Length: 9\r\n\r\n{}"),
    "one byte after the other, in headers or body": drip,
    "gzip that becomes too much": says(
        HEAD + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(BOMB) + BOMB
    ),
    "headers without end": says(HEAD + b"X-Long: " + b"x" * 70_000),
    "a redirect to another host": says(b"HTTP/1.1 302 Moved\r\nLocation: http://localhost:1/\r\n\r\n"),
    "redirects in circles": says(
        b"HTTP/1.1 302 Moved\r\nLocation: /q\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    ),
}


@pytest.mark.parametrize("what", WORST)
def test_what_the_connection_meets_becomes_the_documented_failure(what: str) -> None:
    assert documented().keys() == WORST.keys()
    rule = {"status": 403, "code_path": "[0].errorCode", "codes": ["REQUEST_LIMIT_EXCEEDED"], "wait_seconds": 60}
    family, message = documented()[what]
    seconds = 0.4 if "one byte" in what else 10
    with raw_server(WORST[what]) as url:
        session = session_for(
            url, max_attempts=2, timeout_seconds=seconds, retry_on=[rule], limits=Limits(decoded_bytes=1_000_000)
        )
        with pytest.raises({"permanent": PermanentFailure, "transient": TransientFailure}[family]) as caught:
            session.ask("/q", stream="charges")
    assert str(caught.value) == message


def own_certificate(folder: Path) -> ssl.SSLContext:
    """A server's context with a certificate for localhost that it signed itself, kept in ``certificate.pem``."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1)).not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    (folder / "certificate.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "certificate.pem", folder / "key.pem")
    return context
