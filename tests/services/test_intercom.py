"""Intercom by its ready-made declaration: searches by day, cursors, limits that say when, contacts that merge away."""

from typing import Any

import pytest
from intercom_server import TOKEN, Intercom
from pytest_httpserver import HTTPServer
from vendor_server import Record, at, epoch
from vendor_site import Site, march, site

from cx_orchestration.integration.http import CredentialsRefused
from cx_orchestration.model.failures import PermanentFailure
from cx_orchestration.storage.engine import Engine
from cx_orchestration.storage.lake import Lake


def contact(number: int, day: int, hour: int = 12, minute: int = 0, second: int = 0, **changes: Any) -> Record:
    moment = epoch(at(day, hour, minute, second))
    return {
        "type": "contact",
        "id": f"c{number:04}",
        "role": "user",
        "email": "ada@example.org",
        "phone": None,
        "external_id": "login-1",
        "name": "Ada Canary",
        "location": {"city": "Denver", "country": "United States"},
        "created_at": moment,
        "updated_at": moment,
        **changes,
    }


def conversation(number: int, day: int, hour: int = 12, minute: int = 0, **changes: Any) -> Record:
    moment = epoch(at(day, hour, minute))
    return {
        "type": "conversation",
        "id": str(number),
        "created_at": moment,
        "updated_at": moment,
        "state": "open",
        "source": {"type": "conversation", "author": {"type": "user", "id": "c0001", "email": "ada@example.org"}},
        "contacts": {"type": "contact.list", "contacts": [{"type": "contact", "id": "c0001"}]},
        "statistics": {"last_close_at": None},
        "conversation_rating": None,
        "conversation_parts": {"conversation_parts": []},
        **changes,
    }


def part(number: int, day: int, hour: int = 13, *, author: str = "user", kind: str = "comment") -> Record:
    moment = epoch(at(day, hour))
    who = {"type": author, "id": "c0001" if author == "user" else "77"}
    return {"id": str(number), "part_type": kind, "created_at": moment, "updated_at": moment, "author": who}


def workspace(httpserver: HTTPServer, lake: Lake, server: Intercom, **options: Any) -> Site:
    return site(httpserver, lake, "intercom", server, {"INTERCOM_TOKEN": TOKEN}, **options)


def test_days_hold_exactly_the_contacts_that_changed_in_them(httpserver: HTTPServer, lake: Lake) -> None:
    contacts = [contact(day * 1000 + n, day, n % 24, n % 60) for day in (4, 5, 6, 7) for n in range(200)]
    shop = workspace(httpserver, lake, Intercom(contacts=contacts))
    expected = {day: [f"c{day * 1000 + n:04}" for n in range(200)] for day in (5, 6)}
    assert shop.landed("contacts", 5, 6) == expected


@pytest.mark.parametrize("by_day", [False, True], ids=["by the second", "by the day"])
@pytest.mark.parametrize("zone", ["UTC", "America/Denver", "Asia/Kolkata"])
def test_days_are_those_of_the_company_whatever_the_search_goes_by(
    httpserver: HTTPServer, lake: Lake, zone: str, *, by_day: bool
) -> None:
    hours = [(day, hour, 30) for day in (4, 5, 6, 7) for hour in range(24)]
    conversations = [conversation(n, *when) for n, when in enumerate(hours)]
    contacts = [contact(n, *when) for n, when in enumerate(hours)]
    server = Intercom(contacts=contacts, conversations=conversations)
    server.conversations_by_day = by_day
    shop = workspace(httpserver, lake, server, zone=zone)
    # In Kolkata half past six is noon.
    behind = {"UTC": 0, "America/Denver": 7, "Asia/Kolkata": -6}[zone]
    expected = [n for n, (day, hour, _) in enumerate(hours) if (day * 24 + hour - behind) // 24 == 5]
    assert shop.landed("conversations", 5, 5) == {5: sorted(str(n) for n in expected)}
    assert shop.landed("contacts", 5, 5) == {5: sorted(f"c{n:04}" for n in expected)}


def test_a_contact_found_under_the_neighbouring_day_lands_when_both_are_read(
    httpserver: HTTPServer, lake: Lake
) -> None:
    server = Intercom(contacts=[contact(1, 6, 0, 2)])
    server.indexed_on["c0001"] = march(5)
    shop = workspace(httpserver, lake, server)
    assert shop.landed("contacts", 6, 6) == {}
    assert shop.declaration.streams["contacts"].lookback_days == 3
    assert shop.landed("contacts", 4, 7) == {6: ["c0001"]}


def test_a_refusal_is_waited_for_until_the_instant_it_names(httpserver: HTTPServer, lake: Lake) -> None:
    contacts = [contact(n, 5, n % 24) for n in range(1000)]
    server = Intercom(contacts=contacts, limit=3)
    shop = workspace(httpserver, lake, server)
    assert len(shop.landed("contacts", 5, 5)[5]) == 1000
    assert server.count("/contacts/search") == 7 + 2, "each refusal was waited for, and not asked in vain again"
    assert sum(shop.clock.slept) >= 20


def test_who_merged_into_another_is_deleted(httpserver: HTTPServer, lake: Lake) -> None:
    server = Intercom(contacts=[contact(1, 5), contact(2, 5, role="lead", email=None, external_id=None), contact(3, 5)])
    shop = workspace(httpserver, lake, server)
    assert shop.landed("contacts", 5, 5) == {5: ["c0001", "c0002", "c0003"]}
    server.merge("c0002", into="c0001", when=at(6))
    shop.land("contacts", 6, 6)
    assert shop.deleted("contacts") == {6: ["c0002"]}


def test_parts_are_those_of_the_conversations_of_the_day(httpserver: HTTPServer, lake: Lake) -> None:
    parts = {"conversation_parts": {"conversation_parts": [part(10, 5), part(11, 5)]}}
    server = Intercom(conversations=[conversation(1, 5, **parts), conversation(2, 5), conversation(3, 4)])
    shop = workspace(httpserver, lake, server)
    shop.landed("conversations", 4, 5)
    # A conversation that was deleted after its day was read.
    del server.conversations[1]
    assert shop.landed("conversation_parts", 5, 5) == {5: ["10", "11"]}


def test_an_unknown_operator_fails_for_good(httpserver: HTTPServer, lake: Lake) -> None:
    def change(values: Record) -> None:
        query = values["streams"]["contacts"]["endpoint"]["json"]["query"]
        query["value"] = [{**query["value"][0], "operator": ">="}]

    server = Intercom(contacts=[contact(1, 5)])
    failure = workspace(httpserver, lake, server, change=change).land("contacts", 5, 5).failures[march(5)]
    assert isinstance(failure, PermanentFailure)
    assert "HTTP 400" in str(failure)


def test_a_wrong_token_is_named(httpserver: HTTPServer, lake: Lake) -> None:
    shop = site(httpserver, lake, "intercom", Intercom(), {"INTERCOM_TOKEN": "another"})
    failure = shop.land("contacts", 5, 5).failures[march(5)]
    assert isinstance(failure, CredentialsRefused)
    assert "INTERCOM_TOKEN" in str(failure)


def test_what_records_stand_for(httpserver: HTTPServer, lake: Lake, engine: Engine) -> None:
    rated = {"rating": 4, "created_at": epoch(at(5, 16)), "updated_at": epoch(at(5, 17))}
    campaign = {"type": "email", "author": {"type": "admin", "id": "77", "email": "agent@shop.example"}}
    server = Intercom(
        contacts=[contact(1, 5, 8)],
        conversations=[
            conversation(
                1, 5, 9,
                statistics={"last_close_at": epoch(at(5, 15))},
                conversation_rating=rated,
                conversation_parts={
                    "conversation_parts": [part(10, 5), part(11, 5, author="admin"), part(12, 5, kind="close")]
                },
            ),
            conversation(2, 5, 10, source=campaign),
        ],
    )  # fmt: skip
    shop = workspace(httpserver, lake, server)
    for stream in shop.declaration.streams:
        shop.landed(stream, 5, 5)
    assert shop.events(engine, 5, 5) == [
        ("contact.created", "05 08:00", "crm", "c0001", None, None),
        ("support.requested", "05 09:00", "chat", "c0001", None, None),
        ("support.messaged", "05 13:00", "chat", "c0001", None, None),
        ("support.resolved", "05 15:00", "chat", "c0001", None, None),
        ("feedback.given", "05 17:00", "chat", "c0001", None, None),
    ]
    assert shop.scores() == [("csat", 4.0)]
    ada = shop.profiles(engine)["c0001"]
    assert (ada["name"], ada["city"]) == ("Ada Canary", "Denver")
