"""Answers that a declaration knows to mean "later", and when later is."""

import gzip
import socket
from typing import Any

import pytest
from integration_fakes import PERSON, answers, json_response, raw_server, session_for
from pydantic import ValidationError
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from cx_orchestration.integration.answers import CredentialsRefused
from cx_orchestration.integration.inflate import Limits
from cx_orchestration.model.connection import RetryRule
from cx_orchestration.model.failures import PermanentFailure, TransientFailure

OK = {"data": [{"id": 1}]}
LIMIT = {"status": 403, "code_path": "[0].errorCode", "codes": ["REQUEST_LIMIT_EXCEEDED"], "wait_seconds": 20}
LIMIT_BODY = [{"errorCode": "REQUEST_LIMIT_EXCEEDED", "message": f"TotalRequests Limit exceeded for {PERSON}"}]
THROTTLED = {"status": 200, "code_path": "errors[0].extensions.code", "codes": ["THROTTLED"]}
THROTTLED_BODY = {"errors": [{"message": "Throttled", "extensions": {"code": "THROTTLED"}}]}
DATE = "Wed, 01 Jan 2031 00:00:00 GMT"  # years ahead of our clock
EPOCH = 1924992000


def ask(server: HTTPServer, *replies: Response, rule: dict[str, Any], sleeps: list[float], **client: Any) -> Any:
    server.expect_request("/q").respond_with_handler(answers(*replies))
    session = session_for(server.url_for(""), sleeps=sleeps, retry_on=[rule], **client)
    return session.ask("/q", stream="charges").body


def test_a_403_with_the_code_of_a_limit_is_asked_again(httpserver: HTTPServer) -> None:
    sleeps: list[float] = []
    assert ask(httpserver, json_response(LIMIT_BODY, 403), json_response(OK), rule=LIMIT, sleeps=sleeps) == OK
    assert sleeps == [20.0]


@pytest.mark.parametrize(
    "body", [[{"errorCode": "INVALID_SESSION_ID"}], [], {}, {"errorCode": "REQUEST_LIMIT_EXCEEDED"}, [[1]], "text"]
)
def test_any_other_403_is_a_matter_of_credentials(httpserver: HTTPServer, body: Any) -> None:
    with pytest.raises(CredentialsRefused, match=r"HTTP 403\): check the environment variable TOKEN"):
        ask(httpserver, json_response(body, 403), rule=LIMIT, sleeps=[])


def test_an_error_with_200_is_asked_again_as_a_post_too(httpserver: HTTPServer) -> None:
    sleeps, asked = [], list[Any]()

    def handle(request: Request) -> Response:
        asked.append(request.json)
        return json_response(THROTTLED_BODY if len(asked) < 3 else OK)

    httpserver.expect_request("/graphql", method="POST").respond_with_handler(handle)
    session = session_for(httpserver.url_for(""), sleeps=sleeps, retry_on=[THROTTLED])
    assert session.ask("/graphql", body={"query": "{ orders }"}).body == OK
    assert asked == [{"query": "{ orders }"}] * 3
    assert 0.25 <= sleeps[0] <= 0.5 and 0.5 <= sleeps[1] <= 1.0


def test_an_answer_with_200_and_another_code_is_a_page(httpserver: HTTPServer) -> None:
    body = {"errors": [{"extensions": {"code": "BAD_USER_INPUT"}}]}
    assert ask(httpserver, json_response(body), rule=THROTTLED, sleeps=[]) == body


def test_a_limit_that_lasts_is_a_transient_failure_that_names_the_code_and_nothing_else(httpserver: HTTPServer) -> None:
    with pytest.raises(TransientFailure) as caught:
        ask(httpserver, json_response(LIMIT_BODY, 403), rule=LIMIT, sleeps=[], max_attempts=2)
    assert str(caught.value) == (
        "billing/charges: /q answers HTTP 403 and code REQUEST_LIMIT_EXCEEDED, which means later by retry_on "
        "and asks to wait 20 s"
    )
    assert caught.value.retry_after == 20


@pytest.mark.parametrize(("code", "declared"), [(17, "17"), (True, "true"), ("17", "17")])
def test_codes_may_be_numbers_and_booleans(httpserver: HTTPServer, code: Any, declared: str) -> None:
    rule = {"status": 400, "code_path": "code", "codes": [declared]}
    assert ask(httpserver, json_response({"code": code}, 400), json_response(OK), rule=rule, sleeps=[]) == OK


@pytest.mark.parametrize(
    ("how", "value", "waited"),
    [
        ("seconds", "7", 7.0),
        ("seconds", "2.5", 2.5),
        ("epoch_s", str(EPOCH + 12), 12.0),
        ("epoch_ms", str((EPOCH + 12) * 1000 + 500), 12.5),
    ],
)
def test_a_declared_header_says_how_long_to_wait_by_the_servers_clock(how: str, value: str, waited: float) -> None:
    rule = {"status": 429, "wait_header": "X-RateLimit-Reset", "wait_format": how}
    refusal = (
        f"HTTP/1.1 429 Slow\r\nDate: {DATE}\r\nx-ratelimit-reset: {value}\r\nRetry-After: 50\r\n"
        "Content-Length: 0\r\nConnection: close\r\n\r\n"
    )
    whole = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"
    sleeps: list[float] = []
    with raw_server(
        lambda connection: connection.sendall(refusal.encode()), lambda connection: connection.sendall(whole.encode())
    ) as url:
        session_for(url, sleeps=sleeps, retry_on=[rule]).ask("/q")
    assert sleeps == [waited]


def test_without_the_declared_header_retry_after_counts_and_then_wait_seconds(httpserver: HTTPServer) -> None:
    rule = {"status": 429, "wait_header": "X-Reset", "wait_seconds": 9}
    replies = [json_response({}, 429, {"Retry-After": "3"}), json_response({}, 429), json_response(OK)]
    sleeps: list[float] = []
    assert ask(httpserver, *replies, rule=rule, sleeps=sleeps) == OK
    assert sleeps == [3.0, 9.0]


@pytest.mark.parametrize("value", ["0", "-3", "soon", "1924992000", "9" * 30, "99999999999"])
def test_a_header_that_names_no_time_to_come_is_as_good_as_none(httpserver: HTTPServer, value: str) -> None:
    rule = {"status": 429, "wait_header": "X-Reset", "wait_format": "epoch_s"}
    sleeps: list[float] = []
    refusal = json_response({}, 429, {"X-Reset": value, "Date": "Wed, 01 Jan 2031 00:00:05 GMT"})
    assert ask(httpserver, refusal, json_response(OK), rule=rule, sleeps=sleeps) == OK
    assert 0.25 <= sleeps[0] <= 0.5


def test_a_reset_in_an_hour_is_reported_instead_of_slept() -> None:
    rule = {"status": 429, "wait_header": "X-RateLimit-Reset", "wait_format": "epoch_s"}
    refusal = (
        f"HTTP/1.1 429 Slow\r\nDate: {DATE}\r\nX-RateLimit-Reset: {EPOCH + 3600}\r\n"
        "Content-Length: 0\r\nConnection: close\r\n\r\n"
    )
    sleeps: list[float] = []
    with raw_server(lambda connection: connection.sendall(refusal.encode())) as url:
        session = session_for(url, sleeps=sleeps, retry_on=[rule])
        with pytest.raises(TransientFailure, match="asks to wait 3600 s") as caught:
            session.ask("/q")
    assert caught.value.retry_after == 3600 and sleeps == [] and session.requests == 1


def test_a_compressed_error_body_is_read(httpserver: HTTPServer) -> None:
    packed = gzip.compress(b'[{"errorCode": "REQUEST_LIMIT_EXCEEDED"}]')
    refusal = Response(packed, status=403, headers={"Content-Encoding": "gzip"})
    assert ask(httpserver, refusal, json_response(OK), rule=LIMIT, sleeps=[]) == OK


@pytest.mark.parametrize(
    "refusal",
    [
        Response(gzip.compress(b" " * 3_000_000), status=403, headers={"Content-Encoding": "gzip"}),
        Response(b"<html>Forbidden", status=403),
        Response(b"", status=403),
    ],
)
def test_an_error_body_that_says_nothing_leaves_the_status_to_speak(httpserver: HTTPServer, refusal: Response) -> None:
    httpserver.expect_request("/q").respond_with_handler(answers(refusal))
    session = session_for(httpserver.url_for(""), retry_on=[LIMIT], limits=Limits(decoded_bytes=1_000_000))
    with pytest.raises(CredentialsRefused):
        session.ask("/q")
    assert session.requests == 1


def test_an_error_body_that_breaks_off_is_asked_for_again() -> None:
    def cut(connection: socket.socket) -> None:
        connection.sendall(b'HTTP/1.1 403 No\r\nContent-Length: 100\r\n\r\n[{"errorCode": "REQ')

    def whole(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")

    with raw_server(cut, whole) as url:
        session = session_for(url, retry_on=[LIMIT])
        assert session.ask("/q").body == {}
        assert session.requests == 2


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        ({"code_path": "code", "codes": []}, "codes must not be empty"),
        ({"code_path": "code"}, "'code_path' and 'codes' go together"),
        ({"codes": ["LIMIT"]}, "'code_path' and 'codes' go together"),
    ],
)
def test_a_rule_without_a_code_to_look_for_says_what_is_missing(rule: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        RetryRule.model_validate({"status": 403, **rule})


def test_without_a_code_path_a_status_alone_means_later(httpserver: HTTPServer) -> None:
    replies = [Response(b"x" * 1000, status=420), json_response(OK)]
    assert ask(httpserver, *replies, rule={"status": 420}, sleeps=[]) == OK


def test_a_status_that_no_rule_names_keeps_its_meaning(httpserver: HTTPServer) -> None:
    with pytest.raises(PermanentFailure, match="HTTP 422"):
        ask(httpserver, json_response(LIMIT_BODY, 422), rule=LIMIT, sleeps=[])
