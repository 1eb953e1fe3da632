"""``cx journeys draw``: a map with what customers did on it, as a page."""

from pathlib import Path
from typing import Annotated

import typer

from cx_orchestration.commands.options import LakeToRead, ProjectFolder, refuse_unwritable
from cx_orchestration.integration.coverage import newest_day_end
from cx_orchestration.journeys.drawing.figures import Figures, read_figures
from cx_orchestration.journeys.drawing.page import drawing_page, drawing_svg
from cx_orchestration.journeys.versions import known_versions
from cx_orchestration.model.failures import PermanentFailure
from cx_orchestration.project import CXProject
from cx_orchestration.storage.engine import Engine
from cx_orchestration.storage.lake import Lake


def draw(
    journey: Annotated[str, typer.Argument(help="The name of a map of the project", show_default=False)],
    project: ProjectFolder = Path(),
    lake: LakeToRead = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="A .html page or an .svg picture; else JOURNEY.html", show_default=False),
    ] = None,
) -> None:
    """Draw a map: stages as lanes, moves with counts and times, who gave up where, how customers felt.

    It names no customer and needs no network.
    """
    loaded = CXProject.load(project)
    journey_map = loaded.journeys.get(journey)
    if journey_map is None:
        known = ", ".join(loaded.journeys) or "none"
        raise PermanentFailure(f"there is no journey '{journey}' in {loaded.folder}; its maps: {known}")
    file = out or Path(f"{journey}.html")
    refuse_unwritable(file, ".html", ".svg")
    store = Lake(lake or loaded.lake_root)
    as_of = newest_day_end(store, loaded.zone, start=loaded.settings.start_date)
    versions = known_versions(store)
    drawn = read_figures(store, Engine(), versions, loaded.settings.experience, as_of=as_of)
    figures = drawn.get(journey, Figures())
    if file.suffix == ".svg":
        text = drawing_svg(journey_map, figures, versions)
    else:
        text = drawing_page(journey_map, figures, versions, as_of=as_of)
    file.write_text(text, encoding="utf-8")
    typer.echo(f"Wrote {file}" + ("" if figures.steps else "; no customers are on it yet"))
