"""What the lake promises its readers and writers."""

import dataclasses
import datetime as dt
import threading
from pathlib import Path

import pyarrow as pa
import pytest

from cx_orchestration.model.failures import PermanentFailure
from cx_orchestration.model.tables import REJECTED_RECORDS, SEQUENCES, SERVICE_SCORES, landed
from cx_orchestration.storage.engine import Engine
from cx_orchestration.storage.lake import Lake

CHARGES = landed("stripe", "charges")
EXTRACTED = dt.datetime(2026, 7, 1, tzinfo=dt.UTC)


def day(number: int) -> dt.date:
    return dt.date(2026, 6, number)


def records(*days: int, extracted_at: dt.datetime = EXTRACTED) -> pa.Table:
    rows = [
        {
            "record_id": f"r{position}",
            "updated_at": dt.datetime(2026, 6, number, 12, tzinfo=dt.UTC),
            "extracted_at": extracted_at,
            "payload": f'{{"n": {position}}}',
            "day": day(number),
        }
        for position, number in enumerate(days)
    ]
    return pa.Table.from_pylist(rows, schema=CHARGES.schema)


def landed_days(lake: Lake) -> list[int]:
    return sorted(value.day for value in lake.read(CHARGES).column("day").to_pylist())


def test_a_note_is_of_the_newest_commit_alone(lake):
    table = SEQUENCES
    with lake.writer(table) as writer:
        files = writer.finish()
    assert lake.note(table) == {}
    lake.replace_by_files(table, files, where={"bucket": 0}, run_id="r", note={"made_of": "7"})
    assert lake.note(table) == {"made_of": "7"}
    lake.swap(table, [], files, run_id="r", note={"made_of": "8", "more": "x"})
    assert lake.note(table) == {"made_of": "8", "more": "x"}
    lake.swap(table, [], files, run_id="r")
    assert lake.note(table) == {}


def test_replacing_a_day_leaves_the_other_days_alone(lake: Lake) -> None:
    lake.replace(CHARGES, records(1, 2, 3), where={"day": (day(1), day(3))}, run_id="a")
    lake.replace(CHARGES, records(2, 2), where={"day": day(2)}, run_id="b")
    assert landed_days(lake) == [1, 2, 2, 3]


def test_an_empty_replacement_clears_the_day(lake: Lake) -> None:
    lake.replace(CHARGES, records(1, 2), where={"day": (day(1), day(2))}, run_id="a")
    lake.replace(CHARGES, records(), where={"day": day(1)}, run_id="b")
    assert landed_days(lake) == [2]


def test_a_range_of_days_is_one_commit_that_names_its_run(lake: Lake) -> None:
    lake.replace(CHARGES, records(1, 2, 3), where={"day": (day(1), day(3))}, run_id="the-run")
    newest = lake.history(CHARGES)[0]
    assert (newest["version"], newest["run_id"]) == (1, "the-run")


def test_an_earlier_version_stays_readable(lake: Lake) -> None:
    before = lake.replace(CHARGES, records(1), where={"day": day(1)}, run_id="a")
    lake.replace(CHARGES, records(1, 1), where={"day": day(1)}, run_id="b")
    assert lake.read(CHARGES, version=before).num_rows == 1


def test_a_partitioned_table_is_never_replaced_whole(lake: Lake) -> None:
    with pytest.raises(PermanentFailure, match="name the slice"):
        lake.replace(CHARGES, records(1), run_id="a")


def test_a_row_outside_the_slice_is_refused_and_nothing_is_written(lake: Lake) -> None:
    with pytest.raises(PermanentFailure, match="1 of 2 rows lie outside"):
        lake.replace(CHARGES, records(1, 2), where={"day": day(1)}, run_id="a")
    assert lake.read(CHARGES).num_rows == 0


def test_a_slice_by_a_column_that_does_not_partition_is_refused(lake: Lake) -> None:
    with pytest.raises(PermanentFailure, match="not partitioned by record_id"):
        lake.replace(CHARGES, records(1), where={"record_id": "r0"}, run_id="a")


def test_rows_without_a_declared_column_are_refused(lake: Lake) -> None:
    with pytest.raises(PermanentFailure, match="lack the columns payload"):
        lake.replace(CHARGES, records(1).drop(["payload"]), where={"day": day(1)}, run_id="a")


def test_a_text_partition_with_a_quote_or_digits_stays_text(lake: Lake) -> None:
    row = {"service": "s_007", "stream": "o'hara", "record_id": "1", "event_type": "", "reason": "", "payload": ""}
    rows = pa.Table.from_pylist([{**row, "day": day(1)}], schema=REJECTED_RECORDS.schema)
    lake.replace(REJECTED_RECORDS, rows, where={"service": "s_007", "day": day(1)}, run_id="a")
    assert lake.read(REJECTED_RECORDS, {"service": "s_007"}).column("service").to_pylist() == ["s_007"]


def test_a_new_column_is_added_and_an_old_one_kept(lake: Lake) -> None:
    base = {"service": ["crm"], "impact_score": [1.0], "complexity_score": [2.0], "disposition": ["x"], "why": ["y"]}
    lake.replace(SERVICE_SCORES, pa.table({**base, "cost_share": [3.0]}), run_id="a")
    lake.replace(SERVICE_SCORES, pa.table({**base, "risk_share": [4.0]}), run_id="b")
    assert lake.read(SERVICE_SCORES).select(["cost_share", "risk_share"]).to_pylist() == [
        {"cost_share": None, "risk_share": 4.0}
    ]


def test_the_content_hash_ignores_order_and_time_of_extraction_but_no_value(lake: Lake) -> None:
    where = {"day": (day(1), day(2))}
    lake.replace(CHARGES, records(1, 2), where=where, run_id="a")
    first = lake.content_hash(CHARGES)
    later = records(1, 2, extracted_at=EXTRACTED + dt.timedelta(days=1))
    lake.replace(CHARGES, later.take([1, 0]), where=where, run_id="b")
    assert lake.content_hash(CHARGES) == first
    lake.replace(CHARGES, records(2, 2), where=where, run_id="c")
    assert lake.content_hash(CHARGES) != first


def test_partition_values_are_those_that_have_rows(lake: Lake) -> None:
    lake.replace(CHARGES, records(1, 3), where={"day": (day(1), day(3))}, run_id="a")
    lake.replace(CHARGES, records(), where={"day": day(1)}, run_id="b")
    assert lake.partition_values(CHARGES, "day") == ["2026-06-03"]
    assert lake.partition_values(REJECTED_RECORDS, "day") == []


def test_a_table_never_written_reads_as_empty(lake: Lake) -> None:
    assert lake.read(CHARGES).schema == CHARGES.schema
    assert lake.version(CHARGES) is None


def test_a_table_with_the_partitions_of_an_earlier_version_is_named_with_the_way_out(lake: Lake) -> None:
    lake.replace(CHARGES, records(1), where={"day": day(1)}, run_id="a")
    by_record = dataclasses.replace(CHARGES, partition_by=("record_id",))
    with pytest.raises(PermanentFailure, match=r"lies by day.*materialize its asset"):
        lake.scan(by_record)


def test_a_lake_in_a_folder_with_spaces_and_percent_signs_is_readable(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "my lake 100%")
    lake.replace(CHARGES, records(1), where={"day": day(1)}, run_id="a")
    assert landed_days(lake) == [1]
    assert lake.paths() == ["landing/stripe/charges"]


def test_writers_of_different_services_at_once_all_get_through(lake: Lake) -> None:
    def write(service: str) -> None:
        row = {"service": service, "stream": "s", "record_id": "1", "event_type": "", "reason": "", "payload": ""}
        rows = pa.Table.from_pylist([{**row, "day": day(1)}], schema=REJECTED_RECORDS.schema)
        lake.replace(REJECTED_RECORDS, rows, where={"service": service, "day": day(1)}, run_id=service)

    names = [f"service_{number}" for number in range(6)]
    threads = [threading.Thread(target=write, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(lake.read(REJECTED_RECORDS).column("service").to_pylist()) == names


def test_a_query_cannot_read_files_other_than_its_inputs(lake: Lake, engine: Engine, tmp_path: Path) -> None:
    secret = tmp_path / "secret.csv"
    secret.write_text("a\n1\n")
    lake.replace(CHARGES, records(1), where={"day": day(1)}, run_id="a")
    with pytest.raises(Exception, match="disabled"):
        engine.query(f"SELECT * FROM read_csv('{secret}')", {"charges": lake.scan(CHARGES)})


def test_a_query_sees_its_inputs_and_the_parameters_it_names(lake: Lake, engine: Engine) -> None:
    lake.replace(CHARGES, records(1, 2), where={"day": (day(1), day(2))}, run_id="a")
    sql = "SELECT count(*) AS n FROM charges JOIN wanted USING (record_id) WHERE day >= $since"
    inputs = {"charges": lake.scan(CHARGES), "wanted": pa.table({"record_id": ["r0", "r1"]})}
    assert engine.query(sql, inputs, {"since": day(2), "unused": 1}).to_pylist() == [{"n": 1}]


def test_a_folder_that_cannot_be_written_is_named_before_anything_is_done(tmp_path: Path) -> None:
    in_the_way = tmp_path / "lake"
    in_the_way.write_text("a file", encoding="utf-8")
    with pytest.raises(PermanentFailure, match="cannot be written"):
        Lake(in_the_way).require_writable()
    Lake(tmp_path / "new" / "lake").require_writable()
