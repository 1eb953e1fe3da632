"""Salesforce by its ready-made declaration: windows, pages, deletions, limits, and what its records stand for."""

from typing import Any

from pytest_httpserver import HTTPServer
from salesforce_server import CLIENT_ID, CLIENT_SECRET, Salesforce
from vendor_server import Record, at
from vendor_site import Site, march, site

from cx_orchestration.integration.http import CredentialsRefused
from cx_orchestration.model.failures import PermanentFailure, TransientFailure
from cx_orchestration.storage.engine import Engine
from cx_orchestration.storage.lake import Lake

CONTACT: Record = {
    "FirstName": "Ada",
    "LastName": "Canary",
    "Email": "ada@example.org",
    "Phone": "+1 303 555 0100",
    "MailingStreet": "1 Main St",
    "MailingCity": "Denver",
    "MailingPostalCode": "80201",
    "MailingCountry": "USA",
    "Birthdate": "1985-05-05",
    "LeadSource": "Web",
    "MasterRecordId": None,
}
OPPORTUNITY: Record = {
    "ContactId": "003A",
    "Amount": 1200.5,
    "StageName": "Prospecting",
    "Type": "New",
    "IsClosed": False,
    "IsWon": False,
    "CloseDate": "2024-04-01",
    "LastStageChangeDate": None,
}
CASE: Record = {
    "ContactId": "003A",
    "Origin": "Phone",
    "Status": "New",
    "Priority": "High",
    "Type": "Delivery",
    "ClosedDate": None,
}


def stamped(day: int, hour: int = 12, minute: int = 0) -> str:
    return at(day, hour, minute).strftime("%Y-%m-%dT%H:%M:%S.000+0000")


def record(base: Record, record_id: str, day: int, hour: int = 12, minute: int = 0, **changes: Any) -> Record:
    stamp = stamped(day, hour, minute)
    return {"Id": record_id, **base, "IsDeleted": False, "CreatedDate": stamp, "SystemModstamp": stamp, **changes}


def contacts(number: int, day: int) -> list[Record]:
    return [record(CONTACT, f"003{day:02}{n:03}", day, n % 24, n % 60) for n in range(number)]


def organisation(httpserver: HTTPServer, lake: Lake, server: Salesforce, *, zone: str = "UTC", **change: Any) -> Site:
    environ = {"SALESFORCE_CLIENT_ID": CLIENT_ID, "SALESFORCE_CLIENT_SECRET": CLIENT_SECRET}
    return site(httpserver, lake, "salesforce", server, environ, zone=zone, **change)


def test_days_hold_exactly_the_contacts_that_changed_in_them(httpserver: HTTPServer, lake: Lake) -> None:
    days = {day: contacts(60, day) for day in (4, 5, 6, 7)}
    server = Salesforce({"Contact": [each for day in days.values() for each in day]}, batch=25)
    shop = organisation(httpserver, lake, server)
    assert shop.landed("contacts", 5, 6) == {day: sorted(each["Id"] for each in days[day]) for day in (5, 6)}
    assert server.count("/services/data/v60.0/query/") == 4, "120 records in batches of 25"


def test_days_are_those_of_the_company(httpserver: HTTPServer, lake: Lake) -> None:
    times = {"003A": (5, 6), "003B": (5, 7), "003C": (6, 6), "003D": (6, 7)}
    server = Salesforce({"Contact": [record(CONTACT, name, *when) for name, when in times.items()]})
    shop = organisation(httpserver, lake, server, zone="America/Denver")
    assert shop.landed("contacts", 5, 5) == {5: ["003B", "003C"]}


def test_what_went_to_the_recycle_bin_is_deleted(httpserver: HTTPServer, lake: Lake, engine: Engine) -> None:
    kept, gone = record(CONTACT, "003A", 5), record(CONTACT, "003B", 5)
    server = Salesforce({"Contact": [kept, gone]})
    shop = organisation(httpserver, lake, server)
    assert shop.landed("contacts", 5, 5) == {5: ["003A", "003B"]}
    gone |= {"IsDeleted": True, "SystemModstamp": stamped(6), "MasterRecordId": "003A"}
    shop.land("contacts", 5, 6)
    assert shop.deleted("contacts") == {6: ["003B"]}


def test_used_up_requests_are_waited_for_and_not_taken_for_refused_credentials(
    httpserver: HTTPServer, lake: Lake
) -> None:
    server = Salesforce({"Contact": contacts(60, 5)}, batch=25)
    server.requests_left = 2
    shop = organisation(httpserver, lake, server)
    failure = shop.land("contacts", 5, 6).failures[march(5)]
    assert isinstance(failure, TransientFailure)
    assert failure.retry_after == 3600
    assert shop.clock.slept == [], "an hour is not slept through"
    server.requests_left = None
    assert len(shop.landed("contacts", 5, 6)[5]) == 60


def test_a_list_that_died_is_begun_again_later(httpserver: HTTPServer, lake: Lake) -> None:
    server = Salesforce({"Contact": contacts(60, 5)}, batch=25)
    server.locator_pages = 2
    shop = organisation(httpserver, lake, server)
    assert isinstance(shop.land("contacts", 5, 5).failures[march(5)], TransientFailure)
    server.locator_pages = None
    assert len(shop.landed("contacts", 5, 5)[5]) == 60


def test_a_session_that_ended_is_renewed(httpserver: HTTPServer, lake: Lake) -> None:
    server = Salesforce({"Contact": contacts(3, 5)})
    shop = organisation(httpserver, lake, server)
    shop.landed("contacts", 5, 5)
    server.end_sessions()
    assert len(shop.landed("contacts", 5, 5)[5]) == 3


def test_a_session_that_ended_within_a_list_takes_the_list_along(httpserver: HTTPServer, lake: Lake) -> None:
    server = Salesforce({"Contact": contacts(60, 5)}, batch=25)
    server.session_pages = 1
    shop = organisation(httpserver, lake, server)
    assert isinstance(shop.land("contacts", 5, 5).failures[march(5)], TransientFailure)
    assert len(shop.landed("contacts", 5, 5)[5]) == 60


def test_a_missing_field_fails_for_good(httpserver: HTTPServer, lake: Lake) -> None:
    def change(values: Record) -> None:
        params = values["streams"]["contacts"]["endpoint"]["params"]
        params["q"] = params["q"].replace("Birthdate", "Region__c")

    shop = organisation(httpserver, lake, Salesforce({"Contact": contacts(3, 5)}), change=change)
    failure = shop.land("contacts", 5, 5).failures[march(5)]
    assert isinstance(failure, PermanentFailure)
    assert "HTTP 400" in str(failure)


def test_a_wrong_secret_is_named(httpserver: HTTPServer, lake: Lake) -> None:
    environ = {"SALESFORCE_CLIENT_ID": CLIENT_ID, "SALESFORCE_CLIENT_SECRET": "another"}
    shop = site(httpserver, lake, "salesforce", Salesforce({"Contact": []}), environ)
    failure = shop.land("contacts", 5, 5).failures[march(5)]
    assert isinstance(failure, CredentialsRefused)
    assert "SALESFORCE_CLIENT_SECRET" in str(failure)


def test_what_records_stand_for(httpserver: HTTPServer, lake: Lake, engine: Engine) -> None:
    server = Salesforce(
        {
            "Contact": [record(CONTACT, "003A", 5, 9)],
            "Lead": [
                record(
                    {**CONTACT, "Street": None, "City": "Denver", "PostalCode": None, "Country": "USA"},
                    "00QA", 5, 8, Status="Open", ConvertedContactId="003A",
                )
            ],
            "Opportunity": [
                record(OPPORTUNITY, "006A", 5, 10),
                record(OPPORTUNITY, "006B", 5, 11, IsClosed=True, IsWon=True, LastStageChangeDate=stamped(5, 15)),
                record(OPPORTUNITY, "006C", 5, 12, IsClosed=True, LastStageChangeDate=None, CloseDate="2024-03-05"),
                record(OPPORTUNITY, "006D", 5, 13, ContactId=None),
            ],
            "Case": [
                record(CASE, "500A", 5, 14, ClosedDate=stamped(5, 16)),
                record(CASE, "500B", 5, 17, Origin="Carrier pigeon"),
            ],
        }
    )  # fmt: skip
    shop = organisation(httpserver, lake, server)
    for stream in shop.declaration.streams:
        shop.landed(stream, 5, 5)
    assert shop.events(engine, 5, 5) == [
        ("deal.lost", "05 00:00", "sales", "003A", None, None),
        ("lead.created", "05 08:00", "sales", "00QA", None, None),
        ("contact.created", "05 09:00", "crm", "003A", None, None),
        ("deal.created", "05 10:00", "sales", "003A", None, None),
        ("deal.created", "05 11:00", "sales", "003A", None, None),
        ("deal.created", "05 12:00", "sales", "003A", None, None),
        ("support.requested", "05 14:00", "phone", "003A", None, None),
        ("deal.won", "05 15:00", "sales", "003A", None, None),
        ("support.resolved", "05 16:00", "phone", "003A", None, None),
        ("support.requested", "05 17:00", "other", "003A", None, None),
    ]
    ada, lead = (shop.profiles(engine)[entity] for entity in ("003A", "00QA"))
    assert (ada["given_name"], ada["city"], ada["birth_date"]) == ("Ada", "Denver", "1985-05-05")
    assert {(key["namespace"], key["value"]) for key in lead["keys"]} >= {("salesforce_contact", "003A")}
