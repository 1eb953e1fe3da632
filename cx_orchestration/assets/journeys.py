"""Phase 3, journeys: every customer's events in order, placed on the company's journey maps (R1, J1 to J3)."""

import dagster as dg

from cx_orchestration.assets.edge import markdown_table, row_count, table_asset, table_spec, told_plainly
from cx_orchestration.integration.coverage import complete_until
from cx_orchestration.journeys.fold import fold_journeys
from cx_orchestration.journeys.pictures import to_mermaid
from cx_orchestration.journeys.sequences import build_sequences
from cx_orchestration.model import tables
from cx_orchestration.project import CXProject
from cx_orchestration.storage.engine import Engine
from cx_orchestration.storage.lake import Lake


@table_asset(tables.SEQUENCES, kinds={"duckdb", "deltalake"}, deps=[["identity", "identity_map"]])
def sequences(
    context: dg.AssetExecutionContext, lake: dg.ResourceParam[Lake], engine: dg.ResourceParam[Engine]
) -> dg.MaterializeResult:
    """Every distinct event of every customer, sorted: the input of everything that follows a customer's path."""
    counts = build_sequences(lake, engine, run_id=context.run.run_id)
    facts = {name: value for name, value in vars(counts).items() if name != "sequenced"}
    return dg.MaterializeResult(metadata=row_count(counts.sequenced, **facts))


@dg.multi_asset(
    specs=[
        dg.AssetSpec(**table_spec(table, kinds={"numba", "deltalake"}), deps=[["journeys", "sequences"]])
        for table in (tables.STEPS, tables.INSTANCES)
    ],
    name="journeys_fold",
)
@told_plainly
def steps_and_instances(
    context: dg.AssetExecutionContext,
    project: dg.ResourceParam[CXProject],
    lake: dg.ResourceParam[Lake],
    engine: dg.ResourceParam[Engine],
) -> tuple[dg.MaterializeResult, dg.MaterializeResult]:
    """The customers' ways through every journey map, up to the end of the newest day that has events."""
    as_of = complete_until(lake, project.zone, start=project.settings.start_date)
    summary = fold_journeys(
        lake,
        engine,
        project.maps,
        as_of=as_of,
        currency=project.settings.currency,
        support_contact_cost=project.settings.exploration.support_contact_cost,
        run_id=context.run.run_id,
    )
    counts = [vars(journey) for journey in summary.journeys]
    pictures = {
        f"map_{name}": dg.MetadataValue.md(f"```mermaid\n{to_mermaid(journey)}\n```")
        for name, journey in project.journeys.items()
    }
    facts = {"as_of": as_of.isoformat(), "journeys": markdown_table(counts), **pictures}
    moves = sum(journey.moves + journey.deviations for journey in summary.journeys)
    instances = sum(journey.active + journey.completed + journey.abandoned for journey in summary.journeys)
    return (
        dg.MaterializeResult(asset_key=["journeys", "steps"], metadata=row_count(moves, **facts)),
        dg.MaterializeResult(asset_key=["journeys", "instances"], metadata=row_count(instances, **facts)),
    )


ASSETS = [sequences, steps_and_instances]
