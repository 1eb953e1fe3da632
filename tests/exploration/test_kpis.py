"""KPIs: what counts in which hour, what earlier weeks let expect, what is never said while data are on their way."""

import datetime as dt
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest
from scipy import stats

from cx_orchestration.definitions import DEMO_PROJECT
from cx_orchestration.exploration.kpis import Feed, Landed, expected, kpis
from cx_orchestration.exploration.pictures import kpis_picture
from cx_orchestration.model import tables
from cx_orchestration.project import CXProject
from cx_orchestration.project.feeds import kpi_feeds, support_types
from cx_orchestration.storage.engine import Engine
from cx_orchestration.storage.lake import Lake

NEW_YORK = ZoneInfo("America/New_York")
#: Clocks are set back on the first of November.
FIRST, NEWEST = dt.date(2026, 9, 1), dt.date(2026, 11, 6)
DAYS = [FIRST + dt.timedelta(days=number) for number in range((NEWEST - FIRST).days + 1)]

CONTACTS = Feed("contacts", None, {"desk": False})
REVENUE = Feed("revenue", None, {"shop": False})
STARTED = Feed("started", "order", {"shop": False})


def happened(service, kind, day, hour, *, number=0, reported=0, **more):
    row = dict.fromkeys(tables.EVENTS.schema.names) | {"service": service, "type": kind, "entity": "1", "keys": []}
    row |= {"event_id": f"{service}{day}{hour}{number}", "day": day + dt.timedelta(days=reported)}
    return row | {"occurred_at": dt.datetime.combine(day, dt.time(hour, 30), NEW_YORK)} | more


def usual(day):
    """Ten contacts at nine, and an order of 20 at ten."""
    contacts = [happened("desk", "asked", day, 9, number=number) for number in range(10)]
    return [*contacts, happened("shop", "paid", day, 10, amount=20, currency="USD")]


def told(tmp_path, events, feeds, landed=None, *, folded=True, instances=()):
    """By period, day, hour, KPI: the row."""
    lake = Lake(tmp_path)
    for service in {row["service"] for row in events}:
        rows = pa.Table.from_pylist([row for row in events if row["service"] == service], tables.EVENTS.schema)
        where = {"service": service, "day": (FIRST, NEWEST + dt.timedelta(days=9))}
        lake.replace(tables.EVENTS, rows, where=where, run_id="r")
    if instances:
        rows = pa.Table.from_pylist(instances, tables.INSTANCES.schema)
        lake.replace(tables.INSTANCES, rows, where={"journey": "order", "week": (-1, 9999)}, run_id="r")
    days = {"desk": DAYS, "shop": DAYS} | (landed or {})
    rows = kpis(lake, Engine(), feeds, {"asked"}, Landed(days, folded), zone=NEW_YORK, currency="USD")
    assert rows.schema == tables.KPIS.schema
    assert kpis_picture(rows)
    found = {}
    for row in rows.to_pylist():
        begins = row["begins_at"].astimezone(NEW_YORK)
        found[row["period"], begins.date(), begins.hour if row["period"] == "hour" else None, row["kpi"]] = row
    return found


def test_an_hour_is_compared_with_the_same_hour_by_the_clock_also_where_clocks_were_set_back(tmp_path):
    rows = told(tmp_path, [row for day in DAYS for row in usual(day)], [CONTACTS])
    nine = rows["hour", NEWEST, 9, "contacts"]
    assert (nine["value"], nine["expected"], nine["weeks"], nine["verdict"]) == (10, 10, 8, "as expected")
    assert rows["hour", NEWEST, 8, "contacts"]["expected"] == rows["hour", NEWEST, 10, "contacts"]["expected"] == 0
    assert sum(row["value"] for key, row in rows.items() if key[:2] == ("hour", dt.date(2026, 11, 1))) == 10
    assert rows["day", dt.date(2026, 11, 1), None, "contacts"]["value"] == 10


def test_a_drop_is_told_when_the_day_is_there_and_never_before(tmp_path):
    quiet = [row for day in DAYS[:-1] for row in usual(day)] + [happened("shop", "paid", NEWEST, 10)]
    there = told(tmp_path / "there", quiet, [CONTACTS])["day", NEWEST, None, "contacts"]
    assert (there["value"], there["verdict"], there["complete"]) == (0, "below", True)
    awaited = told(tmp_path / "awaited", quiet, [CONTACTS], {"desk": DAYS[:-1]})["day", NEWEST, None, "contacts"]
    assert (awaited["value"], awaited["verdict"], awaited["complete"]) == (None, None, False)
    assert awaited["waits_for"] == "desk"
    assert awaited["reaches"] == dt.datetime.combine(NEWEST, dt.time(), NEW_YORK)


def test_with_one_of_two_services_there_the_value_is_what_came_so_far_and_not_a_drop(tmp_path):
    both = Feed("contacts", None, {"desk": False, "shop": False})
    some = [row for day in DAYS[:-1] for row in usual(day)] + [happened("shop", "asked", NEWEST, 9)]
    row = told(tmp_path, some, [both], {"desk": DAYS[:-1]})["day", NEWEST, None, "contacts"]
    assert (row["value"], row["verdict"], row["waits_for"]) == (1, None, "desk")


def test_of_records_that_change_again_a_day_is_complete_with_the_next_one(tmp_path):
    late = Feed("contacts", None, {"desk": True})
    quiet = [row for day in DAYS[:-2] for row in usual(day)] + [happened("shop", "paid", NEWEST, 10)]
    rows = told(tmp_path, quiet, [late])
    assert rows["day", DAYS[-2], None, "contacts"]["verdict"] == "below"
    newest = rows["day", NEWEST, None, "contacts"]
    assert (newest["value"], newest["verdict"], newest["waits_for"]) == (0, None, "desk (its next day)")


def test_more_contacts_than_expected_are_told_before_all_data_are_there_and_more_revenue_is_not(tmp_path):
    surge = [row for day in DAYS[:-1] for row in usual(day)]
    surge += [happened("desk", "asked", NEWEST, 9, number=number) for number in range(30)]
    surge += [happened("shop", "paid", NEWEST, 10, number=day, amount=90 + day, currency="USD") for day in range(9)]
    late = [Feed(feed.kpi, None, dict.fromkeys(feed.services, True)) for feed in (CONTACTS, REVENUE)]
    rows = told(tmp_path, surge, late)
    assert rows["hour", NEWEST, 9, "contacts"]["verdict"] == "above"
    assert rows["hour", NEWEST, 10, "revenue"]["verdict"] is None


def test_a_week_whose_day_is_missing_is_no_week_without_contacts(tmp_path):
    gap = NEWEST - dt.timedelta(weeks=3)
    without = [row for day in DAYS if day != gap for row in usual(day)]
    row = told(tmp_path, without, [CONTACTS], {"desk": [day for day in DAYS if day != gap]})
    assert row["day", NEWEST, None, "contacts"]["weeks"] == 7
    assert row["day", NEWEST, None, "contacts"]["expected"] == 10


def test_an_event_that_two_days_report_counts_once_and_foreign_money_is_no_revenue(tmp_path):
    day = DAYS[-3]
    events = [
        happened("shop", "paid", day, 10, amount=5, currency="USD"),
        happened("shop", "paid", day, 10, reported=1, amount=7, currency="USD"),
        happened("shop", "paid", day, 10, number=1, amount=100, currency="EUR"),
    ]
    assert told(tmp_path, events, [REVENUE])["day", day, None, "revenue"]["value"] == 7


def test_what_journeys_do_not_know_yet_is_no_drop_of_what_began(tmp_path):
    begun = [
        dict.fromkeys(tables.INSTANCES.schema.names)
        | {"journey": "order", "instance_id": f"{day}{number}", "week": 1, "status": "active"}
        | {"started_at": dt.datetime.combine(day, dt.time(10), NEW_YORK)}
        for day in DAYS[:-1]
        for number in range(10)
    ]
    events = [row for day in DAYS for row in usual(day)]
    stale = told(tmp_path / "stale", events, [STARTED], folded=False, instances=begun)["day", NEWEST, None, "started"]
    assert (stale["value"], stale["verdict"], stale["waits_for"]) == (0, None, "journeys")
    assert (stale["expected"], stale["weeks"]) == (10, 8)
    current = told(tmp_path / "current", events, [STARTED], instances=begun)["day", NEWEST, None, "started"]
    assert current["verdict"] == "below"


def test_the_interval_is_students_and_counts_vary_at_least_as_poisson_ones():
    varied = expected([1.0, 3.0, 5.0, 7.0], is_count=False)
    margin = stats.t.isf(0.025, 3) * (20 / 3 * (1 + 1 / 4)) ** 0.5
    assert (varied.low, varied.high) == pytest.approx((4 - margin, 4 + margin))
    steady = expected([9.0] * 8, is_count=True)
    margin = stats.t.isf(0.025, 7) * (9 * (1 + 1 / 8)) ** 0.5
    assert (steady.mean, steady.low, steady.high) == pytest.approx((9, max(0, 9 - margin), 9 + margin))
    assert expected([9.0] * 8, is_count=False).low is None
    assert expected([9.0] * 3, is_count=True).mean is None


def test_a_company_without_landed_days_has_no_rows(tmp_path):
    landed = Landed({"desk": []}, folded=True)
    rows = kpis(Lake(tmp_path), Engine(), [CONTACTS], {"asked"}, landed, zone=NEW_YORK, currency="USD")
    assert rows.num_rows == 0
    assert kpis_picture(rows) == "No service has any day yet."


def test_what_feeds_a_kpi_follows_from_the_mappings_of_approved_services():
    project = CXProject.load(DEMO_PROJECT)
    feeds = {(feed.kpi, feed.journey): feed.services for feed in kpi_feeds(project)}
    assert support_types(project) == {"support.requested"}
    assert feeds["contacts", None] == {"zendesk": True}
    assert feeds["revenue", None] == {"stripe": False}
    assert feeds["answers", None] == {"survey": False}
    on_the_map = feeds["started", "customer_lifecycle"]
    assert on_the_map == feeds["abandoned", "customer_lifecycle"]
    assert {"segment", "stripe"} <= on_the_map.keys() and "survey" not in on_the_map
