"""``cx init``, ``cx check`` and ``cx schema``: commands about the project folder; none runs anything."""

import json
from dataclasses import asdict
from itertools import groupby
from pathlib import Path
from typing import Annotated

import typer

from cx_orchestration.journeys.versions import errors_of_succession
from cx_orchestration.model.failures import InvalidProject, ProjectError
from cx_orchestration.project import CXProject
from cx_orchestration.project.environment import variables_named
from cx_orchestration.project.folder import read_folder
from cx_orchestration.project.schemas import SHIPPED, stale_schemas, write_schemas
from cx_orchestration.project.template import write_template
from cx_orchestration.storage.lake import Lake


def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A new or empty folder.", show_default=False)],
) -> None:
    """Write a small commented project to start from."""
    files = write_template(folder)
    typer.echo(f"Wrote a small project of {len(files)} files to {folder}:")
    for file in files:
        typer.echo(f"  {file.relative_to(folder)}")
    typer.echo(
        f"\nNext:\n"
        f"  cx check {folder}             says what is wrong, by file and line\n"
        f"  cx run --project {folder}     runs it: catalog and scores of all, integration of what was decided\n"
        f"Then make it yours: the company in project.yaml, its systems in inventory.csv, one file a service in\n"
        f"services/, what was decided in decisions.yaml. Editors complete the YAML files by .schema/."
    )


def check(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The project folder.")] = Path(),
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as one JSON object.")] = False,
) -> None:
    """Check a project folder: every error by file and line, or a summary.

    Exits with 1 when there is an error. Of a folder that is right by itself, journey maps are held against the versions
    that its lake has in use, if it is there. What the environment must hold is not looked at.
    """
    try:
        project = CXProject.load(folder)
        _hold_against_versions_in_use(project)
    except InvalidProject as invalid:
        typer.echo(_errors_as_json(invalid) if as_json else _errors_by_file(folder, invalid.errors), err=not as_json)
        raise typer.Exit(1) from None
    typer.echo(json.dumps({"ok": True, **_contents(project)}, indent=2) if as_json else _summary(project))


def schema(
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write them here.", show_default="the installed package")
    ] = None,
    check: Annotated[bool, typer.Option("--check", help="Write nothing; exit code 1 when they are stale.")] = False,
) -> None:
    """Write the JSON Schemas of the YAML files, or check them.

    They are generated from the models that read the files, so that editors complete and check them.
    """
    folder = out or SHIPPED
    if not check:
        for path in write_schemas(folder):
            typer.echo(f"Wrote {path}")
    elif stale := stale_schemas(folder):
        where = f" --out {out}" if out else ""
        typer.echo(f"Stale in {folder}: {', '.join(stale)}; run 'cx schema{where}'", err=True)
        raise typer.Exit(1)
    else:
        typer.echo(f"OK: the schemas in {folder} are current")


def _hold_against_versions_in_use(project: CXProject) -> None:
    """Raises ``InvalidProject`` when a map cannot follow the versions of it that the project's lake was folded with."""
    if not project.environ.keys() >= set(variables_named(project.settings.stores.lake)):
        return  # only the environment says where the lake is
    if errors := errors_of_succession(Lake(project.lake_root), project.maps):
        raise InvalidProject(str(project.folder), read_folder(project.folder)[0].in_order(errors))


def _summary(project: CXProject) -> str:
    streams = sum(len(service.streams) for service in project.services.values())
    systems = len({row.service for row in project.inventory})
    counts = [
        _count(systems, "system"),
        _count(len(project.services), "service"),
        _count(streams, "stream"),
        _count(len(project.journeys), "journey"),
        _count(len(project.decisions), "decision"),
    ]
    return f"OK: {project.settings.name}: {', '.join(counts)}"


def _contents(project: CXProject) -> dict[str, object]:
    return {
        "name": project.settings.name,
        "systems": sorted({row.service for row in project.inventory}),
        "services": {name: list(service.streams) for name, service in project.services.items()},
        "journeys": list(project.journeys),
        "decisions": {decision.service: decision.disposition.value for decision in project.decisions},
    }


def _errors_by_file(folder: Path, errors: list[ProjectError]) -> str:
    named = folder if folder.name else folder.resolve()
    lines = [f"{named}: {_count(len(errors), 'error')}"]
    for file, of_file in groupby(errors, key=lambda error: error.file):
        lines.append(file)
        lines += [f"  {_without_file(error)}" for error in of_file]
    return "\n".join(lines)


def _without_file(error: ProjectError) -> str:
    line = f"line {error.line}: " if error.line else ""
    path = f"{error.path}: " if error.path else ""
    found = f" (found {error.value})" if error.value else ""
    return f"{line}{path}{error.expected}{found}"


def _errors_as_json(invalid: InvalidProject) -> str:
    return json.dumps({"ok": False, "errors": [asdict(error) for error in invalid.errors]}, indent=2)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
