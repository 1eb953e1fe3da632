"""What a killed write leaves in the lake is found and removed, and nothing else is."""

import datetime as dt
import os
from pathlib import Path

import pyarrow as pa
import pytest
from typer.testing import CliRunner

from cx_orchestration.cli import app
from cx_orchestration.model.tables import landed
from cx_orchestration.project.template import write_template
from cx_orchestration.storage.lake import Lake
from cx_orchestration.storage.orphans import find_orphans, remove_orphans

TABLE = landed("a shop", "orders")
DAY = dt.date(2026, 6, 1)
LONG_AGO = dt.datetime(2026, 6, 2, tzinfo=dt.UTC)
NOW = dt.datetime.now(dt.UTC) + dt.timedelta(minutes=1)


def rows(*ids: str) -> pa.Table:
    at = pa.array([LONG_AGO] * len(ids), TABLE.schema.field("updated_at").type)
    payload = pa.array(["{}"] * len(ids))
    day = pa.array([DAY] * len(ids), pa.date32())
    return pa.table({"record_id": ids, "updated_at": at, "extracted_at": at, "payload": payload, "day": day})


@pytest.fixture
def written(lake: Lake) -> Lake:
    for ids in (["1"], ["1", "2"], ["3"]):
        lake.replace(TABLE, rows(*ids), where={"day": DAY}, run_id="a run")
    return lake


def leave(lake: Lake, at: dt.datetime = LONG_AGO) -> list[Path]:
    """What kills leave: a data file that was not named any more, one half written, a commit half written."""
    root = lake.root / TABLE.path
    partition = next(root.glob("day=*"))
    left = [
        partition / "part-00001-abc.snappy.parquet",
        partition / "part-00002-def.snappy.parquet#1",
        root / "_delta_log" / "_commit_0b5c.json.tmp",
        root / "_delta_log" / "00000000000000000099.json#1",
    ]
    for path in left:
        path.write_bytes(b"half")
        os.utime(path, (at.timestamp(), at.timestamp()))
    return left


def test_only_what_no_version_names_is_removed(written: Lake) -> None:
    before = {path for path in written.root.rglob("*") if path.is_file()}
    versions = [sorted(written.read(TABLE, version=version)["record_id"].to_pylist()) for version in range(1, 4)]
    state = written.state(TABLE)
    left = leave(written)
    found = find_orphans(written.root, before=NOW)
    assert sorted(orphan.path for orphan in found) == sorted(left)
    assert sum(orphan.size for orphan in found) == 16
    remove_orphans(found)
    assert {path for path in written.root.rglob("*") if path.is_file()} == before
    assert versions == [["1"], ["1", "2"], ["3"]]
    assert [
        sorted(written.read(TABLE, version=version)["record_id"].to_pylist()) for version in range(1, 4)
    ] == versions
    assert written.state(TABLE) == state
    remove_orphans(found)


def test_where_somebody_thinned_out_the_log_no_data_file_is_taken_for_an_orphan(written: Lake) -> None:
    *_, log = leave(written)
    (log.parent / "00000000000000000002.json").unlink()
    assert {orphan.path.parent for orphan in find_orphans(written.root, before=NOW)} == {log.parent}


def test_a_write_under_way_is_not_touched(written: Lake) -> None:
    leave(written, at=NOW)
    assert find_orphans(written.root, before=NOW - dt.timedelta(hours=1)) == []


def test_a_folder_that_is_no_lake_has_none(tmp_path: Path) -> None:
    assert find_orphans(tmp_path / "nowhere", before=NOW) == []
    (tmp_path / "somebodys.parquet").write_bytes(b"data")
    assert find_orphans(tmp_path, before=NOW) == []


def test_prune_removes_them_from_the_lake_of_the_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, home = tmp_path / "project", tmp_path / "home"
    home.mkdir()
    (home / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    monkeypatch.setenv("DAGSTER_HOME", str(home))
    write_template(folder)
    lake = Lake(folder / "lake")
    lake.replace(TABLE, rows("1"), where={"day": DAY}, run_id="a run")
    left = leave(lake)

    def said(*options: str) -> str:
        result = CliRunner().invoke(app, ["prune", "--project", str(folder), "--keep-days", "90", *options])
        assert result.exit_code == 0, result.output
        return result.output.splitlines()[-1]

    assert said("--dry-run") == "Files that killed writes left in the lake: 4 to delete (0.0 MB)."
    assert all(path.exists() for path in left)
    assert said() == "Files that killed writes left in the lake: 4 deleted (0.0 MB)."
    assert not any(path.exists() for path in left)
    assert lake.read(TABLE)["record_id"].to_pylist() == ["1"]
