"""Zendesk by its ready-made declaration: exports without an end, deletions, comments, ten requests a minute."""

from typing import Any

from pytest_httpserver import HTTPServer
from vendor_server import Clock, Record, at, epoch, iso
from vendor_site import Site, march, site
from zendesk_server import TOKEN, USER, Zendesk

from cx_orchestration.integration.http import CredentialsRefused
from cx_orchestration.model.failures import PermanentFailure, TransientFailure
from cx_orchestration.storage.engine import Engine
from cx_orchestration.storage.lake import Lake

ENVIRON = {"ZENDESK_USER": USER, "ZENDESK_TOKEN": TOKEN}


def ticket(number: int, day: int, hour: int = 12, minute: int = 0, **changes: Any) -> Record:
    moment = at(day, hour, minute)
    return {
        "id": number,
        "created_at": iso(moment),
        "updated_at": iso(moment),
        "generated_timestamp": epoch(moment),
        "status": "open",
        "priority": "high",
        "type": "problem",
        "requester_id": 900,
        "via": {"channel": "email"},
        "metric_set": {"solved_at": None},
        **changes,
    }


def user(number: int, day: int, **changes: Any) -> Record:
    moment = at(day)
    return {
        "id": number,
        "name": "Ada Canary",
        "email": "ada@example.org",
        "phone": "+1 303 555 0100",
        "external_id": "login-1",
        "role": "end-user",
        "active": True,
        "locale": "en-US",
        "created_at": iso(moment),
        "updated_at": iso(moment),
        "generated_timestamp": epoch(moment),
        **changes,
    }


def comment(number: int, day: int, **changes: Any) -> Record:
    when = {"created_at": iso(at(day, 13))}
    return {"id": number, "author_id": 900, "public": True, "via": {"channel": "email"}, **when, **changes}


def rating(number: int, day: int, score: str = "good") -> Record:
    when = {"created_at": iso(at(day)), "updated_at": iso(at(day)), "generated_timestamp": epoch(at(day))}
    return {"id": number, "score": score, "requester_id": 900, "ticket_id": 1, **when}


def desk(httpserver: HTTPServer, lake: Lake, server: Zendesk, **options: Any) -> Site:
    return site(httpserver, lake, "zendesk", server, ENVIRON, **options)


def test_days_hold_exactly_the_tickets_that_changed_in_them(httpserver: HTTPServer, lake: Lake) -> None:
    # Three of them in one second, at the seam of two pages.
    tickets = [ticket(day * 100 + n, day, 1 + n // 3) for day in (4, 5, 6, 7) for n in range(30)]
    shop = desk(httpserver, lake, Zendesk(tickets=tickets, page_size=10))
    expected = {day: [str(day * 100 + n) for n in range(30)] for day in (5, 6)}
    assert shop.landed("tickets", 5, 6) == expected


def test_a_change_by_zendesk_itself_is_seen_although_updated_at_stays(httpserver: HTTPServer, lake: Lake) -> None:
    closed = ticket(1, 4, status="closed", generated_timestamp=epoch(at(6)))
    assert desk(httpserver, lake, Zendesk(tickets=[closed])).landed("tickets", 4, 6) == {6: ["1"]}


def test_an_export_is_left_when_all_that_follows_is_later(httpserver: HTTPServer, lake: Lake) -> None:
    server = Zendesk(tickets=[ticket(day * 100 + n, day) for day in range(1, 10) for n in range(20)], page_size=10)
    assert len(desk(httpserver, lake, server).landed("tickets", 2, 2)[2]) == 20
    assert server.count("/api/v2/incremental/tickets") == 3, "of 17 pages up to now"


def test_deleted_tickets_and_users_are_deleted(httpserver: HTTPServer, lake: Lake) -> None:
    server = Zendesk(tickets=[ticket(1, 5), ticket(2, 5)], users=[user(900, 5), user(901, 5)])
    shop = desk(httpserver, lake, server)
    for stream in ("tickets", "users"):
        shop.landed(stream, 5, 5)
    server.tickets[1] |= {"status": "deleted", "generated_timestamp": epoch(at(6))}
    server.users[1] |= {"active": False, "updated_at": iso(at(6)), "generated_timestamp": epoch(at(6))}
    for stream in ("tickets", "users"):
        shop.land(stream, 5, 6)
    assert shop.deleted("tickets") == {6: ["2"]}
    assert shop.deleted("users") == {6: ["901"]}


def test_more_than_ten_pages_a_minute_are_waited_for(httpserver: HTTPServer, lake: Lake) -> None:
    tickets = [ticket(n, 5, n // 60, n % 60) for n in range(300)]
    server = Zendesk(tickets=tickets, page_size=10)
    shop = desk(httpserver, lake, server)
    assert len(shop.landed("tickets", 5, 5)[5]) == 300
    assert sum(shop.clock.slept) >= 120, "thirty pages take the limit of three minutes"


def test_a_day_that_began_just_now_is_asked_for_again_later(httpserver: HTTPServer, lake: Lake) -> None:
    shop = desk(httpserver, lake, Zendesk(clock=Clock(at(7, 0, 0, 30))))
    failure = shop.land("tickets", 7, 7).failures[march(7)]
    assert isinstance(failure, TransientFailure)
    assert failure.retry_after == 120


def test_comments_are_those_of_the_tickets_of_the_day(httpserver: HTTPServer, lake: Lake) -> None:
    comments = {1: [comment(n, 5) for n in range(230)], 2: [comment(900, 6)], 3: [comment(901, 5)]}
    server = Zendesk(tickets=[ticket(1, 5), ticket(2, 6), ticket(3, 4)], comments=comments)
    shop = desk(httpserver, lake, server)
    shop.landed("tickets", 4, 6)
    assert shop.landed("comments", 5, 6) == {5: sorted(str(n) for n in range(230)), 6: ["900"]}


def test_a_deleted_ticket_has_no_comments_and_fails_nothing(httpserver: HTTPServer, lake: Lake) -> None:
    tickets = [ticket(1, 5), ticket(2, 5, status="deleted"), ticket(3, 5)]
    server = Zendesk(tickets=tickets, comments={1: [comment(10, 5)], 3: [comment(30, 5)]})
    shop = desk(httpserver, lake, server)
    shop.landed("tickets", 5, 5)
    # Deleted after its day was read.
    server.tickets[2]["status"] = "deleted"
    assert shop.landed("comments", 5, 5) == {5: ["10"]}


def test_ratings_are_kept_by_when_they_were_made(httpserver: HTTPServer, lake: Lake) -> None:
    ratings = [rating(n, 5, "good" if n % 2 else "bad") for n in range(150)] + [
        rating(500, 6),
        rating(600, 5, "offered"),
    ]
    shop = desk(httpserver, lake, Zendesk(ratings=ratings))
    assert shop.landed("satisfaction_ratings", 5, 6) == {5: sorted(str(n) for n in range(150)), 6: ["500"]}


def test_an_export_without_a_start_is_refused(httpserver: HTTPServer, lake: Lake) -> None:
    def change(values: Record) -> None:
        values["streams"]["tickets"]["endpoint"]["params"] = {"since": "{window.start}"}

    failure = desk(httpserver, lake, Zendesk(), change=change).land("tickets", 5, 5).failures[march(5)]
    assert isinstance(failure, PermanentFailure)
    assert "HTTP 422" in str(failure)


def test_a_wrong_token_is_named(httpserver: HTTPServer, lake: Lake) -> None:
    shop = site(httpserver, lake, "zendesk", Zendesk(), {**ENVIRON, "ZENDESK_TOKEN": "another"})
    failure = shop.land("users", 5, 5).failures[march(5)]
    assert isinstance(failure, CredentialsRefused)
    assert "ZENDESK_TOKEN" in str(failure)


def test_what_records_stand_for(httpserver: HTTPServer, lake: Lake, engine: Engine) -> None:
    server = Zendesk(
        users=[user(900, 5), user(901, 5, role="agent")],
        tickets=[
            ticket(1, 5, 9, metric_set={"solved_at": iso(at(5, 15))}),
            ticket(2, 5, 10, via={"channel": "voice"}),
        ],
        comments={1: [comment(10, 5), comment(11, 5, public=False), comment(12, 5, author_id=901)]},
        ratings=[rating(7, 5, "bad")],
    )
    shop = desk(httpserver, lake, server)
    for stream in shop.declaration.streams:
        shop.landed(stream, 5, 5)
    assert shop.events(engine, 5, 5) == [
        ("support.requested", "05 09:00", "email", "900", None, None),
        ("support.requested", "05 10:00", "phone", "900", None, None),
        ("feedback.given", "05 12:00", "support", "900", None, None),
        ("support.messaged", "05 13:00", "email", "900", None, None),
        ("support.messaged", "05 13:00", "email", "900", None, None),
        ("support.resolved", "05 15:00", "email", "900", None, None),
    ]
    assert shop.scores() == [("csat", 1.0)]
    assert {entity: each["name"] for entity, each in shop.profiles(engine).items()} == {"900": "Ada Canary"}
