"""What mapping landed records to customer events costs, beside pandas ``json_normalize`` in the same run.

Belongs here: made-up records in a vendor's shape, both sides, and the comparison of their outputs. Does not belong
here: extraction, or the demo as a whole (``overhead.py``).
"""

import datetime as dt
import random
import tempfile
import time
from collections.abc import Callable
from statistics import median
from typing import Any
from zoneinfo import ZoneInfo

import orjson
import pandas as pd
import pyarrow as pa
import typer
from rich.console import Console
from rich.table import Table

from cx_orchestration.integration.mapping import map_events, map_stream
from cx_orchestration.model.days import DayRange
from cx_orchestration.model.service import ServiceDeclaration
from cx_orchestration.model.tables import EVENTS, landed
from cx_orchestration.storage.engine import Engine
from cx_orchestration.storage.lake import Lake

TARGET_PER_SECOND, TARGET_RATIO = 300_000, 10

DAYS = DayRange(dt.date(2026, 3, 2), dt.date(2026, 3, 8))
TYPES = {"succeeded": "payment.succeeded", "failed": "payment.failed", "pending": "payment.started"}
CHANNELS = {"pos": "store", "app": "mobile", "web": "web"}

#: The fields that both sides take from a record, and where they stand in it.
PATHS = {
    "type": "status",
    "occurred_at": "created",
    "channel": "metadata.channel",
    "entity": "customer",
    "email": "billing_details.email",
    "phone": "billing_details.phone",
    "login": "metadata.login",
    "amount": "amount",
    "currency": "currency",
    "product": "metadata.product",
    "payment_method": "payment_method_details.type",
    "country": "billing_details.address.country",
}
KEYS = ("email", "login", "phone")
ATTRIBUTES = ("country", "payment_method", "product")

DECLARATION = ServiceDeclaration.model_validate(
    {
        "service": "billing",
        "kind": "rest",
        "client": {"base_url": "http://127.0.0.1"},
        "streams": {
            "charges": {
                "endpoint": {"path": "/v1/charges", "data_selector": "data", "paginator": {"type": "last_id"}},
                "record_id": "id",
                "updated_at": {"path": "created", "format": "epoch_s"},
                "events": [
                    {
                        "type": {"path": PATHS["type"], "map": TYPES},
                        "occurred_at": {"path": PATHS["occurred_at"], "format": "epoch_s"},
                        "channel": {"path": PATHS["channel"], "map": CHANNELS},
                        "entity": PATHS["entity"],
                        "keys": {name: PATHS[name] for name in KEYS},
                        "amount": {"path": PATHS["amount"], "scale": 0.01},
                        "currency": PATHS["currency"],
                        "attributes": {name: PATHS[name] for name in ATTRIBUTES},
                    }
                ],
            }
        },
    }
)


def landed_charges(count: int) -> pa.Table:
    """Records as a billing service sends them, of about 440 bytes, over the days of ``DAYS`` in equal parts."""
    made = random.Random(7)
    first = int(DAYS.bounds(ZoneInfo("UTC"))[0].timestamp())
    rows = []
    for n in range(count):
        created = first + n * 86_400 * len(DAYS) // count
        customer = made.randrange(count // 4 + 1)
        charge = {
            "id": f"ch_{made.getrandbits(64):016x}{n:08d}",
            "object": "charge",
            "amount": made.randrange(100, 20_000),
            "created": created,
            "currency": made.choice(["usd", "eur", "chf"]),
            "customer": f"cus_{customer:08d}",
            "status": made.choice(["succeeded", "succeeded", "succeeded", "failed", "pending"]),
            "billing_details": {
                "email": f"customer.{customer}@example.com" if made.random() < 0.8 else None,
                "phone": f"+4144{customer:07d}" if made.random() < 0.5 else None,
                "address": {"city": "Zürich", "country": "CH", "line1": "Bahnhofstrasse 1", "postal_code": "8001"},
            },
            "payment_method_details": {"type": made.choice(["card", "twint"])},
            "metadata": {
                "channel": made.choice(list(CHANNELS)),
                "login": f"login-{customer}",
                "product": made.choice(["beans", "brewer"]),
            },
            "livemode": True,
        }
        at = dt.datetime.fromtimestamp(created, dt.UTC)
        rows.append((charge["id"], at, at, orjson.dumps(charge).decode(), False, at.date()))
    schema = landed("billing", "charges").schema
    columns = zip(*rows, strict=True)
    return pa.table([pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)], schema)


def with_pandas(payloads: list[str]) -> pd.DataFrame:
    """The same twelve fields by ``json_normalize``; no ids, no checks, no rejections, nothing written."""
    frame = pd.json_normalize([orjson.loads(payload) for payload in payloads])
    frame = frame[["id", *PATHS.values()]].rename(columns={path: name for name, path in PATHS.items()})
    frame["type"] = frame["type"].map(TYPES)
    frame["channel"] = frame["channel"].map(CHANNELS)
    frame["occurred_at"] = pd.to_datetime(frame["occurred_at"], unit="s", utc=True)
    frame["amount"] = frame["amount"] / 100
    frame["currency"] = frame["currency"].str.upper()
    return frame


def differences(events: pd.DataFrame, frame: pd.DataFrame) -> list[str]:
    """The fields in which the two sides disagree about a record."""
    ours = events.set_index("record_id").sort_index()
    theirs = frame.set_index("id").sort_index()
    keys = ours["keys"].map(lambda pairs: {pair["namespace"]: pair["value"] for pair in pairs})
    attributes = ours["attributes"].map(orjson.loads)
    for name in KEYS:
        ours[name] = keys.map(lambda found, name=name: found.get(name))
    for name in ATTRIBUTES:
        ours[name] = attributes.map(lambda found, name=name: found.get(name))
    ours["amount"] = ours["amount"].astype(float)
    if not ours.index.equals(theirs.index):
        return ["record_id"]
    return [
        name for name in PATHS if not (ours[name].eq(theirs[name]) | (ours[name].isna() & theirs[name].isna())).all()
    ]


def cpu_seconds(job: Callable[[], Any]) -> float:
    """What the whole process uses for a job, threads of DuckDB and delta-rs included."""
    started = time.process_time()
    job()
    return time.process_time() - started


def main(records: int = 200_000, repeat: int = 7, sample: int = 5_000) -> None:
    """Exits 1 when the two sides disagree about a record of the sample; a missed target is printed."""
    console, engine, table = Console(width=120), Engine(), landed("billing", "charges")
    rows = landed_charges(records)
    payloads = rows["payload"].to_pylist()
    stream = DECLARATION.streams["charges"]
    with tempfile.TemporaryDirectory() as folder:
        lake = Lake(folder)
        lake.replace(table, rows, where={"day": (DAYS.first, DAYS.last)}, run_id="bench")
        jobs: dict[str, Callable[[], Any]] = {
            "landed Parquet to committed events": lambda: map_events(engine, lake, DECLARATION, DAYS, run_id="bench"),
            "landed Parquet to events in memory": lambda: map_stream(
                engine, lake.scan(table), "billing", "charges", stream
            ),
            "pandas json_normalize, text to DataFrame": lambda: with_pandas(payloads),
        }
        taken: dict[str, list[float]] = {name: [] for name in jobs}
        for _ in range(repeat):
            for name, job in jobs.items():
                taken[name].append(cpu_seconds(job))
        chosen = random.Random(11).sample(range(records), min(sample, records))
        ids = rows["record_id"].take(chosen).to_pylist()
        events = lake.read(EVENTS).to_pandas()
        wrong = differences(events[events["record_id"].isin(ids)], with_pandas([payloads[n] for n in chosen]))

    *_, peer = (median(seconds) for seconds in taken.values())
    size = sum(len(payload.encode()) for payload in payloads) / records
    report = Table(title=f"{records:,} records of {size:.0f} bytes, {len(PATHS)} fields, median of {repeat}")
    for heading in ("", "CPU-seconds", "lowest", "highest", "records a CPU-second", "times pandas"):
        report.add_column(heading, justify="right" if heading else "left", no_wrap=not heading)
    for name, seconds in taken.items():
        cpu = median(seconds)
        spread = f"{min(seconds):.2f}", f"{max(seconds):.2f}"
        report.add_row(name, f"{cpu:.2f}", *spread, f"{records / cpu:,.0f}", f"{peer / cpu:.1f}")
    console.print(report)
    console.print(f"Target: {TARGET_PER_SECOND:,} records a CPU-second and {TARGET_RATIO} times pandas.")
    console.print(f"{len(ids):,} records compared: {'they differ in ' + ', '.join(wrong) if wrong else 'all alike'}.")
    if wrong:
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
