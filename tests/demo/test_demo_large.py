"""The company of millions, at a few thousand: its columns, its determinism, its bounds."""

import datetime as dt
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from cx_orchestration.demo.company import TIME_ZONE
from cx_orchestration.demo.large import generate_events_parquet
from cx_orchestration.model import tables


def read(folder: Path) -> pa.Table:
    return pa.concat_tables([pq.read_table(file) for file in sorted(folder.glob("*.parquet"))])


def test_events_have_the_columns_of_the_lake_and_unique_ids(tmp_path: Path) -> None:
    count = generate_events_parquet(tmp_path, customers=3_000, seed=5, batch=1_000)
    events = read(tmp_path)
    assert events.schema.equals(tables.EVENTS.schema)
    assert len(list(tmp_path.glob("*.parquet"))) == 3
    assert count == events.num_rows == len(set(events["event_id"].to_pylist()))
    assert len({key[0]["value"] for key in events["keys"].to_pylist()}) == 3_000


def test_the_same_arguments_give_the_same_events(tmp_path: Path) -> None:
    generate_events_parquet(tmp_path / "a", customers=500, seed=5)
    generate_events_parquet(tmp_path / "b", customers=500, seed=5)
    generate_events_parquet(tmp_path / "c", customers=500, seed=6)
    assert read(tmp_path / "a").equals(read(tmp_path / "b"))
    assert not read(tmp_path / "a").equals(read(tmp_path / "c"))


def test_days_are_those_of_the_company_and_amounts_are_money_that_moved(tmp_path: Path) -> None:
    generate_events_parquet(tmp_path, customers=800, seed=5, days=40)
    rows = read(tmp_path).to_pylist()
    for row in rows:
        assert row["occurred_at"].astimezone(TIME_ZONE).date() == row["day"]
        assert dt.date(2026, 6, 1) <= row["day"] <= dt.date(2026, 7, 10)
        assert isinstance(json.loads(row["attributes"]), dict)
        assert (row["amount"] is None) == (row["currency"] is None)
    moved = {row["type"]: row["amount"] for row in rows if row["amount"] is not None}
    assert set(moved) == {"payment.succeeded", "refund.issued"}
    assert moved["payment.succeeded"] > 0 > moved["refund.issued"]
