"""``cx journeys draft``: a first map from the inventory and the events that came in."""

from pathlib import Path
from typing import Annotated

import typer

from cx_orchestration.commands.options import LakeToRead, ProjectFolder
from cx_orchestration.journeys.draft import draft_map, to_yaml
from cx_orchestration.model.base import slug
from cx_orchestration.model.failures import PermanentFailure
from cx_orchestration.project import CXProject
from cx_orchestration.project.supplies import event_types
from cx_orchestration.storage.engine import Engine
from cx_orchestration.storage.lake import Lake


def draft(
    journey: Annotated[str, typer.Argument(help="The name of the new map", show_default=False)],
    project: ProjectFolder = Path(),
    lake: LakeToRead = None,
    min_share: Annotated[
        float,
        typer.Option(help="Ways that a smaller share of a step's customers take are noise and left out", min=0, max=1),
    ] = 0.05,
) -> None:
    """Draft journeys/JOURNEY.yaml for people to edit: steps, stages, ways, and how sure each guess is."""
    if slug(journey) != journey:
        raise PermanentFailure(f"'{journey}' is no name of a journey; expected one such as first_look")
    loaded = CXProject.load(project)
    file = loaded.folder / "journeys" / f"{journey}.yaml"
    if file.exists():
        raise PermanentFailure(f"{file} exists; a draft never overwrites a map: give the draft another name")
    functions: dict[str, list[str]] = {}
    for row in loaded.inventory:
        service = loaded.services.get(slug(row.service))
        for kind in event_types(service) if service else ():
            functions.setdefault(kind, []).append(row.business_function)
    drafted = draft_map(
        Lake(lake or loaded.lake_root), Engine(), journey=journey, functions=functions, min_share=min_share
    )
    file.parent.mkdir(exist_ok=True)
    file.write_text(to_yaml(drafted), encoding="utf-8")
    typer.echo(
        f"Wrote {file}: {len(drafted.steps)} steps and {len(drafted.moves)} ways from {drafted.customers:,} customers; "
        "edit it, then run 'cx check'"
    )
