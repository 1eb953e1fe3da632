"""What a night of ``journeys/sequences`` costs beside writing all of them.

    python -m bench.journeys.nights [--events 10000000]

The events are those of ``bench.journeys``, as integration would have landed them over a year. Then a day more lands:
the mean of a day's events, a hundredth of new customers, and a hundredth days late. The night must leave
what writing everything anew leaves.
"""

import datetime as dt
import tempfile
import time
from typing import Annotated

import numpy as np
import pyarrow as pa
import typer

from bench.journeys.events import START, TYPES, draw, fill_lake, texts
from cx_orchestration.journeys.nights import update_sequences
from cx_orchestration.journeys.sequences import build_sequences
from cx_orchestration.model import tables
from cx_orchestration.storage.engine import Engine
from cx_orchestration.storage.lake import Lake

DAYS = 365
END = START + dt.timedelta(days=DAYS)
TARGET = 0.03


def a_day_more(lake: Lake, customers: list[str], events: int) -> None:
    """The events of the day after, and who the new customers are."""
    rng = np.random.default_rng(7)
    new = [f"new-{number}" for number in range(max(1, events // 100))]
    whose = [customers[place] for place in rng.integers(0, len(customers), events - len(new))] + new
    hours = np.where(rng.random(events) < 0.01, -rng.integers(24, 200, events), rng.integers(0, 24, events))
    rows = []
    for number, (entity, hour) in enumerate(zip(whose, hours.tolist(), strict=True)):
        row = dict.fromkeys(tables.EVENTS.schema.names)
        row |= {"event_id": f"night-{number}", "type": TYPES[number % len(TYPES)], "channel": "web"}
        row |= {"occurred_at": END + dt.timedelta(hours=hour), "service": "shop", "stream": "events"}
        rows.append(row | {"record_id": f"n{number}", "entity": entity, "day": END.date()})
    where = {"service": "shop", "day": END.date()}
    lake.replace(tables.EVENTS, pa.Table.from_pylist(rows, tables.EVENTS.schema), where=where, run_id="bench")
    known = [{"service": "shop", "entity": entity, "customer_id": entity} for entity in new]
    both = pa.concat_tables([lake.read(tables.IDENTITY_MAP), pa.Table.from_pylist(known, tables.IDENTITY_MAP.schema)])
    lake.replace(tables.IDENTITY_MAP, both, run_id="bench")


def main(events: Annotated[int, typer.Option(help="Events of the year")] = 10_000_000) -> None:
    """Exits 1 when a night takes more than 3 % of writing everything, or leaves something else."""
    with tempfile.TemporaryDirectory() as scratch:
        lake, engine = Lake(scratch), Engine(memory_limit="2GB", temp_directory=f"{scratch}/spill")
        log = texts(draw(events, days=DAYS))
        fill_lake(lake, log)
        customers = log["customer_id"].unique().to_pylist()
        del log
        started = time.process_time()
        build_sequences(lake, engine, run_id="bench")
        built = time.process_time() - started
        a_day_more(lake, customers, events // DAYS)
        started = time.process_time()
        counts = update_sequences(lake, engine, run_id="bench")
        night = time.process_time() - started
        content = lake.content_hash(tables.SEQUENCES)
        equal = (counts, content) == (
            build_sequences(lake, engine, run_id="bench"),
            lake.content_hash(tables.SEQUENCES),
        )
    print(f"{events:,} events: writing all {built:.1f} CPU-s, a night of {events // DAYS:,} more {night:.2f}", end="")
    print(f", {night / built:.1%}; the night leaves {'the same' if equal else 'SOMETHING ELSE'}")
    if night > TARGET * built or not equal:
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
