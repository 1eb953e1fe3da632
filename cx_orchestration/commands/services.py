"""``cx services``: the ready-made declarations that ``extends`` may name, and what each needs."""

from typing import Annotated

import typer

from cx_orchestration.project.environment import variables_named
from cx_orchestration.project.ready_made import ready_made, ready_made_names, ready_made_text
from cx_orchestration.project.supplies import event_types, namespaces


def services(
    name: Annotated[
        str | None, typer.Argument(help="Print this one's declaration.", show_default="a list of all")
    ] = None,
) -> None:
    """List the ready-made services that a project's file can extend, and what each needs.

    Their environment variables must be set, their namespaces declared in identity.yaml.
    """
    typer.echo(ready_made_text(name) if name else "\n\n".join(map(_entry, ready_made_names())))


def _entry(name: str) -> str:
    declared = ready_made(name)
    facts = {
        "streams": list(declared.streams),
        "environment": variables_named(declared.model_dump(mode="json")),
        "namespaces": sorted(namespaces(declared)),
        "events": sorted(event_types(declared)),
    }
    lines = [f"  {fact:<12}{', '.join(names) or 'none'}" for fact, names in facts.items()]
    return "\n".join([f"{name}: {declared.description}", *lines])
