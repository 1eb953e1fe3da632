"""Folds a made-up year of events and prints what each part takes beside the floor, in CPU-seconds.

    python -m bench.journeys.fold [--events 10000000] [--customers 1000000]

The map has 12 steps, guards on two attributes, waiting times and a correlation key. The floor reads the integers of
``journeys/sequences`` and the columns that steps show, orders them, and passes over them once without doing anything
but count. Then a day more comes, and what the fold of that night takes is printed beside the whole one.
"""

import datetime as dt
import resource
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import numba
import numpy as np
import pyarrow as pa
import typer

from cx_orchestration.journeys.charts import compile_map
from cx_orchestration.journeys.coding import code_events, sequence_columns
from cx_orchestration.journeys.fold import fold_journeys
from cx_orchestration.journeys.placing import fold_bucket
from cx_orchestration.journeys.reading import AT, CODE, KEY, bucket_files, in_order, order_by_key, rows_of
from cx_orchestration.journeys.sequences import buckets_for
from cx_orchestration.model import tables
from cx_orchestration.model.journey import JourneyMap
from cx_orchestration.storage.engine import Engine
from cx_orchestration.storage.lake import Lake

START = dt.datetime(2025, 1, 1, tzinfo=dt.UTC)
TYPES = [f"t{code:02}" for code in range(40)]
TARGET = 5
ALL = {"bucket": (0, 4095)}


def twelve_steps() -> JourneyMap:
    """Twelve steps, each left by the types of the next two; every third way asks for a plan or a device."""
    steps = {f"s{n:02}": {"stage": "sales", "abandoned_after_days": 20 + n} for n in range(11)}
    moves = []
    for n in range(11):
        for skip in (1, 2):
            to = f"s{min(n + skip, 11):02}"
            for kind in (TYPES[3 * n % 40], TYPES[(3 * n + skip) % 40]) if skip == 1 else (TYPES[(3 * n + 7) % 40],):
                move = {"from": [f"s{n:02}"], "on": kind, "to": to}
                if n % 3 == 0:
                    name, value = (("plan", "pro"), ("device", "mobile"))[n % 2]
                    moves.append(move | {"when": [{"name": name, "equals": value}]})
                    moves.append({"from": [f"s{n:02}"], "on": kind, "to": f"s{n:02}"})
                else:
                    moves.append(move)
    return JourneyMap.model_validate(
        {
            "journey": "ordering",
            "stages": ["sales"],
            "correlation": "order_id",
            "steps": steps | {"s11": {"stage": "sales", "completes": True, "milestone": True}},
            "segments": ["plan", "device"],
            "begins_with": {TYPES[39]: "s00", TYPES[38]: "s00", TYPES[37]: "s00"},
            "transitions": moves,
            "support_events": [TYPES[36]],
        }
    )


@contextmanager
def part(name: str, took: dict[str, float]) -> Iterator[None]:
    """Adds the block's CPU-seconds, of all threads, to ``took``."""
    before = time.process_time()
    yield
    took[name] = took.get(name, 0.0) + time.process_time() - before


def make_sequences(lake: Lake, events: int, customers: int) -> None:
    """A year of events in the lake, made bucket by bucket."""
    with lake.writer(tables.SEQUENCES) as writer:
        for bucket in range(buckets_for(events)):
            writer.write(made(0, events, persons(customers, buckets_for(events), bucket), customers))
        lake.replace_by_files(tables.SEQUENCES, writer.finish(), where=ALL, run_id="bench")
    codes = pa.table({"type": TYPES, "type_code": range(40)}, schema=tables.EVENT_TYPES.schema)
    lake.replace(tables.EVENT_TYPES, codes, run_id="bench")


def persons(customers: int, buckets: int, bucket: int | None = None) -> pa.Table:
    """All customers, or those of one bucket: ``person``, ``digest`` and ``bucket``."""
    sql = """
        SELECT person, digest, CAST(CAST('0x' || substr(digest, 1, 3) AS BIGINT) % $buckets AS INTEGER) AS bucket
        FROM (SELECT CAST(i AS UBIGINT) AS person, md5('customer ' || i) AS digest FROM range($customers) AS r(i))
        WHERE $bucket IS NULL OR CAST('0x' || substr(digest, 1, 3) AS BIGINT) % $buckets = $bucket
    """
    return Engine().query(sql, None, {"customers": customers, "buckets": buckets, "bucket": bucket})


def made(first: int, last: int, of: pa.Table, customers: int, start: dt.datetime = START, days: int = 365) -> pa.Table:
    """Events number ``first`` to ``last``, of some days, and of them those of some persons."""
    sql = Path(__file__).with_name("sequences.sql").read_text()
    params = {"first": first, "last": last, "customers": customers}
    params |= {"start": int(start.timestamp()) * 1_000_000, "span": days * 86_400_000_000}
    return Engine(memory_limit="3GB").query(sql, {"persons": of}, params).cast(tables.SEQUENCES.schema)


def a_day_more(lake: Lake, events: int, customers: int) -> None:
    """The events of the day after the year, in files of their own, as a night of sequences writes them."""
    of = persons(customers, buckets_for(events))
    with lake.writer(tables.SEQUENCES) as writer:
        writer.write(made(events, events + events // 365, of, customers, START + dt.timedelta(days=365), 1))
        lake.swap(tables.SEQUENCES, [], writer.finish(), run_id="bench")


@numba.njit(cache=True)
def bare_pass(customer, kind, at):
    seen = np.zeros(64, np.int64)
    longest = 0
    for i in range(1, len(customer)):
        seen[kind[i]] += 1
        if customer[i] == customer[i - 1] and at[i] - at[i - 1] > longest:
            longest = at[i] - at[i - 1]
    return seen, longest


def floor(lake: Lake, columns: list[str]) -> dict[str, float]:
    """Reading the columns, ordering, and a pass."""
    took: dict[str, float] = {}
    buckets = (rows_of(bucket, [KEY, CODE, AT, *columns]) for bucket in bucket_files(lake))
    while True:
        with part("read", took):
            found = next(buckets, None)
        if found is None:
            return took
        with part("sort", took):
            key, code, at = (found[name].to_numpy() for name in (KEY, CODE, AT))
            customer, kind, at, _ = in_order(order_by_key(key), key, code, at)
        with part("pass", took):
            bare_pass(customer, kind, at)


def parts_of_fold(lake: Lake, journey_map: JourneyMap, as_of: dt.datetime) -> dict[str, float]:
    """The fold without writing."""
    took: dict[str, float] = {}
    chart = compile_map(journey_map)
    buckets = (rows_of(bucket, sequence_columns([chart])) for bucket in bucket_files(lake))
    while True:
        with part("read", took):
            found = next(buckets, None)
        if found is None:
            return took
        with part("code", took):
            events = code_events(found, [chart], types=TYPES, as_of=as_of, currency="USD")
        with part("fold", took):
            fold_bucket(events, [chart], as_of=as_of, support_contact_cost=5)


def main(
    events: Annotated[int, typer.Option(help="Events of the year")] = 10_000_000,
    customers: Annotated[int | None, typer.Option(help="Customers they are of; without it one for ten events")] = None,
) -> None:
    """Exits 1 when the fold takes more than five times the floor."""
    customers = customers or events // 10
    as_of = START + dt.timedelta(days=365)
    journey_map = twelve_steps()
    with tempfile.TemporaryDirectory() as scratch:
        lake = Lake(scratch)
        small = Lake(f"{scratch}/warm")
        make_sequences(small, 20_000, 2_000)
        fold(small, journey_map, as_of)
        floor(small, [])
        make_sequences(lake, events, customers)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        bare, shown = floor(lake, []), floor(lake, ["customer_id", "event_id", "channel"])
        parts = parts_of_fold(lake, journey_map, as_of)
        with part("all", whole := {}):
            summary = fold(lake, journey_map, as_of)
        a_day_more(lake, events, customers)
        with part("all", night := {}):
            tonight = fold(lake, journey_map, as_of + dt.timedelta(days=1))
        after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    (counts,) = summary.journeys
    print(f"{events:,} events, {customers:,} customers: {counts.moves + counts.deviations:,} steps, ", end="")
    print(f"{counts.active + counts.completed + counts.abandoned:,} instances")
    for name, took in (
        ("floor, integers alone", bare),
        ("floor with the ids that steps show", shown),
        ("fold to tables", parts),
        ("fold with writing", whole),
    ):
        total, said = sum(took.values()), ", ".join(f"{what} {seconds:.2f}" for what, seconds in took.items())
        print(
            f"{name}: {total:.2f} CPU-s ({said}), {total / sum(bare.values()):.1f} and "
            f"{total / sum(shown.values()):.1f} times the floors"
        )
    share = night["all"] / whole["all"]
    print(
        f"a day more: {night['all']:.2f} CPU-s, {share:.1%} of the whole ({tonight.events:,} events of those touched)"
    )
    print(f"largest memory: {after / 2**20:.2f} GB (making the events: {peak / 2**20:.2f})")
    if sum(parts.values()) > TARGET * sum(shown.values()):
        raise typer.Exit(1)


def fold(lake: Lake, journey_map: JourneyMap, as_of: dt.datetime):
    return fold_journeys(
        lake, Engine(), [journey_map], as_of=as_of, currency="USD", support_contact_cost=5, run_id="bench"
    )


if __name__ == "__main__":
    typer.run(main)
