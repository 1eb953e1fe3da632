"""What the fold, a night and every path query cost at several sizes, and whether cost grows no faster than n log n.

    python -m bench.journeys.scale --events 1000000 --events 5000000

The events are those of ``bench.journeys.fold``: a year, ten a customer, with text ids and a map of 12 steps. Each piece
of work is a process of its own, over the same lake: its CPU-seconds and its peak of memory, compiling not counted.
"""

import datetime as dt
import json
import math
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from bench.journeys.fold.__main__ import START, TYPES, a_day_more, fold, make_sequences, twelve_steps
from cx_orchestration.exploration.abandonment_hotspots import abandonment_hotspots
from cx_orchestration.exploration.change_priorities import change_priorities
from cx_orchestration.exploration.cohorts import read_cohorts
from cx_orchestration.exploration.incidents import rates_over_time
from cx_orchestration.exploration.profitable_paths import profitable_paths
from cx_orchestration.exploration.support_shifts import support_shifts
from cx_orchestration.journeys.paths.build import build_paths
from cx_orchestration.journeys.paths.follows import directly_follows
from cx_orchestration.journeys.paths.funnel import Funnel, count_funnel
from cx_orchestration.journeys.paths.leaving import leaving
from cx_orchestration.journeys.paths.milestones import milestone_tables
from cx_orchestration.journeys.paths.retention import retention
from cx_orchestration.journeys.paths.sessions import sessions
from cx_orchestration.journeys.paths.variants import add_variants, variants
from cx_orchestration.journeys.reading import Bucket, read_buckets
from cx_orchestration.model.settings import Settings
from cx_orchestration.storage.engine import Engine
from cx_orchestration.storage.lake import Lake

ROOT = Path(__file__).parents[2]
WARM_EVENTS = 20_000
DAY = 86_400_000_000
SETTINGS = Settings(name="bench", start_date=START.date(), currency="USD", time_zone="UTC")
AS_OF = START + dt.timedelta(days=365)
UNTIL = int(AS_OF.timestamp()) * 1_000_000
KINDS = len(TYPES)
STEPS = tuple(frozenset([code]) for code in range(5))

#: What measuring adds on a shared machine; more than n log n by so much counts as growing faster.
TOLERANCE = 1.25
MOST_MEMORY_MB = 4096
NIGHT = 0.03

Query = Callable[[Bucket], object]

QUERIES: dict[str, Query] = {
    "directly-follows": lambda one: directly_follows(one.customer, one.kind, one.at, KINDS),
    "variants": lambda one: variants(one.customer, one.kind, one.at),
    "funnel, first touch": lambda one: _funnel(one, "first_touch"),
    "funnel, any start": lambda one: _funnel(one, "any_start"),
    "leaving": lambda one: leaving(one.customer, one.kind, one.at, np.full(KINDS, 3 * DAY), as_of=UNTIL),
    "sessions": lambda one: sessions(one.customer, one.kind, one.at, KINDS, gap=DAY // 48),
    "retention": lambda one: retention(
        one.customer, one.at, origin=UNTIL - 364 * DAY, period=7 * DAY, cohorts=52, as_of=UNTIL
    ),
}


def _funnel(one: Bucket, semantics: str) -> object:
    return count_funnel(one.customer, one.kind, one.at, KINDS, Funnel(STEPS, 7 * DAY, semantics), as_of=UNTIL)


def query(name: str, lake: Lake) -> None:
    found = [QUERIES[name](bucket) for bucket in read_buckets(lake)]
    if name == "variants":
        add_variants(found)


def all_tables(lake: Lake) -> None:
    build_paths(lake, Engine(), [twelve_steps()], {}, as_of=AS_OF, run_id="bench")


def whole_fold(lake: Lake) -> None:
    assert fold(lake, twelve_steps(), AS_OF).whole


def night(lake: Lake) -> None:
    assert not fold(lake, twelve_steps(), AS_OF + dt.timedelta(days=1)).whole


def milestones(lake: Lake) -> None:
    milestone_tables(lake, _engine(lake), [twelve_steps()], as_of=AS_OF)


def explored(lake: Lake) -> None:
    cohorts = read_cohorts(lake, _engine(lake), [twelve_steps()], as_of=AS_OF)
    for analyse in (abandonment_hotspots, support_shifts, profitable_paths, change_priorities):
        analyse(_engine(lake), cohorts, SETTINGS)


def incidents(lake: Lake) -> None:
    cohorts = read_cohorts(lake, _engine(lake), [twelve_steps()], as_of=AS_OF, every_visit=True)
    rates_over_time(_engine(lake), cohorts, SETTINGS)


def _engine(lake: Lake) -> Engine:
    return Engine(memory_limit="2GB", temp_directory=str(lake.root / "spill"))


#: What reads steps and instances: milestones, E1 to E4, the search for incidents.
OF_THE_FOLD: dict[str, Callable[[Lake], None]] = {
    "milestones": milestones,
    "exploration": explored,
    "incidents": incidents,
}

WORK: dict[str, Callable[[Lake], None]] = {
    **{name: partial(query, name) for name in QUERIES},
    "fold": whole_fold,
    "all path tables": all_tables,
    **OF_THE_FOLD,
    "a night's fold": night,
}


def main(
    events: Annotated[list[int] | None, typer.Option(help="How many; may be repeated")] = None,
) -> None:
    """Exits 1 when something grows faster than n log n, needs more than 4 GB, or from ten million events on a night
    takes more than 3 % of a fold."""
    took: dict[int, dict[str, tuple[float, float]]] = {}
    for count in sorted(events or [1_000_000, 5_000_000, 10_000_000, 50_000_000]):
        with tempfile.TemporaryDirectory() as scratch:
            for size, folder in ((count, "lake"), (WARM_EVENTS, "warm")):
                _process("make", Path(scratch) / folder, str(size))
            took[count] = {}
            for name in WORK:
                if name == "a night's fold":
                    for size, folder in ((count, "lake"), (WARM_EVENTS, "warm")):
                        _process("day", Path(scratch) / folder, str(size))
                took[count][name] = json.loads(_process(name, Path(scratch) / "lake", str(Path(scratch) / "warm")))
        print(f"\n| {count:,} events | CPU-s | peak MB | CPU-us of each event and log2 n |\n|---|---:|---:|---:|")
        for name, (cpu, peak) in took[count].items():
            print(f"| {name} | {cpu:.2f} | {peak:,.0f} | {cpu * 1e6 / _n_log_n(count):.4f} |", flush=True)
    if _missed(took):
        raise typer.Exit(1)


def _missed(took: dict[int, dict[str, tuple[float, float]]]) -> bool:
    """Print which targets are met; whether any is not."""
    judged = []
    for name in WORK:
        for small, large in pairwise(took):
            growth, allowed = took[large][name][0] / took[small][name][0], _n_log_n(large) / _n_log_n(small)
            judged.append(
                (f"{name}, {small:,} to {large:,}: {growth:.1f} times, n log n {allowed:.1f}", growth, allowed)
            )
    print()
    for what, growth, allowed in judged:
        print(f"- {what}: {'no faster' if growth <= TOLERANCE * allowed else 'FASTER'}")
    missed = any(growth > TOLERANCE * allowed for _, growth, allowed in judged)
    for count, work in took.items():
        share, most = work["a night's fold"][0] / work["fold"][0], max(peak for _, peak in work.values())
        # The aim is for a year of ten million events; below, opening tables costs more than a day's events.
        late = share > NIGHT and count >= 10_000_000
        missed |= late or most > MOST_MEMORY_MB
        print(f"- {count:,}: a night takes {share:.1%} of a fold, nothing more than {most:,.0f} MB")
    return missed


def _n_log_n(n: int) -> float:
    return n * math.log2(n)


def _process(what: str, lake: Path, more: str) -> str:
    """A process of its own; what it prints last."""
    command = [sys.executable, "-m", "bench.journeys.scale", what, str(lake), more]
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, check=True, cwd=ROOT, env=environ, stdout=subprocess.PIPE, text=True)
    return (done.stdout.splitlines() or [""])[-1]


def _child(what: str, lake: Path, more: str) -> None:
    if what in ("make", "day"):
        (make_sequences if what == "make" else a_day_more)(Lake(lake), int(more), int(more) // 10)
        return
    WORK[what](Lake(more))
    started = time.process_time()
    WORK[what](Lake(lake))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps([time.process_time() - started, peak]))


if __name__ == "__main__":
    if len(sys.argv) == 4 and sys.argv[1] in ("make", "day", *WORK):
        _child(sys.argv[1], Path(sys.argv[2]), sys.argv[3])
    else:
        typer.run(main)
