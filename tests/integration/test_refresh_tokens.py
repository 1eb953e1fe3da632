"""A refresh token that changes each time it is used, shared by processes that may die at any moment."""

import logging
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet
from integration_fakes import json_response, session_for
from pytest_httpserver import HTTPServer
from sqlalchemy import create_engine, text
from werkzeug import Request, Response

from cx_orchestration.integration.answers import CredentialsRefused
from cx_orchestration.integration.http import ServiceSession, Shared
from cx_orchestration.integration.oauth import RefreshToken
from cx_orchestration.model.connection import OAuth2RefreshToken
from cx_orchestration.model.failures import PermanentFailure, TransientFailure
from cx_orchestration.storage.registry import Registry
from cx_orchestration.storage.tokens import RegistryTokens, Tokens

OAUTH = {
    "type": "oauth2_refresh_token",
    "token_path": "/oauth/token",
    "client_id_env": "CLIENT",
    "client_secret_env": "CLIENT_SECRET",
    "refresh_token_env": "REFRESH",
}
ENVIRON = {"CLIENT": "client-id", "CLIENT_SECRET": "canary-client-secret", "REFRESH": "canary-refresh-0"}
KEY, OTHER_KEY = (Fernet.generate_key().decode() for _ in range(2))


class Vendor:
    """Takes each refresh token once, and only the newest access token."""

    def __init__(self, server: HTTPServer) -> None:
        self.url = server.url_for("")
        self.refresh = "canary-refresh-0"
        self.access = ""
        self.renewals = 0
        self.expires_in: int | None = 3600
        self.requests: list[Request] = []
        self.before_answer = lambda: None
        server.expect_request("/oauth/token", method="POST").respond_with_handler(self.token)
        server.expect_request("/q").respond_with_handler(self.data)

    def token(self, request: Request) -> Response:
        self.requests.append(request)
        if request.form["grant_type"] != "refresh_token" or request.form["refresh_token"] != self.refresh:
            return json_response({"error": "invalid_grant"}, 400)
        self.renewals += 1
        self.refresh, self.access = f"canary-refresh-{self.renewals}", f"canary-access-{self.renewals}"
        self.before_answer()
        answer = {"access_token": self.access, "refresh_token": self.refresh, "expires_in": self.expires_in}
        return json_response({name: value for name, value in answer.items() if value is not None})

    def data(self, request: Request) -> Response:
        good = bool(self.access) and request.headers["Authorization"] == f"Bearer {self.access}"
        return json_response({"ok": 1}) if good else json_response({"error": "canary-body"}, 401)


@pytest.fixture
def vendor(httpserver: HTTPServer) -> Vendor:
    return Vendor(httpserver)


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    with closing(Registry(f"sqlite:///{tmp_path}/registry.db")) as registry:
        yield registry


def process(vendor: Vendor, registry: Registry, key: str = KEY, **environ: str) -> ServiceSession:
    """What one process has of its own: a session, and the registry's tokens under a key."""
    tokens = RegistryTokens(registry.engine, {"CX_REGISTRY_KEY": key})
    return session_for(vendor.url, auth=OAUTH, environ={**ENVIRON, **environ}, shared=Shared(tokens=tokens))


def test_a_rotated_token_is_known_to_the_next_process(vendor: Vendor, registry: Registry) -> None:
    assert process(vendor, registry).ask("/q").body == {"ok": 1}
    vendor.access = ""  # the service ended it before its time
    assert process(vendor, registry).ask("/q").body == {"ok": 1}
    assert vendor.renewals == 2
    assert vendor.requests[0].authorization is not None
    assert dict(vendor.requests[1].form) == {"grant_type": "refresh_token", "refresh_token": "canary-refresh-1"}


def test_an_access_token_is_shared_as_long_as_it_is_good(vendor: Vendor, registry: Registry) -> None:
    for _ in range(3):
        process(vendor, registry).ask("/q")
    assert vendor.renewals == 1


def test_an_expired_access_token_is_renewed_before_it_is_used(vendor: Vendor, registry: Registry) -> None:
    vendor.expires_in = 20  # less than the half minute that it must still be good for
    for _ in range(2):
        session = process(vendor, registry)
        session.ask("/q")
        assert session.requests == 2
    assert vendor.renewals == 2


def test_a_service_that_keeps_its_refresh_token_is_asked_with_the_same_again(
    httpserver: HTTPServer, registry: Registry
) -> None:
    asked: list[str] = []

    def token(request: Request) -> Response:
        asked.append(request.form["refresh_token"])
        return json_response({"access_token": "a", "expires_in": 1})

    httpserver.expect_request("/oauth/token").respond_with_handler(token)
    httpserver.expect_request("/q").respond_with_json({})
    tokens = RegistryTokens(registry.engine, {"CX_REGISTRY_KEY": KEY})
    for _ in range(2):
        session_for(httpserver.url_for(""), auth=OAUTH, environ=ENVIRON, shared=Shared(tokens=tokens)).ask("/q")
    assert asked == ["canary-refresh-0"] * 2


def test_a_public_client_names_itself_in_the_form(vendor: Vendor, registry: Registry) -> None:
    tokens = RegistryTokens(registry.engine, {"CX_REGISTRY_KEY": KEY})
    auth = {key: value for key, value in OAUTH.items() if key != "client_secret_env"}
    session_for(vendor.url, auth=auth, environ=ENVIRON, shared=Shared(tokens=tokens)).ask("/q")
    assert vendor.requests[0].form["client_id"] == "client-id" and "Authorization" not in vendor.requests[0].headers


def test_processes_that_renew_at_once_get_one_token_and_lose_none(vendor: Vendor, registry: Registry) -> None:
    sessions = [process(vendor, registry) for _ in range(6)]
    replies: list[Any] = []
    threads = [threading.Thread(target=lambda s=session: replies.append(s.ask("/q").body)) for session in sessions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert replies == [{"ok": 1}] * 6
    assert vendor.renewals == 1


def test_a_new_consent_replaces_what_is_kept(vendor: Vendor, registry: Registry) -> None:
    process(vendor, registry).ask("/q")
    vendor.refresh, vendor.access = "canary-refresh-new", ""
    with pytest.raises(CredentialsRefused, match=r"give it again and put the new refresh token into REFRESH"):
        process(vendor, registry).ask("/q")
    assert process(vendor, registry, REFRESH="canary-refresh-new").ask("/q").body == {"ok": 1}


def test_keys_are_replaced_by_a_list_of_which_the_first_encrypts(vendor: Vendor, registry: Registry) -> None:
    process(vendor, registry).ask("/q")
    vendor.access = ""
    process(vendor, registry, key=f"{OTHER_KEY}, {KEY}").ask("/q")
    assert process(vendor, registry, key=OTHER_KEY).ask("/q").body == {"ok": 1}
    with pytest.raises(PermanentFailure, match="another key than CX_REGISTRY_KEY holds"):
        process(vendor, registry).ask("/q")


@pytest.mark.parametrize(("key", "reason"), [("", "CX_REGISTRY_KEY is not set"), ("short", "something that is no key")])
def test_without_a_key_nothing_is_asked(vendor: Vendor, registry: Registry, key: str, reason: str) -> None:
    with pytest.raises(PermanentFailure, match=reason) as caught:
        process(vendor, registry, key=key).ask("/q")
    assert "short" not in str(caught.value)
    assert vendor.requests == []


def test_without_a_registry_a_refresh_token_is_refused_at_once(vendor: Vendor) -> None:
    with pytest.raises(PermanentFailure, match="needs the project's registry"):
        session_for(vendor.url, auth=OAUTH, environ=ENVIRON)


def test_the_registry_holds_no_token_that_can_be_read(vendor: Vendor, registry: Registry) -> None:
    process(vendor, registry).ask("/q")
    with registry.engine.connect() as connection:
        rows = connection.execute(text("SELECT * FROM oauth_tokens")).all()
    assert len(rows) == 1 and "canary" not in repr(rows)


def test_no_token_reaches_a_message_or_a_log(
    vendor: Vendor, registry: Registry, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        process(vendor, registry).ask("/q")
        vendor.refresh, vendor.access = "gone", ""
        with pytest.raises(CredentialsRefused) as caught:
            process(vendor, registry).ask("/q")
    assert "canary" not in caplog.text + repr(caught.value) + repr(Tokens("canary-a", "canary-r"))
    assert caught.value.__cause__ is None and caught.value.__context__ is None


def credentials(store: RegistryTokens, now: list[float], sleeps: list[float]) -> RefreshToken:
    def sleep(seconds: float) -> None:
        sleeps.append(seconds)
        now[0] += seconds

    declared = OAuth2RefreshToken.model_validate(OAUTH)
    return RefreshToken("crm", declared, ENVIRON, store, patience=360, clock=lambda: now[0], sleep=sleep)


def test_a_process_killed_while_renewing_holds_the_others_up_for_a_while_only(registry: Registry) -> None:
    store = RegistryTokens(registry.engine, {"CX_REGISTRY_KEY": KEY})
    now, sleeps = [1_800_000_000.0], list[float]()
    assert store.claim("crm", "killed", now=now[0], until=now[0] + 360)
    other = credentials(store, now, sleeps)

    def post(path: str, form: Any, headers: Any) -> Any:
        return {"access_token": "fresh", "refresh_token": "next", "expires_in": 3600}

    with pytest.raises(TransientFailure, match="has been renewing the token for a minute") as caught:
        other.headers(post)
    assert caught.value.retry_after == 60 and sum(sleeps) == 60
    now[0] += 301
    assert other.headers(post) == {"Authorization": "Bearer fresh"}


def test_a_registry_that_is_locked_is_a_transient_failure(registry: Registry) -> None:
    impatient = create_engine(registry.engine.url, connect_args={"timeout": 0})
    tokens = RegistryTokens(impatient, {"CX_REGISTRY_KEY": KEY})
    assert tokens.claim("billing", "a", now=0.0, until=1.0)
    with registry.engine.begin() as writing:
        writing.execute(text("DELETE FROM oauth_tokens"))
        with pytest.raises(TransientFailure, match="the registry, where tokens are kept"):
            tokens.claim("billing", "b", now=2.0, until=3.0)
    impatient.dispose()


def test_a_registry_that_is_locked_for_a_while_loses_no_new_refresh_token(registry: Registry) -> None:
    shut = [TransientFailure("the registry is locked")] * 3

    class Busy(RegistryTokens):
        def write(self, service: str, origin: str, generation: int, tokens: Tokens) -> bool:
            if shut:
                raise shut.pop()
            return super().write(service, origin, generation, tokens)

    sleeps = list[float]()
    renewing = credentials(Busy(registry.engine, {"CX_REGISTRY_KEY": KEY}), [1_800_000_000.0], sleeps)
    asked: list[str] = []

    def post(path: str, form: Any, headers: Any) -> Any:
        asked.append(form["refresh_token"])
        return {"access_token": f"a{len(asked)}", "refresh_token": f"r{len(asked)}"}

    assert renewing.headers(post) == {"Authorization": "Bearer a1"}
    assert len(sleeps) == 3
    renewing.renew({"Authorization": "Bearer a1"})
    renewing.headers(post)
    assert asked == ["canary-refresh-0", "r1"]
    shut += [TransientFailure("the registry is locked")] * 1000
    renewing.renew({"Authorization": "Bearer a2"})
    with pytest.raises(TransientFailure, match="the registry is locked"):
        renewing.headers(post)
    assert sum(sleeps[3:]) == 60


def test_who_was_taken_for_dead_uses_what_the_other_has_kept(registry: Registry) -> None:
    store = RegistryTokens(registry.engine, {"CX_REGISTRY_KEY": KEY})
    now = [1_800_000_000.0]
    slow, quick = credentials(store, now, []), credentials(store, now, [])

    def quick_post(path: str, form: Any, headers: Any) -> Any:
        assert form["refresh_token"] == "canary-refresh-0"
        return {"access_token": "quick", "refresh_token": "quick-next", "expires_in": 3600}

    def slow_post(path: str, form: Any, headers: Any) -> Any:
        now[0] += 361  # its claim has ended
        assert quick.headers(quick_post) == {"Authorization": "Bearer quick"}
        return {"access_token": "slow", "refresh_token": "slow-next", "expires_in": 3600}

    assert slow.headers(slow_post) == {"Authorization": "Bearer quick"}


def test_who_is_refused_because_another_was_quicker_uses_what_that_one_has_kept(registry: Registry) -> None:
    store = RegistryTokens(registry.engine, {"CX_REGISTRY_KEY": KEY})
    now = [1_800_000_000.0]
    slow, quick = credentials(store, now, []), credentials(store, now, [])

    def slow_post(path: str, form: Any, headers: Any) -> Any:
        now[0] += 361
        quick.headers(lambda *_: {"access_token": "quick", "refresh_token": "quick-next", "expires_in": 3600})
        raise CredentialsRefused("invalid_grant")

    assert slow.headers(slow_post) == {"Authorization": "Bearer quick"}
