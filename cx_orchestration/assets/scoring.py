"""Phase 2, scoring: what matters, what is hard, what becomes of each service, and in which order (S1 to S6)."""

import datetime as dt

import dagster as dg

from cx_orchestration.assets.edge import frame_rows, markdown_table, row_count, table_asset
from cx_orchestration.catalog.overlap import overlap as find_overlap
from cx_orchestration.model import tables
from cx_orchestration.model.scoring import Decisions
from cx_orchestration.project import CXProject
from cx_orchestration.scoring.quadrant import quadrant_markdown
from cx_orchestration.scoring.scorecard import render_scorecard
from cx_orchestration.scoring.sensitivity import sensitivity as find_flips
from cx_orchestration.storage.lake import Lake


@table_asset(tables.SERVICE_SCORES, deps=[["catalog", "inventory"]])
def service_scores(
    context: dg.AssetExecutionContext, project: dg.ResourceParam[CXProject], lake: dg.ResourceParam[Lake]
) -> dg.MaterializeResult:
    """Impact and complexity of every service, and the disposition that both propose."""
    rows = project.plan.service_scores()
    lake.replace(tables.SERVICE_SCORES, frame_rows(tables.SERVICE_SCORES, rows), run_id=context.run.run_id)
    return dg.MaterializeResult(
        metadata=row_count(len(rows), quadrant=dg.MetadataValue.md(quadrant_markdown(project.plan)))
    )


@table_asset(tables.DISPOSITION_PLAN, deps=[["scoring", "service_scores"]])
def disposition_plan(
    context: dg.AssetExecutionContext, project: dg.ResourceParam[CXProject], lake: dg.ResourceParam[Lake]
) -> dg.MaterializeResult:
    """What was proposed for each service and what people decided."""
    rows = project.plan.disposition_plan()
    lake.replace(tables.DISPOSITION_PLAN, frame_rows(tables.DISPOSITION_PLAN, rows), run_id=context.run.run_id)
    undecided = rows.loc[rows["status"] == "proposed", "service"].tolist()
    return dg.MaterializeResult(metadata=row_count(len(rows), undecided=", ".join(undecided) or "none"))


@table_asset(tables.SENSITIVITY, deps=[["scoring", "service_scores"]])
def sensitivity(
    context: dg.AssetExecutionContext, project: dg.ResourceParam[CXProject], lake: dg.ResourceParam[Lake]
) -> dg.MaterializeResult:
    """Which dispositions and ranks flip when one weight moves by ten percent."""
    decisions = Decisions(decisions=project.decisions)
    rows = find_flips(project.inventory, project.scoring, decisions, project.services, project.settings.strategy)
    lake.replace(tables.SENSITIVITY, frame_rows(tables.SENSITIVITY, rows), run_id=context.run.run_id)
    return dg.MaterializeResult(metadata=row_count(len(rows), flips=markdown_table(rows.to_dict("records"))))


@table_asset(tables.INTEGRATION_PLAN, deps=[["scoring", "disposition_plan"], ["scoring", "sensitivity"]])
def integration_plan(
    context: dg.AssetExecutionContext, project: dg.ResourceParam[CXProject], lake: dg.ResourceParam[Lake]
) -> dg.MaterializeResult:
    """The services in the order of the strategy, and a one-page scorecard for those who decide."""
    rows = project.plan.integration_plan()
    lake.replace(tables.INTEGRATION_PLAN, frame_rows(tables.INTEGRATION_PLAN, rows), run_id=context.run.run_id)
    page = lake.root / "reports" / "scorecard.html"
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(_scorecard(project, lake), encoding="utf-8")
    shown = rows[["rank", "service", "disposition", "status", "reason"]].to_dict("records")
    return dg.MaterializeResult(
        metadata=row_count(len(rows), scorecard=dg.MetadataValue.path(page), plan=markdown_table(shown))
    )


def _scorecard(project: CXProject, lake: Lake) -> str:
    return render_scorecard(
        project.plan,
        find_overlap(project.inventory, project.plan.integration_plan()),
        lake.read(tables.SENSITIVITY).to_pandas(),
        project_name=project.settings.name,
        as_of=dt.datetime.now(project.zone).date(),
    )


ASSETS = [service_scores, disposition_plan, sensitivity, integration_plan]
