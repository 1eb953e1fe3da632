"""Phase 4, integration: landed days become customer events; then what all services together have and lack."""

import datetime as dt
from collections.abc import Iterator
from functools import partial

import dagster as dg

from cx_orchestration.assets import checks
from cx_orchestration.assets.edge import (
    markdown_table,
    report_skip,
    row_count,
    table_asset,
    table_metadata,
    told_plainly,
)
from cx_orchestration.integration.coverage import coverage
from cx_orchestration.integration.loadtest.gate import gate
from cx_orchestration.integration.mapping import map_events
from cx_orchestration.integration.rejections import count_rejections
from cx_orchestration.integration.settling import open_days
from cx_orchestration.journeys.completeness import event_metadata
from cx_orchestration.model import tables
from cx_orchestration.model.bugs import bugs_as_failures
from cx_orchestration.model.failures import Failure
from cx_orchestration.model.service import ServiceDeclaration
from cx_orchestration.partitions import ONE_RUN_PER_RANGE, daily_partitions, days_of
from cx_orchestration.project import CXProject
from cx_orchestration.storage.engine import Engine
from cx_orchestration.storage.lake import Lake
from cx_orchestration.storage.registry import MAPPING, Attempt, Registry


def events_asset(project: CXProject, declaration: ServiceDeclaration) -> dg.AssetsDefinition:
    """The asset that maps one service's landed days to customer events, and quarantines what cannot be mapped."""
    service = declaration.service
    key = dg.AssetKey(["integration", service, "events"])
    specs = checks.events_specs(key)
    fresh = dg.FreshnessPolicy.time_window(fail_window=dt.timedelta(hours=declaration.freshness_hours))

    @dg.asset(
        key=key,
        group_name="integration",
        description=f"Customer events of {service}, and the records that gave none with the reason why.",
        kinds={"duckdb", "deltalake"},
        metadata=table_metadata(tables.EVENTS),
        deps=[["landing", service, stream] for stream in declaration.streams],
        partitions_def=daily_partitions(project.settings),
        backfill_policy=ONE_RUN_PER_RANGE,
        freshness_policy=fresh if project.due(service).streams else None,
        owners=[declaration.owner] if declaration.owner else None,
        pool=service,
        check_specs=specs,
        output_required=False,
    )
    @partial(told_plainly, retries=project.settings.retries)
    def events(
        context: dg.AssetExecutionContext,
        project: dg.ResourceParam[CXProject],
        lake: dg.ResourceParam[Lake],
        engine: dg.ResourceParam[Engine],
        registry: dg.ResourceParam[Registry],
    ) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
        days, now = days_of(context), dt.datetime.now(dt.UTC)
        if (why_not := project.due(service).why_nothing) is not None:
            report_skip(context, why_not, days)
            yield from checks.nothing_judged(specs, why_not)
            return
        declared = project.services[service]
        attempt = partial(Attempt, service, MAPPING, run_id=context.run.run_id, attempted_at=now)
        try:
            with bugs_as_failures():
                mapped = map_events(engine, lake, declared, days, run_id=context.run.run_id)
        except Failure as failure:
            family, message = type(failure).__name__, str(failure)
            registry.record(attempt(day, outcome="failed", failure=family, message=message) for day in days)
            raise
        registry.record(attempt(day, outcome="landed", records=mapped.events.get(day, 0)) for day in days)
        for day, count in mapped.events.items():
            context.add_asset_metadata(row_count(count), partition_key=day.isoformat())
        rejections = count_rejections(lake, engine, declared, days)
        carried = event_metadata(lake, engine, project.maps, service, days).to_pylist()
        tested = gate(lake, engine, declared, project.settings)
        yield dg.MaterializeResult(
            check_results=[
                checks.rejected_result(rejections, mapped.rejected, mapped.unmapped, declared.quality),
                checks.metadata_result(carried, declared.quality),
                checks.load_tested_result(tested, required=project.settings.load_test.required),
            ]
        )

    return events


def customer_events_asset(project: CXProject) -> dg.AssetsDefinition:
    """The phase over all services: one table of events, and which days of which services are in it."""
    key = dg.AssetKey(["integration", "customer_events"])

    @table_asset(
        tables.COVERAGE,
        key=key,
        deps=[["integration", service, "events"] for service in project.services],
        check_specs=[
            dg.AssetCheckSpec("no_day_missing", asset=key, description="Warns of days that an approved service lacks.")
        ],
    )
    def customer_events(
        context: dg.AssetExecutionContext,
        project: dg.ResourceParam[CXProject],
        lake: dg.ResourceParam[Lake],
        engine: dg.ResourceParam[Engine],
        registry: dg.ResourceParam[Registry],
    ) -> dg.MaterializeResult:
        """All services' customer events: which days are there, and which an approved service lacks."""
        rows = coverage(
            lake,
            engine,
            days=project.days_due(),
            landed={
                service: registry.integrated_days(service, project.due(service).streams or declared.streams)
                for service, declared in project.services.items()
            },
            still_open={
                service: open_days(registry, declared, project.zone) for service, declared in project.services.items()
            },
            refused=project.refusals(),
        )
        lake.replace(tables.COVERAGE, rows, run_id=context.run.run_id)
        shown = rows.to_pylist()
        return dg.MaterializeResult(
            metadata=row_count(sum(row["events"] for row in shown), coverage=markdown_table(shown)),
            check_results=[
                dg.AssetCheckResult(
                    check_name="no_day_missing",
                    passed=not any(row["days_missing"] for row in shown),
                    severity=dg.AssetCheckSeverity.WARN,
                    metadata={row["service"]: row["missing"] for row in shown if row["missing"]},
                )
            ],
        )

    return customer_events
