"""Phase 1, catalog: what the company runs, for whom, for what (C1 to C4)."""

import datetime as dt

import dagster as dg

from cx_orchestration.assets.edge import frame_rows, markdown_table, row_count, table_asset
from cx_orchestration.catalog.gaps import find_gaps
from cx_orchestration.catalog.overlap import overlap as find_overlap
from cx_orchestration.catalog.snapshots import snapshot
from cx_orchestration.model import tables
from cx_orchestration.project import CXProject
from cx_orchestration.storage.engine import Engine
from cx_orchestration.storage.lake import Lake

#: The kinds of gaps, each with the check that warns of it.
GAP_CHECKS = {
    "system_not_in_inventory": "every_system_seen_is_in_the_inventory",
    "declared_not_in_inventory": "every_declared_service_is_in_the_inventory",
    "no_identity_key": "every_service_has_an_identity_key",
    "stranded": "no_data_is_stranded",
    "approved_not_declared": "every_approved_service_is_declared",
}


@table_asset(tables.INVENTORY, kinds={"csv", "deltalake"})
def inventory(
    context: dg.AssetExecutionContext, project: dg.ResourceParam[CXProject], lake: dg.ResourceParam[Lake]
) -> dg.MaterializeResult:
    """Every interaction with a system on behalf of a customer; a new snapshot whenever the file says something new."""
    taken = snapshot(lake, project.inventory, now=dt.datetime.now(dt.UTC), run_id=context.run.run_id)
    metadata = row_count(len(project.inventory), snapshot=taken.snapshot_id[:12], changes=taken.summary())
    return dg.MaterializeResult(metadata=metadata)


@table_asset(tables.OVERLAP, deps=[["catalog", "inventory"], ["scoring", "disposition_plan"]])
def overlap(
    context: dg.AssetExecutionContext, project: dg.ResourceParam[CXProject], lake: dg.ResourceParam[Lake]
) -> dg.MaterializeResult:
    """Tools that serve the same business function, side by side with their scores."""
    rows = find_overlap(project.inventory, project.plan.integration_plan())
    lake.replace(tables.OVERLAP, frame_rows(tables.OVERLAP, rows), run_id=context.run.run_id)
    return dg.MaterializeResult(metadata=row_count(len(rows), overlap=markdown_table(rows.to_dict("records"))))


@table_asset(
    tables.GAPS,
    deps=[["catalog", "inventory"], ["integration", "customer_events"], ["identity", "profiles"]],
    check_specs=[
        dg.AssetCheckSpec(check, asset=["catalog", "gaps"], description=f"Warns of gaps of the kind {kind}.")
        for kind, check in GAP_CHECKS.items()
    ],
)
def gaps(
    context: dg.AssetExecutionContext,
    project: dg.ResourceParam[CXProject],
    lake: dg.ResourceParam[Lake],
    engine: dg.ResourceParam[Engine],
) -> dg.MaterializeResult:
    """What the inventory or the integration lacks: unknown systems, services without a key, stranded data."""
    rows = find_gaps(
        project.inventory,
        project.services,
        approved=project.plan.to_integrate(),
        lake=lake,
        engine=engine,
        passed_over=project.settings.catalog,
    )
    lake.replace(tables.GAPS, frame_rows(tables.GAPS, rows), run_id=context.run.run_id)
    found = rows["kind"].value_counts()
    return dg.MaterializeResult(
        metadata=row_count(len(rows), gaps=markdown_table(rows.to_dict("records"))),
        check_results=[
            dg.AssetCheckResult(
                check_name=check,
                passed=kind not in found,
                severity=dg.AssetCheckSeverity.WARN,
                metadata={"gaps": int(found.get(kind, 0))},
            )
            for kind, check in GAP_CHECKS.items()
        ],
    )


ASSETS = [inventory, overlap, gaps]
