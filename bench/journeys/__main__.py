"""Runs the sides on the same events and prints what each took beside the others, as a table in Markdown.

make bench-journeys    or    python -m bench.journeys --events 1000000 [--peers PYTHON_WITH_THE_PEERS]
"""

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

ROOT = Path(__file__).parents[2]
WARM_EVENTS = 20_000

FLOOR, SEQUENCES, LOG, DUCKDB = "floor", "sequences", "log", "duckdb"
PEERS = ("pm4py", "retentioneering")
WHAT = {
    FLOOR: "the floor: scan, counting sort, one bare pass",
    SEQUENCES: "this project, from `journeys/sequences`",
    LOG: "this project, from the unsorted log",
    DUCKDB: "DuckDB, hand-tuned SQL, from the unsorted log",
    "pm4py": "pm4py, from the unsorted log: follows, mean times, variants",
    "retentioneering": "retentioneering, from the unsorted log: follows, funnel without a window, sessions",
}


@dataclass(frozen=True)
class Run:
    """What a side took, and what it found."""

    cpu: float
    peak_mb: float
    answers: dict[str, Any]


def main(
    events: Annotated[list[int] | None, typer.Option(help="How many; may be repeated")] = None,
    peers: Annotated[Path | None, typer.Option(help="A Python that has bench/journeys/requirements.txt")] = None,
) -> None:
    """Exits 1 when a target is missed or two sides give different answers."""
    failed = False
    for count in events or [10_000_000]:
        with tempfile.TemporaryDirectory() as scratch:
            folder, warm = Path(scratch) / "events", Path(scratch) / "warm"
            for place, size in ((folder, count), (warm, WARM_EVENTS)):
                place.mkdir()
                print(f"{size:,} events: ", end="", flush=True)
                # A process of its own: a child's peak of memory is never below what its parent had when it was made.
                command = [sys.executable, "-m", "bench.journeys.events", str(size), str(place)]
                subprocess.run(command, check=True, cwd=ROOT)
            runs = {side: _run(sys.executable, "sides", side, folder, warm) for side in (FLOOR, SEQUENCES, LOG, DUCKDB)}
            for side in PEERS if peers else ():
                runs[side] = _run(str(peers.absolute()), "peers", side, folder, warm)
        print(f"\n| {count:,} events | CPU-s | times the floor | peak MB |\n|---|---:|---:|---:|")
        for side, run in runs.items():
            print(f"| {WHAT[side]} | {run.cpu:.2f} | {run.cpu / runs[FLOOR].cpu:.2f} | {run.peak_mb:,.0f} |")
        failed |= _missed(runs)
    if failed:
        raise typer.Exit(1)


def _missed(runs: dict[str, Run]) -> bool:
    """Print which targets are met, and which answers differ; whether any is not as it should be."""
    judged = [
        ("from sequences at most 2 times the floor", runs[SEQUENCES].cpu <= 2 * runs[FLOOR].cpu),
        ("from the log at most a third of DuckDB", runs[LOG].cpu <= runs[DUCKDB].cpu / 3),
    ]
    for peer in set(PEERS) & set(runs):
        judged.append((f"from the log at most a tenth of {peer}", runs[LOG].cpu <= runs[peer].cpu / 10))
        judged.append((f"less than half the memory of {peer}", runs[LOG].peak_mb < runs[peer].peak_mb / 2))
    ours = runs[SEQUENCES].answers
    for side, run in runs.items():
        differ = [name for name, answer in run.answers.items() if not _equal(name, answer, ours[name])]
        judged.append((f"{side} answers alike ({', '.join(run.answers)})", not differ))
        if differ:
            print(f"\n{side} differs in: {', '.join(differ)}")
    print()
    for what, met in judged:
        print(f"- {what}: {'met' if met else 'MISSED'}")
    return not all(met for _, met in judged)


def _equal(name: str, found: Any, expected: Any) -> bool:
    if name in ("mean_seconds", "sessions"):
        return bool(np.allclose(found, expected, rtol=1e-9, atol=1e-6))
    if name == "most_frequent":
        # Which of equally frequent paths is the last one told is no answer.
        return _above_last(found) == _above_last(expected)
    return bool(found == expected)


def _above_last(ranked: list[list[Any]]) -> list[list[Any]]:
    return [[path, customers] for path, customers in ranked if customers > ranked[-1][1]]


def _run(python: str, module: str, side: str, folder: Path, warm: Path) -> Run:
    """A side in a process of its own; ``warm`` is for a first run that loads and compiles what it needs."""
    environ = {**os.environ, "PYTHONPATH": str(ROOT), "RETENTIONEERING_NO_TRACK": "1"}
    command = [python, "-m", f"bench.journeys.{module}", side, str(folder), str(warm)]
    done = subprocess.run(command, check=True, cwd=ROOT, env=environ, stdout=subprocess.PIPE, text=True)
    return Run(**json.loads(done.stdout.splitlines()[-1]))


if __name__ == "__main__":
    typer.run(main)
