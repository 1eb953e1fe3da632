"""Phase 5, KPIs: what has come in by hour and day, against earlier weeks, and how far the data reach (J9)."""

import datetime as dt

import dagster as dg

from cx_orchestration.assets.edge import markdown_table, row_count, table_asset
from cx_orchestration.exploration.kpis import Landed
from cx_orchestration.exploration.kpis import kpis as kpi_rows
from cx_orchestration.exploration.pictures import kpis_picture
from cx_orchestration.integration.settling import open_days
from cx_orchestration.journeys.freshness import know_newest_events
from cx_orchestration.model import tables
from cx_orchestration.model.days import DayRange
from cx_orchestration.project import CXProject
from cx_orchestration.project.feeds import kpi_feeds, support_types
from cx_orchestration.storage.engine import Engine
from cx_orchestration.storage.lake import Lake
from cx_orchestration.storage.registry import Registry


@table_asset(
    tables.KPIS,
    kinds={"duckdb", "deltalake"},
    deps=[["integration", "customer_events"], ["journeys", "instances"]],
    pool="kpis",
)
def kpis(
    context: dg.AssetExecutionContext,
    project: dg.ResourceParam[CXProject],
    lake: dg.ResourceParam[Lake],
    analytics: dg.ResourceParam[Engine],
    registry: dg.ResourceParam[Registry],
) -> dg.MaterializeResult:
    """Instances started, completed and abandoned, contacts to support, revenue and answers, by hour and day, with what
    the same hours of earlier weeks let expect. Nothing is called less than expected while data are on their way."""
    landed = Landed(_days(project, registry), know_newest_events(lake))
    rows = kpi_rows(
        lake,
        analytics,
        kpi_feeds(project),
        support_types(project),
        landed,
        zone=project.zone,
        currency=project.settings.currency,
    )
    lake.replace(tables.KPIS, rows, run_id=context.run.run_id)
    reach = [
        {"service": name, "reaches": DayRange(max(days), max(days)).bounds(project.zone)[1] if days else "nothing yet"}
        for name, days in landed.days.items()
    ]
    picture = dg.MetadataValue.md(kpis_picture(rows))
    facts = {"reach": markdown_table(reach), "journeys_are_current": landed.folded, "picture": picture}
    return dg.MaterializeResult(metadata=row_count(rows.num_rows, **facts))


def _days(project: CXProject, registry: Registry) -> dict[str, set[dt.date]]:
    """By integrated service the days that all its streams have landed, that are mapped, and that have settled."""
    return {
        name: registry.integrated_days(name, project.due(name).streams)
        - open_days(registry, project.services[name], project.zone)
        for name in project.services_due()
    }
