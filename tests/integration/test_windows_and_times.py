"""Windows as services write them, and times as they come back: in Python and in SQL."""

import datetime as dt
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cx_orchestration.integration.fields import Fields
from cx_orchestration.integration.mapping_sql import Expressions
from cx_orchestration.integration.times import micros, time_reader
from cx_orchestration.integration.windows import query, unit
from cx_orchestration.model.days import DayRange
from cx_orchestration.model.endpoint import Endpoint, Window
from cx_orchestration.model.values import Time

UTC = ZoneInfo("UTC")
ZURICH = ZoneInfo("Europe/Zurich")


def asked(window: dict[str, Any], days: DayRange, company: str, zone: ZoneInfo = UTC) -> tuple[str, str]:
    endpoint = Endpoint.model_validate(
        {
            "path": "/x",
            "params": {"since": "{window.start}", "until": "{window.end}"},
            "data_selector": "$",
            "paginator": {"type": "single_page"},
            "window": window,
        }
    )
    params = query(endpoint, *days.bounds(ZoneInfo(company)), zone).params
    return str(params["since"]), str(params["until"])


def day(text: str) -> DayRange:
    return DayRange(dt.date.fromisoformat(text), dt.date.fromisoformat(text))


@pytest.mark.parametrize(
    ("window", "start", "end"),
    [
        ({"format": "iso"}, "2024-01-01T23:00:00Z", "2024-01-02T23:00:00Z"),
        ({"format": "iso", "end": "inclusive"}, "2024-01-01T23:00:00Z", "2024-01-02T22:59:59.999999Z"),
        ({"format": "epoch_s"}, "1704150000", "1704236400"),
        ({"format": "epoch_s", "end": "inclusive"}, "1704150000", "1704236399"),
        ({"format": "epoch_ms", "end": "inclusive"}, "1704150000000", "1704236399999"),
        ({"format": "epoch_us"}, "1704150000000000", "1704236400000000"),
        ({"format": "%Y%m%d%H%M%S"}, "20240101230000", "20240102230000"),
        ({"format": "%Y-%m-%d %H:%M", "end": "inclusive"}, "2024-01-01 23:00", "2024-01-02 22:59"),
    ],
)
def test_a_day_of_a_company_in_zurich_as_services_write_it(window: dict[str, Any], start: str, end: str) -> None:
    assert asked(window, day("2024-01-02"), "Europe/Zurich") == (start, end)


@pytest.mark.parametrize(
    ("end", "zone", "expected"),
    [
        ("exclusive", ZURICH, ("2024-01-02", "2024-01-03")),
        ("inclusive", ZURICH, ("2024-01-02", "2024-01-02")),
        # A service that counts days in UTC holds a day of Zurich in two of them.
        ("exclusive", UTC, ("2024-01-01", "2024-01-03")),
        ("inclusive", UTC, ("2024-01-01", "2024-01-02")),
    ],
)
def test_dates_cover_the_whole_day(end: str, zone: ZoneInfo, expected: tuple[str, str]) -> None:
    assert asked({"format": "date", "end": end}, day("2024-01-02"), "Europe/Zurich", zone) == expected


@pytest.mark.parametrize(("text", "hours"), [("2024-03-31", 23), ("2024-10-27", 25), ("2024-02-29", 24)])
def test_a_day_of_a_clock_change_has_its_own_length(text: str, hours: int) -> None:
    start, end = asked({"format": "epoch_s"}, day(text), "Europe/Zurich")
    assert int(end) - int(start) == hours * 3600


def test_a_zone_with_half_an_hour_begins_its_days_there() -> None:
    assert asked({"format": "iso"}, day("2024-01-02"), "Asia/Kolkata")[0] == "2024-01-01T18:30:00Z"


def test_the_window_can_stand_in_the_path_and_within_a_text() -> None:
    endpoint = Endpoint.model_validate(
        {
            "path": "/since/{window.start}/rows",
            "params": {"q": "WHERE t >= {window.start} AND t < {window.end} AND x = '{y}'", "n": 5, "all": True},
            "data_selector": "$",
            "paginator": {"type": "single_page"},
            "window": {"format": "iso"},
        }
    )
    found = query(endpoint, *day("2024-01-02").bounds(UTC), UTC)
    assert found.path == "/since/2024-01-02T00%3A00%3A00Z/rows"
    assert found.params == {
        "q": "WHERE t >= 2024-01-02T00:00:00Z AND t < 2024-01-03T00:00:00Z AND x = '{y}'",
        "n": 5,
        "all": "true",
    }


FORMATS = st.sampled_from(
    ["iso", "epoch_s", "epoch_ms", "epoch_us", "date", "%Y%m%d", "%Y-%m-%d %H", "%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S"]
)
ZONES = st.sampled_from([UTC, ZURICH, ZoneInfo("Asia/Kolkata"), ZoneInfo("America/St_Johns"), ZoneInfo("Pacific/Apia")])
MOMENTS = st.datetimes(dt.datetime(2000, 1, 1), dt.datetime(2040, 1, 1)).map(
    lambda moment: moment.replace(tzinfo=dt.UTC)
)


@settings(deadline=None, derandomize=True)
@given(FORMATS, ZONES, MOMENTS, st.timedeltas(dt.timedelta(microseconds=1), dt.timedelta(days=40)))
def test_a_query_never_begins_after_its_window_nor_ends_before_it(
    pattern: str, zone: ZoneInfo, start: dt.datetime, length: dt.timedelta
) -> None:
    endpoint = Endpoint.model_validate(
        {
            "path": "{window.start}..{window.end}",
            "data_selector": "$",
            "paginator": {"type": "single_page"},
            "window": {"format": pattern},
        }
    )
    window = Window(format=pattern)
    first, last = query(endpoint, start, start + length, zone).path.replace("%3A", ":").replace("%20", " ").split("..")
    read = time_reader(Time(path="t", format=pattern, time_zone=zone.key))
    lower, upper = read({"t": first}), read({"t": last})
    assert lower is not None
    assert upper is not None
    # A clock change may lie in between: then an hour or two more, in steps of a quarter.
    most = (unit(window) + dt.timedelta(hours=2, minutes=15)) // dt.timedelta(microseconds=1)
    assert micros(start) - most <= lower <= micros(start)
    assert micros(start + length) <= upper <= micros(start + length) + most


def sql_time(time: Time, value: str | None) -> Any:
    """A time as the mapping's SQL reads it, in microseconds since 1970."""
    expressions = Expressions(Fields())
    parsed = expressions.time(time)
    rows = expressions.steps.over("(SELECT $v::VARCHAR AS f0)")
    with duckdb.cursor() as cursor:
        cursor.execute("SET TimeZone = 'UTC'")
        return cursor.execute(f"SELECT epoch_us({parsed.value}) FROM {rows}", {"v": value}).fetchall()[0][0]


@pytest.mark.parametrize(
    ("time", "value", "expected"),
    [
        ({}, "2024-01-02T03:04:05Z", "2024-01-02T03:04:05+00:00"),
        ({}, "2024-01-02T03:04:05.123+0000", "2024-01-02T03:04:05.123+00:00"),
        ({}, "2024-01-02T03:04:05-08:00", "2024-01-02T11:04:05+00:00"),
        ({}, "2024-01-02 03:04:05", "2024-01-02T03:04:05+00:00"),
        ({"time_zone": "Europe/Zurich"}, "2024-07-02T03:04:05", "2024-07-02T01:04:05+00:00"),
        ({"time_zone": "Europe/Zurich"}, "2024-07-02T03:04:05Z", "2024-07-02T03:04:05+00:00"),
        ({"time_zone": "Europe/Zurich"}, "2024-07-02T03:04:05+05:30", "2024-07-01T21:34:05+00:00"),
        ({"time_zone": "Europe/Zurich"}, "2024-07-02", "2024-07-01T22:00:00+00:00"),
        ({"time_zone": "Europe/Zurich"}, "2024-07-02T03:04", "2024-07-02T01:04:00+00:00"),
        ({"format": "date", "time_zone": "Asia/Kolkata"}, "2024-07-02", "2024-07-01T18:30:00+00:00"),
        ({"format": "epoch_s"}, "1704150000", "2024-01-01T23:00:00+00:00"),
        ({"format": "epoch_s"}, "1704150000.123456", "2024-01-01T23:00:00.123456+00:00"),
        ({"format": "epoch_s"}, "-1", "1969-12-31T23:59:59+00:00"),
        ({"format": "epoch_ms"}, "1704150000123", "2024-01-01T23:00:00.123+00:00"),
        ({"format": "epoch_us"}, "1704150000123456", "2024-01-01T23:00:00.123456+00:00"),
        ({"format": "%d/%m/%Y %H:%M", "time_zone": "Europe/Zurich"}, "02/07/2024 03:04", "2024-07-02T01:04:00+00:00"),
        ({"format": "%Y-%m-%dT%H:%M:%S%z"}, "2024-07-02T03:04:05+0200", "2024-07-02T01:04:05+00:00"),
        # The clocks go back: the later of the two readings. Forward: the hour that does not exist, an hour on.
        ({"time_zone": "Europe/Zurich"}, "2024-10-27T02:30:00", "2024-10-27T01:30:00+00:00"),
        ({"time_zone": "Europe/Zurich"}, "2024-03-31T02:30:00", "2024-03-31T01:30:00+00:00"),
    ],
)
def test_a_time_is_read_alike_in_python_and_in_sql(time: dict[str, str], value: str, expected: str) -> None:
    declared = Time.model_validate({"path": "t", **time})
    moment = micros(dt.datetime.fromisoformat(expected))
    assert time_reader(declared)({"t": value}) == moment
    assert sql_time(declared, value) == moment


@pytest.mark.parametrize(
    ("time", "value"),
    [
        ({}, "yesterday"),
        ({}, "infinity"),
        ({}, "epoch"),
        ({}, "2024-02-30"),
        ({}, "true"),
        ({"format": "epoch_s"}, "2024-01-02"),
        ({"format": "epoch_s"}, "NaN"),
        ({"format": "epoch_s"}, "1e400"),
        ({"format": "epoch_s"}, "99999999999999999999"),
        ({"format": "%d/%m/%Y"}, "31/02/2024"),
        ({"format": "%d/%m/%Y"}, "2024-01-02"),
    ],
)
def test_what_is_no_time_is_unreadable_in_python_and_in_sql(time: dict[str, str], value: str) -> None:
    declared = Time.model_validate({"path": "t", **time})
    assert time_reader(declared)({"t": value}) is None
    assert sql_time(declared, value) is None


@pytest.mark.parametrize("value", [None, True, "", [], {}])
def test_what_holds_no_time_is_none(value: Any) -> None:
    assert time_reader(Time(path="t"))({"t": value}) is None


def test_the_first_path_that_holds_something_counts() -> None:
    read = time_reader(Time(coalesce=["updated", "created"]))
    assert read({"updated": None, "created": "1970-01-01T00:00:01Z"}) == 1_000_000
    assert read({"updated": "nonsense", "created": "1970-01-01T00:00:01Z"}) is None


@settings(deadline=None, derandomize=True)
@given(ZONES, st.datetimes(dt.datetime(1971, 1, 1), dt.datetime(2036, 1, 1)))
def test_local_times_are_read_alike_in_every_zone(zone: ZoneInfo, local: dt.datetime) -> None:
    time = Time(path="t", time_zone=zone.key)
    text = local.replace(microsecond=0).isoformat(sep=" ")
    assert sql_time(time, text) == time_reader(time)({"t": text})
