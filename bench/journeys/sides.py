"""The sides that run in the project's environment, each in a process of its own.

python -m bench.journeys.sides SIDE FOLDER    prints CPU-seconds, peak memory and the answers as JSON
"""

import json
import resource
import sys
import time
from collections.abc import Callable
from functools import reduce
from importlib.resources import files
from operator import add
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import numba
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from bench.journeys.events import END, KINDS, TYPES
from cx_orchestration.journeys.event_types import type_names
from cx_orchestration.journeys.logs import order_log
from cx_orchestration.journeys.paths.follows import directly_follows
from cx_orchestration.journeys.paths.funnel import SEMANTICS, Funnel, count_funnel
from cx_orchestration.journeys.paths.leaving import leaving
from cx_orchestration.journeys.paths.sessions import sessions
from cx_orchestration.journeys.paths.variants import add_variants, variants
from cx_orchestration.journeys.reading import read_buckets
from cx_orchestration.storage.engine import Engine
from cx_orchestration.storage.lake import Lake

DAY = 86_400_000_000
AS_OF = int(END.timestamp()) * 1_000_000
GAP, WAIT, WINDOW = 30 * 60 * 1_000_000, 3 * DAY, 7 * DAY
STEPS = (0, 1, 2, 3, 4)
MOST_FREQUENT = 50

Answers = dict[str, Any]


class Bare(NamedTuple):
    customer: np.ndarray
    kind: np.ndarray
    at: np.ndarray


def from_sequences(folder: Path) -> Answers:
    lake = Lake(folder / "lake")
    names = type_names(lake, Engine())
    return _answers([Bare(one.customer, one.kind, one.at) for one in [*read_buckets(lake)]], names)


def from_log(folder: Path) -> Answers:
    path = folder / "log.parquet"
    rows = _read(path, "customer_id", "type", "occurred_at")
    log = order_log(rows, lambda: _read(path, "event_id")["event_id"])
    return _answers([Bare(log.customer, log.kind, log.at)], log.types.to_pylist())


def floor(folder: Path) -> Answers:
    """Integer-coded events read, put into order by a counting sort, and one pass that counts what follows what."""
    rows = _read(folder / "integers.parquet", "customer", "type", "at")
    columns = [rows[name].to_numpy() for name in ("customer", "type", "at")]
    customer, kind, _ = counting_sort(*columns)
    return {"follows": bare_pass(customer, kind, KINDS).tolist()}


def by_duckdb(folder: Path) -> Answers:
    """The same answers in SQL, each text a question; the sort and the windows are made once."""
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        names = ", ".join(f"'{name}'" for name in TYPES)
        connection.execute(f"CREATE TYPE event_type AS ENUM ({names})")
        connection.execute(_sql("ordered").replace("$log", f"'{folder / 'log.parquet'}'"))
        params = {"as_of": AS_OF, "gap": GAP, "wait": WAIT, "window": WINDOW, "most": MOST_FREQUENT}

        def ask(name: str) -> list[tuple[Any, ...]]:
            text = _sql(name)
            return connection.execute(text, {key: params[key] for key in params if f"${key}" in text}).fetchall()

        follows = np.zeros((KINDS, KINDS, 2))
        for source, to, count, mean in ask("follows"):
            follows[TYPES.index(source), TYPES.index(to)] = count, mean
        count, single, seconds = ask("sessions")[0]
        paths = ask("variants")
        return {
            "follows": follows[:, :, 0].tolist(),
            "mean_seconds": follows[:, :, 1].tolist(),
            "variants": paths[0][2],
            "most_frequent": sorted([[path, n] for path, n, _ in paths], key=lambda one: (-one[1], one[0])),
            "first_touch": list(ask("first_touch")[0]),
            "any_start": list(ask("any_start")[0]),
            "leaving": [list(row) for row in sorted(ask("leaving"))],
            "sessions": [count, single, seconds],
        }


def _answers(buckets: list[Bare], names: list[str]) -> Answers:
    code = {name: place for place, name in enumerate(names)}
    steps = tuple(frozenset([code[TYPES[step]]]) for step in STEPS)
    wait = np.full(len(names), WAIT)
    of_type = [code[name] for name in TYPES]
    follows = reduce(add, [directly_follows(*one, len(names)) for one in buckets])
    paths = add_variants([variants(*one) for one in buckets])
    funnels = {
        how: reduce(
            add, (count_funnel(*one, len(names), Funnel(steps, WINDOW, how), as_of=AS_OF)[0] for one in buckets)
        )
        for how in SEMANTICS
    }
    left = reduce(add, [leaving(*one, wait, as_of=AS_OF) for one in buckets])
    parts = reduce(add, [sessions(*one, len(names), gap=GAP) for one in buckets])
    pairs = np.ix_(of_type, of_type)
    # As many variants as come before the last frequency that is told in full: which of equals come first is no answer.
    ranked = [(paths.path(one), int(paths.customers[one])) for one in paths.most_frequent(MOST_FREQUENT, names)]
    told = sorted([[">".join(names[c] for c in path), n] for path, n in ranked], key=lambda one: (-one[1], one[0]))
    return {
        "follows": follows.count[pairs].tolist(),
        "mean_seconds": np.nan_to_num(follows.mean_seconds[pairs]).tolist(),
        "variants": len(paths.customers),
        "most_frequent": told,
        **{how: counts.reached.tolist() for how, counts in funnels.items()},
        "leaving": [
            [name, *(int(array[code[name]]) for array in (left.visits, left.left, left.open))] for name in sorted(code)
        ],
        "sessions": [
            int(parts.begun.sum()),
            int(parts.single.sum()),
            float(np.nansum(parts.mean_seconds * parts.begun)),
        ],
    }


@numba.njit(cache=True)
def counting_sort(customer, kind, at):
    count = customer.max() + 2
    start = np.zeros(count, np.int64)
    for i in range(len(customer)):
        start[customer[i] + 1] += 1
    for one in range(count - 1):
        start[one + 1] += start[one]
    customers, kinds, times = np.empty_like(customer), np.empty_like(kind), np.empty_like(at)
    for i in range(len(customer)):
        place = start[customer[i]]
        start[customer[i]] = place + 1
        customers[place], kinds[place], times[place] = customer[i], kind[i], at[i]
    return customers, kinds, times


@numba.njit(cache=True)
def bare_pass(customer, kind, kinds):
    count = np.zeros((kinds, kinds), np.int64)
    for i in range(1, len(customer)):
        if customer[i] == customer[i - 1]:
            count[kind[i - 1], kind[i]] += 1
    return count


def _read(path: Path, *columns: str) -> pa.Table:
    return pq.ParquetFile(path, memory_map=True).read(list(columns), use_threads=False)


def _sql(name: str) -> str:
    return files(__package__).joinpath(f"{name}.sql").read_text(encoding="utf-8")


SIDES: dict[str, Callable[[Path], Answers]] = {
    "floor": floor,
    "sequences": from_sequences,
    "log": from_log,
    "duckdb": by_duckdb,
}


def measured(side: Callable[[Path], Answers], folder: Path, warm: Path | None) -> None:
    """Print what a side took and found. ``warm`` has a few events for a first run, in which passes are compiled."""
    if warm is not None:
        side(warm)
    started = time.process_time()
    answers = side(folder)
    cpu = time.process_time() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"cpu": cpu, "peak_mb": peak, "answers": answers}))


if __name__ == "__main__":
    measured(SIDES[sys.argv[1]], Path(sys.argv[2]), Path(sys.argv[3]))
