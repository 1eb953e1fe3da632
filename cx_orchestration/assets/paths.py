"""Phase 3, paths: what customers do after what, how far they come and where they leave, of all events and by map."""

from collections.abc import Iterator

import dagster as dg

from cx_orchestration.assets.edge import markdown_table, row_count, table_spec, told_plainly
from cx_orchestration.integration.coverage import newest_day_end
from cx_orchestration.journeys.paths.build import build_paths, reconcile
from cx_orchestration.journeys.paths.pictures import path_picture
from cx_orchestration.model import tables
from cx_orchestration.project import CXProject
from cx_orchestration.storage.engine import Engine
from cx_orchestration.storage.lake import Lake

_RECONCILED = dg.AssetCheckSpec(
    "totals_reconcile",
    asset=tables.DIRECTLY_FOLLOWS.path.split("/"),
    description="Paths, funnels, sessions, transitions and instances of one selection add up to the same customers.",
)


@dg.multi_asset(
    specs=[
        dg.AssetSpec(
            **table_spec(table, kinds={"numba", "deltalake"}),
            deps=[["journeys", name] for name in ("sequences", "event_types", "steps", "instances", "step_figures")],
        )
        for table in tables.PATHS
    ],
    name="journeys_paths",
    pool="customers",
    check_specs=[_RECONCILED],
)
@told_plainly
def paths(
    context: dg.AssetExecutionContext,
    project: dg.ResourceParam[CXProject],
    lake: dg.ResourceParam[Lake],
    analytics: dg.ResourceParam[Engine],
) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
    """What all customers' paths are, up to the end of the newest day that has events, from one reading of them."""
    as_of = newest_day_end(lake, project.zone, start=project.settings.start_date)
    found = build_paths(lake, analytics, project.maps, project.funnels, as_of=as_of, run_id=context.run.run_id)
    for table, rows in found.items():
        picture = path_picture(table, rows)
        facts = {} if picture is None else {"picture": dg.MetadataValue.md(picture)}
        metadata = row_count(rows.num_rows, as_of=as_of.isoformat(), **facts)
        yield dg.MaterializeResult(asset_key=table.path.split("/"), metadata=metadata)
    totals = reconcile(lake, analytics, as_of=as_of)
    yield dg.AssetCheckResult(
        check_name=_RECONCILED.name,
        asset_key=_RECONCILED.asset_key,
        passed=all(total.agrees for total in totals),
        metadata={"totals": markdown_table([vars(total) for total in totals])},
    )


ASSETS = [paths]
