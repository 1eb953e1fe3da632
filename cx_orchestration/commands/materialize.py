"""Materializes a project in one process: the plan, then each approved service in its order, then what spans them.

Belongs here: the order of runs and what is known when one of them fails. Does not belong here: printing.
"""

import warnings
from collections.abc import Iterable, Iterator, Set
from contextlib import closing
from dataclasses import dataclass, field
from difflib import get_close_matches
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
    events_key,
    integration_job,
    planning_job,
    service_asset_keys,
)
from cx_orchestration.storage.lake import Lake
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
    """What one call did: the days it covered, the services it left out and why, and every failure.

    ``outside`` says for services that were integrated in part why some of their streams were left alone.
    """

    days: DayRange
    services: list[str]
    refused: dict[str, str]
    outside: dict[str, str] = field(default_factory=dict)
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
    root = lake or project.lake_root
    Lake(root).require_writable()
    defs = build_defs(project, lake=lake, resources=resources)
    graph = defs.resolve_asset_graph()
    runner = _Runner(defs, instance, _selected_keys(defs, select))
    services = project.services_due()
    failures = list(runner.run(planning_job.name, PLANNING.resolve(graph)))
    with closing(Registry(project.registry_url(root))) as registry:
        for service in services:
            failures += _integrate(runner, registry, project, service, days)
    failures += runner.run(customers_job.name, CUSTOMERS.resolve(graph))
    outside = {service: " ".join(project.due(service).outside.values()) for service in services}
    return Materialized(days, services, project.refusals(), outside, failures)


def _integrate(
    runner: "_Runner", registry: Registry, project: CXProject, service: str, days: DayRange
) -> list[AssetFailure]:
    """Land and map one service's days; where some did not land, the others are mapped all the same."""
    streams = project.due(service).streams
    keys = service_asset_keys(service, streams)
    failures = list(runner.run(integration_job.name, keys, range_tags(days)))
    if any(failure.asset.startswith("landing/") for failure in failures):
        states = registry.days(service, streams)
        unmapped = (day for day, state in states.items() if day in days and state.landed and not state.mapped)
        for landed in DayRange.contiguous(unmapped):
            failures += runner.run(integration_job.name, [events_key(service)], range_tags(landed))
    return failures


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
    while error is not None and error.cause is not None:
        error = error.cause
    if error is not None and error.cls_name == dg.DagsterExecutionInterruptedError.__name__:
        raise KeyboardInterrupt
    return AssetFailure(asset, "an unexpected error", data.error.to_string() if data.error else "")


def _selected_keys(defs: dg.Definitions, select: str | None) -> Set[dg.AssetKey]:
    """The assets that ``select`` names: Dagster's selection syntax, or keys separated by commas, ``*`` for any text."""
    graph = defs.resolve_asset_graph()
    if select is None:
        return graph.get_all_asset_keys()
    keys: set[dg.AssetKey] = set()
    for part in [select] if ":" in select else [part.strip() for part in select.split(",")]:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", dg.BetaWarning)  # the selection syntax, which the UI speaks too
                found = dg.AssetSelection.from_string(part if ":" in part else f'key:"{part}"').resolve(graph)
        except dg.DagsterError as error:
            raise PermanentFailure(f"--select {part!r} cannot be read: {error}") from None
        if not found:
            known = sorted(key.to_user_string() for key in graph.get_all_asset_keys())
            near = get_close_matches(part, known, n=3) or known[:3]
            raise PermanentFailure(f"--select {part!r} names no asset of this project; there are {', '.join(near)} ...")
        keys |= found
    return keys
