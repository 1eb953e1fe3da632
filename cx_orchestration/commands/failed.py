"""``cx failed``: the partitions whose last attempt failed, why, and the command that reruns them."""

from collections import defaultdict
from pathlib import Path
from typing import Annotated

import typer

from cx_orchestration.commands.terminal import terminal
from cx_orchestration.model.days import DayRange
from cx_orchestration.project import CXProject
from cx_orchestration.storage.registry import Attempt, Registry


def failed(
    project: Annotated[Path, typer.Option(help="The project folder")],
    lake: Annotated[Path | None, typer.Option(help="A lake folder in place of the project's")] = None,
) -> None:
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
    lake_option = f" --lake {lake}" if lake else ""
    for (service, stream, message), group in by_reason.items():
        for days in DayRange.contiguous(attempt.day for attempt in group):
            console.print(f"{service}/{stream} {days}: {message}", markup=False, soft_wrap=True)
            console.print(
                f"  cx run --project {project}{lake_option} --since {days.first} --until {days.last}"
                f" --select landing/{service}/{stream},integration/{service}/events",
                markup=False,
                soft_wrap=True,
            )
    raise typer.Exit(1)
