"""``cx identity publish``: publishes an identity map that the publish gate stopped, after somebody has looked."""

from pathlib import Path
from typing import Annotated

import typer

from cx_orchestration.commands.materialize import publish_customers
from cx_orchestration.commands.options import LakeFolder, ProjectFolder
from cx_orchestration.commands.run import dagster_instance
from cx_orchestration.identity.publish_gate import BOUNDS, gate
from cx_orchestration.project import CXProject


def publish(
    accept: Annotated[
        list[str], typer.Option(metavar="BOUND", help=f"A bound that need not hold this once: {', '.join(BOUNDS)}")
    ],
    project: ProjectFolder = Path(),
    lake: LakeFolder = None,
) -> None:
    """Publish the identity map that the publish gate stopped, and make anew what depends on it.

    The bounds that are not named hold. In the Dagster UI the same is the configuration of identity/identity_map:
    accept: [BOUND]. Exits with 1 when the map is stopped again, or something after it fails.
    """
    loaded = CXProject.load(project)
    gate(loaded.identity.publish_gate, accept)
    with dagster_instance() as instance:
        failures = publish_customers(loaded, instance, accept=accept, lake=lake)
    for failure in failures:
        typer.echo(f"{failure.asset}: {failure.message}{failure.trace}", err=True)
    if failures:
        raise typer.Exit(1)
    typer.echo("Published: the identity map, and what is made from it, is up to date")
