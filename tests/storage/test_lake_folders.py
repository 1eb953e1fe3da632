"""Which folders a lake can lie in: those where tables are written and read back as they are, and no others."""

import datetime as dt
from pathlib import Path

import pyarrow as pa
import pytest

from cx_orchestration.model.failures import PermanentFailure
from cx_orchestration.model.tables import landed
from cx_orchestration.storage.lake import Lake

CHARGES = landed("stripe", "charges")
DAY = dt.date(2026, 6, 1)


@pytest.mark.parametrize(
    "name", ["a b", " a", "100%", "a%2", "a%zz", "é日本", "o'hara", 'a"b', "a{b}", "a&b;c,d+e~f@g!h$i"]
)
def test_a_table_in_a_folder_of_this_name_is_read_back_as_written(tmp_path: Path, name: str) -> None:
    lake = Lake(tmp_path / name)
    at = dt.datetime(2026, 6, 1, tzinfo=dt.UTC)
    row = {"record_id": "r", "updated_at": at, "extracted_at": at, "payload": "{}", "day": DAY}
    rows = pa.Table.from_pylist([row], schema=CHARGES.schema)
    for run in ("first", "second"):
        lake.replace(CHARGES, rows, where={"day": DAY}, run_id=run)
    assert lake.read(CHARGES).drop_columns(["deleted"]).to_pylist() == [row]
    assert [commit.get("run_id") for commit in lake.history(CHARGES)][:2] == ["second", "first"]
    assert (tmp_path / name / "landing/stripe/charges/_delta_log").is_dir()


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("a%20b", "%20"),
        ("a%5bb", "%5b"),
        ("a[b", "["),
        ("a]b", "]"),
        ("a*b", "*"),
        ("a?b", "?"),
        ("a#b", "#"),
        ("a^b", "^"),
        ("a|b", "|"),
        ("a\\b", "\\\\"),
        ("day=2026-06-02", "="),
        ("a\tb", "\\t"),
    ],
)
def test_a_folder_whose_name_stands_for_another_is_refused_with_its_name(tmp_path: Path, name: str, found: str) -> None:
    with pytest.raises(PermanentFailure) as refused:
        Lake(tmp_path / name / "lake")
    message = str(refused.value)
    assert f"'{found}' in a path" in message
    assert repr(str(tmp_path / name / "lake")) in message
    assert "name another folder" in message


def test_a_link_to_a_good_folder_is_a_way_out(tmp_path: Path) -> None:
    (tmp_path / "good").mkdir()
    (tmp_path / "a=b").symlink_to(tmp_path / "good", target_is_directory=True)
    assert Lake(tmp_path / "a=b" / "lake").root == tmp_path / "good" / "lake"
