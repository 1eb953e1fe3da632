"""Phases 3 and 5, journeys in numbers: who came to which step, and what customers answered there (X4, J5)."""

from collections.abc import Iterator

import dagster as dg

from cx_orchestration.assets.edge import row_count, table_asset, table_spec, told_plainly
from cx_orchestration.integration.coverage import newest_day_end
from cx_orchestration.journeys.drawing.figures import figure_tables
from cx_orchestration.journeys.experience.counting import count_answers, scales_table
from cx_orchestration.journeys.experience.measures import experience as measured
from cx_orchestration.journeys.paths.pictures import path_picture
from cx_orchestration.journeys.versions import known_versions
from cx_orchestration.model import tables
from cx_orchestration.project import CXProject
from cx_orchestration.storage.engine import Engine
from cx_orchestration.storage.lake import Lake


@table_asset(
    tables.EXPERIENCE,
    kinds={"duckdb", "deltalake"},
    deps=[["journeys", "steps"], ["journeys", "instances"], ["journeys", "sequences"], ["journeys", "maps"]],
    pool="customers",
)
def experience(
    context: dg.AssetExecutionContext,
    project: dg.ResourceParam[CXProject],
    lake: dg.ResourceParam[Lake],
    analytics: dg.ResourceParam[Engine],
) -> dg.MaterializeResult:
    """Recommendation (NPS), satisfaction (CSAT) and ease (CES) with 95% intervals, where customers stood when they
    answered."""
    settings = project.settings
    counts = count_answers(lake, analytics, known_versions(lake), settings.experience)
    rows = measured(counts, scales_table(settings.experience), least=settings.exploration.min_customers)
    lake.replace(tables.EXPERIENCE, rows, run_id=context.run.run_id)
    without = rows["value"].null_count
    picture = path_picture(tables.EXPERIENCE, rows) or "Too few customers answered anywhere."
    return dg.MaterializeResult(
        metadata=row_count(rows.num_rows, without_value=without, picture=dg.MetadataValue.md(picture))
    )


@dg.multi_asset(
    specs=[
        dg.AssetSpec(
            **table_spec(table, kinds={"duckdb", "deltalake"}), deps=[["journeys", "steps"], ["journeys", "instances"]]
        )
        for table in (tables.STEP_FIGURES, tables.MOVE_FIGURES)
    ],
    name="journeys_figures",
    pool="customers",
)
@told_plainly
def figures(
    context: dg.AssetExecutionContext,
    project: dg.ResourceParam[CXProject],
    lake: dg.ResourceParam[Lake],
    analytics: dg.ResourceParam[Engine],
) -> Iterator[dg.MaterializeResult]:
    """How many instances came to each step and made each move: the numbers on a drawn map."""
    as_of = newest_day_end(lake, project.zone, start=project.settings.start_date)
    for table, rows in figure_tables(lake, analytics, known_versions(lake), as_of=as_of).items():
        lake.replace(table, rows, run_id=context.run.run_id)
        yield dg.MaterializeResult(asset_key=table.path.split("/"), metadata=row_count(rows.num_rows))


ASSETS = [experience, figures]
