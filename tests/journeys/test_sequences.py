"""Sequences: whose event is it, in which order, in which bucket."""

import datetime as dt
import hashlib

import pyarrow as pa
import pytest

from cx_orchestration.journeys.sequences import build_sequences
from cx_orchestration.model import tables
from cx_orchestration.model.failures import PermanentFailure
from cx_orchestration.storage.engine import Engine
from cx_orchestration.storage.lake import Lake

START = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)
DAY = dt.date(2026, 3, 1)


def event(
    number: int, entity: str | None, minute: float, *, day: dt.date = DAY, service: str = "shop", kind: str = "a"
):
    row = dict.fromkeys(tables.EVENTS.schema.names)
    row |= {"event_id": f"e{number}", "type": kind, "occurred_at": START + dt.timedelta(minutes=minute)}
    return row | {"service": service, "stream": "s", "record_id": f"r{number}", "entity": entity, "day": day}


def known(*pairs: tuple[str, str, str]):
    return [{"service": s, "entity": e, "customer_id": c, "since": START} for s, e, c in pairs]


@pytest.fixture
def lake(tmp_path):
    return Lake(tmp_path)


def land(lake: Lake, events: list, identities: list) -> None:
    rows = pa.Table.from_pylist(events, tables.EVENTS.schema)
    for service in sorted({row["service"] for row in events}):
        for day in sorted({row["day"] for row in events if row["service"] == service}):
            part = rows.filter((pa.compute.field("service") == service) & (pa.compute.field("day") == pa.scalar(day)))
            lake.replace(tables.EVENTS, part, where={"service": service, "day": day}, run_id="r")
    lake.replace(tables.IDENTITY_MAP, pa.Table.from_pylist(identities, tables.IDENTITY_MAP.schema), run_id="r")


def rows_of(lake: Lake) -> list[dict]:
    return (
        Engine()
        .query(
            "SELECT * FROM s ORDER BY bucket, customer_id, occurred_at, event_id", {"s": lake.scan(tables.SEQUENCES)}
        )
        .to_pylist()
    )


def test_events_of_two_services_meet_in_one_customers_sequence(lake):
    events = [event(1, "x", 5), event(2, "y", 3, service="desk"), event(3, "x", 1)]
    land(lake, events, known(("shop", "x", "c1"), ("desk", "y", "c1")))
    build_sequences(lake, Engine(), run_id="r")
    assert [(row["customer_id"], row["event_id"]) for row in rows_of(lake)] == [
        ("c1", "e3"),
        ("c1", "e2"),
        ("c1", "e1"),
    ]


def test_an_event_reported_on_two_days_counts_once_as_the_newer_day_says(lake):
    newer = event(1, "x", 9, day=DAY + dt.timedelta(days=1), kind="b")
    land(lake, [newer, event(1, "x", 5)], known(("shop", "x", "c1")))
    counts = build_sequences(lake, Engine(), run_id="r")
    assert [(row["type"], row["occurred_at"].minute) for row in rows_of(lake)] == [("b", 9)]
    assert (counts.reported, counts.repeated, counts.sequenced) == (2, 1, 1)


def test_events_of_unknown_entities_are_counted_by_service(lake):
    events = [event(1, "x", 1), event(2, "z", 2), event(3, None, 3), event(4, "x", 4, service="desk")]
    land(lake, events, known(("shop", "x", "c1")))
    counts = build_sequences(lake, Engine(), run_id="r")
    assert counts.unresolved == {"desk": 1, "shop": 2}
    assert counts.reported == counts.repeated + counts.sequenced + sum(counts.unresolved.values())


def test_events_of_the_same_instant_are_ordered_by_event_id(lake):
    land(lake, [event(n, "x", 1) for n in (3, 1, 2)], known(("shop", "x", "c1")))
    build_sequences(lake, Engine(), run_id="r")
    assert [row["event_id"] for row in rows_of(lake)] == ["e1", "e2", "e3"]


def test_a_customers_bucket_is_the_documented_function_of_the_id(lake):
    entities = [f"x{n}" for n in range(40)]
    land(
        lake, [event(n, e, n) for n, e in enumerate(entities)], known(*[("shop", e, f"customer {e}") for e in entities])
    )
    build_sequences(lake, Engine(), buckets=7, run_id="r")
    for row in rows_of(lake):
        assert row["bucket"] == int(hashlib.md5(row["customer_id"].encode()).hexdigest()[:3], 16) % 7


def test_fewer_buckets_leave_no_rows_of_the_former_ones(lake):
    entities = [f"x{n}" for n in range(40)]
    land(lake, [event(n, e, n) for n, e in enumerate(entities)], known(*[("shop", e, e) for e in entities]))
    build_sequences(lake, Engine(), buckets=16, run_id="r")
    build_sequences(lake, Engine(), buckets=2, run_id="r")
    rows = rows_of(lake)
    assert len(rows) == 40
    assert {row["bucket"] for row in rows} == {0, 1}


def test_a_rerun_gives_the_same_content(lake):
    land(lake, [event(n, f"x{n % 5}", -n) for n in range(50)], known(*[("shop", f"x{n}", f"c{n}") for n in range(4)]))
    build_sequences(lake, Engine(), run_id="first")
    before = lake.content_hash(tables.SEQUENCES)
    build_sequences(lake, Engine(), run_id="second")
    assert lake.content_hash(tables.SEQUENCES) == before


def test_an_empty_lake_gives_empty_sequences(lake):
    counts = build_sequences(lake, Engine(), run_id="r")
    assert (counts.reported, counts.sequenced, counts.customers, counts.unresolved) == (0, 0, 0, {})
    assert lake.exists(tables.SEQUENCES)


def test_a_number_of_buckets_that_cannot_be_is_refused(lake):
    with pytest.raises(PermanentFailure, match="1 to 4096"):
        build_sequences(lake, Engine(), buckets=0, run_id="r")
