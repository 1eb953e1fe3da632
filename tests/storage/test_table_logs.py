"""A log that was opened before counts as long as its files say the same."""

import shutil
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from cx_orchestration.storage.table_logs import TableLogs


def commit(folder: Path, rows: int) -> None:
    """What another process does: nothing of it is known here."""
    write_deltalake(str(folder), pa.table({"n": range(rows)}), mode="overwrite")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    commit(tmp_path / "table", 1)
    return tmp_path / "table"


def test_an_unchanged_log_is_opened_once(folder: Path) -> None:
    logs = TableLogs()
    assert logs.open(folder) is logs.open(folder) is logs.open(folder, 0)


def test_a_commit_of_another_process_is_seen(folder: Path) -> None:
    logs = TableLogs()
    before = logs.open(folder)
    commit(folder, 2)
    assert (before.version(), logs.open(folder).version(), logs.open(folder, 0).version()) == (0, 1, 0)


def test_a_table_made_anew_in_the_same_place_is_another(folder: Path) -> None:
    logs = TableLogs()
    before = logs.open(folder).metadata().id
    shutil.rmtree(folder)
    assert not logs.has(folder)
    commit(folder, 1)
    assert logs.has(folder)
    assert logs.open(folder).metadata().id != before


def test_of_many_tables_the_latest_are_kept(tmp_path: Path) -> None:
    logs = TableLogs(most=2)
    for name in "abc":
        commit(tmp_path / name, 1)
    opened = {name: logs.open(tmp_path / name) for name in "abc"}
    assert logs.open(tmp_path / "c") is opened["c"]
    assert logs.open(tmp_path / "a") is not opened["a"]
    assert logs.open(tmp_path / "a").version() == 0
