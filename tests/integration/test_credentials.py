"""Each kind of credentials, as a server sees it."""

import base64
from typing import Any

import pytest
from integration_fakes import SECRET, answers, json_response, session_for
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from cx_orchestration.integration.answers import CredentialsRefused
from cx_orchestration.integration.auth import credentials_of
from cx_orchestration.integration.oauth import ClientCredentials
from cx_orchestration.model.connection import HeaderAuth, OAuth2ClientCredentials
from cx_orchestration.model.failures import PermanentFailure

OAUTH = {
    "type": "oauth2_client_credentials",
    "token_path": "/oauth/token",
    "client_id_env": "USER",
    "client_secret_env": "PASSWORD",
    "scope": "read",
}


def basic(text: str) -> str:
    return "Basic " + base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    ("auth", "headers"),
    [
        ({"type": "bearer", "token_env": "TOKEN"}, {"Authorization": f"Bearer {SECRET}"}),
        ({"type": "basic", "username_env": "USER", "password_env": "PASSWORD"},
         {"Authorization": basic("canary-user:canary-password")}),
        ({"type": "headers", "headers_env": {"Api-Key": "TOKEN", "Api-Username": "USER"}},
         {"Api-Key": SECRET, "Api-Username": "canary-user"}),
    ],
)  # fmt: skip
def test_credentials_go_into_headers(httpserver: HTTPServer, auth: dict[str, Any], headers: dict[str, str]) -> None:
    httpserver.expect_request("/x", headers=headers, query_string="").respond_with_json({})
    session_for(httpserver.url_for(""), auth=auth).ask("/x")
    httpserver.check_assertions()


def test_without_auth_nothing_is_sent(httpserver: HTTPServer) -> None:
    def handle(request: Request) -> Response:
        assert "Authorization" not in request.headers
        return json_response({})

    httpserver.expect_request("/x").respond_with_handler(handle)
    session_for(httpserver.url_for(""), auth={"type": "none"}).ask("/x")
    httpserver.check_assertions()


@pytest.mark.parametrize("kind", ["bearer", "basic", "headers", "oauth2_client_credentials"])
def test_a_missing_variable_is_named_and_no_value_shown(kind: str) -> None:
    auths = {
        "bearer": {"type": "bearer", "token_env": "ABSENT"},
        "basic": {"type": "basic", "username_env": "USER", "password_env": "ABSENT"},
        "headers": {"type": "headers", "headers_env": {"A": "TOKEN", "B": "ABSENT"}},
        "oauth2_client_credentials": {**OAUTH, "client_secret_env": "ABSENT"},
    }
    with pytest.raises(PermanentFailure, match="ABSENT is not set") as caught:
        session_for("http://127.0.0.1:1", auth=auths[kind])
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize("value", ["two\nlines", "sn\u00f6"])
def test_a_value_that_no_header_can_carry_is_refused_by_name(value: str) -> None:
    with pytest.raises(PermanentFailure, match="TOKEN holds a character") as caught:
        session_for("http://127.0.0.1:1", environ={"TOKEN": value})
    assert value not in str(caught.value)


class TokenServer:
    """Gives out tokens t1, t2, ... and accepts the newest only."""

    def __init__(self, httpserver: HTTPServer, **more: Any) -> None:
        self.given = 0
        self.forms: list[dict[str, str]] = []
        self.more = more
        httpserver.expect_request(
            "/oauth/token", method="POST", headers={"Authorization": basic("canary-user:canary-password")}
        ).respond_with_handler(self.token)
        httpserver.expect_request("/x").respond_with_handler(self.data)

    def token(self, request: Request) -> Response:
        self.given += 1
        self.forms.append(dict(request.form))
        return json_response({"access_token": f"t{self.given}", "token_type": "Bearer", **self.more})

    def data(self, request: Request) -> Response:
        good = request.headers.get("Authorization") == f"Bearer t{self.given}"
        return json_response({"ok": True}) if good else json_response({}, 401)


def test_a_token_is_asked_for_once(httpserver: HTTPServer) -> None:
    server = TokenServer(httpserver)
    session = session_for(httpserver.url_for(""), auth=OAUTH)
    assert [session.ask("/x").body for _ in range(3)] == [{"ok": True}] * 3
    assert server.given == 1
    assert server.forms == [{"grant_type": "client_credentials", "scope": "read"}]


def test_a_refused_token_is_renewed_once(httpserver: HTTPServer) -> None:
    server = TokenServer(httpserver)
    session = session_for(httpserver.url_for(""), auth=OAUTH)
    session.ask("/x")
    server.given += 1  # the service has forgotten t1
    assert session.ask("/x").body == {"ok": True}
    assert server.given == 3


def test_a_missing_right_is_not_mended_by_a_new_token(httpserver: HTTPServer) -> None:
    server = TokenServer(httpserver)
    httpserver.expect_request("/admin").respond_with_json({}, status=403)
    with pytest.raises(CredentialsRefused, match="HTTP 403"):
        session_for(httpserver.url_for(""), auth=OAUTH).ask("/admin")
    assert server.given == 1


def test_a_new_token_that_is_refused_as_well_ends_it(httpserver: HTTPServer) -> None:
    server = TokenServer(httpserver)
    httpserver.expect_request("/never").respond_with_json({}, status=401)
    with pytest.raises(CredentialsRefused, match="USER and PASSWORD"):
        session_for(httpserver.url_for(""), auth=OAUTH).ask("/never")
    assert server.given == 2


def test_tokens_may_come_from_a_host_of_their_own_and_each_host_sees_what_is_its_own(httpserver: HTTPServer) -> None:
    with HTTPServer() as of_tokens:
        server = TokenServer(of_tokens)
        httpserver.expect_request("/x").respond_with_handler(server.data)
        session = session_for(httpserver.url_for(""), auth={**OAUTH, "token_path": of_tokens.url_for("/oauth/token")})
        assert session.ask("/x").body == {"ok": True}
        seen = [[request.headers["Authorization"] for request, _ in each.log] for each in (httpserver, of_tokens)]
        assert seen == [["Bearer t1"], [basic("canary-user:canary-password")]]
        with pytest.raises(PermanentFailure, match="another host than base_url"):
            session.address(of_tokens.url_for("/x"))
        session.close()


def test_a_host_of_tokens_that_redirects_elsewhere_is_not_followed(httpserver: HTTPServer) -> None:
    with HTTPServer() as of_tokens:
        moved = Response(status=307, headers={"Location": httpserver.url_for("/oauth/token")})
        of_tokens.expect_request("/oauth/token").respond_with_handler(lambda _: moved)
        session = session_for(httpserver.url_for(""), auth={**OAUTH, "token_path": of_tokens.url_for("/oauth/token")})
        with pytest.raises(PermanentFailure, match="redirects to another host"):
            session.ask("/x")
        assert httpserver.log == []


@pytest.mark.parametrize("status", [400, 401])
def test_a_refused_client_is_a_matter_of_credentials(httpserver: HTTPServer, status: int) -> None:
    httpserver.expect_request("/oauth/token").respond_with_json({"error": "invalid_client"}, status=status)
    session = session_for(httpserver.url_for(""), auth=OAUTH)
    with pytest.raises(CredentialsRefused, match=r"/oauth/token refused the credentials .*USER and PASSWORD"):
        session.ask("/x")
    assert session.requests == 1


@pytest.mark.parametrize("body", [{}, {"access_token": None}, {"access_token": "a\nb"}, ["t"], {"access_token": 5}])
def test_an_answer_without_a_token_is_refused(httpserver: HTTPServer, body: Any) -> None:
    httpserver.expect_request("/oauth/token").respond_with_handler(answers(json_response(body)))
    with pytest.raises(PermanentFailure, match="without a usable 'access_token'"):
        session_for(httpserver.url_for(""), auth=OAUTH).ask("/x")


def test_a_token_is_renewed_half_a_minute_before_it_expires() -> None:
    now, asked = [0.0], list[str]()

    def post(path: str, form: Any, headers: Any) -> Any:
        asked.append(path)
        return {"access_token": f"t{len(asked)}", "expires_in": 100}

    declared = OAuth2ClientCredentials.model_validate(OAUTH)
    credentials = ClientCredentials("crm", declared, {"USER": "u", "PASSWORD": "p"}, clock=lambda: now[0])
    for moment, expected in ((0, 1), (69, 1), (71, 2), (100, 2)):
        now[0] = moment
        credentials.headers(post)
        assert len(asked) == expected


def test_one_variable_that_is_to_be_checked_is_told_in_the_singular() -> None:
    auth = HeaderAuth(type="headers", headers_env={"X-Key": "DESK_KEY"})
    one = credentials_of("desk", auth, {"DESK_KEY": "k"}, tokens=None, patience=1)
    assert one.named == "the environment variable DESK_KEY"
