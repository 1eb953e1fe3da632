"""``cx erasures``: the audit of erasures, and what services must still be told.

Belongs here: printing. Does not belong here: what is kept (``storage/erasures.py``).
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
    if erasure.untold:
        lines.append("  to be told: " + ", ".join(f"{service} ({count})" for service, count in erasure.untold.items()))
    return lines
