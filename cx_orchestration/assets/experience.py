"""Phase 5, experience: what customers answered, by step and layer of their journeys (X4, J5)."""

import dagster as dg

from cx_orchestration.assets.edge import row_count, table_asset
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


ASSETS = [experience]
