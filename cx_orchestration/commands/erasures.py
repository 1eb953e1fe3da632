"""``cx erasures``: the audit of erasures, what services must still be told, and who may be a customer again.

Belongs here: printing. Does not belong here: what is kept (``storage/erasures.py``), lifting (``privacy/lift.py``).
"""

import datetime as dt
import sys
from contextlib import closing
from pathlib import Path
from typing import Annotated

import orjson
import typer

from cx_orchestration.commands.options import LakeFolder, ProjectFolder
from cx_orchestration.commands.terminal import terminal
from cx_orchestration.model.failures import PermanentFailure
from cx_orchestration.model.words import counted, suggestion
from cx_orchestration.privacy.erase import Order
from cx_orchestration.privacy.lift import lift_erasure
from cx_orchestration.project import CXProject
from cx_orchestration.storage.erasures import Erasure
from cx_orchestration.storage.registry import Registry


def erasures(
    project: ProjectFolder = Path(),
    lake: LakeFolder = None,
    untold: Annotated[
        bool, typer.Option("--untold", help="The ids that services must still be told to delete, in clear, as JSON")
    ] = False,
    told: Annotated[
        str | None, typer.Option(metavar="SERVICE", help="Everything was deleted in this service", show_default=False)
    ] = None,
    lift: Annotated[
        str | None,
        typer.Option(metavar="SERVICE/ENTITY", help="Let who was erased be a customer again", show_default=False),
    ] = None,
    by: Annotated[str, typer.Option(metavar="ROLE", help="With --lift: in which role you lift the erasure")] = "",
    why: Annotated[
        str, typer.Option(help="With --lift: the reason, such as the number of a request; never a person's data")
    ] = "",
    json: Annotated[bool, typer.Option("--json", help="Write the list to standard output as JSON")] = False,
) -> None:
    """List erasures: when, by whom, why, and how much was removed. Exits with 1 while one is not finished."""
    loaded = CXProject.load(project)
    with closing(Registry(loaded.registry_url(lake or loaded.lake_root))) as registry:
        if told is not None:
            count = registry.erasures.told(told, dt.datetime.now(dt.UTC))
            if not count and told not in loaded.services:
                raise PermanentFailure(
                    f"--told {told}: no service of that name has to be told anything{suggestion(told, loaded.services)}"
                )
            customers = counted(count, "customer")
            terminal().print(f"{told}: {customers} deleted there; their ids are forgotten here.", highlight=False)
            return
        if lift is not None:
            order = Order(by.strip(), why.strip())
            if not (order.role and order.reason):
                raise PermanentFailure("--by and --why are kept as the audit of every erasure lifted: give both")
            now = dt.datetime.now(dt.UTC)
            lift_erasure(registry.erasures, loaded, lift, order, now=now)
            terminal().print(f"Records of theirs from {now:%Y-%m-%d %H:%M} UTC on land again.", highlight=False)
            return
        if untold:
            _write([vars(notice) for notice in registry.erasures.untold(loaded.environ)])
            return
        found = registry.erasures.all()
    if json:
        _write([vars(each) for each in found])
    else:
        for line in [line for each in found for line in _lines(each)] or ["Nobody was erased."]:
            terminal().print(line, markup=False, highlight=False, soft_wrap=True)
    if any(each.finished_at is None for each in found):
        raise typer.Exit(1)


def _write(rows: list[dict[str, object]]) -> None:
    sys.stdout.write(orjson.dumps(rows, option=orjson.OPT_INDENT_2).decode() + "\n")


def _lines(erasure: Erasure) -> list[str]:
    state = "" if erasure.finished_at else "; NOT FINISHED: run 'cx erase --again'"
    lines = [
        f"{erasure.begun_at:%Y-%m-%d %H:%M} UTC, {counted(len(erasure.subjects), 'person')}, by {erasure.role}: "
        f"{erasure.reason}{state}",
        f"  removed {sum(erasure.removed.values())} rows of {len(erasure.removed)} tables, blotted out mentions in "
        f"{sum(erasure.blotted.values())}",
    ]
    lines += [f"  lifted {lift.lifted_at:%Y-%m-%d %H:%M} UTC by {lift.role}: {lift.reason}" for lift in erasure.lifts]
    if erasure.untold:
        lines.append("  to be told: " + ", ".join(f"{service} ({count})" for service, count in erasure.untold.items()))
    return lines
