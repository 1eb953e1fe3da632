"""``cx failed``: what is left failed, why, since when, and the command that reruns it."""

import datetime as dt
import sys
from contextlib import closing
from pathlib import Path
from typing import Annotated

import orjson
import typer

from cx_orchestration.commands.options import LakeFolder, ProjectFolder
from cx_orchestration.commands.terminal import terminal
from cx_orchestration.integration.failed import FailedRange, Folders, failed_ranges
from cx_orchestration.model.failures import PermanentFailure
from cx_orchestration.project import CXProject
from cx_orchestration.storage.registry import Registry
from cx_orchestration.storage.unaskable import Unaskable
from cx_orchestration.storage.waits import Wait

_ASKED_AGAIN = "mend it; the sensor asks again at its next tick"
_NOTHING = (
    "No partition is left failed.",
    "This is about services' days. What failed after them (identity, journeys, findings, publishing) the run itself "
    "said; of runs under DAGSTER_HOME the UI shows it.",
)


def failed(
    project: ProjectFolder = Path(),
    lake: LakeFolder = None,
    json: Annotated[bool, typer.Option("--json", help="Write the list to standard output as JSON")] = False,
    lift: Annotated[
        str | None, typer.Option(help="First end the wait that this service asked for", metavar="SERVICE")
    ] = None,
) -> None:
    """List services' days that failed, with their reason and the command that reruns them.

    After them the command that makes customers, journeys and findings of what was rerun; then services that cannot be
    asked, and those that do not answer. Of a project with errors, all that is left failed, and the errors after it.
    What failed after the services' days is told by the run itself.

    Exits with 1 if there are any.
    """
    loaded, invalid = CXProject.load_as_far_as_possible(project)
    wanted = loaded.streams_due() if isinstance(loaded, CXProject) else None
    now = dt.datetime.now(dt.UTC)
    with closing(Registry(loaded.registry_url(lake or loaded.lake_root))) as registry:
        if lift is not None:
            typer.echo(_lifted(registry, lift), err=True)
        ranges = failed_ranges(registry.left_failed(), wanted)
        standing = registry.waits.standing()
        waits = [wait for service, wait in standing.items() if wanted is None or wanted.get(service)]
        unaskable = [
            each for service, each in registry.unaskable.standing().items() if wanted is None or wanted.get(service)
        ]
    folders = Folders(project, lake)
    if json:
        found = {
            "failed": [each.as_row(folders) for each in ranges],
            "afterwards": folders.customers if ranges else None,
            "unaskable": [each.as_row() for each in unaskable],
            "silent": [vars(wait) for wait in waits],
        }
        sys.stdout.write(orjson.dumps(found, option=orjson.OPT_INDENT_2).decode() + "\n")
    else:
        lines = [line for each in ranges for line in _lines(each, folders, each.not_before(standing, now))]
        if ranges:
            lines += ["then, once, customers, journeys and findings; the sensors do so by themselves:"]
            lines += [f"  {folders.customers}"]
        _print(lines, unaskable, waits)
    if invalid is not None:
        raise invalid
    if ranges or unaskable or waits:
        raise typer.Exit(1)


def _lifted(registry: Registry, service: str) -> str:
    """End a service's wait, and say so."""
    waits = registry.waits.standing()
    if service not in waits:
        those = f"only {', '.join(waits)}" if waits else "nor is any other"
        raise PermanentFailure(f"--lift {service}: it is not left alone, {those}")
    registry.waits.answered(service)
    return f"lifted: {waits[service]}\n{service} may be asked again from now on"


def _print(failed: list[str], unaskable: list[Unaskable], waits: list[Wait]) -> None:
    console = terminal()
    not_asked = [line for each in unaskable for line in (f"{each}", f"  {each.reason}", f"  {_ASKED_AGAIN}")]
    for line in failed + not_asked + [f"{wait}" for wait in waits] or _NOTHING:
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def _lines(failed: FailedRange, folders: Folders, not_before: dt.datetime | None) -> list[str]:
    often = "once" if failed.times == 1 else f"{failed.times} times"
    return [
        f"{failed.assets[0]} {failed.days}: {failed.family}, {often} since {failed.since:%Y-%m-%d %H:%M} UTC",
        f"  {failed.message}",
        *([f"  it asked to be left alone: run this after {not_before:%Y-%m-%d %H:%M} UTC"] if not_before else []),
        f"  {failed.rerun(folders)}",
    ]
