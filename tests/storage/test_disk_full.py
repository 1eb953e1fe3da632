"""A full disk: a failure that says where and what to do, what was there before stays, and afterwards a rerun works."""

import datetime as dt
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TypeAlias

import pyarrow as pa
import pytest

from cx_orchestration.model.failures import Failure, PermanentFailure, TransientFailure
from cx_orchestration.model.tables import landed
from cx_orchestration.storage.engine import Engine
from cx_orchestration.storage.full_disk import write_failure
from cx_orchestration.storage.lake import Lake
from cx_orchestration.storage.registry import Attempt, Registry

TABLE = landed("shop", "orders")
DAY = dt.date(2026, 6, 1)
AT = dt.datetime(2026, 6, 1, 12, tzinfo=dt.UTC)

FullDisk: TypeAlias = Callable[[int], AbstractContextManager[None]]


def rows(count: int) -> pa.Table:
    at = pa.array([AT] * count, TABLE.schema.field("updated_at").type)
    return pa.table(
        {
            "record_id": [f"ada.canary{number}@example.org" for number in range(count)],
            "updated_at": at,
            "extracted_at": at,
            "payload": [f'{{"n": {number}}}' for number in range(count)],
            "day": pa.array([DAY] * count, pa.date32()),
        }
    )


def replace(lake: Lake, count: int) -> int:
    return lake.replace(TABLE, rows(count), where={"day": DAY}, run_id="a run")


@pytest.mark.parametrize(
    ("count", "size"), [(1, 100), (20_000, 3_000), (0, 100)], ids=["small file", "large file", "commit without a file"]
)
def test_a_day_that_does_not_fit_leaves_the_old_one(
    lake: Lake, no_file_longer_than: FullDisk, count: int, size: int
) -> None:
    replace(lake, 3)
    before = lake.content_hash(TABLE), lake.state(TABLE)
    with no_file_longer_than(size), pytest.raises(PermanentFailure) as failed:
        replace(lake, count)
    assert f"the disk of {lake.root}" in str(failed.value)
    assert "MiB free); what did not fit changed nothing. Make room, then rerun" in str(failed.value)
    assert "canary" not in str(failed.value)
    assert (lake.content_hash(TABLE), lake.state(TABLE)) == before
    replace(lake, 20_000)
    assert lake.read(TABLE).num_rows == 20_000


def test_a_table_that_cannot_be_made_is_no_table(lake: Lake, no_file_longer_than: FullDisk) -> None:
    with no_file_longer_than(100), pytest.raises(PermanentFailure, match="Make room"):
        replace(lake, 1)
    assert lake.read(TABLE).num_rows == 0
    replace(lake, 1)
    assert lake.read(TABLE).num_rows == 1


def test_another_error_of_the_disk_is_told_by_its_reason(tmp_path: Path) -> None:
    failure = write_failure("landing/shop/orders", tmp_path / "absent", PermissionError(13, "Permission denied"))
    assert str(failure) == f"landing/shop/orders: {tmp_path} cannot be written: Permission denied"


def test_a_full_registry_keeps_what_it_has(tmp_path: Path, no_file_longer_than: FullDisk) -> None:
    registry = Registry(f"sqlite:///{tmp_path / 'registry.db'}")
    known = Attempt("shop", "orders", DAY, "a run", AT, "landed", 3)
    registry.record([known])
    size = (tmp_path / "registry.db").stat().st_size
    with no_file_longer_than(size), pytest.raises(TransientFailure) as failed:
        registry.record([Attempt("shop", "orders", DAY, "a run", AT, "failed", message="long " * 200)] * 200)
    assert "look at its disk" in str(failed.value)
    assert str(tmp_path / "registry.db") in str(failed.value)
    assert registry.latest() == [known]
    registry.record([known])
    registry.close()


def test_a_query_that_does_not_fit_names_where_it_spills_to(tmp_path: Path, no_file_longer_than: FullDisk) -> None:
    engine = Engine(memory_limit="60MB", temp_directory=str(tmp_path / "spill"))
    large = "SELECT count(*) AS n FROM (SELECT DISTINCT hash(i)::VARCHAR || repeat('x', 50) FROM range(2000000) t(i))"
    with no_file_longer_than(1 << 20), pytest.raises(Failure) as failed:
        engine.query(large)
    assert str(tmp_path / "spill") in str(failed.value)
    assert engine.query(large).to_pylist() == [{"n": 2_000_000}]
