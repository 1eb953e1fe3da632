"""``cx demo``: the main job on a whole demo company, from services over HTTP to findings, held against the truth."""

import datetime as dt
import shlex
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import pandas as pd
import typer
from rich.console import Console
from rich.markup import escape
from sqlalchemy import event
from sqlalchemy.engine import Engine

from cx_orchestration.commands.company import DemoCompany, DemoFolder, serving
from cx_orchestration.commands.materialize import materialize_project
from cx_orchestration.commands.run import dagster_instance, report_traces, summary_of
from cx_orchestration.commands.summary import FINDINGS, print_summary
from cx_orchestration.commands.terminal import terminal
from cx_orchestration.demo.company import SEED
from cx_orchestration.demo.compare import (
    FindingsComparison,
    compare_findings,
)
from cx_orchestration.demo.traces import Traces, trace
from cx_orchestration.demo.truth import Truth
from cx_orchestration.identity.labels import Evaluation, Labels, evaluate
from cx_orchestration.integration.failed import Folders
from cx_orchestration.model import tables
from cx_orchestration.project import CXProject
from cx_orchestration.storage.lake import Lake

_TOO_SMALL = (
    f"Below {DemoCompany.customers:,} people and {DemoCompany.days} days a company is too small to judge: "
    "what was planted may be missed, and that is no failure."
)


@dataclass(frozen=True)
class Comparison:
    """Results of one company held against its truth."""

    identity: Evaluation
    traces: Traces
    findings: FindingsComparison


def demo(
    customers: Annotated[int, typer.Option(min=50, help="How many people the company knows")] = 5_000,
    days: Annotated[int, typer.Option(min=10, help="How many days of history it has")] = 90,
    seed: Annotated[int, typer.Option(help="Another seed, another company")] = SEED,
    null: Annotated[bool, typer.Option("--null", help="A company in which nothing is to be found")] = False,
    directory: Annotated[Path, typer.Option("--dir", help="Where it is kept; emptied first")] = Path(".run/demo"),
) -> None:
    """Run the main job on a demo company and compare the result with the truth.

    Exits with 1 when a partition failed and, in a company of the default size or larger, when a planted finding is
    missed or something is found that nothing planted explains. A smaller company is too small to judge by.
    """
    console = terminal()
    folder = DemoFolder(directory.resolve())
    company = DemoCompany(customers=customers, days=days, seed=seed, null=null)
    folder.start_anew(company)
    console.print(f"Starting a company of {customers:,} people and {days} days, seven services over HTTP ...")
    with (
        serving(folder, company),
        sqlite_without_fsync(),
        dagster_instance() as instance,
    ):
        project = CXProject.load(folder.project)
        wanted = project.days(dt.datetime.now(dt.UTC))
        if wanted is None:
            raise typer.BadParameter("the company has no day that is over")
        console.print(f"Materializing {project.settings.name}, {wanted} ...")
        materialized = materialize_project(project, instance, days=wanted, tell=console.print)
    print_summary(summary_of(project, materialized, None), console, Folders(folder.project))
    truth = Truth.read(folder.truth)
    compared = held_against_truth(Lake(project.lake_root), truth)
    _print_comparison(console, compared, truth)
    wrong = wrong_findings(compared)
    if not company.is_judged:
        console.print(f"  [bold]{_TOO_SMALL}[/bold]")
    elif wrong:
        console.print(f"  [red]failed[/red] {escape('; '.join(wrong))}")
    _print_where_to_look(console, folder)
    report_traces(materialized)
    if materialized.failures or (wrong and company.is_judged):
        raise typer.Exit(1)


@contextmanager
def sqlite_without_fsync() -> Iterator[None]:
    """SQLite hands its writes to the operating system and does not wait for the disk.

    Dagster commits several times for each of some 2,000 materialized partitions; on a slow disk waiting for all of
    them takes longer than the whole run. A demo that a power cut ends is simply run again.
    """

    def hand_over(connection: object, _: object) -> None:
        if isinstance(connection, sqlite3.Connection):
            connection.execute("PRAGMA synchronous = OFF")

    event.listen(Engine, "connect", hand_over)
    try:
        yield
    finally:
        event.remove(Engine, "connect", hand_over)


def held_against_truth(lake: Lake, truth: Truth) -> Comparison:
    """Compare who is who, and the findings of all analyses, with the truth."""
    findings = pd.concat(lake.read(table).to_pandas().assign(analysis=name) for name, table in FINDINGS.items())
    resolved, keys = lake.read(tables.IDENTITY_MAP).to_pandas(), lake.read(tables.KEYS_SEEN).to_pandas()
    identity = evaluate(resolved, Labels(who=truth.who))
    return Comparison(identity, trace(truth.who, keys, resolved), compare_findings(findings, truth))


def wrong_findings(compared: Comparison) -> list[str]:
    """What must not be where there is enough to see: planted findings that were missed, findings without a cause."""
    unplanted = (
        compared.findings.unplanted.astype(str).agg(" ".join, axis=1) if len(compared.findings.unplanted) else ()
    )
    return [
        *(f"missed {missed.analysis}: {missed.segment} = {missed.value}" for missed in compared.findings.missed),
        *(f"explained by nothing: {found}" for found in unplanted),
    ]


def _print_comparison(console: Console, compared: Comparison, truth: Truth) -> None:
    who, judged = compared.identity, compared.findings
    console.print("\n[bold]Against the truth[/bold]")
    console.print(
        f"  Customers: {who.customers:,} found, {who.people:,} people; "
        f"pairs of records put together with precision {who.pairs.precision.value:.4f} "
        f"and recall {who.pairs.recall.value:.4f}"
    )
    traces = compared.traces
    console.print(
        f"  Recall of the pairs that any shared value joins, directly or over others: {traces.traced_recall:.4f}; "
        f"{traces.traceless_share_of_missed:.0%} of the missed pairs have nothing to go by, such as browsers on which "
        "nobody ever signed in"
    )
    console.print(f"  Planted findings: {len(judged.found)} of {len(truth.planted)} found")
    for planted in truth.planted:
        mark = "[green]found[/green] " if planted in judged.found else "[red]missed[/red]"
        where = f" at {planted.step}" if planted.step else ""
        console.print(f"    {mark} {planted.analysis}: {planted.segment} = {planted.value}{where}; {planted.what}")
    for title, rows in (
        ("Further findings that follow from a planted one", judged.consequences),
        ("Findings explained by nothing", judged.unplanted),
    ):
        console.print(f"  {title}: {len(rows)}")
        for row in rows.itertuples(index=False):
            console.print(f"    {escape(' '.join(str(value) for value in row if value))}")


def _print_where_to_look(console: Console, folder: DemoFolder) -> None:
    console.print("\n[bold]Where to look[/bold]")
    for what, where in (
        ("Scorecard (open in a browser)", folder.lake / "reports" / "scorecard.html"),
        ("Tables (Delta, Parquet)", folder.lake),
        ("Project folder", folder.project),
        ("Dagster UI on this result", shlex.join(["cx", "dev", "--dir", str(folder.root)])),
    ):
        console.print(f"  {what}: {where}", soft_wrap=True)
