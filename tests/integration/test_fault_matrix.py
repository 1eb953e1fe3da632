"""The fault matrix: what a network and a service do at their worst, and exactly which records land.

Three days of five records each are asked for day by day, two records a page; the fault hits the second page of the
second day.
"""

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass, field
from email.utils import format_datetime
from typing import Any

import pytest
from matrix_site import (
    Answer,
    Answering,
    Params,
    bomb,
    company,
    cursor_pages,
    drip,
    epoch,
    failed,
    names,
    reset,
    rows,
    truncated,
)

from cx_orchestration.storage.lake import Lake

LIMIT = {"status": 403, "code_path": "code", "codes": ["LIMIT"], "wait_seconds": 9}
DATE = "Mon, 01 Jan 2024 00:00:00 GMT"
IN_20_S = format_datetime(dt.datetime(2024, 1, 1, 0, 0, 20, tzinfo=dt.UTC), usegmt=True)
IN_AN_HOUR = format_datetime(dt.datetime(2024, 1, 1, 1, tzinfo=dt.UTC), usegmt=True)

ALL = {1: names(1), 2: names(2), 3: names(3)}
FIRST = {1: names(1)}
FIRST_AND_LAST = {1: names(1), 3: names(3)}

#: All later: the service is left alone, day 3 is not asked for.
LATER = {2: "later", 3: "later"}
CREDENTIALS = {2: "credentials", 3: "credentials"}
#: Day 2 alone needs a person.
PERMANENT = {2: "permanent"}

PAUSE = "a pause"


def status(code: int, body: Any = None, **headers: str) -> Answer:
    return Answer(body or {"error": "x"}, code, {name.replace("_", "-"): value for name, value in headers.items()})


class DatedAnswer(Answer):
    """An answer with a clock of its own: the usual one adds today's date."""

    def __call__(self, handler: Any) -> None:
        handler.date_time_string = lambda timestamp=None: DATE
        super().__call__(handler)


@dataclass(frozen=True)
class Case:
    """``times`` is how often the fault happens, for ever by default; then what lands, what fails and how, what was
    slept, and how long the service asked to be left alone."""

    fault: Answering
    landed: dict[int, list[str]]
    failed: dict[int, str] = field(default_factory=dict)
    times: int = 10**9
    slept: tuple[float | str, ...] = ()
    retry_after: float | None = None
    client: dict[str, Any] = field(default_factory=dict)


MATRIX: dict[str, Case] = {
    "429 with seconds": Case(status(429, Retry_After="7"), ALL, times=1, slept=(7,)),
    "429 with a date": Case(
        DatedAnswer({}, 429, {"Retry-After": IN_20_S}), ALL, times=1, slept=(20,)
    ),
    "429 without a header": Case(status(429), ALL, times=2, slept=(PAUSE, PAUSE)),
    "429 for ever": Case(status(429), FIRST, LATER, slept=(PAUSE, PAUSE)),
    "429 of an hour, in seconds": Case(status(429, Retry_After="3600"), FIRST, LATER, retry_after=3600),
    "429 of an hour, as a date": Case(
        DatedAnswer({}, 429, {"Retry-After": IN_AN_HOUR}), FIRST, LATER, retry_after=3600
    ),
    "403 that is a limit": Case(
        status(403, {"code": "LIMIT"}), ALL, times=1, slept=(9,), client={"retry_on": [LIMIT]}
    ),
    "403 that is a limit, for ever": Case(
        status(403, {"code": "LIMIT"}), FIRST, LATER, slept=(9, 9), retry_after=9, client={"retry_on": [LIMIT]}
    ),
    "a burst of 503": Case(status(503), ALL, times=2, slept=(PAUSE, PAUSE)),
    "503 for ever": Case(status(503), FIRST, LATER, slept=(PAUSE, PAUSE)),
    "a reset": Case(reset, ALL, times=1, slept=(PAUSE,)),
    "resets for ever": Case(reset, FIRST, LATER, slept=(PAUSE, PAUSE)),
    "a truncated body": Case(truncated, ALL, times=1, slept=(PAUSE,)),
    "truncated bodies for ever": Case(truncated, FIRST, LATER, slept=(PAUSE, PAUSE)),
    "a slow drip": Case(
        drip, FIRST, LATER, slept=(PAUSE,), client={"timeout_seconds": 0.3, "max_attempts": 2}
    ),
    "a gzip bomb": Case(bomb(), FIRST_AND_LAST, PERMANENT),
    "HTML with 200": Case(Answer(b"<html>log in</html>"), FIRST_AND_LAST, PERMANENT),
    "an error object with 200": Case(Answer({"error": "busy", "next": None}), FIRST_AND_LAST, PERMANENT),
    "no record path": Case(Answer({"items": [], "next": None}), FIRST_AND_LAST, PERMANENT),
    "no sign of the end": Case(Answer({"data": []}), FIRST_AND_LAST, PERMANENT),
    "an expired cursor, 400": Case(status(400), ALL, times=1),
    "an expired cursor, 404": Case(status(404), ALL, times=1),
    "an expired cursor, 410": Case(status(410), ALL, times=1),
    "a session that ended, 401": Case(status(401), ALL, times=1),
    "a session that ends each time": Case(status(401), FIRST, LATER),
    "a page that is refused each time": Case(status(400), FIRST_AND_LAST, PERMANENT),
    "a question that is refused for ever": Case(status(405), FIRST_AND_LAST, PERMANENT),
}  # fmt: skip


def hitting(fault: Answering, times: int, listing: Callable[[Params], Answer]) -> Callable[[Params, Any], Answering]:
    left = [times]

    def handle(params: Params, _: Any) -> Answering:
        if params["since"] == str(epoch(2, 0)) and params.get("after") == "2" and left[0] > 0:
            left[0] -= 1
            return fault
        return listing(params)

    return handle


@pytest.mark.parametrize("what", MATRIX)
def test_exactly_these_records_land(what: str, lake: Lake) -> None:
    case = MATRIX[what]
    handle = hitting(case.fault, case.times, cursor_pages(rows(1, 2, 3)))
    with company(lake, handle, client=case.client) as site:
        landing = site.land(1, 3)
        site.map(1, 3)
    assert site.ids() == site.events() == case.landed
    assert failed(landing) == case.failed
    assert site.rejected() == {}
    assert len(site.slept) == len(case.slept)
    assert all(slept == asked or asked == PAUSE for slept, asked in zip(site.slept, case.slept, strict=True))
    waits = {getattr(failure, "retry_after", None) for failure in landing.failures.values()}
    assert waits == ({case.retry_after} if case.failed else set())


@pytest.mark.parametrize("what", [what for what, case in MATRIX.items() if case.failed])
def test_a_day_that_failed_lands_whole_when_the_fault_is_over(what: str, lake: Lake) -> None:
    case = MATRIX[what]
    ill = [True]
    listing = cursor_pages(rows(1, 2, 3))
    broken = hitting(case.fault, 10**9, listing)

    def handle(params: Params, body: Any) -> Answering:
        return broken(params, body) if ill[0] else listing(params)

    with company(lake, handle, client=case.client) as site:
        site.land(1, 3)
        ill[0] = False
        assert failed(site.land(1, 3)) == {}
        site.map(1, 3)
    assert site.ids() == site.events() == ALL


@pytest.mark.parametrize("code", [401, 403])
def test_refused_credentials_end_it_all(code: int, lake: Lake) -> None:
    listing = cursor_pages(rows(1, 2, 3))

    def handle(params: Params, _: Any) -> Answering:
        return status(code) if int(params["since"]) >= epoch(2, 0) else listing(params)

    with company(lake, handle) as site:
        landing = site.land(1, 3)
    assert site.ids() == FIRST
    assert failed(landing) == CREDENTIALS
    assert landing.requests == 3 + 1


def test_a_cursor_that_expires_here_and_there_is_asked_for_again_later(lake: Lake) -> None:
    """Of a list of eight pages never the same one is refused twice in a row."""
    listing = cursor_pages(rows(1, each=16))
    lifetimes, left = iter((6, 4, 5)), [0]

    def handle(params: Params, _: Any) -> Answering:
        left[0] = next(lifetimes) if "after" not in params else left[0] - 1
        return listing(params) if left[0] > 0 else status(410)

    with company(lake, handle) as site:
        landing = site.land(1)
    assert failed(landing) == {1: "later"}
    assert "each of 3 times that it was read" in str(next(iter(landing.failures.values())))
    assert site.ids() == {}
