"""``cx export-person``: everything that the platform has of one person, as one JSON file."""

import datetime as dt
from pathlib import Path
from typing import Annotated

import typer

from cx_orchestration.commands.options import LakeToRead, ProjectFolder
from cx_orchestration.commands.terminal import terminal
from cx_orchestration.model.failures import PermanentFailure
from cx_orchestration.privacy.export import person_data, write_person
from cx_orchestration.privacy.person import find_person
from cx_orchestration.project import CXProject
from cx_orchestration.storage.engine import Engine
from cx_orchestration.storage.lake import Lake


def export_person(
    person: Annotated[str, typer.Argument(metavar="CUSTOMER_ID|SERVICE/ENTITY")],
    output: Annotated[Path, typer.Option(metavar="FILE", help="A new file, which only you can read")] = Path(
        "person.json"
    ),
    project: ProjectFolder = Path(),
    lake: LakeToRead = None,
) -> None:
    """Write document, profiles, events, landed records, links and former ids of one person to a file of mode 0600.

    Exits with 1 when there is nothing.
    """
    loaded = CXProject.load(project)
    store, engine = Lake(lake or loaded.lake_root), Engine()
    found = find_person(store, engine, loaded, person)
    data = person_data(store, engine, loaded, found, now=dt.datetime.now(dt.UTC))
    rows = sum(len(of_table) for of_table in data["tables"].values())
    if not rows:
        raise PermanentFailure(
            "the lake holds nothing of that person: no such id is in the identity map, nor in a landed record of the "
            "service; nothing was written"
        )
    write_person(data, output)
    terminal().print(f"{rows} rows of {len(data['tables'])} tables written to {output}", markup=False, highlight=False)
