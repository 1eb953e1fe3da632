"""Runs the sides on every data set and prints them beside each other, as a table in Markdown.

make bench-identity    or    python -m bench.identity --peers PYTHON_WITH_THE_PEERS
"""

import logging
import os
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, TypeAlias

import numpy as np
import pandas as pd
import typer
from numpy.typing import NDArray

from bench.identity.sides import ours, plain_splink
from cx_orchestration.identity.evaluation import Scores, score_clusters

ROOT = Path(__file__).parents[2]
OURS = "this project"
#: Cluster pair-F1 to reach. On the other sets nothing was tuned, and nothing is demanded: they show how it generalises.
TARGETS = {"febrl3": 0.999, "febrl4": 0.999, "pseudopeople": 0.985}

#: Share of right pairs to reach, where strangers would be glued together.
PRECISION = {"families": 0.99}
#: Of sets whose keys a household shares: what kind of keys they are.
KINDS = {"families": {"email": {"normalise": "email"}, "phone": {"normalise": "phone", "strength": "household"}}}

#: Splink's probabilities at which records are one: the middle, and one that many take to be careful.
THRESHOLDS = (0.5, 0.99)

#: Clusterings under a name each, and the CPU-seconds of all of them.
Found: TypeAlias = tuple[dict[str, NDArray[np.integer]], float]


@dataclass(frozen=True)
class DataSet:
    """A set with its truth, and the file that the peers read it from."""

    name: str
    source: Path
    rows: pd.DataFrame


def main(
    peers: Annotated[Path, typer.Option(help="A Python that has bench/identity/requirements.txt")],
    only: Annotated[list[str] | None, typer.Option(help="A data set; may be repeated")] = None,
) -> None:
    """Exits 1 when a target is missed."""
    logging.getLogger("splink").setLevel(logging.ERROR)
    sides: dict[str, Callable[[DataSet], Found]] = {
        OURS: _ours,
        "plain Splink": _splink,
        "recordlinkage ECM": lambda data: _ecm(peers, data.source),
    }
    notes, missed = [], False
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        _in_peers(peers, "datasets", folder, *(only or []))
        headings = [f"{of} {measure}" for of in ("pair", "cluster", "B3") for measure in ("P", "R", "F1")]
        _print_row("data set", "records", "side", *headings, "CPU-s")
        _print_row("---", "---:", "---", *["---:"] * (len(headings) + 1))
        for source in sorted(folder.glob("*.parquet")):
            data = DataSet(source.stem[3:], source, pd.read_parquet(source))
            for side, find in sides.items():
                try:
                    found, cpu = find(data)
                except subprocess.CalledProcessError as error:
                    notes.append(f"{data.name}: {side} failed: {error.stderr.strip().splitlines()[-1]}")
                    continue
                except ValueError as error:  # Splink's EM, where no pair is at a level
                    notes.append(f"{data.name}: {side} failed: {str(error).splitlines()[0]}")
                    continue
                for name, labels in found.items():
                    scores = score_clusters(labels, data.rows["person"])
                    measures = [*_three(scores.pairs), *_three(scores.clusters), *_three(scores.b_cubed)]
                    _print_row(data.name, f"{len(data.rows):,}", name, *measures, f"{cpu:.1f}")
                    if name == OURS and (target := TARGETS.get(data.name)):
                        reached = scores.pairs.f1.value >= target
                        missed |= not reached
                        notes.append(f"{data.name}: target of pair F1 {target}: {'met' if reached else 'missed'}")
                    if name == OURS and (least := PRECISION.get(data.name)):
                        reached = scores.pairs.precision.value >= least
                        missed |= not reached
                        notes.append(f"{data.name}: target of pair P {least}: {'met' if reached else 'missed'}")
    print("\n".join(["", *notes]))
    if missed:
        raise typer.Exit(1)


def _print_row(*cells: str) -> None:
    print(f"| {' | '.join(cells)} |", flush=True)


def _three(scores: Scores) -> list[str]:
    return [f"{measure.value:.4f}" for measure in (scores.precision, scores.recall, scores.f1)]


def _ours(data: DataSet) -> Found:
    labels, cpu = ours(data.rows, KINDS.get(data.name))
    return {OURS: labels}, cpu


def _splink(data: DataSet) -> Found:
    labels, cpu = plain_splink(data.rows, THRESHOLDS)
    return {f"plain Splink at {threshold}": found for threshold, found in zip(THRESHOLDS, labels, strict=True)}, cpu


def _ecm(peers: Path, source: Path) -> Found:
    target = source.with_suffix(".labels")
    _in_peers(peers, "ecm", source, target)
    found = pd.read_parquet(target)
    return {"recordlinkage ECM": found["label"].to_numpy()}, float(found["cpu"].iloc[0])


def _in_peers(peers: Path, module: str, *arguments: Path | str) -> None:
    """Run a module of this package in the peers' environment, which does not have the project installed."""
    command = [peers.absolute(), "-m", f"bench.identity.{module}", *arguments]
    subprocess.run(
        command, check=True, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True
    )


if __name__ == "__main__":
    typer.run(main)
