"""``cx journeys export`` and ``cx journeys import``: maps as Mermaid and SCXML."""

from pathlib import Path
from typing import Annotated, Literal

import typer
import yaml

from cx_orchestration.commands.options import ProjectFolder
from cx_orchestration.journeys.maps import check_map
from cx_orchestration.journeys.pictures import to_mermaid
from cx_orchestration.journeys.scxml.read import from_scxml
from cx_orchestration.journeys.scxml.written import to_scxml
from cx_orchestration.model.failures import InvalidProject, PermanentFailure
from cx_orchestration.project import CXProject
from cx_orchestration.project.folder import read_folder


def export(
    journey: Annotated[str, typer.Argument(help="The name of a map of the project", show_default=False)],
    project: ProjectFolder = Path(),
    format: Annotated[  # the option's name
        Literal["scxml", "mermaid"], typer.Option(help="SCXML comes back by 'import'; Mermaid is a picture in text")
    ] = "scxml",
) -> None:
    """Write a map to standard output in the words of other tools."""
    parts, errors = read_folder(project)
    if journey not in parts.journeys:
        if of_map := [error for error in errors if error.file in (str(project), f"journeys/{journey}.yaml")]:
            raise InvalidProject(str(project), of_map)
        known = ", ".join(parts.journeys) or "none"
        raise PermanentFailure(f"there is no journey '{journey}' in {project.resolve()}; its maps: {known}")
    typer.echo((to_scxml if format == "scxml" else to_mermaid)(parts.journeys[journey]), nl=False)


def import_(
    file: Annotated[Path, typer.Argument(help="An SCXML document", exists=True, dir_okay=False, show_default=False)],
    project: ProjectFolder = Path(),
) -> None:
    """Write journeys/NAME.yaml from an SCXML document whose name is NAME; a map that exists is not overwritten."""
    # A map may be what a folder with errors lacks.
    folder, _ = CXProject.load_as_far_as_possible(project)
    try:
        journey_map = from_scxml(file.read_text(encoding="utf-8"))
    except UnicodeDecodeError:
        raise PermanentFailure(f"{file} is not UTF-8 text; save it as UTF-8") from None
    if errors := check_map(journey_map, str(file)):
        raise InvalidProject(str(file), errors)
    target = folder.folder / "journeys" / f"{journey_map.journey}.yaml"
    if target.exists():
        raise PermanentFailure(f"{target} exists; move it away first, or give the document another name")
    declared = journey_map.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    target.parent.mkdir(exist_ok=True)
    target.write_text(yaml.safe_dump(declared, sort_keys=False, allow_unicode=True, width=120), encoding="utf-8")
    typer.echo(f"Wrote {target}; run 'cx check'")
