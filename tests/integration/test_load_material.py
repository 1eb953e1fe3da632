"""What a load test replays: the busiest hour, and records of the service's own with new ids and times."""

import datetime as dt
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pytest
from integration_fakes import service_for, stream_for
from rehearsals import NOW, PAYLOAD, billing, charges

from cx_orchestration.integration.loadtest.busy_hour import History, history_of, peak_of
from cx_orchestration.integration.loadtest.rehearsal import material_of
from cx_orchestration.integration.loadtest.schedule import SECOND, Slices, arrivals_of
from cx_orchestration.integration.loadtest.shelf import Shelf
from cx_orchestration.integration.loadtest.templates import templates_of
from cx_orchestration.integration.records import record_reader
from cx_orchestration.integration.times import micros, zone_of
from cx_orchestration.model import tables
from cx_orchestration.model.failures import PermanentFailure
from cx_orchestration.storage.engine import Engine
from cx_orchestration.storage.lake import Lake


def land(lake: Lake, stream: str, times: list[dt.datetime], payload: str = PAYLOAD) -> None:
    table = tables.landed("billing", stream)
    rows = pa.table(
        {
            "record_id": [f"{stream}-{number}" for number in range(len(times))],
            "updated_at": pa.array(times, tables.UTC_MICROSECONDS),
            "extracted_at": pa.array([NOW] * len(times), tables.UTC_MICROSECONDS),
            "payload": [payload] * len(times),
            "day": [time.date() for time in times],
        }
    )
    days = rows["day"].to_pylist()
    lake.replace(table, rows, where={"day": (min(days), max(days))}, run_id="r")


def at(day: int, hour: int, minute: int = 0, month: int = 10) -> dt.datetime:
    return dt.datetime(2026, month, day, hour, minute, tzinfo=dt.UTC)


def test_the_busiest_hour_is_the_one_in_which_all_streams_together_brought_most(lake: Lake, engine: Engine) -> None:
    land(lake, "charges", [at(1, 9, 5), at(1, 9, 59), at(1, 10, 0), at(2, 8, 0), at(2, 20, 0), at(2, 20, 59)])
    land(lake, "refunds", [at(2, 20, 30), at(4, 1, 0)])
    found = history_of(lake, engine, "billing", ["charges", "refunds", "never_landed"])
    assert found == History(at(2, 20), per_hour=3, records={"charges": 3, "refunds": 1}, days=4)


def test_an_hour_of_more_than_a_year_ago_is_not_the_years_busiest(lake: Lake, engine: Engine) -> None:
    land(lake, "charges", [dt.datetime(2025, 9, 1, 7, minute, tzinfo=dt.UTC) for minute in range(5)] + [at(1, 9)])
    found = history_of(lake, engine, "billing", ["charges"])
    assert found is not None
    assert (found.began, found.per_hour) == (at(1, 9), 1)


def test_a_service_that_landed_nothing_has_no_history(lake: Lake, engine: Engine) -> None:
    assert history_of(lake, engine, "billing", ["charges"]) is None


def test_a_short_history_says_nothing_about_a_busy_season_and_the_failure_says_what_to_do() -> None:
    short = History(at(1, 9), 40, {"charges": 40}, days=9)
    with pytest.raises(PermanentFailure) as failure:
        peak_of("billing", short, min_days=28, customers_per_year=12_000)
    assert str(failure.value) == (
        "billing has records of 9 days, and load_test.min_history_days in project.yaml asks for 28 days from "
        "the first to the last record before its busiest hour says anything about a busy season. Name the busiest "
        "hour's records with --peak-per-hour (inventory.csv: some 12,000 customers a year), or a "
        "comparable service with --like SERVICE"
    )


def test_the_busiest_hour_is_given_or_taken_from_a_comparable_service_or_from_history() -> None:
    own, other = (History(at(1, 9), count, {"charges": count}, days=400) for count in (40, 90))
    assert peak_of("billing", own, min_days=28).per_hour == 40
    assert peak_of("billing", None, min_days=28, given=1500).per_hour == 1500
    like = peak_of("billing", None, min_days=28, like="shop", history_of_like=other)
    assert (like.per_hour, like.source) == (90, "like shop")
    with pytest.raises(PermanentFailure, match="shop has no landed records"):
        peak_of("billing", own, min_days=28, like="shop", history_of_like=None)
    with pytest.raises(PermanentFailure, match="exclude each other"):
        peak_of("billing", own, min_days=28, given=3, like="shop")


def test_a_history_of_less_than_a_year_is_noted() -> None:
    assert (
        "has records of 90 days: "
        in peak_of("billing", History(at(1, 9), 4, {"charges": 4}, days=90), min_days=28).note
    )
    assert peak_of("billing", History(at(1, 9), 4, {"charges": 4}, days=366), min_days=28).note == ""


@pytest.mark.parametrize(
    ("record_id", "payload"),
    [
        ("id", {"id": "ch_1"}),
        ("id", {"id": 17}),
        ("meta.ids[0]", {"meta": {"ids": ["a", "b"]}}),
        ({"concat": ["order", {"const": ":"}, "status"]}, {"order": 5, "status": "paid"}),
        ({"coalesce": ["uuid", "id"]}, {"uuid": None, "id": "x"}),
        ({"coalesce": ["uuid", "id"]}, {"uuid": "7f", "id": "x"}),
    ],
)
@pytest.mark.parametrize(
    "updated_at",
    [
        {"path": "at"},
        {"path": "at", "format": "epoch_ms"},
        {"path": "at", "format": "%d.%m.%Y %H:%M", "time_zone": "America/Denver"},
        {"path": "at", "format": "date", "time_zone": "Pacific/Auckland"},
        {"path": "at", "time_zone": "Asia/Kolkata"},
        {"coalesce": ["log[1].at", "at"]},
    ],
)
def test_a_replayed_record_has_its_own_id_and_lies_in_the_day_of_its_slice(
    record_id: Any, updated_at: Any, payload: dict[str, Any]
) -> None:
    stream = stream_for(record_id=record_id, updated_at=updated_at)
    kept = {"note": "d41d8cd98f00b204e9800998ecf8427e", "log": [{"at": None}, {"at": None}]}
    text = orjson.dumps({**payload, "at": "2026-01-05", **kept}).decode()
    slices = Slices.of(400, 1)
    moments = np.array([0, 250_000, 999_999, 1_000_000, 399_999_999], dtype=np.int64)
    time = stream.updated_at
    assert time is not None
    shelf = Shelf(stream, time, templates_of(stream, time, [text]), moments, slices)
    read = record_reader(stream.record_id, stream.updated_at)
    records = [read(orjson.loads(shelf.record(number)), True) for number in range(5)]
    assert len({record.record_id for record in records}) == 5
    for record, number in zip(records, (0, 0, 0, 1, 399), strict=True):
        start, end = slices.days(number, number).bounds(zone_of(stream.updated_at))
        assert record.updated_at is not None
        assert micros(start) <= record.updated_at < micros(end)
        assert orjson.loads(record.payload)["note"] == kept["note"]


def test_records_that_cannot_be_given_an_id_and_a_time_are_left_out_and_counted(lake: Lake, engine: Engine) -> None:
    land(lake, "charges", [at(1, 9, minute) for minute in range(3)])
    land(lake, "refunds", [at(1, 9, 30)], payload='["no object"]')
    streams = {"charges": charges(), "refunds": charges()}
    history = history_of(lake, engine, "billing", streams)
    assert history is not None
    material = material_of(lake, engine, service_for("http://b.example", streams), history)
    assert material.records == {"charges": 3}
    assert material.notes == ("1 of 1 records of refunds cannot be given an id and a time: left out",)


def test_a_service_none_of_whose_records_can_be_replayed_is_refused(lake: Lake, engine: Engine) -> None:
    land(lake, "charges", [at(1, 9)], payload="7")
    history = history_of(lake, engine, "billing", ["charges"])
    assert history is not None
    with pytest.raises(PermanentFailure, match="none of the records of its busiest day can be replayed"):
        material_of(lake, engine, billing(charges()), history)


def test_ids_that_are_constants_cannot_be_replayed(lake: Lake, engine: Engine) -> None:
    land(lake, "charges", [at(1, 9)])
    history = history_of(lake, engine, "billing", ["charges"])
    assert history is not None
    with pytest.raises(PermanentFailure, match="billing/charges: record_id is made of constants or a 'map' alone"):
        material_of(lake, engine, billing(stream_for(record_id={"path": "id", "map": {"1": "one"}})), history)


def test_arrivals_have_the_rate_asked_for_and_the_streams_proportion() -> None:
    found = arrivals_of({"charges": 30, "refunds": 10, "disputes": 0}, per_second=2.5, length=40 * SECOND)
    assert {name: len(moments) for name, moments in found.items()} == {"charges": 75, "refunds": 25, "disputes": 0}
    assert all((np.diff(moments) >= 0).all() and moments.max(initial=0) < 40 * SECOND for moments in found.values())
    again = arrivals_of({"charges": 30, "refunds": 10, "disputes": 0}, per_second=2.5, length=40 * SECOND)
    assert all((again[name] == found[name]).all() for name in found)
