"""What a landed day must be, read back from the lake: each row breaks it in one place."""

import datetime as dt
from typing import Any

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from cx_orchestration.integration.landed_contract import BrokenContract, Contract, check_contract, withhold_broken
from cx_orchestration.integration.landing import Landing
from cx_orchestration.model import tables
from cx_orchestration.model.failures import PermanentFailure, TransientFailure
from cx_orchestration.storage.engine import Engine
from cx_orchestration.storage.lake import Lake

TABLE = tables.landed("billing", "charges")
DAY = dt.date(2026, 6, 10)
NEXT, LATER = DAY + dt.timedelta(days=1), DAY + dt.timedelta(days=2)
NOW = dt.datetime(2026, 6, 12, tzinfo=dt.UTC)


def row(record_id: str | None, day: dt.date = DAY, **changes: Any) -> dict[str, Any]:
    return {"record_id": record_id, "updated_at": NOW, "extracted_at": NOW, "payload": "{}", "day": day, **changes}


def write(lake: Lake, rows: list[dict[str, Any]]) -> int:
    return lake.replace(TABLE, pa.Table.from_pylist(rows, TABLE.schema), where={"day": (DAY, NEXT)}, run_id="r")


def check(lake: Lake, rows: list[dict[str, Any]], landed: dict[dt.date, int]) -> Contract:
    return check_contract(lake, Engine(), TABLE, landed, dict.fromkeys(landed, write(lake, rows)))


def test_days_as_they_landed_keep_it_with_and_without_records(lake: Lake) -> None:
    assert check(lake, [row("a"), row("b"), row("a", NEXT)], {DAY: 2, NEXT: 1}).broken == {}
    assert check(lake, [row("a")], {DAY: 1, NEXT: 0}).broken == {}
    assert check_contract(lake, Engine(), TABLE, {}, {}).broken == {}


def test_a_first_day_without_any_record_keeps_it_though_there_is_no_table(lake: Lake) -> None:
    assert check_contract(lake, Engine(), TABLE, {DAY: 0}, {DAY: None}).broken == {}


@pytest.mark.parametrize(
    ("rows", "landed", "what"),
    [
        ([row("a"), row("a")], 2, "1 records repeat the record_id of another one"),
        ([row("a"), row(None)], 2, "1 records have no record_id"),
        ([row("")], 1, "1 records have no record_id"),
        ([row("a", extracted_at=None)], 1, "1 records have no extracted_at"),
        ([row("a", payload=None)], 1, "1 records have no payload"),
        ([row("a", payload="")], 1, "1 records have no payload"),
        ([row("a")], 2, "it holds 1 records in place of the 2 that landed"),
        ([], 1, "it holds 0 records in place of the 1 that landed"),
    ],
)
def test_a_day_that_is_not_what_its_readers_rely_on_breaks_it_alone(
    lake: Lake, rows: list[dict[str, Any]], landed: int, what: str
) -> None:
    found = check(lake, [*rows, row("b", NEXT)], {DAY: landed, NEXT: 1})
    assert found.broken == {DAY: [what]}


def test_what_another_run_puts_in_place_of_a_day_is_not_held_against_the_run_that_landed_it_before(lake: Lake) -> None:
    ours = write(lake, [row("a"), row("b", NEXT)])
    theirs = write(lake, [row("a"), row("c"), row("c")])
    looked_at_late = check_contract(lake, Engine(), TABLE, {DAY: 1, NEXT: 1}, {DAY: ours, NEXT: ours})
    assert looked_at_late.broken == {}
    assert check_contract(lake, Engine(), TABLE, {DAY: 3}, {DAY: theirs}).broken.keys() == {DAY}


def test_days_that_landed_in_several_commits_are_looked_at_in_each(lake: Lake) -> None:
    first, second = write(lake, [row("a")]), write(lake, [row("a"), row("c"), row("b", NEXT), row("b", NEXT)])
    found = check_contract(lake, Engine(), TABLE, {DAY: 1, NEXT: 2}, {DAY: first, NEXT: second})
    assert found.broken == {NEXT: ["1 records repeat the record_id of another one"]}


def test_a_payload_that_is_no_json_is_counted_for_quarantine_and_breaks_nothing(lake: Lake) -> None:
    found = check(lake, [row("a", payload="{"), row("b")], {DAY: 2})
    assert (found.broken, found.not_json) == ({}, 1)


@pytest.mark.parametrize(
    ("column", "kind", "what"),
    [
        ("day", pa.string(), "column day is string in place of date32[day]"),
        ("updated_at", pa.string(), "column updated_at is string in place of timestamp[us, tz=UTC]"),
        ("payload", None, "column payload is missing"),
    ],
)
def test_a_table_of_another_shape_breaks_it_for_every_day(
    lake: Lake, column: str, kind: pa.DataType | None, what: str
) -> None:
    rows = pa.Table.from_pylist([row("a")], TABLE.schema)
    place = rows.schema.get_field_index(column)
    rows = rows.set_column(place, column, rows[column].cast(kind)) if kind else rows.remove_column(place)
    write_deltalake(str(lake.root / TABLE.path), rows, partition_by=["day"])
    assert check_contract(lake, Engine(), TABLE, {DAY: 1, NEXT: 0}, {DAY: 0, NEXT: 0}).broken == {
        DAY: [what],
        NEXT: [what],
    }


def test_a_table_that_is_not_partitioned_by_day_breaks_it(lake: Lake) -> None:
    write_deltalake(str(lake.root / TABLE.path), pa.Table.from_pylist([row("a")], TABLE.schema))
    (what,) = check_contract(lake, Engine(), TABLE, {DAY: 1}, {DAY: 0}).broken[DAY]
    assert what == "it is partitioned by nothing in place of day"


def test_a_broken_day_counts_as_failed_and_names_no_record(lake: Lake) -> None:
    version = write(lake, [row("ada@canary.example")] * 2 + [row("b", NEXT)])
    landing = Landing(records={DAY: 2, NEXT: 1}, versions={DAY: version, NEXT: version}, kept=[DAY, NEXT])
    assert withhold_broken(lake, Engine(), TABLE, landing).broken.keys() == {DAY}
    assert landing.records == {NEXT: 1}
    assert landing.kept == [NEXT]
    assert isinstance(landing.failures[DAY], BrokenContract)
    assert "canary" not in str(landing.failures[DAY])
    assert "Rerun the day" in str(landing.failures[DAY])


def test_days_that_cannot_be_looked_at_count_as_failed(lake: Lake) -> None:
    write(lake, [row("a"), row("b", NEXT)])
    next((lake.root / TABLE.path).rglob("*.parquet")).unlink()
    failed = TransientFailure("page 2: no complete answer")
    landing = Landing(records={DAY: 1, NEXT: 1}, failures={LATER: failed})
    withhold_broken(lake, Engine(), TABLE, landing)
    assert landing.records == {}
    assert {day: type(failure) for day, failure in landing.failures.items()} == {
        DAY: PermanentFailure,
        NEXT: PermanentFailure,
        LATER: type(failed),
    }
