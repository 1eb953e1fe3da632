"""A file of the lake, a table's log or the registry that was overwritten: named, with what to do."""

import datetime as dt
from pathlib import Path

import pyarrow as pa
import pytest

from cx_orchestration.model.failures import PermanentFailure
from cx_orchestration.model.tables import (
    COVERAGE,
    CUSTOMER_HISTORY,
    EVENT_TYPES,
    EVENTS,
    KEY_VALUES,
    LINKS,
    SEQUENCES,
    Table,
    landed,
)
from cx_orchestration.storage.damage import damaged_file
from cx_orchestration.storage.engine import Engine
from cx_orchestration.storage.lake import Lake
from cx_orchestration.storage.registry import Registry

ORDERS = landed("till", "orders")
DAY = dt.date(2026, 1, 3)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    lake = Lake(tmp_path / "lake")
    row = {**dict.fromkeys(ORDERS.schema.names), "record_id": "1", "payload": "{}" * 1000, "day": DAY}
    rows = pa.Table.from_pylist([row], schema=ORDERS.schema)
    lake.replace(ORDERS, rows, where={"day": (DAY, DAY)}, run_id="r")
    return lake


def file_of(lake: Lake) -> Path:
    (file,) = lake.live_files(ORDERS)
    return lake.folder_of(ORDERS) / file.path


@pytest.mark.parametrize("how", ["overwritten", "empty", "truncated", "gone"])
def test_a_damaged_file_is_named_with_its_day_and_how_to_land_it_again(lake: Lake, how: str) -> None:
    file = file_of(lake)
    content = {"overwritten": b"rubbish" * 30, "empty": b"", "truncated": file.read_bytes()[:-30]}
    file.unlink() if how == "gone" else file.write_bytes(content[how])
    with pytest.raises(PermanentFailure) as failed:
        lake.read(ORDERS)
    assert str(failed.value) == (
        f"landing/till/orders 2026-01-03: the file {file} is {'gone' if how == 'gone' else 'damaged'}. Restore it from "
        "the backup, or land it again: cx run --select landing/till/orders --since 2026-01-03 --until 2026-01-03"
    )
    row = {**dict.fromkeys(ORDERS.schema.names), "record_id": "2", "day": DAY}
    again = pa.Table.from_pylist([row], schema=ORDERS.schema)
    lake.replace(ORDERS, again, where={"day": (DAY, DAY)}, run_id="r")
    assert lake.read(ORDERS)["record_id"].to_pylist() == ["2"]


def test_damage_that_is_met_within_a_query_names_the_table(lake: Lake) -> None:
    file = file_of(lake)
    content = file.read_bytes()
    file.write_bytes(content[:4] + bytes(200) + content[204:])
    with pytest.raises(PermanentFailure, match="a file of landing/till/orders is damaged"):
        lake.read(ORDERS)


@pytest.mark.parametrize(
    ("table", "file", "way_out"),
    [
        (SEQUENCES, "bucket=0/week=1/part-0", "or move /lake/journeys/sequences away and make the table again: cx run "
         "--select group:journeys"),
        (EVENT_TYPES, "part-0", "or move /lake/journeys/event_types and /lake/journeys/sequences away and make the "
         "table again: cx run --select group:journeys"),
        (KEY_VALUES, "part-0", "or move /lake/identity/key_values and /lake/identity/linked away and make the table "
         "again: cx run --select group:identity"),
        (COVERAGE, "part-0", "or move /lake/integration/coverage away and make the table again: cx run --select "
         "integration/customer_events,integration/integration_progress"),
        (EVENTS, "service=till/day=2026-01-03/part-0", "or map it again: cx run --select 'integration/*/events' "
         "--since 2026-01-03 --until 2026-01-03"),
        (LINKS, "part-0", "from the backup: it holds what cannot be made again"),
        (CUSTOMER_HISTORY, "day=2026-01-03/part-0", "from the backup: it holds what cannot be made again"),
    ],
    ids=lambda value: value.path if isinstance(value, Table) else "",
)  # fmt: skip
def test_the_way_out_is_what_makes_the_table_again(table: Table, file: str, way_out: str) -> None:
    told = str(damaged_file(table, f"/lake/{table.path}/{file}.parquet"))
    assert told.endswith(way_out)


def test_what_is_wrong_with_a_query_itself_is_no_damage(lake: Lake) -> None:
    with pytest.raises(Exception, match="no such thing") as failed:
        Engine().query("SELECT error('no such thing') FROM rows", {"rows": lake.scan(ORDERS)})
    assert not isinstance(failed.value, PermanentFailure)


def test_a_damaged_log_is_named_with_what_to_do(lake: Lake) -> None:
    log = lake.folder_of(ORDERS) / "_delta_log"
    (log / "00000000000000000001.json").write_bytes(b"}{")
    for use in (lake.scan, lake.version, lake.live_files):
        with pytest.raises(PermanentFailure) as failed:
            use(ORDERS)
        assert str(failed.value) == (
            f"landing/till/orders: its log {log} is damaged, so nobody knows which files count. Restore it from "
            f"the backup, or move {log.parent} away and land it again: cx run --select landing/till/orders"
        )


def test_a_damaged_registry_is_named_with_what_to_do(tmp_path: Path) -> None:
    file = tmp_path / "registry.db"
    file.write_bytes(b"rubbish" * 1000)
    with pytest.raises(PermanentFailure, match=f"the registry {file} is damaged .file is not a database.. Restore it"):
        Registry(f"sqlite:///{file}")


def test_a_registry_that_is_damaged_while_it_is_open_is_named_too(tmp_path: Path) -> None:
    file = tmp_path / "registry.db"
    registry = Registry(f"sqlite:///{file}")
    registry.close()
    file.write_bytes(b"rubbish" * 1000)
    with pytest.raises(PermanentFailure, match=f"the registry {file} is damaged"):
        registry.latest()


def test_a_registry_of_a_newer_version_is_named(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'registry.db'}"
    registry = Registry(url)
    with registry.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE cx_alembic_version SET version_num = '9999'")
    registry.close()
    with pytest.raises(PermanentFailure, match="it is of another, perhaps a newer version"):
        Registry(url)
