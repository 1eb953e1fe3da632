"""Files that somebody placed in a folder, as days of a stream."""

import datetime as dt
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from zoneinfo import ZoneInfo

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from integration_fakes import PERSON, stream_for

from cx_orchestration.integration.files import file_records
from cx_orchestration.integration.landing import land
from cx_orchestration.integration.source import ServiceSource
from cx_orchestration.model.days import DayRange
from cx_orchestration.model.failures import PermanentFailure
from cx_orchestration.model.service import ServiceDeclaration
from cx_orchestration.model.tables import landed
from cx_orchestration.storage.lake import Lake

ZURICH = ZoneInfo("Europe/Zurich")
FIRST, SECOND, THIRD = (dt.date(2024, 1, n) for n in (1, 2, 3))
DAYS = DayRange(FIRST, THIRD)
NOW = dt.datetime(2024, 2, 1, tzinfo=dt.UTC)


def source_for(folder: Path, pattern: str, kind: str, **changes: Any) -> ServiceSource:
    time = changes.pop("updated_at", "at")
    drop = {"pattern": pattern, "format": kind, **changes}
    stream = stream_for(endpoint=None, files=drop, updated_at=time)
    declaration = ServiceDeclaration.model_validate(
        {"service": "till", "kind": "files", "streams": {"sales": stream.model_dump()}}
    )
    return ServiceSource(declaration, zone=ZURICH, folder=folder, environ={})


def payloads(source: ServiceSource, days: DayRange = DAYS) -> dict[dt.date, list[Any]]:
    """What lands, in the order of ids."""
    with TemporaryDirectory() as folder:
        lake = Lake(folder)
        landing = land(lake, source, "sales", days, run_id="r", now=NOW)
        for failure in landing.failures.values():
            raise failure
        rows = sorted(lake.read(landed("till", "sales")).to_pylist(), key=lambda row: row["record_id"])
    found: dict[dt.date, list[Any]] = {day: [] for day in days}
    for row in rows:
        found[row["day"]].append(orjson.loads(row["payload"]))
    return found


def test_a_file_a_day_gives_that_day_its_rows_whatever_their_time(tmp_path: Path) -> None:
    (tmp_path / "sales-2024-01-01.csv").write_text("id,at,note\n1,2024-01-01T09:00:00Z,a\n2,2031-05-05T00:00:00Z,\n")
    (tmp_path / "sales-2024-01-03.csv").write_text('id,at,note\n3,,"two\nlines"\n')
    assert payloads(source_for(tmp_path, "sales-{day}.csv", "csv")) == {
        FIRST: [{"id": "1", "at": "2024-01-01T09:00:00Z", "note": "a"},
                {"id": "2", "at": "2031-05-05T00:00:00Z", "note": None}],
        SECOND: [],
        THIRD: [{"id": "3", "at": None, "note": "two\nlines"}],
    }  # fmt: skip


def test_several_files_of_a_day_are_read_together(tmp_path: Path) -> None:
    for till in "ab":
        (tmp_path / till).mkdir()
        (tmp_path / till / "20240101.jsonl").write_text(f'{{"id": "{till}"}}\n')
    found = payloads(source_for(tmp_path, "*/{day}.jsonl", "jsonl", day_format="%Y%m%d"))
    assert found == {FIRST: [{"id": "a"}, {"id": "b"}], SECOND: [], THIRD: []}


def test_without_a_day_in_the_name_rows_go_by_their_time_in_the_companys_zone(tmp_path: Path) -> None:
    (tmp_path / "all.csv").write_text(
        "id,at\n1,2024-01-01T22:59:59Z\n2,2024-01-01T23:00:00Z\n3,2023-12-31T22:59:59Z\n4,2024-01-03T23:00:00Z\n"
    )
    source = source_for(tmp_path, "*.csv", "csv")
    assert {day: [row["id"] for row in rows] for day, rows in payloads(source).items()} == {
        FIRST: ["1"],
        SECOND: ["2"],
        THIRD: [],
    }


def test_a_row_without_a_time_is_not_lost(tmp_path: Path, lake: Lake) -> None:
    (tmp_path / "all.csv").write_text("id,at\n1,2024-01-01T12:00:00Z\n2,whenever\n")
    source = source_for(tmp_path, "all.csv", "csv")
    table = landed("till", "sales")
    landing = land(lake, source, "sales", DAYS, run_id="r", now=NOW)
    assert landing.records == {FIRST: 2, SECOND: 1, THIRD: 1}
    whole = lake.content_hash(table)
    for day in (THIRD, FIRST, SECOND):
        land(lake, source, "sales", DayRange(day, day), run_id="again", now=NOW)
    assert lake.content_hash(table) == whole


def test_an_absent_file_is_an_empty_day(tmp_path: Path) -> None:
    for pattern in ("sales-{day}.csv", "sales.csv", "absent/*.csv"):
        assert payloads(source_for(tmp_path, pattern, "csv")) == {FIRST: [], SECOND: [], THIRD: []}


def test_exports_of_spreadsheets_are_read(tmp_path: Path) -> None:
    (tmp_path / "2024-01-01.csv").write_bytes("\ufeffid;at;größe\n1;;x\n".encode())
    (tmp_path / "2024-01-02.csv").write_bytes("id;at;größe\n2;;é\n".encode("latin-1"))
    utf8 = source_for(tmp_path, "{day}.csv", "csv", delimiter=";")
    assert payloads(utf8, DayRange(FIRST, FIRST))[FIRST] == [{"id": "1", "at": None, "größe": "x"}]
    latin = source_for(tmp_path, "{day}.csv", "csv", delimiter=";", encoding="latin-1")
    assert payloads(latin, DayRange(SECOND, SECOND))[SECOND] == [{"id": "2", "at": None, "größe": "é"}]


def test_json_lines_keep_their_types_and_tolerate_blank_lines_and_poison(tmp_path: Path) -> None:
    (tmp_path / "2024-01-01.jsonl").write_bytes(
        b'\xef\xbb\xbf{"id": 1, "b": [true], "at": null}\n\n{"id": 2, "n": NaN}\r\n7\n'
    )
    ((records, day),) = source_for(tmp_path, "{day}.jsonl", "jsonl").read("sales", DayRange(FIRST, FIRST))
    assert day == FIRST
    assert [record.payload for record in records] == ['{"id":1,"b":[true],"at":null}', '{"id":2,"n":NaN}', "7"]


def test_parquet_rows_become_json(tmp_path: Path) -> None:
    moment = dt.datetime(2024, 1, 1, 12, tzinfo=dt.UTC)
    table = pa.table(
        {
            "id": [1],
            "at": pa.array([moment], pa.timestamp("ns", tz="UTC")),
            "on": [FIRST],
            "price": pa.array([Decimal("1.10")], pa.decimal128(9, 2)),
            "share": [float("nan")],
            "tags": [["a", "b"]],
        }
    )
    pq.write_table(table, tmp_path / "all.parquet")
    (row,) = payloads(source_for(tmp_path, "*.parquet", "parquet"))[FIRST]
    assert row == {
        "id": 1,
        "at": "2024-01-01T12:00:00+00:00",
        "on": "2024-01-01",
        "price": "1.10",
        "share": None,
        "tags": ["a", "b"],
    }


@pytest.mark.parametrize(
    ("kind", "content", "expected"),
    [
        ("csv", b"id,at\n1,x\n2\n", "2024-01-01.csv, line 3: 1 values under 2 headings"),
        ("csv", b"id,at\n1,x,y\n", "line 2: 3 values under 2 headings"),
        ("csv", b"id,id\n1,2\n", "line 1: the columns 1 and 2 have the same heading"),
        ("csv", b"", "line 1: expected a line of headings, found an empty file"),
        ("csv", b'id,at\n1,x\n"2,y\n', "line 3: not CSV"),
        ("csv", b"id,at\n1,\xe9\n", "not utf-8"),
        ("jsonl", b'{"id": 1}\n{"id": \n', "2024-01-01.jsonl, line 2: not a JSON value"),
        ("jsonl", b"id,at\n", "line 1: not a JSON value"),
        ("jsonl", b'{"id": "\xe9"}\n', "line 1: not a JSON value in utf-8"),
        ("parquet", b"PAR1 not really", "2024-01-01.parquet: not a parquet file"),
    ],
)
def test_a_malformed_file_fails_its_day_and_names_file_and_line(
    tmp_path: Path, lake: Lake, kind: str, content: bytes, expected: str
) -> None:
    (tmp_path / f"2024-01-01.{kind}").write_bytes(content + PERSON.encode() if kind == "jsonl" else content)
    if kind != "parquet":
        good = {"csv": "id,at\n9,\n", "jsonl": '{"id": 9}\n'}[kind]
        (tmp_path / f"2024-01-02.{kind}").write_text(good)
    source = source_for(tmp_path, "{day}." + kind, kind)
    landing = land(lake, source, "sales", DAYS, run_id="r", now=NOW)
    assert list(landing.failures) == [FIRST]
    assert list(landing.records) == [SECOND, THIRD]
    failure = landing.failures[FIRST]
    assert isinstance(failure, PermanentFailure)
    assert str(failure).startswith("till: ") and expected in str(failure)
    assert PERSON not in str(failure)


SALES: dict[str, Any] = {
    "type": {"path": "kind", "map": {"sale": "order.placed"}},
    "occurred_at": "at",
    "channel": "store",
    "entity": {"coalesce": ["customer", "card"]},
}
RETURNS: dict[str, Any] = {
    "type": "order.returned",
    "when": [{"path": "returned_at", "exists": True}],
    "occurred_at": "returned_at",
    "channel": "store",
    "entity": "customer",
}


def write(path: Path, kind: str, fields: list[str], rows: int = 2) -> Path:
    """A file of rows that hold a person's address under each of the fields."""
    if kind == "csv":
        path.write_text("\n".join([",".join(fields), *([",".join([PERSON] * len(fields))] * rows)]) + "\n")
    elif kind == "jsonl":
        path.write_bytes(b"".join(orjson.dumps(dict.fromkeys(fields, PERSON)) + b"\n" for _ in range(rows)))
    else:
        pq.write_table(pa.table({name: [PERSON] * rows for name in fields}), path)
    return path


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
@pytest.mark.parametrize(
    ("fields", "missing"),
    [
        (["id", "at", "kind", "customer"], None),
        (["id", "at", "kind", "card", "returned_at"], {"csv": "'customer'", "jsonl": None, "parquet": "'customer'"}),
        (["id", "altered_at", "kind", "customer"], "'at'"),
        (["no", "at", "kind", "customer"], "'id'"),
        (["id", "at", "kind", "name"], "'customer' and no 'card'"),
        (["id", "at", "sort", "customer"], "'kind' and no 'returned_at'"),
    ],
)
def test_a_file_without_a_field_that_its_records_need_fails_its_day(
    tmp_path: Path, kind: str, fields: list[str], missing: Any
) -> None:
    path = write(tmp_path / f"2024-01-01.{kind}", kind, fields)
    stream = stream_for(
        endpoint=None, files={"pattern": "{day}", "format": kind}, updated_at="at", events=[SALES, RETURNS]
    )

    def read() -> int:
        assert stream.files is not None
        return len(list(file_records("till", stream, stream.files, path, tmp_path)))

    expected = missing[kind] if isinstance(missing, dict) else missing
    if expected is None:
        assert read() == 2
        return
    with pytest.raises(PermanentFailure) as raised:
        read()
    told = str(raised.value)
    assert told.startswith(f"till: 2024-01-01.{kind}: no {'field' if kind == 'jsonl' else 'column'} {expected}, which")
    assert f"there are {', '.join(map(repr, fields))}" in told and "Correct the file" in told
    assert PERSON not in told


def test_a_file_without_a_line_of_headings_fails_its_day_and_shows_no_record(tmp_path: Path) -> None:
    (tmp_path / "2024-01-01.csv").write_text(f"1,2024-01-01T12:00:00Z,{PERSON}\n")
    with pytest.raises(PermanentFailure, match="is there a line of headings above the records") as raised:
        payloads(source_for(tmp_path, "{day}.csv", "csv"))
    assert PERSON not in str(raised.value)


def test_a_value_that_happens_to_be_called_like_a_field_makes_no_headings_of_a_record(tmp_path: Path) -> None:
    path = tmp_path / "2024-01-01.csv"
    path.write_text(f"1,2024-01-01T12:00:00Z,card,{PERSON}\n")
    stream = stream_for(
        endpoint=None, files={"pattern": "{day}", "format": "csv"}, updated_at="at", events=[SALES, RETURNS]
    )
    assert stream.files is not None
    with pytest.raises(PermanentFailure, match="is there a line of headings above the records") as raised:
        list(file_records("till", stream, stream.files, path, tmp_path))
    assert PERSON not in str(raised.value)


def test_a_single_record_that_lacks_a_field_is_left_to_the_mapping(tmp_path: Path) -> None:
    write(tmp_path / "2024-01-01.jsonl", "jsonl", ["id"], rows=1)
    write(tmp_path / "2024-01-02.jsonl", "jsonl", ["id", "at"])
    (tmp_path / "2024-01-03.jsonl").write_text('{"id": 1}\n{"id": 2, "at": null}\n')
    found = payloads(source_for(tmp_path, "{day}.jsonl", "jsonl"))
    assert [len(found[day]) for day in DAYS] == [1, 1, 2]


def test_a_column_that_json_cannot_carry_is_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table({"id": [1], "at": [None], "raw": [b"\xff"]}), tmp_path / "2024-01-01.parquet")
    with pytest.raises(PermanentFailure, match=r"2024-01-01\.parquet: a column holds values that JSON cannot carry"):
        payloads(source_for(tmp_path, "{day}.parquet", "parquet"))


def test_a_link_out_of_the_project_folder_is_not_followed(tmp_path: Path) -> None:
    secret, project = tmp_path / "secret.csv", tmp_path / "project"
    project.mkdir()
    secret.write_text("id,at\n1,2024-01-01T12:00:00Z\n")
    (project / "2024-01-01.csv").symlink_to(secret)
    with pytest.raises(PermanentFailure, match="outside the project folder"):
        payloads(source_for(project, "{day}.csv", "csv"))


def test_new_files_are_seen_without_reading_them(tmp_path: Path) -> None:
    start = dt.datetime(2024, 1, 1, 23, tzinfo=dt.UTC)  # midnight of the second in Zurich
    (tmp_path / "2024-01-02.csv").write_text("not even CSV")
    named = source_for(tmp_path, "{day}.csv", "csv")
    assert named.has_new("sales", start, start + dt.timedelta(days=1))
    assert not named.has_new("sales", start - dt.timedelta(days=1), start)
    changed = dt.datetime.fromtimestamp((tmp_path / "2024-01-02.csv").stat().st_mtime, dt.UTC)
    unnamed = source_for(tmp_path, "*.csv", "csv")
    assert unnamed.has_new("sales", changed - dt.timedelta(seconds=1), changed)
    assert not unnamed.has_new("sales", changed + dt.timedelta(seconds=1), changed + dt.timedelta(seconds=2))
