"""``cx run``: the whole project in one process, for a laptop, a test, or a cron job without a Dagster daemon."""

import datetime as dt
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import dagster as dg
import orjson
import typer
from rich.console import Console

from cx_orchestration.commands.materialize import Materialized, materialize_project
from cx_orchestration.commands.options import LakeFolder, ProjectFolder
from cx_orchestration.commands.summary import Summary, print_summary, summarise
from cx_orchestration.commands.terminal import terminal
from cx_orchestration.integration.failed import Folders
from cx_orchestration.model.days import DayRange
from cx_orchestration.model.failures import PermanentFailure
from cx_orchestration.project import CXProject
from cx_orchestration.storage.engine import Engine
from cx_orchestration.storage.lake import Lake
from cx_orchestration.storage.registry import Registry


def run(
    project: ProjectFolder = Path(),
    lake: LakeFolder = None,
    since: Annotated[
        dt.datetime | None, typer.Option(formats=["%Y-%m-%d"], help="First day; the project's first by default")
    ] = None,
    until: Annotated[
        dt.datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Last day; yesterday by default")
    ] = None,
    select: Annotated[
        str | None, typer.Option(help="Asset keys separated by commas, or a selection such as group:exploration")
    ] = None,
    owed: Annotated[bool, typer.Option("--owed", help="Read and map only what the sensor would by itself")] = False,
    json: Annotated[Path | None, typer.Option(help="Write the summary to this file")] = None,
) -> None:
    """Materialize a project in this process: plan, services in their order, customers, journeys, findings.

    Exits with 1 when a partition failed, after everything else is done. With DAGSTER_HOME set, the runs are kept there
    and the Dagster UI shows them.
    """
    if json is not None and not json.absolute().parent.is_dir():
        raise PermanentFailure(f"--json {json}: there is no folder {json.parent}; make it, or name another")
    loaded = CXProject.load(project)
    days = _days(loaded, since, until)
    with dagster_instance() as instance:
        materialized = materialize_project(loaded, instance, days=days, lake=lake, select=select, owed=owed)
    summary = summary_of(loaded, materialized, lake)
    print_summary(summary, terminal(), Folders(project, lake))
    report_traces(materialized)
    if json is not None:
        json.write_bytes(orjson.dumps(summary.as_json(), option=orjson.OPT_INDENT_2, default=str))
    if materialized.failures:
        raise typer.Exit(1)


@contextmanager
def dagster_instance() -> Iterator[dg.DagsterInstance]:
    """The instance of DAGSTER_HOME, or one that lasts as long as this process."""
    instance = dg.DagsterInstance.get() if os.environ.get("DAGSTER_HOME") else dg.DagsterInstance.ephemeral()
    with instance:
        yield instance


def summary_of(project: CXProject, materialized: Materialized, lake: Path | None) -> Summary:
    """The summary of a run from the lake and registry it wrote to."""
    root = lake or project.lake_root
    registry = Registry(project.registry_url(root))
    try:
        return summarise(materialized, Lake(root), Engine(), registry)
    finally:
        registry.close()


def report_traces(materialized: Materialized) -> None:
    """Unforeseen errors are bugs: show them whole, on standard error."""
    console = Console(stderr=True, soft_wrap=True)
    for failure in materialized.failures:
        if failure.trace:
            console.print(f"{failure.asset}: {failure.message}\n{failure.trace}", markup=False)


def _days(project: CXProject, since: dt.datetime | None, until: dt.datetime | None) -> DayRange:
    everything = project.days_due(dt.datetime.now(dt.UTC))
    if everything is None:
        start = project.settings.rollout.since or project.settings.start_date
        raise PermanentFailure(f"The project starts on {start}: no day of it is over yet in {project.zone}.")
    first = since.date() if since else everything.first
    last = until.date() if until else everything.last
    if last < first:
        raise PermanentFailure(f"--since {first} lies after --until {last}")
    if first not in everything or last not in everything:
        raise PermanentFailure(f"{first}..{last} reaches outside the project's days {everything}")
    return DayRange(first, last)
