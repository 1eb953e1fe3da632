"""Days into the lake: what lands, what fails, and that neither depends on the range that was asked for."""

import datetime as dt
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from integration_fakes import ENVIRON, PERSON, SECRET, in_days, json_response, service_for, stream_for
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from cx_orchestration.integration.answers import CredentialsRefused
from cx_orchestration.integration.landing import land
from cx_orchestration.integration.records import Batch, Record, record_reader, records_reader
from cx_orchestration.integration.source import ServiceSource
from cx_orchestration.integration.times import micros
from cx_orchestration.model.days import DayRange
from cx_orchestration.model.failures import Failure, PermanentFailure, TransientFailure
from cx_orchestration.model.service import Stream
from cx_orchestration.model.tables import landed
from cx_orchestration.storage.lake import Lake

NOW = dt.datetime(2024, 2, 1, 4, tzinfo=dt.UTC)
ZURICH = ZoneInfo("Europe/Zurich")
TABLE = landed("billing", "charges")
FIRST = dt.date(2024, 1, 1)


def days(first: int, last: int) -> DayRange:
    return DayRange(FIRST + dt.timedelta(days=first - 1), FIRST + dt.timedelta(days=last - 1))


def day(number: int) -> dt.date:
    return days(number, number).first


def at(number: int, hour: int = 12) -> int:
    return micros(dt.datetime.combine(day(number), dt.time(hour), dt.UTC))


class FakeSource:
    """A service whose records are known, in chunks of ``max_days``, that fails on the days it is told to."""

    service = "billing"
    zone = ZoneInfo("UTC")

    def __init__(self, records: list[Record], *, max_days: int = 31, divisible: bool = True) -> None:
        self.records = records
        self.max_days = max_days
        self.is_divisible = divisible
        self.fails: dict[dt.date, Failure] = {}
        self.timeless_on: dict[dt.date, list[Record]] = {}
        self.asked: list[DayRange] = []

    @property
    def requests(self) -> int:
        return len(self.asked)

    def chunks(self, stream: str, days: DayRange) -> list[DayRange]:
        return list(days.chunks(self.max_days)) if self.is_divisible else [days]

    def divisible(self, stream: str) -> bool:
        return self.is_divisible

    def stream(self, name: str) -> Stream:
        return stream_for()

    def read(self, stream: str, days: DayRange) -> Iterator[Batch]:
        self.asked.append(days)
        yield self.records, None
        for day in days:
            if day in self.fails:
                raise self.fails[day]
            yield self.timeless_on.get(day, []), None


def rows(lake: Lake) -> dict[dt.date, set[str]]:
    found: dict[dt.date, set[str]] = {}
    for row in lake.read(TABLE).to_pylist():
        found.setdefault(row["day"], set()).add(row["record_id"])
    return found


def one_a_day(count: int) -> list[Record]:
    return [Record(f"r{n}", at(n), f'{{"id":"r{n}"}}') for n in range(1, count + 1)]


def test_good_days_of_a_range_share_one_commit(lake: Lake) -> None:
    landing = land(lake, FakeSource(one_a_day(10)), "charges", days(1, 10), run_id="run-1", now=NOW)
    assert landing.records == {day(n): 1 for n in range(1, 11)}
    assert landing.failures == {}
    writes = [commit for commit in lake.history(TABLE) if commit["operation"] == "WRITE"]
    assert [commit["run_id"] for commit in writes] == ["run-1"]


def test_each_day_names_the_version_of_the_table_that_holds_it(lake: Lake) -> None:
    source = FakeSource(one_a_day(3), max_days=1)
    source.fails[day(2)] = PermanentFailure("broken")
    landing = land(lake, source, "charges", days(1, 3), run_id="r", now=NOW)
    held = {each: lake.read(TABLE, {"day": each}, version=landing.versions[each]).num_rows for each in landing.records}
    assert held == {day(1): 1, day(3): 1}
    before = landing.versions[day(1)]
    assert land(lake, source, "charges", days(1, 1), run_id="again", now=NOW).versions[day(1)] != before


def test_a_landed_row_has_its_day_its_times_and_the_payload_as_received(lake: Lake) -> None:
    land(lake, FakeSource(one_a_day(1)), "charges", days(1, 1), run_id="r", now=NOW)
    assert lake.read(TABLE).to_pylist() == [
        {
            "record_id": "r1",
            "updated_at": dt.datetime(2024, 1, 1, 12, tzinfo=dt.UTC),
            "extracted_at": NOW,
            "payload": '{"id":"r1"}',
            "deleted": False,
            "day": day(1),
        }
    ]


def test_a_permanent_failure_of_one_day_fails_that_day_alone(lake: Lake) -> None:
    source = FakeSource(one_a_day(6), max_days=6)
    source.fails[day(3)] = PermanentFailure("page 2 is HTML")
    landing = land(lake, source, "charges", days(1, 6), run_id="r", now=NOW)
    assert list(landing.records) == [day(n) for n in (1, 2, 4, 5, 6)]
    assert {day: str(failure) for day, failure in landing.failures.items()} == {day(3): "page 2 is HTML"}
    assert len([commit for commit in lake.history(TABLE) if commit["operation"] == "WRITE"]) == 2


def test_a_failed_day_keeps_what_it_held_before(lake: Lake) -> None:
    source = FakeSource(one_a_day(3))
    land(lake, source, "charges", days(1, 3), run_id="r", now=NOW)
    source.fails[day(2)] = PermanentFailure("broken")
    source.records = [Record("new", at(1), "{}")]
    land(lake, source, "charges", days(1, 3), run_id="r", now=NOW)
    assert rows(lake) == {day(1): {"new"}, day(2): {"r2"}}


@pytest.mark.parametrize("failure", [TransientFailure("503"), CredentialsRefused("401")])
def test_a_service_that_is_down_or_refuses_us_is_left_alone(lake: Lake, failure: Failure) -> None:
    source = FakeSource(one_a_day(9), max_days=3)
    source.fails[day(5)] = failure
    landing = land(lake, source, "charges", days(1, 9), run_id="r", now=NOW)
    assert list(landing.records) == [day(n) for n in (1, 2, 3)]
    assert list(landing.failures) == [day(n) for n in range(4, 10)]
    assert set(landing.failures.values()) == {failure}
    assert landing.requests == 2


def test_a_listing_that_cannot_be_divided_fails_as_a_whole_after_one_attempt(lake: Lake) -> None:
    source = FakeSource(one_a_day(3), divisible=False)
    source.fails[day(2)] = PermanentFailure("no list of records")
    landing = land(lake, source, "charges", days(1, 3), run_id="r", now=NOW)
    assert list(landing.failures) == [day(1), day(2), day(3)]
    assert landing.requests == 1


def test_an_empty_day_is_emptied(lake: Lake) -> None:
    source = FakeSource(one_a_day(2))
    land(lake, source, "charges", days(1, 2), run_id="r", now=NOW)
    source.records = source.records[:1]
    landing = land(lake, source, "charges", days(2, 2), run_id="r", now=NOW)
    assert landing.records == {day(2): 0}
    assert rows(lake) == {day(1): {"r1"}}


def test_what_lies_outside_the_window_is_counted_and_left_out(lake: Lake) -> None:
    landing = land(lake, FakeSource(one_a_day(9)), "charges", days(4, 5), run_id="r", now=NOW)
    assert landing.outside == 7
    assert rows(lake) == {day(4): {"r4"}, day(5): {"r5"}}


def test_of_several_versions_in_a_day_the_newest_stays_and_of_equals_the_later_listed(lake: Lake) -> None:
    versions = [
        Record("a", at(1, 3), "old"),
        Record("a", at(1, 5), "new"),
        Record("a", at(1, 4), "between"),
        Record("b", at(1, 3), "first"),
        Record("b", at(1, 3), "second"),
        Record("a", at(2, 1), "next day"),
    ]
    land(lake, FakeSource(versions), "charges", days(1, 2), run_id="r", now=NOW)
    payloads = {(row["day"], row["payload"]) for row in lake.read(TABLE).to_pylist()}
    assert payloads == {(day(1), "new"), (day(1), "second"), (day(2), "next day")}


@pytest.mark.parametrize(("number", "hours"), [(1, 23), (2, 25)])
def test_a_record_of_a_clock_change_lies_in_exactly_one_day(number: int, hours: int) -> None:
    change = dt.date(2024, 3, 31) if number == 1 else dt.date(2024, 10, 27)
    around = DayRange(change - dt.timedelta(days=1), change + dt.timedelta(days=1))
    start, end = around.bounds(ZURICH)
    each_hour = [micros(start) + n * 3_600_000_000 for n in range(int((end - start).total_seconds()) // 3600)]
    records = [Record(str(moment), moment, "") for moment in each_hour]
    assert [len(ids) for ids in in_days(records, around, ZURICH).values()] == [24, hours, 24]


def test_a_record_without_a_time_lands_in_each_day_whose_own_query_returns_it(lake: Lake) -> None:
    timeless = Record("odd", None, "{}")
    source = FakeSource(one_a_day(4), max_days=4)
    source.timeless_on = {day(2): [timeless], day(3): [timeless]}
    landing = land(lake, source, "charges", days(1, 4), run_id="r", now=NOW)
    assert rows(lake) == {day(1): {"r1"}, day(2): {"r2", "odd"}, day(3): {"r3", "odd"}, day(4): {"r4"}}
    assert landing.without_time == 2
    whole = lake.content_hash(TABLE)
    for number in (3, 1, 4, 2):
        land(lake, source, "charges", days(number, number), run_id="again", now=NOW)
    assert lake.content_hash(TABLE) == whole


def test_a_version_with_a_time_wins_over_one_without(lake: Lake) -> None:
    source = FakeSource([Record("a", at(1), "timed")])
    source.timeless_on = {day(1): [Record("a", None, "untimed")]}
    land(lake, source, "charges", days(1, 1), run_id="r", now=NOW)
    assert lake.read(TABLE, columns=["payload"]).to_pylist() == [{"payload": "timed"}]


@settings(deadline=None, derandomize=True, max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.randoms(use_true_random=False))
def test_reruns_in_any_order_and_any_ranges_leave_the_same_content(
    tmp_path_factory: pytest.TempPathFactory, order: random.Random
) -> None:
    records = [Record(f"r{n % 17}", at(1 + n % 8, n % 24), f"v{n}") for n in range(60)]
    source = FakeSource(records, max_days=order.randint(1, 8))
    source.timeless_on = {day(2): [Record("odd", None, "{}")], day(7): [Record("odd", None, "{}")]}
    clean, worn = (Lake(tmp_path_factory.mktemp("lake")) for _ in range(2))
    for number in range(1, 9):
        land(clean, source, "charges", days(number, number), run_id="r", now=NOW)
    land(worn, source, "charges", days(1, 8), run_id="r", now=NOW)
    for _ in range(3):
        first = order.randint(1, 8)
        land(worn, source, "charges", days(first, order.randint(first, 8)), run_id="again", now=NOW)
    assert worn.content_hash(TABLE) == clean.content_hash(TABLE)


# --- records --------------------------------------------------------------------------------------------------------


def read(record: Any, *, exact: bool = True, **changes: Any) -> Record:
    return record_reader((made := stream_for(**changes)).record_id, made.updated_at)(record, exact)


def test_the_payload_keeps_the_order_of_the_keys() -> None:
    assert read({"z": 1, "id": 7, "a": {"y": 1, "b": 2}}).payload == '{"z":1,"id":7,"a":{"y":1,"b":2}}'


@pytest.mark.parametrize(
    ("declared", "record", "expected"),
    [
        ("id", {"id": 7}, "7"),
        ("id", {"id": "7"}, "7"),
        ({"coalesce": ["a", "b"]}, {"a": None, "b": "x"}, "x"),
        ({"concat": ["a", {"const": ":"}, "b"]}, {"a": "x", "b": 2}, "x:2"),
        ({"path": "a", "default": "none"}, {}, "none"),
        ({"path": "a", "map": {"1": "one"}}, {"a": 1}, "one"),
    ],
)
def test_an_id_is_a_value_of_the_record(declared: Any, record: Any, expected: str) -> None:
    assert read(record, record_id=declared).record_id == expected


@pytest.mark.parametrize("record", [{}, {"id": None}, {"id": ""}, [], "text", None, {"id": 1e30}])
def test_a_record_without_an_id_has_the_digest_of_its_payload(record: Any) -> None:
    first, again = read(record), read(record)
    assert first == again
    assert first.record_id.startswith("sha256:") and len(first.record_id) == 71


def test_parts_of_an_id_that_are_missing_make_no_id() -> None:
    assert read({"a": "x"}, record_id={"concat": ["a", "b"]}).record_id.startswith("sha256:")


def test_a_record_looks_the_same_on_a_page_with_a_poisoned_neighbour() -> None:
    record = {"id": 1, "name": "Ünal", "n": 1.5, "created": 5}
    assert read(record, exact=False) == read(record, exact=True)


def test_poison_stays_in_the_payload_as_it_came() -> None:
    assert read({"id": float("nan")}, exact=False).payload == '{"id":NaN}'
    surrogate = read({"id": "\ud800"}, exact=False)
    assert surrogate.payload == '{"id":"\\ud800"}'
    assert surrogate.record_id.startswith("sha256:")


def test_a_deeply_nested_record_is_no_reason_to_fail() -> None:
    record: Any = {"id": 1}
    for _ in range(600):
        record = {"id": 1, "inner": record}
    assert read(record).record_id == "1"


# --- a service over HTTP --------------------------------------------------------------------------------------------


def charges_server(httpserver: HTTPServer, rows: list[dict[str, Any]], *, heeds_window: bool = True) -> None:
    def handle(request: Request) -> Response:
        since, until = int(request.args["since"]), int(request.args["until"])
        chosen = [row for row in rows if not heeds_window or since <= row["created"] < until]
        return json_response({"data": chosen})

    httpserver.expect_request("/charges").respond_with_handler(handle)


def windowed_source(url: str, **window: Any) -> ServiceSource:
    endpoint = {
        "path": "/charges",
        "params": {"since": "{window.start}", "until": "{window.end}"},
        "data_selector": "data",
        "paginator": {"type": "single_page"},
        "window": {"format": "epoch_s", **window},
    }
    declaration = service_for(url, {"charges": stream_for(endpoint=endpoint)}, max_attempts=1)
    return ServiceSource(declaration, zone=ZURICH, folder=Path(), environ=ENVIRON)


def hourly(first: dt.datetime, hours: int) -> list[dict[str, Any]]:
    return [{"id": f"h{n}", "created": int(first.timestamp()) + n * 3600} for n in range(hours)]


def test_a_range_over_a_clock_change_is_asked_in_chunks_and_lands_whole(httpserver: HTTPServer, lake: Lake) -> None:
    span = DayRange(dt.date(2024, 3, 30), dt.date(2024, 4, 1))
    charges_server(httpserver, hourly(span.bounds(ZURICH)[0], 71))
    source = windowed_source(httpserver.url_for(""), max_days=2)
    landing = land(lake, source, "charges", span, run_id="r", now=NOW)
    assert list(landing.records.values()) == [24, 23, 24]
    assert (landing.outside, landing.requests) == (0, 2)
    source.close()


def test_a_filter_that_is_not_heeded_shows_in_the_count(httpserver: HTTPServer, lake: Lake) -> None:
    span = DayRange(dt.date(2024, 3, 30), dt.date(2024, 4, 1))
    charges_server(httpserver, hourly(span.bounds(ZURICH)[0], 71), heeds_window=False)
    source = windowed_source(httpserver.url_for(""))
    landing = land(lake, source, "charges", DayRange(span.first, span.first), run_id="r", now=NOW)
    assert (landing.records, landing.outside) == ({span.first: 24}, 47)
    source.close()


def test_a_missing_variable_fails_the_days_and_is_named(lake: Lake) -> None:
    declaration = service_for("http://127.0.0.1:1", {"charges": stream_for()})
    source = ServiceSource(declaration, zone=ZURICH, folder=Path(), environ={})
    landing = land(lake, source, "charges", days(1, 2), run_id="r", now=NOW)
    assert [str(failure) for failure in landing.failures.values()] == [
        "billing: the environment variable TOKEN is not set; the service's declaration names it"
    ] * 2


def test_failures_of_a_landing_show_neither_secret_nor_person(httpserver: HTTPServer, lake: Lake) -> None:
    httpserver.expect_request("/charges").respond_with_json({"error": f"{SECRET} {PERSON}"})
    source = windowed_source(httpserver.url_for(""))
    landing = land(lake, source, "charges", days(1, 1), run_id="r", now=NOW)
    assert "data_selector" in str(landing.failures[day(1)])
    assert SECRET not in str(landing.failures) and PERSON not in str(landing.failures)
    source.close()


def test_new_records_are_seen_on_the_first_page(httpserver: HTTPServer) -> None:
    start = dt.datetime(2024, 1, 5, tzinfo=dt.UTC)
    charges_server(httpserver, hourly(start, 2))
    source = windowed_source(httpserver.url_for(""))
    assert source.has_new("charges", start, start + dt.timedelta(hours=1))
    assert not source.has_new("charges", start - dt.timedelta(hours=1), start)
    assert source.requests == 2
    source.close()


def test_without_a_window_more_pages_than_one_may_hold_something_new(httpserver: HTTPServer) -> None:
    endpoint = {"path": "/charges", "data_selector": "data", "paginator": {"type": "last_id"}}
    declaration = service_for(httpserver.url_for(""), {"charges": stream_for(endpoint=endpoint)})
    source = ServiceSource(declaration, zone=ZURICH, folder=Path(), environ=ENVIRON)
    start = dt.datetime(2024, 1, 5, tzinfo=dt.UTC)
    for has_more in (True, False):
        httpserver.clear()
        httpserver.expect_request("/charges").respond_with_json(
            {"data": [{"id": 1, "created": 5}], "has_more": has_more}
        )
        assert source.has_new("charges", start, start + dt.timedelta(days=1)) is has_more
    source.close()


def test_an_unknown_stream_is_named() -> None:
    declaration = service_for("http://127.0.0.1:1", {"charges": stream_for()})
    source = ServiceSource(declaration, zone=ZURICH, folder=Path(), environ={})
    with pytest.raises(PermanentFailure, match="no stream 'charge'; it has charges"):
        source.chunks("charge", days(1, 1))


ODD = st.sampled_from([None, "", "é", "\ud800", True, 7, 2.0**60, 1.5, [], {"a": 1}])


@settings(deadline=None, max_examples=150)
@given(
    st.lists(st.one_of(ODD, st.fixed_dictionaries({}, optional={"id": ODD, "created": ODD, "note": ODD})), max_size=5)
)
def test_a_page_reads_as_its_records_one_by_one(listed: list[Any]) -> None:
    stream = stream_for()
    alone, together = (make(stream.record_id, stream.updated_at) for make in (record_reader, records_reader))
    assert together(listed, False) == [alone(record, False) for record in listed]
    proper = orjson.loads(orjson.dumps([record for record in listed if "\\ud800" not in json.dumps(record)]))
    assert together(proper, True) == [alone(record, True) for record in proper]
