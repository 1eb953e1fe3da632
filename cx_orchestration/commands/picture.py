"""``cx picture``: the picture that a table has in the metadata of its asset, as a file."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from cx_orchestration.commands.options import LakeToRead, ProjectFolder, refuse_unwritable
from cx_orchestration.exploration.pictures import findings_svg, incidents_svg, kpis_svg, weekly_svg
from cx_orchestration.exploration.segment_picture import segments_svg
from cx_orchestration.journeys.paths.pictures import path_svg
from cx_orchestration.model import tables
from cx_orchestration.model.failures import PermanentFailure
from cx_orchestration.project import CXProject
from cx_orchestration.storage.lake import Lake

_FINDINGS = (
    tables.ABANDONMENT_HOTSPOTS,
    tables.SUPPORT_SHIFTS,
    tables.PROFITABLE_PATHS,
    tables.CHANGE_PRIORITIES,
)

#: What draws the picture of each table that has one.
_DRAWN: dict[str, Callable[[Lake], str | None]] = {
    **{
        table.path: partial(lambda table, lake: path_svg(table, lake.read(table)), table)
        for table in (*tables.PATHS, tables.EXPERIENCE)
    },
    **{table.path: partial(lambda table, lake: findings_svg(table, lake.read(table)), table) for table in _FINDINGS},
    tables.INCIDENTS.path: lambda lake: incidents_svg(lake.read(tables.INCIDENTS)),
    tables.WEEKLY_RATES.path: lambda lake: weekly_svg(lake.read(tables.WEEKLY_RATES), lake.read(tables.INCIDENTS)),
    tables.SEGMENT_COHORTS.path: lambda lake: segments_svg(lake.read(tables.SEGMENT_COHORTS)),
    tables.KPIS.path: lambda lake: kpis_svg(lake.read(tables.KPIS)),
}


def picture(
    table: Annotated[str, typer.Argument(help="Such as exploration/weekly_rates", show_default=False)],
    project: ProjectFolder = Path(),
    lake: LakeToRead = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="An .svg file; else the table's name", show_default=False)
    ] = None,
) -> None:
    """Write the picture of a table as it stands in the lake. It names no customer and needs no network."""
    draw = _DRAWN.get(table)
    if draw is None:
        raise PermanentFailure(f"there is no picture of '{table}'; those with one: {', '.join(sorted(_DRAWN))}")
    file = out or Path(f"{table.rpartition('/')[2]}.svg")
    refuse_unwritable(file, ".svg")
    store = Lake(lake or CXProject.load(project).lake_root)
    if not store.exists(tables.DECLARED[table]):
        raise PermanentFailure(f"{table} is not in the lake yet: 'cx run' writes it")
    svg = draw(store)
    if svg is None:
        raise PermanentFailure(f"{table} has nothing to show")
    file.write_text(svg, encoding="utf-8")
    typer.echo(f"Wrote {file}")
