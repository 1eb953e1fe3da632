"""HubSpot by its ready-made declaration: searches past 10,000 results, archived records, limits, contacts of deals."""

import datetime as dt
from typing import Any

from hubspot_server import TOKEN, HubSpot, hubspot_record
from pytest_httpserver import HTTPServer
from vendor_server import Record, at
from vendor_site import Site, march, site

from cx_orchestration.integration.http import CredentialsRefused
from cx_orchestration.model.failures import PermanentFailure, TransientFailure
from cx_orchestration.storage.engine import Engine
from cx_orchestration.storage.lake import Lake


def contacts(numbers: range, moment: dt.datetime) -> list[Record]:
    return [hubspot_record("contacts", number, moment, email=f"c{number}@example.org") for number in numbers]


def portal(httpserver: HTTPServer, lake: Lake, server: HubSpot, **options: Any) -> Site:
    return site(httpserver, lake, "hubspot", server, {"HUBSPOT_TOKEN": TOKEN}, **options)


def numbers(*ids: int) -> list[str]:
    return sorted(map(str, ids))


def test_days_hold_exactly_the_contacts_that_changed_in_them(httpserver: HTTPServer, lake: Lake) -> None:
    # Ids with more digits than others, and changes in the first and last millisecond of a day.
    first = contacts(range(95, 105), at(5, 0))
    last = contacts(range(995, 1005), at(6, 0) - dt.timedelta(milliseconds=1))
    others = contacts(range(1, 5), at(5, 0) - dt.timedelta(milliseconds=1)) + contacts(range(5, 9), at(6, 0))
    shop = portal(httpserver, lake, HubSpot({"contacts": first + last + others}))
    assert shop.land("contacts", 5, 5).outside == 0
    assert shop.ids("contacts") == {5: numbers(*range(95, 105), *range(995, 1005))}


def test_more_contacts_of_one_instant_than_a_search_gives_all_land(httpserver: HTTPServer, lake: Lake) -> None:
    server = HubSpot({"contacts": contacts(range(1, 2_401), at(5))})
    server.most_results = 1_000  # as 10,000 would be; more than twice as many have one time
    server.search_limit.requests = 1_000
    shop = portal(httpserver, lake, server)
    assert len(shop.landed("contacts", 5, 5)[5]) == 2_400
    assert server.count("/crm/objects/2026-03/contacts/search") == 13, "twelve full pages, and one that is not"


def test_a_change_while_pages_are_read_loses_no_other(httpserver: HTTPServer, lake: Lake) -> None:
    server = HubSpot({"contacts": contacts(range(1, 601), at(5))})

    def change_the_first(search: int) -> None:
        if search == 2:
            server.objects["contacts"][0] = hubspot_record("contacts", 1, at(7))

    server.on_search = change_the_first
    shop = portal(httpserver, lake, server)
    assert set(shop.landed("contacts", 5, 5)[5]) >= set(numbers(*range(2, 601)))


def test_archived_records_are_deleted_on_the_day_they_were_archived(httpserver: HTTPServer, lake: Lake) -> None:
    server = HubSpot({"contacts": contacts(range(1, 401), at(5)), "deals": [], "tickets": []})
    shop = portal(httpserver, lake, server)
    shop.landed("contacts", 5, 5)
    for number in range(1, 251):
        server.objects["contacts"][number - 1] = hubspot_record("contacts", number, at(5), archived_at=at(6))
    shop.land("contacts", 6, 6)
    assert shop.deleted("contacts") == {6: numbers(*range(1, 251))}


def test_five_searches_a_second_are_never_exceeded(httpserver: HTTPServer, lake: Lake) -> None:
    def change(values: Record) -> None:
        endpoint = values["streams"]["contacts"]["endpoint"]
        endpoint["json"]["limit"] = endpoint["max_results_per_query"] = 10

    server = HubSpot({"contacts": contacts(range(1, 305), at(5))})
    shop = portal(httpserver, lake, server, change=change, own_rate=True)
    assert len(shop.landed("contacts", 5, 5)[5]) == 304
    assert server.count("/crm/objects/2026-03/contacts/search") == 31, "none was refused"


def test_a_refusal_by_another_app_of_the_account_is_waited_for(httpserver: HTTPServer, lake: Lake) -> None:
    server = HubSpot({"contacts": contacts(range(1, 305), at(5))})
    server.search_limit.requests = 1
    shop = portal(httpserver, lake, server)
    assert len(shop.landed("contacts", 5, 5)[5]) == 304


def test_a_used_up_day_is_not_slept_through(httpserver: HTTPServer, lake: Lake) -> None:
    server = HubSpot({"contacts": contacts(range(1, 305), at(5))})
    server.daily = 1
    shop = portal(httpserver, lake, server)
    failure = shop.land("contacts", 5, 5).failures[march(5)]
    assert isinstance(failure, TransientFailure)
    assert failure.retry_after == 3600
    assert sum(shop.clock.slept) < 1


def test_deals_belong_to_the_contacts_that_one_request_each_tells(httpserver: HTTPServer, lake: Lake) -> None:
    server = HubSpot({"deals": [hubspot_record("deals", number, at(5)) for number in (1, 2, 3)]})
    server.contacts_of = {"1": list(range(1000, 1600)), "3": [1000]}
    shop = portal(httpserver, lake, server)
    shop.landed("deals", 5, 5)
    # Archived after its day was read.
    server.objects["deals"][1]["archived"] = True
    expected = sorted([f"1:{n}" for n in range(1000, 1600)] + ["3:1000"])
    assert shop.landed("deal_contacts", 5, 5) == {5: expected}


def test_an_unknown_property_fails_for_good(httpserver: HTTPServer, lake: Lake) -> None:
    def change(values: Record) -> None:
        values["streams"]["deals"]["endpoint"]["json"]["filterGroups"][0]["filters"] = [
            {"propertyName": "lastmodifieddate", "operator": "GTE", "value": "{window.start}"}
        ]

    failure = portal(httpserver, lake, HubSpot({"deals": []}), change=change).land("deals", 5, 5).failures[march(5)]
    assert isinstance(failure, PermanentFailure)
    assert "HTTP 400" in str(failure)


def test_a_wrong_token_is_named(httpserver: HTTPServer, lake: Lake) -> None:
    shop = site(httpserver, lake, "hubspot", HubSpot({"contacts": []}), {"HUBSPOT_TOKEN": "pat-another"})
    failure = shop.land("contacts", 5, 5).failures[march(5)]
    assert isinstance(failure, CredentialsRefused)
    assert "HUBSPOT_TOKEN" in str(failure)


def test_what_records_stand_for(httpserver: HTTPServer, lake: Lake, engine: Engine) -> None:
    ada = {"email": "ada@example.org", "firstname": "Ada", "city": "Denver", "hs_analytics_source": "PAID_SEARCH"}
    won = {"hs_is_closed_won": "true", "hs_is_closed_lost": "false", "closedate": "2024-03-05T15:00:00Z"}
    solved = {"source_type": "EMAIL", "closed_date": "2024-03-05T16:00:00.000Z"}
    server = HubSpot(
        {
            "contacts": [hubspot_record("contacts", 1, at(5, 8), **ada)],
            "deals": [
                hubspot_record("deals", 20, at(5, 9), amount="1200", **won),
                hubspot_record("deals", 21, at(5, 10)),
            ],
            "tickets": [hubspot_record("tickets", 30, at(5, 11), **solved)],
        }
    )
    server.contacts_of = {"20": [1, 2], "21": [1], "30": [1]}
    shop = portal(httpserver, lake, server)
    for stream in shop.declaration.streams:
        shop.landed(stream, 5, 5)
    assert shop.events(engine, 5, 5) == [
        ("contact.created", "05 08:00", "crm", "1", None, None),
        ("deal.created", "05 09:00", "sales", "1", None, None),
        ("deal.created", "05 09:00", "sales", "2", None, None),
        ("deal.created", "05 10:00", "sales", "1", None, None),
        ("support.requested", "05 11:00", "email", "1", None, None),
        ("deal.won", "05 15:00", "sales", "1", None, None),
        ("deal.won", "05 15:00", "sales", "2", None, None),
        ("support.resolved", "05 16:00", "email", "1", None, None),
    ]
    profile = shop.profiles(engine)["1"]
    assert (profile["given_name"], profile["city"]) == ("Ada", "Denver")
    assert '"acquisition":"search"' in profile["attributes"]
