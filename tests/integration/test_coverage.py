"""What is there and what is missing, over all services."""

import datetime as dt
from zoneinfo import ZoneInfo

import pyarrow as pa

from cx_orchestration.integration.coverage import coverage, newest_day_end
from cx_orchestration.model import tables
from cx_orchestration.model.days import DayRange
from cx_orchestration.storage.engine import Engine
from cx_orchestration.storage.lake import Lake

CHICAGO = ZoneInfo("America/Chicago")
FIRST, LAST = dt.date(2026, 6, 1), dt.date(2026, 6, 4)


def put_event(lake: Lake, service: str, day: dt.date) -> None:
    row = {field.name: None for field in tables.EVENTS.schema} | {"event_id": f"{service}{day}", "service": service}
    rows = pa.Table.from_pylist([{**row, "day": day}], schema=tables.EVENTS.schema)
    lake.replace(tables.EVENTS, rows, where={"service": service, "day": day}, run_id="test")


def test_a_service_is_complete_incomplete_or_not_integrated(lake: Lake, engine: Engine) -> None:
    put_event(lake, "stripe", FIRST)
    days = set(DayRange(FIRST, LAST))
    rows = coverage(
        lake,
        engine,
        days=DayRange(FIRST, LAST),
        landed={"stripe": days, "survey": {FIRST, LAST}, "chat": set()},
        still_open={"stripe": {LAST}, "survey": set(), "chat": {LAST}},
        refused={"chat": "nobody has decided"},
    ).to_pylist()
    assert [(row["service"], row["status"], row["missing"], row["events"]) for row in rows] == [
        ("chat", "not integrated", "", 0),
        ("stripe", "complete", "", 1),
        ("survey", "incomplete", "2026-06-02..2026-06-03", 0),
    ]


def test_customers_are_judged_at_the_end_of_the_newest_day_in_the_companys_zone(lake: Lake) -> None:
    put_event(lake, "stripe", dt.date(2026, 6, 2))
    put_event(lake, "survey", FIRST)
    assert newest_day_end(lake, CHICAGO, start=FIRST) == dt.datetime(2026, 6, 3, 5, tzinfo=dt.UTC)


def test_without_events_nobody_is_judged_after_the_start(lake: Lake) -> None:
    assert newest_day_end(lake, CHICAGO, start=FIRST) == dt.datetime(2026, 6, 1, 5, tzinfo=dt.UTC)
