"""``cx alert-test``: do alerts arrive?"""

from pathlib import Path

import typer

from cx_orchestration.alerts.destinations import Destinations
from cx_orchestration.alerts.messages import test_message
from cx_orchestration.commands.options import ProjectFolder
from cx_orchestration.commands.terminal import terminal
from cx_orchestration.model.failures import PermanentFailure
from cx_orchestration.project import CXProject


def alert_test(project: ProjectFolder = Path()) -> None:
    """Send a test message to every destination that project.yaml names; exit 1 if one does not take it."""
    loaded = CXProject.load(project)
    settings = loaded.settings.alerts
    destinations = Destinations(settings.urls_env, loaded.environ)
    if not destinations:
        raise PermanentFailure(
            f"{project}: project.yaml names nobody to tell; see alerts.urls_env in docs/operations.md"
        )
    outcomes = destinations.send(test_message(loaded.settings.name, settings.ui_url))
    console = terminal()
    for name, why in outcomes.items():
        console.print(f"[red]failed[/red]  {name}: {why}" if why else f"[green]sent[/green]    {name}")
    if any(outcomes.values()):
        raise typer.Exit(1)
