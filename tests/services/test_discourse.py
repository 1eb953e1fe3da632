"""Discourse by its ready-made declaration: three kinds of pages, pinned topics, deleted and moved posts."""

from typing import Any

from discourse_server import KEY, USER, Discourse
from pytest_httpserver import HTTPServer
from vendor_server import Record, at
from vendor_site import Site, march, site

from cx_orchestration.integration.http import CredentialsRefused
from cx_orchestration.model.failures import PermanentFailure
from cx_orchestration.storage.engine import Engine
from cx_orchestration.storage.lake import Lake

ENVIRON = {"DISCOURSE_KEY": KEY, "DISCOURSE_USER": USER}


def told(day: int, hour: int = 12, minute: int = 0) -> str:
    return at(day, hour, minute).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def user(number: int, joined: str, seen: str | None = None, **changes: Any) -> Record:
    return {
        "id": number,
        "username": f"user{number}",
        "name": "Ada Canary",
        "email": f"user{number}@example.org",
        "created_at": joined,
        "last_seen_at": seen,
        "admin": False,
        "staged": False,
        "trust_level": 1,
        **changes,
    }


def topic(number: int, bumped: str, *, pinned: bool = False, created: str | None = None) -> Record:
    posters = [{"extras": None, "description": "Original Poster", "user_id": 7}]
    return {
        "id": number,
        "created_at": created or bumped,
        "bumped_at": bumped,
        "pinned": pinned,
        "category_id": 5,
        "posters": posters,
    }


def post(number: int, created: str, updated: str | None = None, user_id: int = 7) -> Record:
    return {"id": number, "user_id": user_id, "topic_id": 3, "created_at": created, "updated_at": updated or created}


def community(httpserver: HTTPServer, lake: Lake, server: Discourse, **options: Any) -> Site:
    return site(httpserver, lake, "discourse", server, ENVIRON, **options)


def test_days_hold_exactly_the_posts_that_changed_in_them(httpserver: HTTPServer, lake: Lake) -> None:
    posts = [post(day * 1000 + n, told(day, n % 24)) for day in (4, 5, 6, 7) for n in range(60)]
    expected = {day: [str(day * 1000 + n) for n in range(60)] for day in (5, 6)}
    assert community(httpserver, lake, Discourse(posts=posts)).landed("posts", 5, 6) == expected


def test_an_edited_post_and_a_moved_one_are_seen(httpserver: HTTPServer, lake: Lake) -> None:
    """A moved post has a new id and keeps the time it was written at."""
    posts = [post(1, told(1), updated=told(6)), post(2, told(5)), post(3, told(2), updated=told(6))]
    assert community(httpserver, lake, Discourse(posts=posts)).landed("posts", 5, 6) == {5: ["2"], 6: ["1", "3"]}


def test_a_deleted_post_is_deleted(httpserver: HTTPServer, lake: Lake) -> None:
    server = Discourse(posts=[post(1, told(5)), post(2, told(5))])
    company = community(httpserver, lake, server)
    assert company.landed("posts", 5) == {5: ["1", "2"]}
    del server.posts[0]
    company.land("posts", 6)
    assert company.deleted("posts") == {6: ["1"]}


def test_posts_by_page_number_fail_since_discourse_does_not_heed_it(httpserver: HTTPServer, lake: Lake) -> None:
    def by_number(values: dict[str, Any]) -> None:
        values["streams"]["posts"]["endpoint"]["paginator"] = {"type": "page_number"}

    company = community(httpserver, lake, Discourse(posts=[post(n, told(5)) for n in range(1, 90)]), change=by_number)
    failure = company.land("posts", 5).failures[march(5)]
    assert isinstance(failure, PermanentFailure)
    assert "no progress: the service does not heed 'page'" in str(failure)


def test_all_members_are_read_although_page_0_is_page_1(httpserver: HTTPServer, lake: Lake) -> None:
    users = [user(n, told(2), told(4 + n % 4)) for n in range(250)]
    company = community(httpserver, lake, Discourse(users=users))
    expected = {day: sorted(str(n) for n in range(250) if 4 + n % 4 == day) for day in (5, 6)}
    assert company.landed("users", 5, 6) == expected
    assert [asked.params["page"] for asked in company.server.asked] == ["1", "2", "3", "4"] * 2


def test_members_have_addresses_and_joined_once(httpserver: HTTPServer, lake: Lake, engine: Engine) -> None:
    users = [
        user(1, told(5, 9)),
        user(2, told(2), told(5)),
        user(3, told(5), staged=True),
        user(4, told(5), admin=True),
    ]
    company = community(httpserver, lake, Discourse(users=users))
    company.landed("users", 5)
    assert company.events(engine, 5, 5) == [
        ("community.joined", "02 12:00", "community", "2", None, None),
        ("community.joined", "05 09:00", "community", "1", None, None),
    ]
    profiles = company.profiles(engine)
    assert set(profiles) == {"1", "2", "3"}
    assert profiles["1"]["keys"] == [{"namespace": "email", "value": "user1@example.org"}]


def test_topics_are_read_as_far_back_as_the_days_and_no_further(httpserver: HTTPServer, lake: Lake) -> None:
    topics = [topic(day * 100 + n, told(day, n % 24)) for day in range(1, 9) for n in range(40)]
    topics.append(topic(1, told(1), pinned=True))
    company = community(httpserver, lake, Discourse(topics=topics))
    assert company.landed("topics", 6, 7) == {day: [str(day * 100 + n) for n in range(40)] for day in (6, 7)}
    assert company.server.count("/latest.json") == 2 * 5  # twice the 8th, 7th and 6th of March, 30 topics a page


def test_topics_and_posts_become_events(httpserver: HTTPServer, lake: Lake, engine: Engine) -> None:
    server = Discourse(
        topics=[topic(1, told(5), created=told(4))], posts=[post(1, told(5)), post(2, told(5), None, -1)]
    )
    company = community(httpserver, lake, server)
    company.landed("topics", 5)
    company.landed("posts", 5)
    assert company.events(engine, 5, 5) == [
        ("community.asked", "04 12:00", "community", "7", None, None),
        ("community.posted", "05 12:00", "community", "7", None, None),
    ]


def test_a_minutes_limit_is_waited_for(httpserver: HTTPServer, lake: Lake) -> None:
    server = Discourse(posts=[post(n, told(5)) for n in range(1, 151)])
    server.limit.requests = 2
    company = community(httpserver, lake, server)
    assert company.landed("posts", 5) == {5: sorted(str(n) for n in range(1, 151))}
    assert company.clock.slept == [60]


def test_a_wrong_key_is_refused_credentials(httpserver: HTTPServer, lake: Lake) -> None:
    company = site(httpserver, lake, "discourse", Discourse(), {**ENVIRON, "DISCOURSE_KEY": "wrong"})
    assert isinstance(company.land("posts", 5).failures[march(5)], CredentialsRefused)
