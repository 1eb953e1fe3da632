"""The made-up events that all sides read: an unsorted log with text ids, the same in integers, and a lake.

python -m bench.journeys.events EVENTS FOLDER
"""

import datetime as dt
import sys
import time
import uuid
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from cx_orchestration.journeys.sequences import build_sequences
from cx_orchestration.model import tables
from cx_orchestration.storage.engine import Engine
from cx_orchestration.storage.lake import Lake

DAYS = 90
START = dt.datetime(2026, 1, 5, tzinfo=dt.UTC)
END = START + dt.timedelta(days=DAYS)
KINDS = 40
EVENTS_A_CUSTOMER = 10
TYPES = [f"type.{number:02}" for number in range(KINDS)]


def draw(events: int, seed: int = 1, days: int = DAYS) -> dict[str, np.ndarray]:
    """Customers who come in sessions: each has about ten events of forty types, a type often followed by the next."""
    rng = np.random.default_rng(seed)
    customers = max(1, events // EVENTS_A_CUSTOMER)
    customer = np.sort(rng.integers(0, customers, events).astype(np.int32))
    first = np.r_[True, customer[1:] != customer[:-1]]
    # A third of the gaps are pauses of days, the others minutes of one session; some events share an instant.
    gap = np.where(rng.random(events) < 0.33, rng.exponential(4 * 86_400e6, events), rng.exponential(240e6, events))
    gap[rng.random(events) < 0.001] = 0
    begin = rng.random(customers) * days * 86_400e6
    gap[first] = begin[customer[first]]
    since = np.cumsum(gap.astype(np.int64))
    since -= np.repeat(since[first] - gap[first].astype(np.int64), np.diff(np.r_[np.flatnonzero(first), events]))
    # A step on from where the customer stood, or somewhere else, early types more often.
    jump = np.minimum((rng.zipf(1.4, events) - 1), KINDS - 1)
    onward = (rng.random(events) < 0.5) & ~first
    place = np.arange(events)
    anchor = np.maximum.accumulate(np.where(onward, 0, place))
    kind = ((jump[anchor] + (place - anchor)) % KINDS).astype(np.int32)
    # Arrival: by time, late by up to an hour; what is later than the last day has not happened yet.
    at = int(START.timestamp()) * 1_000_000 + since % (days * 86_400_000_000)
    arrival = np.argsort(at + rng.integers(0, 3_600_000_000, events), kind="stable")
    return {"customer": customer[arrival], "type": kind[arrival], "at": at[arrival]}


def texts(drawn: dict[str, np.ndarray], seed: int = 2) -> pa.Table:
    """The same events as systems give them: UUIDs for events and customers, names for types."""
    rng = np.random.default_rng(seed)
    count = int(drawn["customer"].max()) + 1
    raw = rng.bytes(16 * count)
    names = pa.array([str(uuid.UUID(bytes=raw[place : place + 16])) for place in range(0, 16 * count, 16)])
    return pa.table(
        {
            "event_id": _uuids(len(drawn["at"]), rng),
            "customer_id": names.take(pa.array(drawn["customer"])),
            "type": pa.array(TYPES).take(pa.array(drawn["type"])),
            "occurred_at": pa.array(drawn["at"]).cast(tables.UTC_MICROSECONDS),
        }
    )


def _uuids(count: int, rng: np.random.Generator) -> pa.Array:
    digits = np.frombuffer(rng.bytes(16 * count).hex().encode(), np.uint8).reshape(count, 32)
    parts = [digits[:, low:high] for low, high in ((0, 8), (8, 12), (12, 16), (16, 20), (20, 32))]
    dash = np.full((count, 1), ord("-"), np.uint8)
    text = np.concatenate([part for pair in zip(parts, [dash] * 5, strict=True) for part in pair][:-1], axis=1)
    offsets = np.arange(count + 1, dtype=np.int64) * 36
    long = pa.Array.from_buffers(
        pa.large_string(), count, [None, pa.py_buffer(offsets.tobytes()), pa.py_buffer(text.tobytes())]
    )
    return long.cast(pa.string())


def fill_lake(lake: Lake, log: pa.Table) -> None:
    """The events as integration would have them, one day a partition, each customer known by one service's id."""
    count = log.num_rows
    given = {
        "event_id": log["event_id"],
        "type": log["type"],
        "occurred_at": log["occurred_at"],
        "service": pa.repeat("shop", count),
        "stream": pa.repeat("events", count),
        "record_id": log["event_id"],
        "channel": pa.repeat("web", count),
        "entity": log["customer_id"],
        "day": pc.cast(log["occurred_at"], pa.date32()),
    }
    schema = tables.EVENTS.schema
    rows = pa.table([given.get(field.name, pa.nulls(count, field.type)) for field in schema], schema=schema)
    lake.replace(tables.EVENTS, rows.sort_by("day"), where={"service": "shop"}, run_id="bench")
    ids = pc.unique(log["customer_id"])
    known = {"service": pa.repeat("shop", len(ids)), "entity": ids, "customer_id": ids}
    schema = tables.IDENTITY_MAP.schema
    who = pa.table([known.get(field.name, pa.nulls(len(ids), field.type)) for field in schema], schema=schema)
    lake.replace(tables.IDENTITY_MAP, who, run_id="bench")


def main(events: int, folder: Path) -> None:
    drawn = draw(events)
    log = texts(drawn)
    # In the order of time and id, as a stable sort by customer is to give the order that everybody else has.
    integers = pa.table({**drawn, "event_id": log["event_id"]})
    integers = integers.sort_by([("at", "ascending"), ("event_id", "ascending")]).drop_columns("event_id")
    pq.write_table(integers, folder / "integers.parquet", use_dictionary=["type"])
    del integers
    pq.write_table(log, folder / "log.parquet", use_dictionary=["type"])
    lake = Lake(folder / "lake")
    fill_lake(lake, log)
    del log
    engine = Engine(memory_limit="2GB", temp_directory=str(folder / "spill"))
    started = time.process_time()
    build_sequences(lake, engine, run_id="bench")
    print(f"building journeys/sequences took {time.process_time() - started:.1f} CPU-seconds")


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
