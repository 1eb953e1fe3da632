"""What one request may meet, and what becomes of it."""

import datetime as dt
import gzip
import socket
import threading
from email.utils import format_datetime

import pytest
from integration_fakes import ENVIRON, PERSON, SECRET, answers, json_response, raw_server, session_for
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from cx_orchestration.integration.answers import CredentialsRefused
from cx_orchestration.integration.inflate import Limits
from cx_orchestration.model.failures import Failure, PermanentFailure, TransientFailure

OK = {"data": [{"id": 1}]}


def serve(httpserver: HTTPServer, *replies: Response) -> str:
    httpserver.expect_request("/v1/charges").respond_with_handler(answers(*replies))
    return httpserver.url_for("/v1")


def test_a_body_is_parsed_and_constant_headers_are_sent(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/v1/charges", headers={"X-Version": "7"}, query_string="limit=5").respond_with_json(OK)
    session = session_for(httpserver.url_for("/v1"), headers={"X-Version": "7"})
    assert session.ask("/charges", {"limit": 5}).body == OK
    assert session.requests == 1


def test_a_name_in_the_base_url_is_taken_from_the_environment(httpserver: HTTPServer) -> None:
    url = serve(httpserver, json_response(OK))
    session = session_for("${BILLING_URL}/v1", environ={**ENVIRON, "BILLING_URL": url.removesuffix("/v1")})
    assert session.ask("charges").body == OK


def test_a_missing_variable_is_named() -> None:
    with pytest.raises(PermanentFailure, match="BILLING_URL is not set"):
        session_for("${BILLING_URL}/v1")


@pytest.mark.parametrize(
    "url",
    [
        "ftp://host/",
        "http://",
        "http://[::1",
        "http://host:port/",
        "http://user:word@host/",
        "http://host/?key=1",
        "host/path",
    ],
)
def test_a_base_url_is_http_with_a_host_and_nothing_secret(url: str) -> None:
    with pytest.raises(PermanentFailure, match="base_url") as caught:
        session_for(url)
    assert "word" not in str(caught.value)


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504, 408])
def test_a_transient_answer_is_asked_again(httpserver: HTTPServer, status: int) -> None:
    sleeps: list[float] = []
    url = serve(httpserver, json_response({}, status), json_response({}, status), json_response(OK))
    session = session_for(url, sleeps=sleeps)
    assert session.ask("/charges").body == OK
    assert session.requests == 3
    assert len(sleeps) == 2 and all(0 < wait <= 1 for wait in sleeps)


def test_retry_after_in_seconds_is_waited(httpserver: HTTPServer) -> None:
    sleeps: list[float] = []
    url = serve(httpserver, json_response({}, 429, {"Retry-After": "7"}), json_response(OK))
    session_for(url, sleeps=sleeps).ask("/charges")
    assert sleeps == [7.0]


def test_retry_after_as_a_date_is_read_against_the_servers_clock() -> None:
    theirs = dt.datetime(2031, 1, 1, tzinfo=dt.UTC)  # years ahead of ours
    later = format_datetime(theirs + dt.timedelta(seconds=9), usegmt=True)
    refusal = (
        f"HTTP/1.1 503 Busy\r\nDate: {format_datetime(theirs, usegmt=True)}\r\nRetry-After: {later}\r\n"
        "Content-Length: 0\r\nConnection: close\r\n\r\n"
    )
    whole = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"
    sleeps: list[float] = []
    with raw_server(
        lambda connection: connection.sendall(refusal.encode()), lambda connection: connection.sendall(whole.encode())
    ) as url:
        session_for(url, sleeps=sleeps).ask("/charges")
    assert sleeps == [9.0]


@pytest.mark.parametrize("text", ["soon", "", "-5", "Thu, 99 Nonsense"])
def test_a_retry_after_that_says_nothing_is_as_good_as_none(httpserver: HTTPServer, text: str) -> None:
    sleeps: list[float] = []
    url = serve(httpserver, json_response({}, 429, {"Retry-After": text}), json_response(OK))
    session_for(url, sleeps=sleeps).ask("/charges")
    assert 0 < sleeps[0] <= 1


def test_a_wait_of_an_hour_is_reported_instead_of_slept(httpserver: HTTPServer) -> None:
    sleeps: list[float] = []
    session = session_for(serve(httpserver, json_response({}, 429, {"Retry-After": "3600"})), sleeps=sleeps)
    with pytest.raises(TransientFailure, match="HTTP 429 and asks to wait 3600 s") as caught:
        session.ask("/charges")
    assert caught.value.retry_after == 3600
    assert sleeps == [] and session.requests == 1


def test_attempts_are_used_up_and_then_it_is_a_transient_failure(httpserver: HTTPServer) -> None:
    session = session_for(serve(httpserver, json_response({}, 503)), max_attempts=3)
    with pytest.raises(TransientFailure, match=r"billing/charges: /v1/charges answers HTTP 503"):
        session.ask("/charges", stream="charges")
    assert session.requests == 3


def test_a_truncated_body_is_asked_again() -> None:
    def cut(connection: socket.socket) -> None:
        connection.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"data": [')

    def cut_chunked(connection: socket.socket) -> None:
        connection.sendall(b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{"dat')

    def whole(connection: socket.socket) -> None:
        connection.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 12\r\nConnection: close\r\n\r\n{"data": []}')

    with raw_server(cut, cut_chunked, whole) as url:
        session = session_for(url)
        assert session.ask("/charges").body == {"data": []}
        assert session.requests == 3


def test_a_refused_connection_is_transient() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    session = session_for(f"http://127.0.0.1:{port}", max_attempts=2)
    with pytest.raises(TransientFailure, match="is the service up"):
        session.ask("/charges", {"email": PERSON})
    assert session.requests == 2


@pytest.mark.parametrize("part", ["headers", "body", "chunk size"])
def test_a_slow_drip_ends_at_the_deadline(part: str) -> None:
    stop = threading.Event()

    def drip(connection: socket.socket) -> None:
        opening = {
            "headers": b"HTTP/1.1 200 OK\r\nX-Slow: ",
            "body": b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n",
            "chunk size": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        }[part]
        connection.sendall(opening)
        while not stop.wait(0.05):
            connection.sendall(b"0")

    with raw_server(drip) as url:
        session = session_for(url, timeout_seconds=0.4, max_attempts=1)
        with pytest.raises(TransientFailure, match=r"took longer than client.timeout_seconds \(0.4 s\) in all"):
            session.ask("/charges")
        stop.set()


def test_a_body_beyond_the_limit_is_refused(httpserver: HTTPServer) -> None:
    url = serve(httpserver, json_response({"data": "x" * 5000}))
    with pytest.raises(PermanentFailure, match="more than 1000 bytes"):
        session_for(url, limits=Limits(body_bytes=1000)).ask("/charges")


def test_a_gzip_bomb_is_refused_before_it_fills_the_memory(httpserver: HTTPServer) -> None:
    bomb = gzip.compress(b"[" + b" " * 50_000_000 + b"]")
    assert len(bomb) < 60_000
    url = serve(httpserver, Response(bomb, headers={"Content-Encoding": "gzip"}))
    with pytest.raises(PermanentFailure, match="more than 1000000 bytes"):
        session_for(url, limits=Limits(decoded_bytes=1_000_000)).ask("/charges")


def test_gzip_in_several_members_is_read(httpserver: HTTPServer) -> None:
    body = gzip.compress(b'{"data":') + gzip.compress(b" [1]}")
    url = serve(httpserver, Response(body, headers={"Content-Encoding": "gzip"}))
    assert session_for(url).ask("/charges").body == {"data": [1]}


@pytest.mark.parametrize("damage", ["cut", "scrambled"])
def test_damaged_gzip_is_asked_again(httpserver: HTTPServer, damage: str) -> None:
    whole = gzip.compress(b'{"data": [1, 2, 3]}')
    bad = whole[:-9] if damage == "cut" else whole[:12] + b"\xff\xff\xff" + whole[15:]
    replies = [Response(body, headers={"Content-Encoding": "gzip"}) for body in (bad, whole)]
    assert session_for(serve(httpserver, *replies)).ask("/charges").body == {"data": [1, 2, 3]}


def test_an_encoding_nobody_asked_for_is_refused(httpserver: HTTPServer) -> None:
    url = serve(httpserver, Response(b"x", headers={"Content-Encoding": "br"}))
    with pytest.raises(PermanentFailure, match=r"Content-Encoding \(br\)"):
        session_for(url).ask("/charges")


@pytest.mark.parametrize(
    ("body", "what"),
    [
        (b"<!doctype html><p>Sign in", "an HTML page"),
        (b"", "not JSON"),
        (b"\xff\xfe{", "not JSON"),
        (b"[" * 100_000, "not JSON"),
    ],
)
def test_what_is_not_json_with_200_is_permanent_and_says_what_came(
    httpserver: HTTPServer, body: bytes, what: str
) -> None:
    url = serve(httpserver, Response(body, mimetype="text/html"))
    with pytest.raises(PermanentFailure, match=rf"billing/charges: /v1/charges answered 200 with .*{what}"):
        session_for(url).ask("/charges", stream="charges")


def test_nan_and_lone_surrogates_do_not_take_their_page_along(httpserver: HTTPServer) -> None:
    url = serve(httpserver, Response(b'{"data": [{"a": NaN}, {"b": "\\ud800"}]}'))
    reply = session_for(url).ask("/charges")
    assert len(reply.body["data"]) == 2 and not reply.exact


@pytest.mark.parametrize("status", [401, 403])
def test_refused_credentials_are_permanent_and_name_the_variable(httpserver: HTTPServer, status: int) -> None:
    session = session_for(serve(httpserver, json_response({"error": SECRET}, status)))
    with pytest.raises(CredentialsRefused, match=rf"HTTP {status}\): check the environment variable TOKEN"):
        session.ask("/charges")
    assert session.requests == 1


@pytest.mark.parametrize("status", [400, 404, 410, 422, 204])
def test_another_status_is_permanent(httpserver: HTTPServer, status: int) -> None:
    session = session_for(serve(httpserver, Response(b"", status=status)))
    with pytest.raises(PermanentFailure, match=f"HTTP {status}"):
        session.ask("/charges")
    assert session.requests == 1


def test_a_redirect_on_the_same_host_is_followed(httpserver: HTTPServer) -> None:
    moved = Response(status=302, headers={"Location": httpserver.url_for("/v2/charges?page=2")})
    url = serve(httpserver, moved)
    httpserver.expect_request("/v2/charges", query_string="page=2").respond_with_json(OK)
    assert session_for(url).ask("/charges").body == OK


def test_a_body_makes_it_a_post_of_json_that_is_asked_again_as_a_get_is(httpserver: HTTPServer) -> None:
    asked: list[tuple[str, str, object]] = []

    def handle(request: Request) -> Response:
        asked.append((request.method, request.headers["Content-Type"], request.json))
        return json_response({}, 503) if len(asked) == 1 else json_response(OK)

    httpserver.expect_request("/v1/search", query_string="deep=1").respond_with_handler(handle)
    question = {"query": "{ orders }", "after": None}
    assert session_for(httpserver.url_for("/v1")).ask("/search", {"deep": 1}, body=question).body == OK
    assert asked == [("POST", "application/json", question)] * 2


def test_headers_of_the_answer_are_found_whatever_their_case(httpserver: HTTPServer) -> None:
    url = serve(httpserver, json_response(OK, headers={"X-Next-Cursor": "c7"}))
    headers = session_for(url).ask("/charges").headers
    assert headers["x-next-cursor"] == headers["X-NEXT-CURSOR"] == "c7" and "X-Absent" not in headers


@pytest.mark.parametrize("status", [301, 302, 303])
def test_a_redirect_that_would_lose_the_question_is_not_followed(httpserver: HTTPServer, status: int) -> None:
    url = serve(httpserver, Response(status=status, headers={"Location": httpserver.url_for("/v2/charges")}))
    session = session_for(url)
    with pytest.raises(PermanentFailure, match="redirects a POST"):
        session.ask("/charges", body={})
    assert session.requests == 1


def test_a_redirect_that_keeps_the_question_is_followed(httpserver: HTTPServer) -> None:
    url = serve(httpserver, Response(status=307, headers={"Location": httpserver.url_for("/v2/charges")}))
    httpserver.expect_request("/v2/charges", method="POST", json={"a": 1}).respond_with_json(OK)
    assert session_for(url).ask("/charges", body={"a": 1}).body == OK


def test_a_redirect_to_another_host_is_not_followed(httpserver: HTTPServer) -> None:
    stolen: list[Request] = []
    with HTTPServer(host="localhost") as stranger:
        stranger.expect_request("/").respond_with_handler(lambda request: stolen.append(request) or json_response(OK))
        moved = Response(status=307, headers={"Location": stranger.url_for("/")})
        with pytest.raises(PermanentFailure, match="redirects to another host"):
            session_for(serve(httpserver, moved)).ask("/charges")
    assert stolen == []


def test_redirects_in_circles_end(httpserver: HTTPServer) -> None:
    url = serve(httpserver, Response(status=302, headers={"Location": httpserver.url_for("/v1/charges")}))
    with pytest.raises(PermanentFailure, match="in circles"):
        session_for(url).ask("/charges")


@pytest.mark.parametrize(
    "address", ["http://127.0.0.1:1/x", "https://elsewhere.example/x", "//elsewhere.example/x", "http://[x"]
)
def test_an_address_on_another_host_is_refused(address: str) -> None:
    session = session_for("http://billing.example")
    with pytest.raises(PermanentFailure, match="another host"):
        session.address(address, against="http://billing.example/page")


def test_no_failure_shows_a_secret_or_a_person(httpserver: HTTPServer) -> None:
    poison = f"{SECRET} {PERSON}"
    replies = [
        json_response({"error": poison}, 401, {"X-Why": poison}),
        json_response({"error": poison}, 400),
        json_response({"error": poison}, 503),
        Response(f"<html>{poison}", status=200),
        Response(status=302, headers={"Location": f"http://localhost:1/?token={SECRET}&email={PERSON}"}),
        Response(b"x", headers={"Content-Length": "10"}),
    ]
    seen = []
    for reply in replies:
        httpserver.clear()
        session = session_for(serve(httpserver, reply), max_attempts=1, timeout_seconds=2)
        with pytest.raises(Failure) as caught:
            session.ask("/charges", {"email": PERSON, "key": SECRET}, stream="charges")
        seen += [caught.value]
    with pytest.raises(TransientFailure) as refused:
        session_for("http://127.0.0.1:1", max_attempts=1).ask("/charges", {"email": PERSON, "key": SECRET})
    for failure in [*seen, refused.value]:
        chain: BaseException | None = failure
        while chain is not None:
            for canary in (SECRET, PERSON, "canary"):
                assert canary not in str(chain) and canary not in repr(chain)
            chain = chain.__cause__ or chain.__context__
