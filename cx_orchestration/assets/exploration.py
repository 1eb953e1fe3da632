"""Phase 5, exploration: where and when the experience fails and what is worth fixing, as tested findings."""

from collections.abc import Callable, Iterator
from typing import TypeAlias

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc

from cx_orchestration.assets.edge import row_count, table_spec, told_plainly
from cx_orchestration.exploration.abandonment_hotspots import abandonment_hotspots
from cx_orchestration.exploration.change_priorities import change_priorities
from cx_orchestration.exploration.cohorts import Cohorts, read_cohorts
from cx_orchestration.exploration.incidents import rates_over_time
from cx_orchestration.exploration.pictures import findings_picture, incidents_picture, weekly_picture
from cx_orchestration.exploration.profitable_paths import profitable_paths
from cx_orchestration.exploration.segment_cohorts import segment_cohorts
from cx_orchestration.exploration.segment_picture import segments_picture
from cx_orchestration.exploration.support_shifts import support_shifts
from cx_orchestration.integration.coverage import newest_day_end
from cx_orchestration.model import tables
from cx_orchestration.model.settings import Settings
from cx_orchestration.project import CXProject
from cx_orchestration.storage.engine import Engine
from cx_orchestration.storage.lake import Lake

Analysis: TypeAlias = Callable[[Engine, Cohorts, Settings], pa.Table]

#: The four analyses: the table of each, its function, and what it looks for.
ANALYSES: tuple[tuple[tables.Table, Analysis, str], ...] = (
    (
        tables.ABANDONMENT_HOTSPOTS,
        abandonment_hotspots,
        "Clusters of customers who give up at a step more often than the others.",
    ),
    (
        tables.SUPPORT_SHIFTS,
        support_shifts,
        "Clusters of customers who turn to support after a step more often than the others.",
    ),
    (
        tables.PROFITABLE_PATHS,
        profitable_paths,
        "Segments that bring more revenue with less support than the others, and the path they take.",
    ),
    (
        tables.CHANGE_PRIORITIES,
        change_priorities,
        "Changes ranked by the revenue they keep and the expense they save.",
    ),
)

_DEPS = [["journeys", "steps"], ["journeys", "instances"], ["journeys", "sequences"], ["identity", "profiles"]]


def _spec(table: tables.Table, about: str) -> dg.AssetSpec:
    spec = table_spec(
        table, description=f"{about}\n\nGrain: {table.grain}.", kinds={"duckdb", "python", "deltalake"}, deps=_DEPS
    )
    return dg.AssetSpec(**spec, skippable=True)


@dg.multi_asset(
    specs=[_spec(table, about) for table, _, about in ANALYSES],
    name="exploration_analyses",
    can_subset=True,
    pool="customers",
)
def analyses(
    context: dg.AssetExecutionContext,
    project: dg.ResourceParam[CXProject],
    lake: dg.ResourceParam[Lake],
    analytics: dg.ResourceParam[Engine],
) -> Iterator[dg.MaterializeResult]:
    """Every candidate that the selected analyses looked at, from one reading of who is compared, with a picture."""
    wanted = context.selected_asset_keys
    cohorts = _cohorts(project, lake, analytics)
    for table, analyse, _ in ANALYSES:
        key = dg.AssetKey(table.path.split("/"))
        if key in wanted:
            yield _explored(key, table, analyse, cohorts, project.settings, lake, analytics, context.run.run_id)


@dg.multi_asset(
    specs=[
        _spec(tables.INCIDENTS, "Periods in which more visits than at other times end at a step, or lead to support."),
        _spec(tables.WEEKLY_RATES, "The same rates by week, with control limits."),
        _spec(tables.SEGMENT_COHORTS, "Where each cluster begins, how far it comes, and who stays, week by week."),
    ],
    name="exploration_incidents",
    can_subset=True,
    pool="customers",
)
def incidents(
    context: dg.AssetExecutionContext,
    project: dg.ResourceParam[CXProject],
    lake: dg.ResourceParam[Lake],
    analytics: dg.ResourceParam[Engine],
) -> Iterator[dg.MaterializeResult]:
    """Every period that was looked at, rates by week, and cohorts by segment, each with a picture."""
    wanted = context.selected_asset_keys
    yield from (one for one in _over_time(project, lake, analytics, context.run.run_id) if one.asset_key in wanted)


@told_plainly
def _cohorts(project: CXProject, lake: Lake, engine: Engine, *, every_visit: bool = False) -> Cohorts:
    as_of = newest_day_end(lake, project.zone, start=project.settings.start_date)
    return read_cohorts(lake, engine, project.maps, as_of=as_of, every_visit=every_visit)


@told_plainly
def _over_time(project: CXProject, lake: Lake, engine: Engine, run_id: str) -> list[dg.MaterializeResult]:
    cohorts, least = _cohorts(project, lake, engine, every_visit=True), project.settings.exploration.min_customers
    found = rates_over_time(engine, cohorts, project.settings)
    by_segment = segment_cohorts(lake, engine, cohorts, project.maps, least=least)
    findings = pc.sum(found.incidents["is_finding"]).as_py() or 0
    results: list[dg.MaterializeResult] = []
    for table, rows, told, picture in (
        (tables.INCIDENTS, found.incidents, {"findings": findings}, incidents_picture(found.incidents)),
        (tables.WEEKLY_RATES, found.weekly, {}, weekly_picture(found.weekly, found.incidents)),
        (tables.SEGMENT_COHORTS, by_segment, {}, segments_picture(by_segment)),
    ):
        lake.replace(table, rows, run_id=run_id)
        metadata = row_count(rows.num_rows, **told, picture=dg.MetadataValue.md(picture))
        results.append(dg.MaterializeResult(asset_key=dg.AssetKey(table.path.split("/")), metadata=metadata))
    return results


@told_plainly
def _explored(
    key: dg.AssetKey,
    table: tables.Table,
    analyse: Analysis,
    cohorts: Cohorts,
    settings: Settings,
    lake: Lake,
    engine: Engine,
    run_id: str,
) -> dg.MaterializeResult:
    rows = analyse(engine, cohorts, settings)
    lake.replace(table, rows, run_id=run_id)
    found = pc.sum(rows["is_finding"]).as_py() or 0
    picture = dg.MetadataValue.md(findings_picture(table, rows))
    return dg.MaterializeResult(asset_key=key, metadata=row_count(rows.num_rows, findings=found, picture=picture))


ASSETS = [analyses, incidents]
