"""Sequences: whose event is it, in which order, in which bucket."""

import datetime as dt
import hashlib

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sequenced import follows_from

from cx_orchestration.journeys.event_types import type_names
from cx_orchestration.journeys.reading import order_by_key, read_buckets
from cx_orchestration.journeys.sequences import buckets_for, build_sequences
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
            "SELECT * FROM s ORDER BY bucket, customer_key, occurred_us, event_id", {"s": lake.scan(tables.SEQUENCES)}
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


@pytest.mark.parametrize("minute", [0, -0.000001 / 60, 1e6, -3e7, -1e8])
def test_the_integers_follow_from_customer_and_time_before_and_after_1970(lake, minute):
    land(lake, [event(1, "x", minute)], known(("shop", "x", "customer x")))
    build_sequences(lake, Engine(), run_id="r")
    (row,) = rows_of(lake)
    expected = follows_from("customer x", row["occurred_at"])
    assert {name: row[name] for name in expected} == expected


def test_a_type_keeps_its_code_when_others_come_and_it_goes(lake):
    land(lake, [event(1, "x", 1, kind="m"), event(2, "x", 2, kind="k")], known(("shop", "x", "c1")))
    build_sequences(lake, Engine(), run_id="r")
    assert [row["type_code"] for row in rows_of(lake)] == [1, 0]
    land(lake, [event(3, "x", 1, kind="a"), event(4, "x", 2, kind="m")], known(("shop", "x", "c1")))
    build_sequences(lake, Engine(), run_id="r")
    assert [row["type_code"] for row in rows_of(lake)] == [2, 1]
    assert type_names(lake, Engine()) == ["k", "m", "a"]


def test_weeks_too_full_for_one_pass_are_written_by_bucket(lake):
    entities = [f"x{n}" for n in range(30)]
    events = [event(n, entities[n % 30], n * 400) for n in range(200)]
    land(lake, events, known(*[("shop", e, e) for e in entities]))
    build_sequences(lake, Engine(), buckets=4, run_id="r")
    whole = rows_of(lake)
    for size in (1, 20, 60):
        build_sequences(lake, Engine(), buckets=4, events_per_chunk=size, run_id="r")
        assert rows_of(lake) == whole


def test_buckets_are_read_in_total_order_across_weeks(lake):
    entities = [f"x{n}" for n in range(20)]
    times = [0, 0, 0.5, 20_000, 20_000, 5, 9_000_000, -20_000_000]
    events = [event(n, entities[n * 7 % 20], times[n % 8]) for n in range(300)]
    land(lake, events, known(*[("shop", e, e) for e in entities]))
    build_sequences(lake, Engine(), buckets=3, run_id="r")
    found = rows_of(lake)
    read = list(read_buckets(lake, ["event_id", "customer_id"]))
    assert [bucket.number for bucket in read] == [0, 1, 2]
    assert [e for bucket in read for e in bucket.more["event_id"].to_pylist()] == [row["event_id"] for row in found]
    for bucket in read:
        rows = [row for row in found if row["bucket"] == bucket.number]
        assert bucket.key[bucket.customer].tolist() == [row["customer_key"] for row in rows]
        assert bucket.kind.tolist() == [row["type_code"] for row in rows]
        assert bucket.at.tolist() == [row["occurred_us"] for row in rows]


@given(st.lists(st.sampled_from([0, 1, 2**59, 2**60 - 1, 2**59 + 1, 12345]) | st.integers(0, 2**60 - 1), max_size=200))
def test_ordering_by_key_is_a_stable_sort(keys):
    key = np.array(keys, np.int64)
    assert order_by_key(key).tolist() == np.argsort(key, kind="stable").tolist()


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


def test_buckets_grow_with_the_events():
    assert [buckets_for(n) for n in (0, 1, 4_000_000, 4_000_001, 10_000_000, 50_000_000)] == [1, 1, 1, 2, 4, 16]
