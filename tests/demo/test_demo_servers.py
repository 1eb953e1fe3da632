"""Every server over a real socket: all records once, credentials, windows, limits and faults."""

import base64
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests

from cx_orchestration.demo.company import Company
from cx_orchestration.demo.serve import SERVICES, running_company
from cx_orchestration.demo.servers.faults import Fault
from cx_orchestration.demo.servers.vendor import Limit

Env = dict[str, str]
Records = list[dict[str, Any]]

START, MIDDLE, END = "2026-06-01T05:00:00Z", "2026-06-16T05:00:00Z", "2026-07-01T05:00:00Z"
START_S, END_S = 1_780_290_000, 1_782_882_000

#: The first request of each service, as path and parameters.
FIRST_REQUESTS: dict[str, tuple[str, dict[str, Any]]] = {
    "salesforce": ("/services/data/v60.0/query", {"q": "SELECT Id FROM Contact"}),
    "mailchimp": ("/3.0/lists/a6b5da1054/members", {}),
    "zendesk": ("/api/v2/incremental/users/cursor.json", {"start_time": 0}),
    "stripe": ("/v1/customers", {}),
    "segment": ("/v1/events", {"start": START, "end": END}),
    "discourse": ("/posts.json", {}),
    "survey": ("/api/v1/responses", {}),
}


def session(env: Env, service: str) -> requests.Session:
    """A client that has signed in as the project's declaration of the service does."""
    client = requests.Session()
    if service == "salesforce":
        credentials = (env["CX_SALESFORCE_CLIENT_ID"], env["CX_SALESFORCE_CLIENT_SECRET"])
        form = {"grant_type": "client_credentials"}
        url = env["CX_SALESFORCE_URL"] + "/services/oauth2/token"
        token = requests.post(url, form, auth=credentials, timeout=5).json()
        client.headers["Authorization"] = f"Bearer {token['access_token']}"
    elif service in ("mailchimp", "zendesk"):
        secret = {"mailchimp": "KEY", "zendesk": "TOKEN"}[service]
        client.auth = (env[f"CX_{service.upper()}_USER"], env[f"CX_{service.upper()}_{secret}"])
    elif service in ("stripe", "segment"):
        client.headers["Authorization"] = f"Bearer {env[f'CX_{service.upper()}_TOKEN']}"
    elif service == "discourse":
        client.headers.update({"Api-Key": env["CX_DISCOURSE_KEY"], "Api-Username": env["CX_DISCOURSE_USER"]})
    else:
        client.headers["X-Api-Key"] = env["CX_SURVEY_KEY"]
    return client


def first(env: Env, service: str, client: requests.Session | None = None) -> requests.Response:
    path, params = FIRST_REQUESTS[service]
    client = session(env, service) if client is None else client
    return client.get(env[f"CX_{service.upper()}_URL"] + path, params=params, timeout=5)


def soql(env: Env, query: str) -> Iterator[Records]:
    client, base = session(env, "salesforce"), env["CX_SALESFORCE_URL"]
    page = client.get(base + "/services/data/v60.0/query", params={"q": query}, timeout=5).json()
    yield page["records"]
    while not page["done"]:
        page = client.get(base.removesuffix("/salesforce") + page["nextRecordsUrl"], timeout=5).json()
        yield page["records"]


def mailchimp(env: Env, path: str, name: str, **params: str) -> Iterator[Records]:
    client, offset, total = session(env, "mailchimp"), 0, 1
    while offset < total:
        asked = {"count": 100, "offset": offset, **params}
        page = client.get(env["CX_MAILCHIMP_URL"] + path, params=asked, timeout=5).json()
        yield page[name]
        offset, total = offset + len(page[name]), page["total_items"]


def zendesk(env: Env, name: str, start: int) -> Iterator[Records]:
    client = session(env, "zendesk")
    params: dict[str, Any] = {"start_time": start, "include": "metric_sets"}
    while True:
        url = f"{env['CX_ZENDESK_URL']}/api/v2/incremental/{name}/cursor.json"
        page = client.get(url, params=params, timeout=5).json()
        yield page[name]
        if page["end_of_stream"]:
            return
        params["cursor"] = page["after_cursor"]


def stripe(env: Env, name: str, **params: Any) -> Iterator[Records]:
    client, more = session(env, "stripe"), True
    while more:
        page = client.get(f"{env['CX_STRIPE_URL']}/v1/{name}", params={"limit": 100, **params}, timeout=5).json()
        yield page["data"]
        more = page["has_more"]
        params["starting_after"] = page["data"][-1]["id"] if page["data"] else None


def segment(env: Env, start: str, end: str) -> Iterator[Records]:
    client, params = session(env, "segment"), {"start": start, "end": end}
    while True:
        page = client.get(env["CX_SEGMENT_URL"] + "/v1/events", params=params, timeout=5).json()
        yield page["data"]["batch"]
        if not page["pagination"]["has_more"]:
            return
        params["cursor"] = page["pagination"]["next"]


def discourse(env: Env, path: str, select: Callable[[Any], Records]) -> Iterator[Records]:
    client, number = session(env, "discourse"), 1
    while True:
        params: dict[str, Any] = {"page": number, "show_emails": "true"}
        page = select(client.get(env["CX_DISCOURSE_URL"] + path, params=params, timeout=5).json())
        if not page:
            return
        yield page
        number += 1


def survey(env: Env, **params: str) -> Iterator[Records]:
    client = session(env, "survey")
    reply = client.get(env["CX_SURVEY_URL"] + "/api/v1/responses", params=params, timeout=5)
    yield reply.json()["data"]
    while "next" in reply.links:
        reply = client.get(reply.links["next"]["url"], timeout=5)
        yield reply.json()["data"]


STREAMS: dict[tuple[str, str], tuple[str, Callable[[Env], Iterator[Records]]]] = {
    ("salesforce", "contacts"): ("Id", lambda env: soql(env, "SELECT Id, Email FROM Contact ORDER BY Id")),
    ("salesforce", "leads"): ("Id", lambda env: soql(env, "SELECT Id FROM Lead")),
    ("mailchimp", "members"): ("id", lambda env: mailchimp(env, "/3.0/lists/a6b5da1054/members", "members")),
    ("mailchimp", "welcome_activity"): (
        "email_id",
        lambda env: mailchimp(env, "/3.0/reports/b03c7f2e41/email-activity", "emails"),
    ),
    ("zendesk", "users"): ("id", lambda env: zendesk(env, "users", START_S)),
    ("zendesk", "tickets"): ("id", lambda env: zendesk(env, "tickets", START_S)),
    ("stripe", "customers"): ("id", lambda env: stripe(env, "customers")),
    ("stripe", "charges"): ("id", lambda env: stripe(env, "charges")),
    ("stripe", "refunds"): ("id", lambda env: stripe(env, "refunds", **{"expand[]": "data.charge"})),
    ("segment", "events"): ("messageId", lambda env: segment(env, START, END)),
    ("discourse", "users"): ("id", lambda env: discourse(env, "/admin/users/list/all.json", lambda page: page)),
    ("discourse", "posts"): ("id", lambda env: discourse(env, "/posts.json", lambda page: page["latest_posts"])),
    ("survey", "responses"): ("id", lambda env: survey(env)),
}


@pytest.mark.parametrize(("service", "stream"), STREAMS)
def test_pages_give_every_record_exactly_once(small_company: Company, served: Env, service: str, stream: str) -> None:
    key, read = STREAMS[service, stream]
    pages = list(read(served))
    expected = small_company.records[service][stream].records
    assert sorted(str(r[key]) for page in pages for r in page) == sorted(str(r[key]) for r in expected)
    assert max(map(len, pages)) <= 7


def test_every_stream_of_the_company_is_read_here(small_company: Company) -> None:
    assert set(STREAMS) == {(s, name) for s, streams in small_company.records.items() for name in streams}


def test_records_are_served_as_they_are_on_file(small_company: Company, served: Env) -> None:
    charges = {r["id"]: r for page in stripe(served, "charges") for r in page}
    assert charges == {r["id"]: r for r in small_company.records["stripe"]["charges"].records}


def test_half_open_windows_split_a_stream_without_loss_or_overlap(small_company: Company, served: Env) -> None:
    where = "SELECT Id FROM Contact WHERE SystemModstamp >= {} AND SystemModstamp < {} ORDER BY SystemModstamp, Id"
    early, late = (range_ for range_ in ((START, MIDDLE), (MIDDLE, END)))
    middle_s = (START_S + END_S) // 2
    halves: list[tuple[str, str, str, list[Iterator[Records]]]] = [
        ("salesforce", "contacts", "Id", [soql(served, where.format(*half)) for half in (early, late)]),
        ("segment", "events", "messageId", [segment(served, *half) for half in (early, late)]),
        ("survey", "responses", "id", [survey(served, since=a, until=b) for a, b in (early, late)]),
        (
            "mailchimp",
            "members",
            "id",
            [
                mailchimp(
                    served, "/3.0/lists/a6b5da1054/members", "members", since_last_changed=a, before_last_changed=b
                )
                for a, b in (early, late)
            ],
        ),
        (
            "stripe",
            "charges",
            "id",
            [
                stripe(served, "charges", **{"created[lt]": middle_s}),
                stripe(served, "charges", **{"created[gte]": middle_s}),
            ],
        ),
    ]
    for service, stream, key, (first_half, second_half) in halves:
        before = [str(r[key]) for page in first_half for r in page]
        after = [str(r[key]) for page in second_half for r in page]
        assert before and after, service
        assert sorted(before + after) == sorted(str(r[key]) for r in small_company.records[service][stream].records)


def test_zendesk_exports_begin_at_a_time_and_run_to_the_end(small_company: Company, served: Env) -> None:
    middle = (START_S + END_S) // 2
    late = [r["id"] for page in zendesk(served, "tickets", middle) for r in page]
    tickets = small_company.records["zendesk"]["tickets"]
    assert 0 < len(late) < len(tickets)
    assert late == [r["id"] for r, t in zip(tickets.records, tickets.times, strict=True) if t >= middle * 1_000_000]


def test_stripe_lists_the_newest_first(served: Env) -> None:
    created = [r["created"] for page in stripe(served, "charges") for r in page]
    assert created == sorted(created, reverse=True)


def test_salesforce_refuses_what_it_does_not_understand(served: Env) -> None:
    client, url = session(served, "salesforce"), served["CX_SALESFORCE_URL"] + "/services/data/v60.0/query"
    for query, code in (
        ("SELECT Id FROM Contact WHERE Email = 'a'", "MALFORMED_QUERY"),
        ("SELECT FIELDS(ALL) FROM Contact", "MALFORMED_QUERY"),
        ("SELECT Shoe_Size__c FROM Contact", "INVALID_FIELD"),
        ("SELECT Id FROM Invoice", "INVALID_TYPE"),
    ):
        reply = client.get(url, params={"q": query}, timeout=5)
        assert (reply.status_code, reply.json()[0]["errorCode"]) == (400, code)


def test_unknown_parameters_are_refused_by_stripe(served: Env) -> None:
    reply = session(served, "stripe").get(served["CX_STRIPE_URL"] + "/v1/charges", params={"page": 2}, timeout=5)
    assert (reply.status_code, reply.json()["error"]["code"]) == (400, "parameter_unknown")


def test_malformed_paging_is_a_client_error_everywhere(served: Env) -> None:
    for service, path, params in (
        ("salesforce", "/services/data/v60.0/query/01gnone-7", {}),
        ("mailchimp", "/3.0/lists/a6b5da1054/members", {"offset": "minus one"}),
        ("zendesk", "/api/v2/incremental/users/cursor.json", {"cursor": "%%%"}),
        ("zendesk", "/api/v2/incremental/users/cursor.json", {}),
        ("stripe", "/v1/charges", {"starting_after": "ch_nobody"}),
        ("segment", "/v1/events", {"start": "yesterday", "end": END}),
        ("discourse", "/posts.json", {"page": "first"}),
        ("survey", "/api/v1/responses", {"since": "yesterday"}),
    ):
        reply = session(served, service).get(served[f"CX_{service.upper()}_URL"] + path, params=params, timeout=5)
        assert 400 <= reply.status_code < 500, service


@pytest.mark.parametrize("service", SERVICES)
def test_requests_without_or_with_wrong_credentials_are_refused(served: Env, service: str) -> None:
    assert first(served, service, requests.Session()).status_code == 401
    wrong = requests.Session()
    wrong.headers.update({"X-Api-Key": "wrong", "Api-Key": "wrong", "Api-Username": "system"})
    basic = base64.b64encode(b"integration@shop.example/token:wrong").decode()
    for header in ("Bearer wrong", f"Basic {basic}", "Basic not-base64", "Bearer"):
        wrong.headers["Authorization"] = header
        assert first(served, service, wrong).status_code == 401
    assert first(served, service).status_code == 200


def test_wrong_client_credentials_get_no_token(served: Env) -> None:
    url = served["CX_SALESFORCE_URL"] + "/services/oauth2/token"
    wrong = (served["CX_SALESFORCE_CLIENT_ID"], "wrong")
    reply = requests.post(url, {"grant_type": "client_credentials"}, auth=wrong, timeout=5)
    assert (reply.status_code, reply.json()["error"]) == (401, "invalid_client")


def test_credentials_differ_from_start_to_start(small_company: Company, served: Env) -> None:
    with running_company(small_company) as other:
        secrets = [name for name in served if name.endswith(("TOKEN", "KEY", "SECRET"))]
        assert len(secrets) == 7
        assert all(served[name] != other[name] for name in secrets)


def test_beyond_its_limit_a_service_says_when_to_come_back(small_company: Company) -> None:
    with running_company(small_company, limits={"stripe": Limit(requests=2, seconds=3_600)}) as env:
        client = session(env, "stripe")
        replies = [first(env, "stripe", client) for _ in range(3)]
        assert [reply.status_code for reply in replies] == [200, 200, 429]
        assert 3_500 < int(replies[-1].headers["Retry-After"]) <= 3_600
        assert first(env, "segment").status_code == 200


def test_faults_begin_and_end_as_told(small_company: Company) -> None:
    faults = {
        "stripe": Fault("unavailable", after=1, times=2),
        "segment": Fault("rate_limited", times=1, retry_after=9),
    }
    with running_company(small_company, faults=faults) as env:
        assert [first(env, "stripe").status_code for _ in range(5)] == [200, 503, 503, 200, 200]
        limited = first(env, "segment")
        assert (limited.status_code, limited.headers["Retry-After"]) == (429, "9")
        assert first(env, "segment").status_code == 200
        assert first(env, "zendesk").status_code == 200


def test_html_comes_with_200_and_no_json(small_company: Company) -> None:
    with running_company(small_company, faults={"survey": Fault("html")}) as env:
        reply = first(env, "survey")
        assert reply.status_code == 200
        assert reply.headers["Content-Type"].startswith("text/html")


def test_a_truncated_page_ends_before_its_length(small_company: Company) -> None:
    with (
        running_company(small_company, faults={"discourse": Fault("truncated")}) as env,
        pytest.raises(requests.exceptions.ChunkedEncodingError),
    ):
        first(env, "discourse")


def test_broken_json_comes_whole_but_does_not_parse(small_company: Company) -> None:
    with running_company(small_company, faults={"zendesk": Fault("broken_json")}) as env:
        reply = first(env, "zendesk")
        assert reply.status_code == 200
        with pytest.raises(requests.exceptions.JSONDecodeError):
            reply.json()


def test_an_unauthorized_service_refuses_the_right_token(small_company: Company) -> None:
    with running_company(small_company, faults={"stripe": Fault("unauthorized")}) as env:
        assert first(env, "stripe").status_code == 401


def test_an_empty_service_answers_without_records(small_company: Company) -> None:
    with running_company(small_company, faults={name: Fault("empty") for name in SERVICES}) as env:
        for (service, _), (_, read) in STREAMS.items():
            assert [r for page in read(env) for r in page] == [], service


def test_a_fault_of_an_unknown_service_is_refused(small_company: Company) -> None:
    with (
        pytest.raises(ValueError, match="no such service: fax"),
        running_company(small_company, {"fax": Fault("html")}),
    ):
        pass


@pytest.mark.parametrize("text", ["", "fire", "html:x", "html:1:2:3"])
def test_a_fault_that_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        Fault.parse(text)
