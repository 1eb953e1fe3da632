"""How far each service's integration is: one table over the whole inventory, with its history and a burn-down (I3)."""

import datetime as dt
from collections.abc import Mapping
from typing import Any

import dagster as dg

from cx_orchestration.assets.edge import markdown_table, row_count, table_asset
from cx_orchestration.integration.progress import Standing, consumed_services, update_progress
from cx_orchestration.integration.progress_report import burn_down_markdown, headline, progress_page
from cx_orchestration.model import tables
from cx_orchestration.project import CXProject
from cx_orchestration.project.rollout import NOTHING_DUE
from cx_orchestration.scoring.plan import PlanRow
from cx_orchestration.storage.lake import Lake
from cx_orchestration.storage.registry import Registry


@table_asset(
    tables.PROGRESS, deps=[["scoring", "integration_plan"], ["integration", "customer_events"]], pool="customers"
)
def integration_progress(
    context: dg.AssetExecutionContext,
    project: dg.ResourceParam[CXProject],
    lake: dg.ResourceParam[Lake],
    registry: dg.ResourceParam[Registry],
) -> dg.MaterializeResult:
    """Every service of the inventory from inventoried to integrated or retired, since when, and why it is not further.

    The page `reports/integration_progress.html` in the lake's folder shows the same, with the burn-down.
    """
    now, run_id = dt.datetime.now(dt.UTC), context.run.run_id
    scored = set(lake.read(tables.SERVICE_SCORES, columns=["service"])["service"].to_pylist())
    standings = [_standing(project, registry, row, scored, now) for row in project.plan.rows]
    progress = update_progress(lake, standings, consumed=consumed_services(), now=now, run_id=run_id)
    page = lake.root / "reports" / "integration_progress.html"
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(progress_page(progress, project_name=project.settings.name, as_of=now), encoding="utf-8")
    return dg.MaterializeResult(
        metadata=row_count(
            len(progress.rows),
            left=headline(progress),
            services_left=progress.services_left,
            days_left=progress.days_left,
            burn_down=dg.MetadataValue.md(burn_down_markdown(progress, now)),
            progress=markdown_table([_shown(row) for row in progress.rows]),
            page=dg.MetadataValue.path(str(page)),
        )
    )


def _shown(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row as people read it: a service that owes no day has a dash for its days."""
    none = {} if row["days_due"] else {"days_done": "-", "days_due": "-"}
    return {**row, **none, "since": f"{row['since']:%Y-%m-%d}"}


def _standing(project: CXProject, registry: Registry, row: PlanRow, scored: set[str], now: dt.datetime) -> Standing:
    decision = project.plan.decisions.get(row.service)
    owed = project.due(row.service, now) if row.service in project.services else NOTHING_DUE
    days = set(owed.days or ()) if owed.streams else set()
    return Standing(
        rank=row.rank,
        service=row.service,
        scored=row.service in scored,
        disposition=decision.disposition if decision else None,
        refusal=project.plan.refusal(row.service) or owed.why_nothing or "",
        days_due=len(days),
        days_done=len(days & registry.integrated_days(row.service, owed.streams)),
        left_out=tuple(owed.outside),
    )
