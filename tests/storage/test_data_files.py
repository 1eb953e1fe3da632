"""Files written ahead of their commit: nothing counts before it, nothing counts twice after it."""

import datetime as dt
import threading
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

from cx_orchestration.model.failures import PermanentFailure
from cx_orchestration.model.tables import EVENTS, REJECTED_RECORDS, Table, landed
from cx_orchestration.storage.lake import Lake

CHARGES = landed("stripe", "charges")
AT = dt.datetime(2026, 6, 1, 12, tzinfo=dt.UTC)


def day(number: int) -> dt.date:
    return dt.date(2026, 6, number)


def records(*days: int, name: str = "r") -> pa.Table:
    rows = [
        {"record_id": f"{name}{n}", "updated_at": AT, "extracted_at": AT, "payload": "{}", "day": day(number)}
        for n, number in enumerate(days)
    ]
    return pa.Table.from_pylist(rows, schema=CHARGES.schema)


def files_of(lake: Lake, table: Table) -> set[Path]:
    return set((lake.root / table.path).rglob("*.parquet"))


def test_files_count_from_their_commit_on_and_are_one_a_partition(lake: Lake) -> None:
    with lake.writer(CHARGES) as writer:
        writer.write(records(1, 2, 1))
        writer.write(records(2, name="s"))
        files = writer.finish()
    assert lake.read(CHARGES).num_rows == 0
    assert sorted((file.partition, file.rows) for file in files) == [((day(1),), 2), ((day(2),), 2)]
    version = lake.replace_by_files(CHARGES, files, where={"day": (day(1), day(2))}, run_id="a")
    assert lake.read(CHARGES, version=version).num_rows == 4


@pytest.mark.parametrize("days", [[1], [1, 1, 2, 2, 3], [3, 1, 1, 2], [1, 2, 1, 2, 2, 1]])
def test_rows_reach_their_partition_in_whatever_order_they_come(lake: Lake, days: list[int]) -> None:
    rows = records(*days)
    with lake.writer(CHARGES) as writer:
        writer.write(pa.concat_tables([rows.slice(0, 1), rows.slice(1)]))
        files = writer.finish()
    assert {file.partition: file.rows for file in files} == {(day(number),): days.count(number) for number in days}
    lake.replace_by_files(CHARGES, files, where={"day": (day(1), day(3))}, run_id="r")
    found = lake.read(CHARGES, columns=["record_id", "day"]).sort_by("record_id").to_pylist()
    assert found == rows.select(["record_id", "day"]).sort_by("record_id").to_pylist()


def test_a_block_that_is_left_without_finishing_leaves_no_file(lake: Lake) -> None:
    with pytest.raises(KeyboardInterrupt), lake.writer(CHARGES) as writer:
        writer.write(records(1))
        raise KeyboardInterrupt
    assert files_of(lake, CHARGES) == set()


def test_a_file_outside_of_the_slice_is_refused(lake: Lake) -> None:
    with lake.writer(CHARGES) as writer:
        writer.write(records(3))
        files = writer.finish()
    with pytest.raises(PermanentFailure, match="lies outside the slice day = 2026-06-01"):
        lake.replace_by_files(CHARGES, files, where={"day": day(1)}, run_id="a")


def test_writers_that_fill_the_same_empty_day_at_once_leave_the_rows_of_one(lake: Lake) -> None:
    lake.replace(CHARGES, records(), where={"day": day(9)}, run_id="makes the table")
    together = threading.Barrier(4)

    def write(name: str) -> None:
        together.wait()
        lake.replace(CHARGES, records(1, name=name), where={"day": day(1)}, run_id=name)

    threads = [threading.Thread(target=write, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert lake.read(CHARGES).num_rows == 1
    assert sum(commit["operation"] == "WRITE" for commit in lake.history(CHARGES)) == 5


def test_a_value_that_cannot_stand_in_a_path_names_no_partition(lake: Lake) -> None:
    row = {"service": "../x", "stream": "s", "record_id": "1", "event_type": "", "reason": "", "payload": ""}
    rows = pa.Table.from_pylist([{**row, "day": day(1)}], schema=REJECTED_RECORDS.schema)
    with pytest.raises(PermanentFailure, match="cannot name a partition"):
        lake.replace(REJECTED_RECORDS, rows, where={"service": "../x", "day": day(1)}, run_id="a")


def test_days_written_before_a_column_was_declared_read_as_null_in_it(lake: Lake) -> None:
    lake.replace(CHARGES, records(1), where={"day": day(1)}, run_id="a")
    wider = replace(CHARGES, schema=CHARGES.schema.append(pa.field("shard", pa.int64())))
    assert lake.read(wider)["shard"].to_pylist() == [None]
    lake.replace(wider, records(2).append_column("shard", [[7]]), where={"day": day(2)}, run_id="b")
    assert lake.read(wider, {"day": day(1)})["shard"].to_pylist() == [None]
    assert sorted(lake.read(wider)["shard"].to_pylist(), key=str) == [7, None]


def test_nested_and_decimal_columns_come_back_as_they_were(lake: Lake) -> None:
    row = dict.fromkeys(EVENTS.schema.names) | {
        "event_id": "e", "type": "a.b", "occurred_at": AT, "service": "crm", "record_id": "1", "day": day(1),
        "keys": [{"namespace": "email", "value": "x"}], "attributes": "{}",
    }  # fmt: skip
    rows = pa.Table.from_pylist([row], schema=EVENTS.schema)
    lake.replace(EVENTS, rows, where={"service": "crm", "day": day(1)}, run_id="a")
    assert lake.read(EVENTS).select(EVENTS.schema.names).to_pylist() == rows.to_pylist()


@pytest.mark.parametrize("days", [[1, 1], [1, 2, 1]])
def test_a_row_without_a_partition_is_refused_and_not_left_out(lake: Lake, days: list[int]) -> None:
    rows = records(*days)
    at = rows.schema.get_field_index("day")
    rows = rows.set_column(at, "day", pa.array([None, *rows["day"].to_pylist()[1:]], pa.date32()))
    with lake.writer(CHARGES) as writer, pytest.raises(PermanentFailure, match=r"1 of \d rows have no day"):
        writer.write(rows)


def test_files_that_name_no_slice_would_replace_all_days_and_are_refused(lake: Lake) -> None:
    with lake.writer(CHARGES) as writer:
        writer.write(records(1))
        files = writer.finish()
    with pytest.raises(PermanentFailure, match="name the slice to replace"):
        lake.replace_by_files(CHARGES, files, where={}, run_id="a")
