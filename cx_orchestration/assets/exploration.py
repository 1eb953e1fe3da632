"""Phase 5, exploration: where the experience fails and what is worth fixing, as tested findings (E1 to E4)."""

import datetime as dt
from collections.abc import Callable
from typing import TypeAlias

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc

from cx_orchestration.assets.edge import row_count, table_asset
from cx_orchestration.exploration.abandonment_hotspots import abandonment_hotspots
from cx_orchestration.exploration.change_priorities import change_priorities
from cx_orchestration.exploration.pictures import findings_picture
from cx_orchestration.exploration.profitable_paths import profitable_paths
from cx_orchestration.exploration.support_shifts import support_shifts
from cx_orchestration.integration.coverage import complete_until
from cx_orchestration.model import tables
from cx_orchestration.project import CXProject
from cx_orchestration.storage.engine import Engine
from cx_orchestration.storage.lake import Lake

Analyse: TypeAlias = Callable[[Lake, Engine, CXProject, dt.datetime], pa.Table]


def _analysis(table: tables.Table, analyse: Analyse, about: str) -> dg.AssetsDefinition:
    """An asset with every candidate that one analysis looked at, and a picture of the most significant."""

    @table_asset(
        table,
        description=f"{about}\n\nGrain: {table.grain}.",
        kinds={"duckdb", "python", "deltalake"},
        deps=[["journeys", "steps"], ["journeys", "instances"], ["journeys", "sequences"], ["identity", "profiles"]],
    )
    def analysis(
        context: dg.AssetExecutionContext,
        project: dg.ResourceParam[CXProject],
        lake: dg.ResourceParam[Lake],
        engine: dg.ResourceParam[Engine],
    ) -> dg.MaterializeResult:
        as_of = complete_until(lake, project.zone, start=project.settings.start_date)
        rows = analyse(lake, engine, project, as_of)
        lake.replace(table, rows, run_id=context.run.run_id)
        found = pc.sum(rows["is_finding"]).as_py() or 0
        picture = dg.MetadataValue.md(findings_picture(table, rows))
        return dg.MaterializeResult(metadata=row_count(rows.num_rows, findings=found, picture=picture))

    return analysis


def _hotspots(lake: Lake, engine: Engine, project: CXProject, as_of: dt.datetime) -> pa.Table:
    settings = project.settings
    return abandonment_hotspots(
        lake, engine, project.maps, as_of=as_of, currency=settings.currency, exploration=settings.exploration
    )


def _shifts(lake: Lake, engine: Engine, project: CXProject, as_of: dt.datetime) -> pa.Table:
    return support_shifts(lake, engine, project.maps, as_of=as_of, exploration=project.settings.exploration)


def _paths(lake: Lake, engine: Engine, project: CXProject, as_of: dt.datetime) -> pa.Table:
    settings = project.settings
    return profitable_paths(
        lake, engine, project.maps, as_of=as_of, currency=settings.currency, exploration=settings.exploration
    )


def _changes(lake: Lake, engine: Engine, project: CXProject, as_of: dt.datetime) -> pa.Table:
    settings = project.settings
    return change_priorities(
        lake, engine, project.maps, as_of=as_of, currency=settings.currency, exploration=settings.exploration
    )


ASSETS = [
    _analysis(
        tables.ABANDONMENT_HOTSPOTS,
        _hotspots,
        "Clusters of customers who give up at a step more often than the others (E1).",
    ),
    _analysis(
        tables.SUPPORT_SHIFTS,
        _shifts,
        "Clusters of customers who turn to support after a step more often than the others (E2).",
    ),
    _analysis(
        tables.PROFITABLE_PATHS,
        _paths,
        "Segments that bring more revenue with less support than the others, and the path they take (E3).",
    ),
    _analysis(
        tables.CHANGE_PRIORITIES,
        _changes,
        "Changes ranked by the revenue they keep and the expense they save (E4).",
    ),
]
