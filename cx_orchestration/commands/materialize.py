"""Materializes a project in one process: the plan, then each approved service in its order, then what spans them.

Belongs here: the order of runs and what is known when one of them fails. Does not belong here: printing.
"""

from collections.abc import Iterable, Iterator, Set
from dataclasses import dataclass, field
from pathlib import Path

import dagster as dg

from cx_orchestration.definitions import build_defs
from cx_orchestration.model.days import DayRange
from cx_orchestration.model.failures import PermanentFailure
from cx_orchestration.partitions import range_tags
from cx_orchestration.project import CXProject
from cx_orchestration.sensors.jobs import (
    CUSTOMERS,
    PLANNING,
    customers_job,
    integration_job,
    planning_job,
    service_asset_keys,
)
from cx_orchestration.storage.registry import Registry

_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@dataclass(frozen=True)
class AssetFailure:
    """One asset that failed; ``trace`` is set when the failure is none of the families we foresee."""

    asset: str
    message: str
    trace: str = ""


@dataclass(frozen=True)
class Materialized:
    """What one call did: the days it covered, the services it left out and why, and every failure."""

    days: DayRange
    services: list[str]
    refused: dict[str, str]
    failures: list[AssetFailure] = field(default_factory=list)


def materialize_project(
    project: CXProject,
    instance: dg.DagsterInstance,
    *,
    days: DayRange,
    lake: Path | None = None,
    select: str | None = None,
    resources: dict[str, object] | None = None,
) -> Materialized:
    """Run the planning job, every approved service best rank first, and the customers job, whatever fails before.

    ``select`` is an asset selection in Dagster's syntax, or asset keys separated by commas; assets outside it are left
    alone. A service whose run fails still has its good days mapped.
    """
    defs = build_defs(project, lake=lake, resources=resources)
    graph = defs.resolve_asset_graph()
    runner = _Runner(defs, instance, _selected_keys(defs, select))
    failures = list(runner.run(planning_job.name, PLANNING.resolve(graph)))
    approved = project.plan.approved()
    registry = Registry(project.registry_url(lake or project.lake_root))
    for service in approved:
        keys = service_asset_keys(project, service)
        failed = list(runner.run(integration_job.name, keys, range_tags(days)))
        failures += failed
        if failed:
            landed = registry.landed_days(service, project.services[service].streams)
            for good in DayRange.contiguous(day for day in days if day in landed):
                failures += runner.run(integration_job.name, keys[-1:], range_tags(good))
    registry.close()
    failures += runner.run(customers_job.name, CUSTOMERS.resolve(graph))
    return Materialized(days, approved, project.refusals(), failures)


class _Runner:
    def __init__(self, defs: dg.Definitions, instance: dg.DagsterInstance, chosen: Set[dg.AssetKey]) -> None:
        self._defs = defs
        self._instance = instance
        self._chosen = chosen

    def run(self, job: str, keys: Iterable[dg.AssetKey], tags: dict[str, str] | None = None) -> Iterator[AssetFailure]:
        """Execute the chosen ones of these assets; yields their failures."""
        wanted = [key for key in keys if key in self._chosen]
        if not wanted:
            return
        result = self._defs.resolve_job_def(job).execute_in_process(
            instance=self._instance, asset_selection=wanted, tags=tags, run_config=_QUIET, raise_on_error=False
        )
        for event in result.all_events:
            if event.is_step_failure:
                yield _failure(event)


def _failure(event: dg.DagsterEvent) -> AssetFailure:
    data = event.step_failure_data
    asset = (event.step_key or "").replace("__", "/")
    if data.user_failure_data is not None:
        return AssetFailure(asset, data.user_failure_data.description or "failed without a reason")
    error = data.error
    return AssetFailure(asset, "an unexpected error", error.to_string() if error else "")


def _selected_keys(defs: dg.Definitions, select: str | None) -> Set[dg.AssetKey]:
    """The assets that ``select`` names: Dagster's selection syntax, or keys separated by commas, ``*`` for any text."""
    graph = defs.resolve_asset_graph()
    if select is None:
        return graph.get_all_asset_keys()
    parts = [select] if ":" in select else [f'key:"{part.strip()}"' for part in select.split(",")]
    keys: set[dg.AssetKey] = set()
    for part in parts:
        try:
            found = dg.AssetSelection.from_string(part).resolve(graph)
        except dg.DagsterError as error:
            raise PermanentFailure(f"--select {part!r} cannot be read: {error}") from None
        if not found:
            raise PermanentFailure(f"--select {part!r} names no asset; 'dg list defs' shows all of them")
        keys |= found
    return keys
