"""Phase 3, journeys: every customer's events in order, placed on the company's journey maps (R1, J1 to J3)."""

import dagster as dg

from cx_orchestration.assets.edge import markdown_table, row_count, table_spec, told_plainly
from cx_orchestration.integration.coverage import newest_day_end
from cx_orchestration.journeys.completeness import transition_metadata
from cx_orchestration.journeys.drawing.figures import Figures, read_figures
from cx_orchestration.journeys.drawing.page import drawing_markdown
from cx_orchestration.journeys.event_types import type_names
from cx_orchestration.journeys.fold import fold_journeys
from cx_orchestration.journeys.nights import update_sequences
from cx_orchestration.journeys.pictures import declared_maps, declared_steps
from cx_orchestration.journeys.versions import known_versions
from cx_orchestration.model import tables
from cx_orchestration.project import CXProject
from cx_orchestration.storage.engine import Engine
from cx_orchestration.storage.lake import Lake


@dg.multi_asset(
    specs=[
        dg.AssetSpec(**table_spec(table, kinds={"duckdb", "deltalake"}), deps=[["identity", "identity_map"]])
        for table in (tables.EVENT_TYPES, tables.SEQUENCES)
    ],
    name="journeys_sequences",
    pool="customers",
)
@told_plainly
def sequences(
    context: dg.AssetExecutionContext, lake: dg.ResourceParam[Lake], analytics: dg.ResourceParam[Engine]
) -> tuple[dg.MaterializeResult, dg.MaterializeResult]:
    """Every distinct event of every customer, sorted: the input of everything that follows a customer's path."""
    counts = update_sequences(lake, analytics, run_id=context.run.run_id)
    facts = {name: value for name, value in vars(counts).items() if name != "sequenced"}
    types = len(type_names(lake, analytics))
    return (
        dg.MaterializeResult(asset_key=["journeys", "event_types"], metadata=row_count(types)),
        dg.MaterializeResult(asset_key=["journeys", "sequences"], metadata=row_count(counts.sequenced, **facts)),
    )


@dg.multi_asset(
    specs=[
        dg.AssetSpec(**table_spec(table, kinds={"numba", "deltalake"}), deps=[["journeys", "sequences"]])
        for table in (tables.JOURNEY_MAPS, tables.STEPS, tables.INSTANCES, tables.THREADS)
    ],
    name="journeys_fold",
    pool="customers",
    check_specs=[
        dg.AssetCheckSpec(
            "transitions_carry_their_metadata",
            asset=["journeys", "steps"],
            description="Warns of moves whose events lack metadata that the map's transition requires.",
        )
    ],
)
@told_plainly
def steps_and_instances(
    context: dg.AssetExecutionContext,
    project: dg.ResourceParam[CXProject],
    lake: dg.ResourceParam[Lake],
    analytics: dg.ResourceParam[Engine],
) -> tuple[dg.MaterializeResult, dg.MaterializeResult, dg.MaterializeResult, dg.MaterializeResult]:
    """The customers' ways through every journey map, up to the end of the newest day that has events."""
    as_of = newest_day_end(lake, project.zone, start=project.settings.start_date)
    summary = fold_journeys(
        lake,
        analytics,
        project.maps,
        as_of=as_of,
        currency=project.settings.currency,
        support_contact_cost=project.settings.exploration.support_contact_cost,
        run_id=context.run.run_id,
    )
    counts = [vars(journey) for journey in summary.journeys]
    versions = known_versions(lake)
    figures = read_figures(lake, analytics, versions, project.settings.experience, as_of=as_of)
    pictures = {
        f"map_{name}": dg.MetadataValue.md(drawing_markdown(journey, figures.get(name, Figures()), versions))
        for name, journey in project.journeys.items()
    }
    facts = {
        "as_of": as_of.isoformat(),
        "all_customers_folded": summary.whole,
        "journeys": markdown_table(counts),
        "maps": markdown_table(declared_maps(project.maps)),
        "steps_of_maps": markdown_table(declared_steps(project.maps)),
        **pictures,
    }
    carried = transition_metadata(lake, analytics, project.maps).to_pylist()
    return (
        dg.MaterializeResult(asset_key=["journeys", "maps"], metadata=row_count(lake.rows(tables.JOURNEY_MAPS))),
        dg.MaterializeResult(
            asset_key=["journeys", "steps"],
            metadata=row_count(lake.rows(tables.STEPS), **facts),
            check_results=[
                dg.AssetCheckResult(
                    check_name="transitions_carry_their_metadata",
                    passed=all(row["carried"] == row["moves"] for row in carried),
                    severity=dg.AssetCheckSeverity.WARN,
                    metadata={"by_service": markdown_table(carried)},
                )
            ],
        ),
        dg.MaterializeResult(
            asset_key=["journeys", "instances"], metadata=row_count(lake.rows(tables.INSTANCES), **facts)
        ),
        dg.MaterializeResult(asset_key=["journeys", "threads"], metadata=row_count(lake.rows(tables.THREADS))),
    )


ASSETS = [sequences, steps_and_instances]
