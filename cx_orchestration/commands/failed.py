"""``cx failed``: the partitions whose last attempt failed, why, and the command that reruns them."""

import shlex
from collections import defaultdict
from pathlib import Path

import typer

from cx_orchestration.commands.options import LakeFolder, ProjectFolder
from cx_orchestration.commands.terminal import terminal
from cx_orchestration.model.days import DayRange
from cx_orchestration.project import CXProject
from cx_orchestration.storage.registry import MAPPING, Attempt, Registry


def failed(project: ProjectFolder = Path(), lake: LakeFolder = None) -> None:
    """List failed partitions with their reason and the command that reruns them; exit 1 if there are any."""
    loaded = CXProject.load(project)
    registry = Registry(loaded.registry_url(lake or loaded.lake_root))
    attempts = registry.failed()
    registry.close()
    console = terminal()
    if not attempts:
        console.print("No partition is left failed.")
        return
    by_reason: dict[tuple[str, str, str], list[Attempt]] = defaultdict(list)
    for attempt in attempts:
        by_reason[attempt.service, attempt.stream, attempt.message].append(attempt)
    folders = ["--project", str(project), *(["--lake", str(lake)] if lake else [])]
    for (service, stream, message), group in by_reason.items():
        keys = _asset_keys(service, stream)
        for days in DayRange.contiguous(attempt.day for attempt in group):
            command = ["cx", "run", *folders, "--since", str(days.first), "--until", str(days.last)]
            rerun = shlex.join([*command, "--select", ",".join(keys)])
            for line in (f"{keys[0]} {days}: {message}", f"  {rerun}"):
                console.print(line, markup=False, highlight=False, soft_wrap=True)
    raise typer.Exit(1)


def _asset_keys(service: str, stream: str) -> list[str]:
    """What failed, followed by what is made from it and must be made anew."""
    events = f"integration/{service}/events"
    return [events] if stream == MAPPING else [f"landing/{service}/{stream}", events]
