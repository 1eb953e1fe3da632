"""Runs the sides in turn against one server and prints them beside each other.

make bench-extract    or    python -m bench.extract --dlt PYTHON_WITH_DLT
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

HERE = Path(__file__).parent
TIMES_DLT, TIMES_BARE = 5.0, 1.3


@contextmanager
def serving(records: int) -> Iterator[str]:
    """The server in a process of its own; its CPU is nobody's."""
    server = subprocess.Popen([sys.executable, HERE / "server.py", str(records)], stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        yield f"http://127.0.0.1:{int(server.stdout.readline())}"
    finally:
        server.terminate()
        server.wait()


def run(command: list[Any], url: str, expected: int) -> dict[str, float]:
    """One side, once; it must have read every record."""
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run([*map(str, command), url, folder], stdout=subprocess.PIPE, text=True, check=True)
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    if figures["rows"] != expected:
        raise SystemExit(f"{command} read {figures['rows']} of {expected} rows")
    return figures


def main(
    dlt: Annotated[Path, typer.Option(help="A Python that has dlt")],
    records: int = 200_000,
    many: int = 2_000_000,
    repeat: int = 5,
) -> None:
    """Exits 1 when a target is missed."""
    console = Console()
    ours, bare = ([sys.executable, HERE / "sides.py", side] for side in ("ours", "bare"))
    sides = {"this project, into the lake": ours, "requests, orjson, pyarrow": bare, "dlt": [dlt, HERE / "dlt_side.py"]}
    taken: dict[str, list[dict[str, float]]] = {name: [] for name in sides}
    with serving(records) as url:
        for _ in range(repeat):
            for name, command in sides.items():
                taken[name].append(run(command, url, records))
    with serving(many) as url:
        peak = run(ours, url, many)["peak_mb"]

    report = Table(title=f"{records:,} records, 100 a page, to Parquet; median of {repeat}")
    for heading in ("", "CPU-seconds", "lowest", "highest", "rows a CPU-second", "peak MB"):
        report.add_column(heading, justify="right" if heading else "left", no_wrap=not heading)
    for name, figures in taken.items():
        cpu = [figure["cpu"] for figure in figures]
        shown = f"{median(cpu):.2f}", f"{min(cpu):.2f}", f"{max(cpu):.2f}", f"{records / median(cpu):,.0f}"
        report.add_row(name, *shown, f"{max(figure['peak_mb'] for figure in figures):,.0f}")
    console.print(report)
    mine, plain, peer = (median(figure["cpu"] for figure in figures) for figures in taken.values())
    before = max(figure["peak_mb"] for figure in taken["this project, into the lake"])
    console.print(
        f"Times dlt: {peer / mine:.1f} (at least {TIMES_DLT:g}). Of bare requests: {mine / plain:.2f} "
        f"(at most {TIMES_BARE:g}). Peak memory at {many:,} records: {peak:,.0f} MB ({peak / before:.2f} times)."
    )
    if peer / mine < TIMES_DLT or mine / plain > TIMES_BARE:
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
