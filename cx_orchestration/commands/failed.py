"""``cx failed``: what is left failed, why, since when, and the command that reruns it."""

import sys
from contextlib import closing
from pathlib import Path
from typing import Annotated

import orjson
import typer

from cx_orchestration.commands.options import LakeFolder, ProjectFolder
from cx_orchestration.commands.terminal import terminal
from cx_orchestration.integration.failed import FailedRange, Folders, failed_ranges
from cx_orchestration.project import CXProject
from cx_orchestration.storage.registry import Registry
from cx_orchestration.storage.unaskable import Unaskable
from cx_orchestration.storage.waits import Wait

_ASKED_AGAIN = "mend it; the sensor asks again at its next tick"


def failed(
    project: ProjectFolder = Path(),
    lake: LakeFolder = None,
    json: Annotated[bool, typer.Option("--json", help="Write the list to standard output as JSON")] = False,
) -> None:
    """List failed partitions with their reason and the command that reruns them.

    Then services that cannot be asked, and those that do not answer.

    Exits with 1 if there are any.
    """
    loaded = CXProject.load(project)
    wanted = loaded.streams_due()
    with closing(Registry(loaded.registry_url(lake or loaded.lake_root))) as registry:
        ranges = failed_ranges(registry.left_failed(), wanted)
        waits = [wait for service, wait in registry.waits.standing().items() if wanted.get(service)]
        unaskable = [each for service, each in registry.unaskable.standing().items() if wanted.get(service)]
    folders = Folders(project, lake)
    if json:
        found = {
            "failed": [each.as_row(folders) for each in ranges],
            "unaskable": [each.as_row() for each in unaskable],
            "silent": [vars(wait) for wait in waits],
        }
        sys.stdout.write(orjson.dumps(found, option=orjson.OPT_INDENT_2).decode() + "\n")
    else:
        _print([line for each in ranges for line in _lines(each, folders)], unaskable, waits)
    if ranges or unaskable or waits:
        raise typer.Exit(1)


def _print(failed: list[str], unaskable: list[Unaskable], waits: list[Wait]) -> None:
    console = terminal()
    not_asked = [line for each in unaskable for line in (f"{each}", f"  {each.reason}", f"  {_ASKED_AGAIN}")]
    for line in failed + not_asked + [f"{wait}" for wait in waits] or ["No partition is left failed."]:
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def _lines(failed: FailedRange, folders: Folders) -> list[str]:
    often = "once" if failed.times == 1 else f"{failed.times} times"
    return [
        f"{failed.assets[0]} {failed.days}: {failed.family}, {often} since {failed.since:%Y-%m-%d %H:%M} UTC",
        f"  {failed.message}",
        f"  {failed.rerun(folders)}",
    ]
