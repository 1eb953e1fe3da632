"""A probe against services that do what is declared, and against services that do one thing else."""

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st
from integration_fakes import PERSON, SECRET
from probed_desk import RECORDS, TICKETS, Desk, at, probed, said, ticket, told
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from cx_orchestration.integration.probe.search import windows_back
from cx_orchestration.integration.times import micros
from cx_orchestration.integration.windows import places_of
from cx_orchestration.model.endpoint import Endpoint

DAY, HOUR = dt.timedelta(days=1), dt.timedelta(hours=1)
NO_FILTER = frozenset({"updated_from", "updated_before"})
WINDOW = TICKETS["endpoint"]["window"]


def test_a_service_that_does_what_is_declared_passes_every_check(httpserver: HTTPServer) -> None:
    report = probed(httpserver, Desk())
    assert told(report) == {}
    assert [finding.check for finding in report.findings] == [
        "credentials", "data", "filter from", "filter until", "granularity", "bound start", "bound end", "pages",
        "overlap", "order", "end", "record_id", "times", "required_keys", "mapping", "profile", "clock",
    ]  # fmt: skip
    assert report.requests == len(httpserver.log) <= 12


@pytest.mark.parametrize(
    ("desk", "expected"),
    [
        (Desk(ignores=NO_FILTER), {"filter from": "failed", "filter until": "failed"}),
        (Desk(ignores=frozenset({"updated_from"})), {"filter from": "failed"}),
        (Desk(ignores=frozenset({"updated_before"})), {"filter until": "failed"}),
        (Desk(includes_end=True), {"bound end": "warning"}),
        (Desk(includes_start=False), {"bound start": "failed"}),
        (Desk(behind=dt.timedelta(minutes=5)), {"clock": "warning"}),
        (Desk(behind=dt.timedelta(minutes=-5)), {"clock": "warning"}),
        (Desk(whole=DAY, includes_end=True), {"granularity": "failed"}),
        (Desk(whole=HOUR, includes_end=True), {"granularity": "failed"}),
        (Desk(overlap=1), {"overlap": "warning"}),
        (Desk(token="another"), {"credentials": "failed"}),
        (Desk(html=True), {"page": "failed"}),
        (Desk([{**record, "id": None} for record in RECORDS]), {"record_id": "failed", "mapping": "failed"}),
        (Desk([*RECORDS[:-1], {**RECORDS[-1], "id": None}]), {"record_id": "warning", "mapping": "warning"}),
        (Desk([{**record, "who": None} for record in RECORDS]), {"mapping": "failed", "profile": "warning"}),
    ],
    ids=[
        "no filter", "no lower bound", "no upper bound", "inclusive end", "exclusive start", "clock behind",
        "clock ahead", "whole days", "whole hours", "overlapping pages", "wrong token", "login page", "no id",
        "some without id", "nobody",
    ],
)  # fmt: skip
def test_one_thing_that_is_wrong_is_the_only_one_that_is_told(
    httpserver: HTTPServer, desk: Desk, expected: dict[str, str]
) -> None:
    report = probed(httpserver, desk)
    found = {check: status for check, status in told(report).items() if status != "not applicable"}
    assert found == expected
    assert report.passed is ("failed" not in expected.values())


def test_a_filter_that_is_not_heeded_is_told_with_the_names_of_its_parameters(httpserver: HTTPServer) -> None:
    report = probed(httpserver, Desk(ignores=NO_FILTER))
    assert "'updated_from' not heeded: asked for 3 s around one record" in said(report, "filter from")
    assert "'updated_before' not heeded" in said(report, "filter until")


@pytest.mark.parametrize(("whole", "name"), [(DAY, "day"), (HOUR, "hour")])
def test_bounds_that_the_service_cuts_to_whole_units_are_told(
    httpserver: HTTPServer, whole: dt.timedelta, name: str
) -> None:
    report = probed(httpserver, Desk(whole=whole))
    assert told(report) == {"granularity": "failed"}
    assert f"declare window.granularity: {name}" in said(report, "granularity")


@pytest.mark.parametrize(("whole", "name"), [(DAY, "day"), (HOUR, "hour")])
def test_whole_units_are_no_finding_where_they_are_declared(
    httpserver: HTTPServer, whole: dt.timedelta, name: str
) -> None:
    report = probed(httpserver, Desk(whole=whole), window={**WINDOW, "granularity": name})
    assert set(told(report).values()) <= {"not applicable"}
    assert said(report, "bound start").startswith("inclusive as declared")
    assert said(report, "bound end").startswith("exclusive as declared")


@pytest.mark.parametrize(
    ("window", "desk", "expected"),
    [
        ({"start": "exclusive", "end": "inclusive"}, Desk(includes_start=False, includes_end=True), {}),
        ({"start": "exclusive"}, Desk(), {"bound start": "warning"}),
        ({"end": "inclusive"}, Desk(), {"bound end": "failed"}),
    ],
)
def test_bounds_are_tried_against_what_is_declared(
    httpserver: HTTPServer, window: dict[str, str], desk: Desk, expected: dict[str, str]
) -> None:
    assert told(probed(httpserver, desk, window={**WINDOW, **window})) == expected


def test_a_filter_by_another_time_than_updated_at_is_told(httpserver: HTTPServer) -> None:
    created = [{**record, "created": at(1, 8, n).isoformat()} for n, record in enumerate(RECORDS)]
    report = probed(httpserver, Desk(created, filters_by="created"))
    assert told(report)["filter"] == "failed"
    assert "filters by another time than 'updated_at'" in said(report, "filter")


def test_records_that_change_meanwhile_are_no_failure(httpserver: HTTPServer) -> None:
    class Busy(Desk):
        def __call__(self, request: Request) -> Response:
            if len(self.asked) == 2:  # the known window is read: all of its records change
                self.records = [{**record, "changed": at(10, 11, n).isoformat()} for n, record in enumerate(RECORDS)]
            return super().__call__(request)

    report = probed(httpserver, Busy(RECORDS[-5:]), order=None)
    assert told(report)["filter"] == "warning"
    assert report.passed


def test_pages_in_another_order_each_time_fail(httpserver: HTTPServer) -> None:
    report = probed(httpserver, Desk(orders=5), order=None)
    assert told(report) == {"pages": "failed", "order": "not applicable"}
    assert "in another order" in said(report, "pages")


def test_a_list_that_grows_while_it_is_read_is_only_told(httpserver: HTTPServer) -> None:
    class Growing(Desk):
        def __call__(self, request: Request) -> Response:
            if "cursor" not in request.args:
                self.records = [ticket(1000 + len(self.asked), at(9, 18, len(self.asked))), *self.records]
            return super().__call__(request)

    report = probed(httpserver, Growing(RECORDS[::-1]), order=None, window=None, params={})
    assert told(report)["pages"] == "warning"
    assert report.passed


@pytest.mark.parametrize(("cap", "status"), [(None, "warning"), (30, "not applicable")])
def test_a_single_page_with_a_round_number_of_records_may_be_cut_off(
    httpserver: HTTPServer, cap: int | None, status: str
) -> None:
    single = {"paginator": {"type": "single_page"}, "window": None, "params": {}, "max_results_per_query": cap}
    assert told(probed(httpserver, Desk(page=30), **single))["end"] == status


def test_bounds_in_the_json_of_a_request_are_told_by_their_paths() -> None:
    body = {"filters": [{"op": ">", "value": "{window.start}"}, {"q": "a:{window.end}"}]}
    endpoint = {
        "path": "/q",
        "method": "POST",
        "json": body,
        "data_selector": "$",
        "paginator": {"type": "single_page"},
    }
    declared = Endpoint.model_validate({**endpoint, "window": {}})
    assert places_of(declared, "window.start") == ["filters[0].value"]
    assert places_of(declared, "window.end") == ["filters[1].q"]


def test_a_list_out_of_its_declared_order_fails(httpserver: HTTPServer) -> None:
    assert told(probed(httpserver, Desk(RECORDS[::-1]))) == {"order": "failed"}


def test_positions_that_overlap_fail_as_others_are_missed(httpserver: HTTPServer) -> None:
    report = probed(httpserver, Desk(overlap=2), paginator={"type": "page_number"}, order=None)
    assert told(report) == {"overlap": "failed", "order": "not applicable"}


def test_an_empty_service_is_told_and_fails_nothing(httpserver: HTTPServer) -> None:
    report = probed(httpserver, Desk([]))
    assert told(report) == {"data": "warning"}
    assert "nothing found in 2024-01-01 00:00 to" in said(report, "data")
    assert report.passed


def test_a_service_without_a_filter_and_without_recent_records_names_both(httpserver: HTTPServer) -> None:
    old = [ticket(n, dt.datetime(2019, 5, 1, n, tzinfo=dt.UTC)) for n in range(5)]
    report = probed(httpserver, Desk(old, ignores=NO_FILTER))
    assert told(report) == {"data": "warning"}
    assert "3 records came, none of them in" in said(report, "data")


def test_records_of_long_ago_are_found_in_few_requests(httpserver: HTTPServer) -> None:
    desk = Desk([ticket(n, dt.datetime(2024, 1, 3, n, tzinfo=dt.UTC)) for n in range(5)])
    report = probed(httpserver, desk, window={**WINDOW, "max_days": 10})
    assert told(report) == {}
    assert report.requests <= 14


def test_a_service_that_filters_from_below_only_is_asked_that_way(httpserver: HTTPServer) -> None:
    report = probed(httpserver, Desk(), params={"updated_from": "{window.start}"})
    assert told(report) == {"filter until": "not applicable"}


def test_a_window_that_is_declared_and_not_sent_is_told(httpserver: HTTPServer) -> None:
    assert told(probed(httpserver, Desk(), params={})) == {"filter": "warning"}


def test_a_clock_behind_ours_is_covered_by_hours_to_settle(httpserver: HTTPServer) -> None:
    desk = Desk(behind=dt.timedelta(minutes=5))
    assert "5 min behind ours" in said(probed(httpserver, desk), "clock")
    assert "declare settle_hours: 1" in said(probed(httpserver, desk), "clock")
    assert told(probed(httpserver, desk, {"settle_hours": 1})) == {}


def test_times_that_have_not_come_yet_are_told(httpserver: HTTPServer) -> None:
    ahead = [ticket(n, dt.datetime(2100, 1, 1, n, tzinfo=dt.UTC)) for n in range(5)]
    report = probed(httpserver, Desk([*RECORDS[:5], *ahead]), window=None, params={})
    assert told(report) == {"filter": "not applicable", "newest record": "warning"}


def test_a_budget_is_kept_to_and_what_was_not_tried_is_said(httpserver: HTTPServer) -> None:
    for budget in range(1, 7):
        httpserver.clear()
        report = probed(httpserver, Desk(), budget=budget)
        assert report.requests == len(httpserver.log) <= budget
        assert report.passed
        assert "not applicable" in told(report).values()
        assert any("--requests" in finding.meaning for finding in report.findings)


def test_no_value_and_no_person_is_in_a_report(httpserver: HTTPServer) -> None:
    desks = [Desk(ignores=NO_FILTER), Desk(html=True), Desk(token="another"), Desk(orders=5), Desk(overlap=1)]
    for desk in desks:
        httpserver.clear()
        text = str(probed(httpserver, desk))
        assert not [hidden for hidden in (PERSON, SECRET, "ticket-", "2024-03-08T", "?") if hidden in text]


@given(
    st.integers(1, 4000), st.integers(1, 400), st.datetimes(dt.datetime(1990, 1, 1), dt.datetime(2030, 1, 1))
)  # fmt: skip
def test_windows_reach_back_to_the_first_day_and_none_is_too_long(days: int, max_days: int, end: dt.datetime) -> None:
    end = end.replace(tzinfo=dt.UTC)
    spans = list(windows_back(end - days * DAY, end, max_days))
    assert all(end - days * DAY <= start < until <= end for start, until in spans)
    assert all(until - start <= max_days * DAY for start, until in spans)
    assert spans[-1][0] == end - days * DAY
    assert len(spans) <= 16
    assert micros(spans[0][1]) == micros(end)
