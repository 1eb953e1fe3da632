"""``cx probe``: a first look at one service: is it there, are the credentials accepted, is a page as declared?"""

import datetime as dt
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from cx_orchestration.commands.options import ProjectFolder
from cx_orchestration.commands.terminal import terminal
from cx_orchestration.model.failures import PermanentFailure
from cx_orchestration.project import CXProject
from cx_orchestration.resources.service import FederatedService


def probe(
    service: Annotated[str, typer.Argument(help="The service: the name of its file in services/")],
    project: ProjectFolder = Path(),
) -> None:
    """Ask each stream of a service for its first page of the last day; exit 1 if one does not answer as declared."""
    loaded = CXProject.load(project)
    if service not in loaded.services:
        raise PermanentFailure(f"{project} declares no service '{service}'; it has {', '.join(loaded.services)}")
    days = loaded.days(now := dt.datetime.now(dt.UTC))
    end = days.bounds(loaded.zone)[1] if days else now
    with FederatedService(project=str(loaded.folder), service=service).opened() as source:
        looks = source.probe(end)
    console = terminal()
    for look in looks:
        if look.failure is not None:
            console.print(f"[red]failed[/red]  {service}/{look.stream}: {escape(str(look.failure))}")
        else:
            seen = "has records" if look.has_records else "answers, without records in that day"
            console.print(f"[green]ok[/green]      {service}/{look.stream}: {seen}")
    if any(look.failure is not None for look in looks):
        raise typer.Exit(1)
