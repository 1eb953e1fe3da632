"""Google Analytics by its ready-made declaration: whole days of another zone, values by position, days without rows."""

import datetime as dt
from typing import Any

from ga4_server import PROPERTY, TOKEN, GoogleAnalytics
from pytest_httpserver import HTTPServer
from vendor_server import Record, at
from vendor_site import Site, march, site

from cx_orchestration.model.failures import PermanentFailure, TransientFailure
from cx_orchestration.storage.engine import Engine
from cx_orchestration.storage.lake import Lake

ENVIRON = {"GA4_TOKEN": TOKEN, "GA4_PROPERTY": PROPERTY}
ZONE = "America/Los_Angeles"


def hit(moment: dt.datetime, event: str = "view_item", login: str = "(not set)", **values: str) -> Record:
    seen = {"deviceCategory": "mobile", "sessionDefaultChannelGroup": "Organic Search"}
    return {"at": moment, "eventName": event, "customUser:login": login, **seen, **values}


def analytics(httpserver: HTTPServer, lake: Lake, server: GoogleAnalytics, *, limit: int = 100_000) -> Site:
    def change(values: dict[str, Any]) -> None:
        # The server stands in for the API, not for the host that hands out its tokens.
        values["client"]["auth"] = {"type": "bearer", "token_env": "GA4_TOKEN"}
        stream = values["streams"]["key_events"]
        stream["endpoint"]["paginator"]["limit"] = limit
        for time in (stream["updated_at"], *(event["occurred_at"] for event in stream["events"])):
            time["time_zone"] = ZONE

    return site(httpserver, lake, "ga4", server, ENVIRON, change, zone="UTC")


def test_days_of_the_company_are_cut_out_of_days_of_the_property(httpserver: HTTPServer, lake: Lake) -> None:
    """The 5th of March in UTC begins on the 4th in Los Angeles."""
    hits = [hit(at(day, hour, 30)) for day in (4, 5, 6) for hour in range(24)]
    company = analytics(httpserver, lake, GoogleAnalytics(hits, zone=ZONE))
    company.landed("key_events", 5)
    minutes = [record_id.split("|")[0] for record_id in company.ids("key_events")[5]]
    local = [at(5, hour, 30) - dt.timedelta(hours=8) for hour in range(24)]
    assert minutes == [moment.strftime("%Y%m%d%H%M") for moment in local]


def test_reports_are_paged_by_numbers_in_the_body(httpserver: HTTPServer, lake: Lake) -> None:
    hits = [hit(at(5, 12, n), login=f"login-{n}") for n in range(25)]
    company = analytics(httpserver, lake, GoogleAnalytics(hits, zone=ZONE), limit=10)
    assert len(company.landed("key_events", 5)[5]) == 25
    asked = [(each.body["limit"], each.body["offset"]) for each in company.server.asked if "offset" in each.body]
    assert {(int(limit), int(offset)) for limit, offset in asked} >= {(10, 9), (10, 18)}


def test_a_day_without_rows_is_a_day_without_records(httpserver: HTTPServer, lake: Lake) -> None:
    company = analytics(httpserver, lake, GoogleAnalytics([hit(at(2))], zone=ZONE))
    assert company.landed("key_events", 5) == {}


def test_more_rows_than_google_gives_at_once_are_refused(httpserver: HTTPServer, lake: Lake) -> None:
    company = analytics(httpserver, lake, GoogleAnalytics([hit(at(5))], zone=ZONE), limit=250_001)
    failure = company.land("key_events", 5).failures[march(5)]
    assert isinstance(failure, PermanentFailure)
    assert "HTTP 400" in str(failure)


def test_used_up_tokens_are_asked_for_again_in_an_hour_and_not_slept_through(
    httpserver: HTTPServer, lake: Lake
) -> None:
    company = analytics(httpserver, lake, GoogleAnalytics([hit(at(5))], zone=ZONE, tokens=0))
    failure = company.land("key_events", 5).failures[march(5)]
    assert isinstance(failure, TransientFailure)
    assert failure.retry_after == 3600
    assert company.clock.slept == []


def test_signed_in_visitors_have_events(httpserver: HTTPServer, lake: Lake, engine: Engine) -> None:
    hits = [
        hit(at(5, 18), "view_item"),
        hit(at(5, 18), "view_item", "login-1"),
        hit(at(5, 18), "view_item", "login-1"),
        hit(at(5, 19), "begin_checkout", "login-1", deviceCategory="smart tv"),
        hit(at(5, 20), "purchase", "login-1", transactionId="1001"),
    ]
    company = analytics(httpserver, lake, GoogleAnalytics(hits, zone=ZONE))
    company.landed("key_events", 5)
    assert company.events(engine, 5, 5) == [
        ("product.viewed", "05 18:00", "web", "login-1", None, None),
        ("checkout.started", "05 19:00", "app", "login-1", None, None),
        ("order.placed", "05 20:00", "web", "login-1", None, None),
    ]
