"""A survey tool by the ready-made declaration: pages by number, bounds included, partial responses."""

from typing import Any

from pytest_httpserver import HTTPServer
from survey_server import TOKEN, SurveyTool
from vendor_server import Record, at, iso
from vendor_site import Site, march, site

from cx_orchestration.integration.http import CredentialsRefused
from cx_orchestration.storage.engine import Engine
from cx_orchestration.storage.lake import Lake


def response(name: str, day: int, hour: int = 12, minute: int = 0, **changes: Any) -> Record:
    moment = iso(at(day, hour, minute))
    return {
        "id": name,
        "status": "completed",
        "modified_at": moment,
        "completed_at": moment,
        "collector": "email",
        "survey": {"id": 1, "name": "After the purchase"},
        "respondent": {"id": "r1", "email": "ada@example.org", "phone": None},
        "answers": [{"question": "q1", "kind": "nps", "value": 9}],
        **changes,
    }


def tool(httpserver: HTTPServer, lake: Lake, responses: list[Record], **options: Any) -> Site:
    return site(httpserver, lake, "survey", SurveyTool(responses), {"SURVEY_TOKEN": TOKEN}, **options)


def test_days_hold_exactly_the_responses_that_changed_in_them(httpserver: HTTPServer, lake: Lake) -> None:
    responses = [response(f"{day}-{n:03}", day, n % 24) for day in (4, 5, 6, 7) for n in range(150)]
    company = tool(httpserver, lake, responses)
    assert company.landed("answers", 5, 6) == {day: [f"{day}-{n:03}:q1" for n in range(150)] for day in (5, 6)}
    # 300 responses, no page past the last, and all of it again: a number of pages does not show what moved
    assert len(company.server.asked) == 6


def test_a_full_last_page_is_the_last(httpserver: HTTPServer, lake: Lake) -> None:
    company = tool(httpserver, lake, [response(f"{n:03}", 5) for n in range(200)])
    assert company.landed("answers", 5) == {5: [f"{n:03}:q1" for n in range(200)]}
    assert len(company.server.asked) == 2 * 2


def test_a_response_at_midnight_is_in_one_day(httpserver: HTTPServer, lake: Lake) -> None:
    company = tool(httpserver, lake, [response("a", 4, 23, 59), response("b", 5, 0), response("c", 6, 0)])
    assert company.land("answers", 5).outside == 0
    assert company.ids("answers") == {5: ["b:q1"]}


def test_responses_without_answers_end_no_list(httpserver: HTTPServer, lake: Lake) -> None:
    """A whole page of people who opened the survey and said nothing."""
    silent = [response(f"s{n:03}", 5, 9, status="partial", answers=[]) for n in range(100)]
    company = tool(httpserver, lake, [*silent, response("a", 5, 12)])
    assert company.landed("answers", 5) == {5: ["a:q1"]}


def test_each_answer_with_a_score_is_feedback(httpserver: HTTPServer, lake: Lake, engine: Engine) -> None:
    both = [{"question": "q1", "kind": "csat", "value": 4}, {"question": "q2", "kind": "nps", "value": 8}]
    effort = [{"question": "q1", "kind": "ces", "value": 6}, {"question": "q2", "kind": "text", "value": "quick"}]
    responses = [
        response("a", 5, 9),
        response("b", 5, 10, collector="sms", respondent={"id": None, "email": "ben@example.org"}, answers=both),
        response("c", 5, 11, collector="kiosk", respondent={}, answers=effort),
        response("d", 5, 12, status="partial", completed_at=None),
    ]
    company = tool(httpserver, lake, responses)
    company.landed("answers", 5)
    assert company.events(engine, 5, 5) == [
        ("feedback.given", "05 09:00", "email", "r1", None, None),
        ("feedback.given", "05 10:00", "sms", "ben@example.org", None, None),
        ("feedback.given", "05 10:00", "sms", "ben@example.org", None, None),
        ("feedback.given", "05 11:00", "other", "c", None, None),
    ]
    assert company.scores() == [("ces", 6.0), ("csat", 4.0), ("nps", 8.0), ("nps", 9.0)]


def test_a_wrong_token_is_refused_credentials(httpserver: HTTPServer, lake: Lake) -> None:
    company = site(httpserver, lake, "survey", SurveyTool([]), {"SURVEY_TOKEN": "wrong"})
    assert isinstance(company.land("answers", 5).failures[march(5)], CredentialsRefused)
