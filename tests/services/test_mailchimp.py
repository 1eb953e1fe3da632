"""Mailchimp by its ready-made declaration: offsets, bounds left out, archived members, readers of campaigns."""

from typing import Any

from mailchimp_server import KEY, LIST, Mailchimp
from pytest_httpserver import HTTPServer
from vendor_server import Asked, Record, at
from vendor_site import Site, march, site
from werkzeug import Request, Response

from cx_orchestration.integration.http import CredentialsRefused
from cx_orchestration.model.failures import PermanentFailure, TransientFailure
from cx_orchestration.storage.engine import Engine
from cx_orchestration.storage.lake import Lake

ENVIRON = {"MAILCHIMP_USER": "any", "MAILCHIMP_KEY": KEY, "MAILCHIMP_LIST": LIST}


def told(day: int, hour: int = 12, minute: int = 0, second: int = 0) -> str:
    return at(day, hour, minute, second).isoformat()


def member(name: str, changed: str, **changes: Any) -> Record:
    return {
        "id": name,
        "email_address": f"{name}@example.org",
        "status": "subscribed",
        "timestamp_signup": told(1),
        "timestamp_opt": told(2),
        "last_changed": changed,
        "unsubscribe_reason": None,
        "merge_fields": {"FNAME": "Ada", "LNAME": "Canary", "PHONE": ""},
        "location": {"country_code": "US"},
        "source": "Web form",
        **changes,
    }


def campaign(name: str, sent: str, status: str = "sent") -> Record:
    return {"id": name, "status": status, "send_time": sent, "create_time": sent}


def reader(name: str, *activity: tuple[str, str], campaign: str = "c1") -> Record:
    did = [{"action": action, "timestamp": when} for action, when in activity]
    return {"campaign_id": campaign, "email_id": name, "email_address": f"{name}@example.org", "activity": did}


def account(httpserver: HTTPServer, lake: Lake, server: Mailchimp, **options: Any) -> Site:
    return site(httpserver, lake, "mailchimp", server, ENVIRON, **options)


def test_days_hold_exactly_the_members_that_changed_in_them(httpserver: HTTPServer, lake: Lake) -> None:
    members = [member(f"{day}-{n:04}", told(day, n % 24)) for day in (4, 5, 6, 7) for n in range(1100)]
    company = account(httpserver, lake, Mailchimp(members=members))
    assert company.landed("members", 5, 6) == {day: [f"{day}-{n:04}" for n in range(1100)] for day in (5, 6)}


def test_a_member_at_midnight_is_in_one_day_although_bounds_are_left_out(httpserver: HTTPServer, lake: Lake) -> None:
    times = {"a": told(4, 23, 59, 59), "b": told(5, 0), "c": told(5, 23, 59, 59), "d": told(6, 0)}
    company = account(httpserver, lake, Mailchimp(members=[member(name, when) for name, when in times.items()]))
    company.land("members", 5)
    company.land("members", 6)
    assert company.ids("members") == {5: ["b", "c"], 6: ["d"]}


def test_a_member_who_changes_while_pages_are_read_takes_nobody_along(httpserver: HTTPServer, lake: Lake) -> None:
    """Who changes now is no longer of yesterday, and all behind move up by one."""

    class Busy(Mailchimp):
        def answer(self, asked: Asked, request: Request) -> Response:
            if asked.params.get("offset") == "1000" and "status" not in asked.params:
                self.members[0]["last_changed"] = told(9)
            return super().answer(asked, request)

    server = Busy(members=[member(f"{n:04}", told(5, n % 24)) for n in range(1100)])
    company = account(httpserver, lake, server)
    ids = company.landed("members", 5)[5]
    assert set(ids) >= {f"{n:04}" for n in range(1, 1100)}


def test_ten_requests_under_way_are_waited_for(httpserver: HTTPServer, lake: Lake) -> None:
    server = Mailchimp(members=[member("a", told(5))])
    server.busy = 11
    company = account(httpserver, lake, server)
    assert company.landed("members", 5) == {5: ["a"]}
    assert company.clock.slept
    server.busy = 99
    assert isinstance(company.land("members", 5).failures[march(5)], TransientFailure)


def test_members_become_events_and_profiles(httpserver: HTTPServer, lake: Lake, engine: Engine) -> None:
    members = [
        member("ada", told(5, 9), timestamp_opt=told(5, 9)),
        member("ben", told(5, 10), status="unsubscribed", unsubscribe_reason="NORMAL_UNSUBSCRIBE"),
        member("cem", told(5, 11), status="pending", timestamp_opt=""),
        member("dia", told(5, 11), status="transactional", timestamp_opt=""),
    ]
    company = account(httpserver, lake, Mailchimp(members=members))
    company.landed("members", 5)
    assert company.events(engine, 5, 5) == [
        ("newsletter.subscribed", "02 12:00", "email", "ben", None, None),
        ("newsletter.subscribed", "05 09:00", "email", "ada", None, None),
        ("newsletter.unsubscribed", "05 10:00", "email", "ben", None, None),
    ]
    profiles = company.profiles(engine)
    assert profiles["ada"]["given_name"] == "Ada"
    assert profiles["ada"]["keys"] == [{"namespace": "email", "value": "ada@example.org"}]


def test_archived_members_are_deleted(httpserver: HTTPServer, lake: Lake) -> None:
    server = Mailchimp(members=[member("ada", told(5)), member("ben", told(5))])
    company = account(httpserver, lake, server)
    assert company.landed("members", 5) == {5: ["ada", "ben"]}
    server.members[0] |= {"status": "archived", "last_changed": told(6)}
    company.land("members", 6)
    assert company.deleted("members") == {6: ["ada"]}


def test_readers_of_the_campaigns_of_a_day(httpserver: HTTPServer, lake: Lake, engine: Engine) -> None:
    activity = {
        "c1": [
            # 1,001 readers, of whom most did nothing: the list goes on by readers, not by what they did.
            *(reader(f"r{n:04}") for n in range(998)),
            reader("ada", ("open", told(5, 13)), ("open", told(5, 15)), ("click", told(6, 14))),
            reader("ben", ("bounce", told(5, 13))),
            reader("cem", ("click", told(6, 16))),
        ],
        "c2": [],
    }
    campaigns = [
        campaign("c1", told(5)),
        campaign("c2", told(5)),
        campaign("c3", told(7)),
        campaign("c4", told(5), "save"),
    ]
    company = account(httpserver, lake, Mailchimp(campaigns=campaigns, activity=activity))
    assert company.landed("campaigns", 5, 6) == {5: ["c1", "c2"]}
    found = company.landed("email_activity", 5, 6)
    assert {day: len(ids) for day, ids in found.items()} == {5: 5}
    assert company.events(engine, 5, 6) == [
        ("email.bounced", "05 13:00", "email", "ben", None, None),
        ("email.opened", "05 13:00", "email", "ada", None, None),
        ("email.opened", "05 15:00", "email", "ada", None, None),
        ("email.clicked", "06 14:00", "email", "ada", None, None),
        ("email.clicked", "06 16:00", "email", "cem", None, None),
    ]


def test_pages_of_more_than_a_thousand_are_refused(httpserver: HTTPServer, lake: Lake) -> None:
    def more(values: dict[str, Any]) -> None:
        values["streams"]["members"]["endpoint"]["paginator"]["limit"] = 1001

    failure = account(httpserver, lake, Mailchimp(), change=more).land("members", 5).failures[march(5)]
    assert isinstance(failure, PermanentFailure)
    assert "HTTP 400" in str(failure)


def test_a_wrong_key_is_refused_credentials(httpserver: HTTPServer, lake: Lake) -> None:
    company = site(httpserver, lake, "mailchimp", Mailchimp(), {**ENVIRON, "MAILCHIMP_KEY": "wrong-us1"})
    assert isinstance(company.land("members", 5).failures[march(5)], CredentialsRefused)
