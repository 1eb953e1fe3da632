"""``cx erase``: removes persons from the lake and all its versions, and keeps them out.

Belongs here: what the operator says and is told. Does not belong here: erasing (``privacy.erase``).
"""

import datetime as dt
from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from cx_orchestration.commands.options import LakeFolder, ProjectFolder
from cx_orchestration.commands.terminal import terminal
from cx_orchestration.model.failures import PermanentFailure
from cx_orchestration.model.words import counted
from cx_orchestration.privacy.erase import Erased, Order, entities_by_service, erase_persons, preview, refuse_the_unseen
from cx_orchestration.privacy.person import Person, find_person
from cx_orchestration.project import CXProject
from cx_orchestration.storage.engine import Engine
from cx_orchestration.storage.lake import Lake
from cx_orchestration.storage.registry import Registry


def erase(
    persons: Annotated[
        list[str] | None, typer.Argument(metavar="[CUSTOMER_ID|SERVICE/ENTITY]...", show_default=False)
    ] = None,
    reason: Annotated[str, typer.Option(help="Why, such as the number of the request; never a person's data")] = "",
    by: Annotated[str, typer.Option(metavar="ROLE", help="In which role you erase, such as 'privacy office'")] = "",
    only_entity: Annotated[
        bool, typer.Option("--only-entity", help="Just SERVICE/ENTITY, not the customer whom it belongs to")
    ] = False,
    again: Annotated[
        bool,
        typer.Option(
            "--again", help="Complete what was interrupted, and remove what came back, as from a backup; names nobody"
        ),
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be removed, and remove nothing")] = False,
    ahead: Annotated[
        bool, typer.Option("--ahead", help="Also keep out who has not landed: SERVICE/ENTITY of whom there is nothing")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask")] = False,
    project: ProjectFolder = Path(),
    lake: LakeFolder = None,
) -> None:
    """Remove persons for good: all their entities in all tables, with all earlier versions of these tables.

    Whatever the services still hold of them stays out from then on. Nothing else can be written to the lake meanwhile;
    runs under way fail as transient and are tried again.
    """
    if bool(persons) == again:
        raise PermanentFailure("name the persons by customer id or SERVICE/ENTITY; or nobody, with --again")
    if not dry_run and not (reason.strip() and by.strip()):
        raise PermanentFailure("--reason and --by are kept as the audit of every erasure: give both")
    loaded = CXProject.load(project)
    root = lake or loaded.lake_root
    store, engine, console = Lake(root), Engine(), terminal()
    meant = [find_person(store, engine, loaded, named, only_entity=only_entity) for named in persons or []]
    with closing(Registry(loaded.registry_url(root))) as registry:
        refuse_the_unseen(store, engine, registry.erasures, loaded, meant, ahead=ahead)
        if dry_run or not (yes or again):
            _print(console, preview(store, engine, loaded, meant), meant, done=False)
        if dry_run:
            return
        if not (yes or again):
            typer.confirm("Remove this for good?", abort=True)
        order = Order(by.strip(), reason.strip())
        erased = erase_persons(store, engine, registry.erasures, loaded, meant, order, now=dt.datetime.now(dt.UTC))
    _print(console, erased, meant, done=True)


def _print(console: Console, erased: Erased, persons: list[Person], *, done: bool) -> None:
    entities = entities_by_service(persons)
    lines = [
        f"{counted(len(persons), 'person')}: "
        + (", ".join(f"{n} of {service}" for service, n in entities.items()) or "-")
    ]
    was, is_ = ("removed", "blotted out") if done else ("to remove", "to blot out")
    lines += [f"  {table}: {rows} rows {was}" for table, rows in erased.removed.items()]
    lines += [f"  {table}: mentions in {rows} rows {is_}" for table, rows in erased.blotted.items()]
    lines += [f"  {page}: {was}" for page in erased.pages]
    if done:
        lines.append(f"{erased.files} files of earlier versions and of killed writes removed.")
    lines += [
        f"{table} is declared by no service: only record ids and mentions count there" for table in erased.undeclared
    ]
    if not all(person.whole for person in persons):
        lines.append(
            "The rest of the customer stays: the next run makes document (identity/customers) and journeys anew."
        )
    if done and entities:
        lines.append(f"Still held by {', '.join(entities)}: delete there too, then 'cx erasures --told SERVICE'.")
    for line in lines:
        console.print(line, markup=False, highlight=False, soft_wrap=True)
