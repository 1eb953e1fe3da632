"""Late data: an open day is read again once it has settled, the lookback every night, and the day says what it is."""

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import dagster as dg
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from shop import DAYS, Shop

from cx_orchestration.commands.materialize import materialize_project
from cx_orchestration.definitions import build_defs
from cx_orchestration.integration.landing import Landing, land
from cx_orchestration.integration.records import Batch, Record
from cx_orchestration.integration.settling import open_days
from cx_orchestration.integration.times import micros
from cx_orchestration.model import tables
from cx_orchestration.model.days import DayRange
from cx_orchestration.model.service import Stream
from cx_orchestration.partitions import range_tags
from cx_orchestration.sensors.jobs import service_asset_keys
from cx_orchestration.sensors.needs import ServiceDays, as_needs
from cx_orchestration.sensors.nightly import nightly_needs
from cx_orchestration.storage.lake import Lake
from cx_orchestration.storage.registry import MAPPING, Attempt

HOUR = dt.timedelta(hours=1)
END = dt.datetime(2026, 1, 6, tzinfo=dt.UTC)  # of the last day


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield Shop(tmp_path / "shop", instance)


def declare(shop: Shop, **keys: int) -> None:
    file = shop.folder / "services" / "store_till.yaml"
    lines = "".join(f"    {key}: {value}\n" for key, value in keys.items())
    text = file.read_text(encoding="utf-8")
    assert "    record_id:" in text
    file.write_text(text.replace("    record_id:", f"{lines}    record_id:"), encoding="utf-8")


def landed(shop: Shop, at: dt.datetime, days: DayRange = DAYS) -> None:
    """All of these days were read at that time, and mapped."""
    for stream in ("orders", MAPPING):
        shop.registry.record(Attempt("store_till", stream, day, "run", at, "landed") for day in days)


def again(shop: Shop, now: dt.datetime) -> list[tuple[str, str]]:
    """What the sensor reads again at that time."""
    days = ServiceDays(shop.project, shop.registry, "store_till", now)
    return [(str(need.days), need.occasion) for need in days.to_read_again]


def night(shop: Shop, now: dt.datetime) -> list[str]:
    return [str(need.days) for need in nightly_needs(shop.project, "store_till", shop.registry, now)]


def test_a_day_that_was_read_while_it_was_open_is_read_again_once_it_has_settled(shop: Shop) -> None:
    declare(shop, settle_hours=48, lookback_days=0)
    landed(shop, END + 12 * HOUR)
    assert open_days(shop.registry, shop.project.services["store_till"], shop.project.zone) == {
        dt.date(2026, 1, 4),
        dt.date(2026, 1, 5),
    }
    assert again(shop, END + 20 * HOUR) == []
    assert again(shop, END + 24 * HOUR) == [("2026-01-04", "settled")]
    assert again(shop, END + 48 * HOUR) == [("2026-01-04..2026-01-05", "settled")]
    landed(shop, END + 48 * HOUR)
    assert again(shop, END + 300 * HOUR) == []
    assert open_days(shop.registry, shop.project.services["store_till"], shop.project.zone) == set()


def test_the_night_reads_settled_days_beyond_the_lookback_too(shop: Shop) -> None:
    declare(shop, settle_hours=48, lookback_days=0)
    landed(shop, END - HOUR)
    assert night(shop, END + 2.5 * HOUR) == ["2026-01-05", "2026-01-03"]
    assert night(shop, END + (48 + 2.5) * HOUR) == ["2026-01-03..2026-01-05"]


def test_a_night_that_was_missed_is_made_up_for_by_the_sensor(shop: Shop) -> None:
    declare(shop, lookback_days=2)
    landed(shop, END + HOUR)
    assert again(shop, END + 2 * HOUR) == []
    assert again(shop, END + 3 * HOUR) == [("2026-01-03..2026-01-05", "night-2026-01-06")]
    landed(shop, END + 3 * HOUR, DayRange(dt.date(2026, 1, 3), dt.date(2026, 1, 5)))
    assert again(shop, END + 4 * HOUR) == []
    assert again(shop, END + 27 * HOUR) == [("2026-01-04..2026-01-05", "night-2026-01-07")]


def test_what_is_to_be_read_again_is_requested_by_the_sensor_until_it_is_done(shop: Shop) -> None:
    landed(shop, END, DayRange(dt.date(2026, 1, 3), DAYS.last))
    landed(shop, dt.datetime(2026, 1, 2, 12, tzinfo=dt.UTC), DayRange(DAYS.first, dt.date(2026, 1, 2)))
    (request,) = shop.tick().run_requests
    assert request.tags["cx/request"] == "integrate:store_till:2026-01-02:settled"
    (same,) = shop.tick().run_requests
    assert same.run_key == request.run_key
    assert shop.run(request)
    assert not shop.tick().run_requests


ORDERS = {
    "files": {"pattern": "orders.jsonl", "format": "jsonl"},
    "record_id": "order_no",
    "updated_at": "placed_at",
}


class Orders:
    """A till that says, when it is asked, which orders it knows by now."""

    service = "store_till"
    zone = ZoneInfo("UTC")
    requests = 0

    def __init__(self) -> None:
        self.known: list[str] = []

    def order(self, name: str, at: str) -> None:
        self.known.append(f'{{"order_no": "{name}", "customer_no": "C-1", "placed_at": "{at}"}}')

    def chunks(self, stream: str, days: DayRange) -> list[DayRange]:
        return [days]

    def divisible(self, stream: str) -> bool:
        return False

    def stream(self, name: str) -> Stream:
        return Stream.model_validate(ORDERS)

    def read(self, stream: str, days: DayRange) -> Iterator[Batch]:
        yield [self._record(payload) for payload in self.known], None

    def land(self, lake: Lake, stream: str, days: DayRange, *, run_id: str, now: dt.datetime, **more: Any) -> Landing:
        return land(lake, self, stream, days, run_id=run_id, now=now, **more)

    def _record(self, payload: str) -> Record:
        order = orjson.loads(payload)
        return Record(order["order_no"], micros(dt.datetime.fromisoformat(order["placed_at"])), payload)


def run_days(shop: Shop, days: DayRange, till: Orders) -> list[dict[str, Any]]:
    """Land and map a range of days; the metadata of each landed day."""
    result = (
        build_defs(shop.project, resources={"store_till_service": till})
        .resolve_job_def("integration")
        .execute_in_process(
            instance=shop.instance,
            tags=range_tags(days),
            asset_selection=service_asset_keys("store_till", ["orders"]),
        )
    )
    found = [event for event in result.get_asset_materialization_events() if event.asset_key.path[0] == "landing"]
    return [
        {key: value.value for key, value in event.step_materialization_data.materialization.metadata.items()}
        for event in found
    ]


def test_a_record_that_appears_in_a_closed_day_lands_in_that_day_the_next_night(shop: Shop) -> None:
    till = Orders()
    till.order("early", "2026-01-04T09:00:00+00:00")
    run_days(shop, DAYS, till)
    till.order("late", "2026-01-04T10:00:00+00:00")
    (need,) = nightly_needs(shop.project, "store_till", shop.registry, END + 3 * HOUR)
    run_days(shop, need.days, till)
    rows = Lake(shop.project.lake_root).read(tables.EVENTS).to_pylist()
    assert sorted((row["record_id"], row["day"].isoformat()) for row in rows) == [
        ("early", "2026-01-04"),
        ("late", "2026-01-04"),
    ]


def test_a_day_that_is_over_has_settled_and_says_so(shop: Shop) -> None:
    assert [facts["settled"] for facts in run_days(shop, DAYS, Orders())] == [True] * len(DAYS)


def test_a_day_that_is_open_says_until_when_and_coverage_counts_it(tmp_path: Path) -> None:
    yesterday = dt.datetime.now(dt.UTC).date() - dt.timedelta(days=1)
    days = DayRange(yesterday - dt.timedelta(days=30), yesterday)
    with dg.DagsterInstance.ephemeral() as instance:
        shop = Shop(tmp_path / "shop", instance, days)
        declare(shop, settle_hours=240)
        *_, facts = run_days(shop, days, Orders())
        until = dt.datetime.combine(yesterday, dt.time(), dt.UTC) + dt.timedelta(days=11)
        assert (facts["settled"], facts["open_until"]) == (False, until.isoformat())
        done = materialize_project(shop.project, instance, days=days, select="integration/customer_events")
    assert done.failures == []
    (row,) = (row for row in Lake(shop.project.lake_root).read(tables.COVERAGE).to_pylist() if row["days_landed"])
    assert (row["status"], row["days_landed"]) == ("complete", 31)
    assert row["open"].endswith(f"..{yesterday}")
    assert row["days_open"] in (10, 11)  # midnight may pass between the two lines


@given(
    st.dictionaries(
        st.sampled_from(["a", "b", "c"]),
        st.sets(st.dates(dt.date(2026, 1, 1), dt.date(2026, 1, 12))),
    )
)
def test_each_day_of_each_stream_is_read_once_and_nothing_else(by_stream: dict[str, set[dt.date]]) -> None:
    needs = as_needs(by_stream)
    read = [(stream, day) for need in needs for stream in need.streams for day in need.days]
    assert sorted(read) == sorted((stream, day) for stream, days in by_stream.items() for day in days)
    assert [need.days.first for need in needs] == sorted(need.days.first for need in needs)
