"""Phase 4, landing: one asset a service stream, in daily partitions, each day as the service reported it (I5)."""

import datetime as dt
from collections.abc import Iterator, Mapping
from functools import partial
from typing import TypeAlias

import dagster as dg

from cx_orchestration.assets import checks
from cx_orchestration.assets.edge import StepFailures, is_tried_again, report_skip, row_count, table_asset
from cx_orchestration.integration.landed_contract import Contract, withhold_broken
from cx_orchestration.integration.landing import Landing
from cx_orchestration.integration.loadtest.gate import require_load_test
from cx_orchestration.integration.parents import land_after_parent
from cx_orchestration.integration.patience import NotAsked, land_if_it_may_be_asked, remember
from cx_orchestration.integration.schema_drift import schema_drift
from cx_orchestration.integration.settling import settling
from cx_orchestration.integration.volume import judge_volumes
from cx_orchestration.model import tables
from cx_orchestration.model.days import DayRange
from cx_orchestration.model.failures import TransientFailure
from cx_orchestration.model.service import ServiceDeclaration
from cx_orchestration.partitions import ONE_RUN_PER_RANGE, daily_partitions, days_of
from cx_orchestration.project import CXProject
from cx_orchestration.resources.service import FederatedService, resource_key
from cx_orchestration.storage.registry import Attempt

#: Metadata of a materialization: how many records lay outside of what was asked for, had no time, and were kept
#: out as those of erased persons.
OUTSIDE_WINDOW, WITHOUT_TIME, OF_ERASED = "outside_window", "without_time", "of_erased_persons"

#: What the step of a landing asset tells Dagster.
Reported: TypeAlias = dg.MaterializeResult | dg.AssetMaterialization | dg.AssetCheckEvaluation | dg.AssetCheckResult


def landing_assets(project: CXProject, declaration: ServiceDeclaration) -> list[dg.AssetsDefinition]:
    """The landing assets of one service, one a stream; those outside of the rollout too, which skip and say so."""
    return [_landing_asset(project, declaration, stream) for stream in declaration.streams]


def _landing_asset(project: CXProject, declaration: ServiceDeclaration, stream: str) -> dg.AssetsDefinition:
    service = declaration.service
    table = tables.landed(service, stream)
    specs = checks.landing_specs(dg.AssetKey(table.path.split("/")))
    parent = declaration.streams[stream].parent
    fresh = dg.FreshnessPolicy.time_window(fail_window=dt.timedelta(hours=declaration.freshness_hours))

    @table_asset(
        table,
        description=f"{declaration.streams[stream].description}\n\nGrain: {table.grain}.".strip(),
        kinds={declaration.kind, "deltalake"},
        deps=[["scoring", "integration_plan"], *([["landing", service, parent.stream]] if parent else [])],
        partitions_def=daily_partitions(project.settings),
        backfill_policy=ONE_RUN_PER_RANGE,
        freshness_policy=fresh if stream in project.due(service).streams else None,
        owners=[declaration.owner] if declaration.owner else None,
        pool=service,
        retries=project.settings.retries,
        required_resource_keys={"project", "lake", "engine", "registry", resource_key(service)},
        check_specs=specs,
        output_required=False,
    )
    def landing(context: dg.AssetExecutionContext) -> Iterator[Reported]:
        loaded: CXProject = context.resources.project
        loaded.require_approval(service)
        days = days_of(context)
        if (why_not := loaded.due(service).why_not(stream, days)) is None:
            yield from _land(context, service, stream, days)
        else:
            report_skip(context, why_not, days)
            yield from checks.nothing_judged(specs, why_not)

    return landing


def _land(context: dg.AssetExecutionContext, service: str, stream: str, days: DayRange) -> Iterator[Reported]:
    source: FederatedService = getattr(context.resources, resource_key(service))
    lake, engine, registry = context.resources.lake, context.resources.engine, context.resources.registry
    project: CXProject = context.resources.project
    declared, table, now = project.services[service], tables.landed(service, stream), dt.datetime.now(dt.UTC)
    require_load_test(lake, engine, declared, project.settings)
    landed_until = max(registry.landed_at(service, stream), default=None)
    tombstones = registry.erasures.tombstones(project.environ, service=service)
    land_days = partial(source.land, landed_until=landed_until, tombstones=tombstones)
    ask = partial(land_days, lake, stream, run_id=context.run.run_id, now=now)
    land = partial(land_after_parent, registry, declared, stream, days, ask)
    result = land_if_it_may_be_asked(registry, service, days, land, now=now)
    contract = withhold_broken(lake, engine, table, result)
    registry.record(_attempts(result, service, stream, context.run.run_id, now))
    if not is_tried_again(context, list(result.failures.values()), project.settings.retries):
        remember(registry, service, result, now=now)
    hours = declared.streams[stream].settle_hours
    settled = {day: settling(day, hours, project.zone, now) for day in result.records}
    for day in result.kept:
        settled[day]["kept"] = True
    yield from _report(context, table, result, contract, days, settled)
    volumes = judge_volumes(registry.records_by_day(service, stream), result.records, declared.quality.volume)
    usual_share = declared.quality.usual_path_share
    drift = schema_drift(lake, engine, table, declared.streams[stream], days, usual_share=usual_share)
    results = [checks.contract_kept(contract), checks.volume_result(volumes), checks.drift_result(drift)]
    yield dg.MaterializeResult(check_results=results)


def _attempts(result: Landing, service: str, stream: str, run_id: str, now: dt.datetime) -> list[Attempt]:
    landed = [
        Attempt(service, stream, day, run_id, now, "landed", records) for day, records in sorted(result.records.items())
    ]
    failed = [
        Attempt(service, stream, day, run_id, now, "not_asked", 0, TransientFailure.__name__, str(failure))
        if isinstance(failure, NotAsked)
        else Attempt(service, stream, day, run_id, now, "failed", 0, type(failure).__name__, str(failure))
        for day, failure in sorted(result.failures.items())
    ]
    return landed + failed


def _report(
    context: dg.AssetExecutionContext,
    table: tables.Table,
    result: Landing,
    contract: Contract,
    days: DayRange,
    settled: Mapping[dt.date, Mapping[str, bool | str]],
) -> Iterator[Reported]:
    """Materialize each day that landed with its row count; days that did not land fail the step, and only they.

    What is logged rather than yielded before a failure is lost.
    """
    facts = {
        OUTSIDE_WINDOW: result.outside,
        WITHOUT_TIME: result.without_time,
        OF_ERASED: result.erased,
        "requests": result.requests,
    }
    if not result.failures:
        for day, records in result.records.items():
            context.add_asset_metadata(row_count(records, **facts, **settled[day]), partition_key=day.isoformat())
        return
    for day, records in sorted(result.records.items()):
        yield dg.AssetMaterialization(
            table.path.split("/"), partition=day.isoformat(), metadata=row_count(records, **facts, **settled[day])
        )
    if contract.broken:
        yield checks.contract_broken(context.asset_key, contract)
    raise StepFailures(list(result.failures.values()), failed_days=len(result.failures), asked_for=str(days))
