"""Materializes a project in one process: the plan, then each approved service in its order, then what spans them.

Belongs here: the order of runs and what is known when one of them fails. Does not belong here: printing.
"""

import datetime as dt
import warnings
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence, Set
from contextlib import closing
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import dagster as dg

from cx_orchestration.assets.edge import MAY_PASS, NOTE, RETRIED_LATER, RETRIES_TAG, TRACE
from cx_orchestration.assets.identity import IDENTITY_MAP_KEY, PUBLISHABLE
from cx_orchestration.assets.landing import OF_ERASED, OUTSIDE_WINDOW, WITHOUT_TIME
from cx_orchestration.definitions import build_defs
from cx_orchestration.model.days import DayRange
from cx_orchestration.model.failures import PermanentFailure, TransientFailure
from cx_orchestration.model.words import counted
from cx_orchestration.partitions import range_tags
from cx_orchestration.project import CXProject
from cx_orchestration.resources.service import FederatedService, resource_key
from cx_orchestration.sensors.jobs import (
    CUSTOMERS,
    PLANNING,
    SERVICE_TAG,
    customers_job,
    integration_job,
    planning_job,
    service_asset_keys,
)
from cx_orchestration.sensors.needs import Need, ServiceDays, as_needs, each_once
from cx_orchestration.storage.lake import Lake
from cx_orchestration.storage.registry import MAPPING, Registry

_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@dataclass(frozen=True)
class AssetFailure:
    """One step that failed. ``asset`` is its asset, or the first one of several that it makes together, of which
    ``with_it`` are the others; ``trace`` is set when the failure is none of the families we foresee. ``awaits_people``:
    the publish gate stopped it, and would again."""

    asset: str
    message: str
    trace: str = ""
    may_pass_soon: bool = False
    with_it: tuple[str, ...] = ()
    awaits_people: bool = False


@dataclass(frozen=True)
class Materialized:
    """What one call did: the days it covered, the services it left out and why, and every failure.

    ``outside`` says for services that were integrated in part why some of their streams were left alone. ``notes`` say
    what was odd about what services sent and people decided. ``asked`` has the keys of the assets that were selected,
    ``None`` for all.
    """

    days: DayRange
    services: list[str]
    refused: dict[str, str]
    outside: dict[str, str] = field(default_factory=dict)
    failures: list[AssetFailure] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    asked: list[str] | None = None
    not_made: frozenset[str] = frozenset()


def materialize_project(
    project: CXProject,
    instance: dg.DagsterInstance,
    *,
    days: DayRange,
    lake: Path | None = None,
    select: str | None = None,
    owed: bool = False,
    resources: dict[str, object] | None = None,
    tell: Callable[[str], object] = lambda _: None,
) -> Materialized:
    """Run the planning job, every approved service best rank first, and the customers job, whatever fails before.

    ``select`` is an asset selection in Dagster's syntax, or asset keys separated by commas; assets outside it are left
    alone. With ``owed`` only those of the days are integrated that the sensor would request by itself. A service whose
    run fails still has its good days mapped, and is tried once more after the others when the failure is transient. One
    run follows the other. ``tell`` is called with a line as each long phase starts.
    """
    root = lake or project.lake_root
    Lake(root).require_writable()
    defs = build_defs(project, lake=lake, resources=resources)
    graph = defs.resolve_asset_graph()
    selected = _selected_keys(defs, select)
    chosen = dg.AssetSelection.assets(*selected).required_multi_asset_neighbors().resolve(graph)
    runner = _Runner(defs, instance, chosen)
    services = project.services_due()
    failures = list(runner.run(planning_job.name, PLANNING.resolve(graph)))
    tell(f"Landing and mapping {len(services)} services, one after the other ...")
    with closing(Registry(project.registry_url(root))) as registry:
        needs: dict[str, list[Need]] = {}
        for service in services:
            try:
                needs[service] = _owed(defs, registry, project, service, days) if owed else _all(project, service, days)
            except PermanentFailure as failure:  # a file that nobody may open keeps no other service waiting
                failures.append(AssetFailure(f"landing/{service}/*", str(failure)))
        failures += _integrate_all(runner, registry, project, needs, days)
    tell("Identity, journeys and exploration ...")
    failures += runner.run(customers_job.name, CUSTOMERS.resolve(graph))
    outside = {service: " ".join(project.due(service).outside.values()) for service in services}
    by_file = [name for name, declared in project.services.items() if declared.kind == "files"]
    notes = [*_notes(runner.sent, by_file), *runner.noted]
    if along := sorted(key.to_user_string() for key in chosen - selected):
        notes.append(f"made along with what was selected, by the same steps: {', '.join(along)}")
    asked = None if select is None else sorted(key.to_user_string() for key in selected)
    return Materialized(days, services, project.refusals(), outside, failures, notes, asked, frozenset(runner.not_made))


def publish_customers(
    project: CXProject,
    instance: dg.DagsterInstance,
    *,
    accept: Sequence[str],
    lake: Path | None = None,
    resources: dict[str, object] | None = None,
) -> list[AssetFailure]:
    """Run the identity map, with bounds of its publish gate that are accepted this once, and all that is made from it.

    Gives the failures. Nothing is read or linked anew: what is published is what the gate stopped.
    """
    Lake(lake or project.lake_root).require_writable()
    defs = build_defs(project, lake=lake, resources=resources)
    graph = defs.resolve_asset_graph()
    identity_map = dg.AssetSelection.keys(IDENTITY_MAP_KEY)
    keys = CUSTOMERS.resolve(graph) & identity_map.downstream().resolve(graph)
    runner = _Runner(defs, instance, keys)
    config = {"ops": {IDENTITY_MAP_KEY.to_python_identifier(): {"config": {"accept": list(accept)}}}}
    return list(runner.run(customers_job.name, keys, config=config))


def _integrate_all(
    runner: "_Runner", registry: Registry, project: CXProject, needs: Mapping[str, list[Need]], days: DayRange
) -> list[AssetFailure]:
    """Every service in order; then, again in order, what failed in a way that may have passed meanwhile.

    So the pause before another try is the time that the others take, and a service that hangs holds nobody for longer
    than the deadlines of its own requests. What the registry does not know to be left failed stays a failure.
    """
    failures = {service: _integrate(runner, registry, project, service, needed) for service, needed in needs.items()}
    for service, failed in failures.items():
        if any(failure.may_pass_soon for failure in failed):
            left = _left(registry, service, days)
            again = {key.to_user_string() for need in left for key in service_asset_keys(service, need.streams)}
            stays = [failure for failure in failed if not (failure.may_pass_soon and failure.asset in again)]
            failures[service] = stays + _integrate(runner, registry, project, service, left)
    return [failure for failed in failures.values() for failure in failed]


def _all(project: CXProject, service: str, days: DayRange) -> list[Need]:
    """All of a service's days anew."""
    return [Need(days, project.due(service).streams)]


def _owed(defs: dg.Definitions, registry: Registry, project: CXProject, service: str, days: DayRange) -> list[Need]:
    """What the sensor would request of a service's days, tick after tick, until nothing is left. Raises
    ``PermanentFailure`` for files that cannot be looked at."""
    state = ServiceDays(project, registry, service, dt.datetime.now(dt.UTC))
    changed: dict[str, list[dt.date]] = {}
    if project.services[service].kind == "files":
        source: FederatedService = (defs.resources or {})[resource_key(service)]
        with source.of(project) as files:
            changed = {stream: files.dropped_since(stream, at) for stream, at in state.looked_at.items()}
    return [
        Need(part, need.streams)
        for need in (*state.to_map(), *each_once(state.to_be_read(changed)))
        for part in DayRange.contiguous(day for day in need.days if day in days)
    ]


def _left(registry: Registry, service: str, days: DayRange) -> list[Need]:
    """The asked days that are left with a transient failure, the oldest first, each with the streams that lack it."""
    left: dict[str, set[dt.date]] = {}
    for each in registry.left_failed(service):
        if each.is_transient and each.attempt.day in days:
            left.setdefault(each.attempt.stream, set()).add(each.attempt.day)
    to_map = left.pop(MAPPING, set())
    return [*as_needs(left), *(Need(part) for part in DayRange.contiguous(to_map))]


def _integrate(
    runner: "_Runner", registry: Registry, project: CXProject, service: str, needs: list[Need]
) -> list[AssetFailure]:
    """Land and map a service's days; where some did not land, the others are mapped all the same."""
    failures: list[AssetFailure] = []
    for need in needs:
        failures += runner.run_service(service, need)
    if any(failure.asset.startswith("landing/") for failure in failures):
        states = registry.days(service, project.due(service).streams)
        asked = {day for need in needs for day in need.days}
        for landed in DayRange.contiguous(day for day in asked if day in states and states[day].awaits_mapping):
            failures += runner.run_service(service, Need(landed))
    return failures


class _Runner:
    """Executes jobs one after another in this process."""

    def __init__(self, defs: dg.Definitions, instance: dg.DagsterInstance, chosen: Set[dg.AssetKey]) -> None:
        self._defs = defs
        self._instance = instance
        self.chosen = chosen
        #: By landing asset and kind of record that is told of, how many were sent.
        self.sent: dict[str, Counter[str]] = {}
        #: What assets of all services' customers have to say, a line each.
        self.noted: list[str] = []
        #: The keys of assets that failed, or were not come to because of that, and were not made later.
        self.not_made: set[str] = set()
        assets = (each for each in defs.assets or () if isinstance(each, dg.AssetsDefinition))
        keys_of_step = {each.node_def.name: set(each.keys) for each in assets}
        for checks in defs.asset_checks or ():
            keys_of_step[checks.node_def.name] = {key.asset_key for key in checks.check_keys}
        self._keys_of_step = {step: {key.to_user_string() for key in keys} for step, keys in keys_of_step.items()}

    def run_service(self, service: str, need: Need) -> Iterator[AssetFailure]:
        """Read and map a service's days. A transient failure is not tried again within the run, but afterwards."""
        tags = {**range_tags(need.days), SERVICE_TAG: service, RETRIES_TAG: RETRIED_LATER}
        return self.run(integration_job.name, service_asset_keys(service, need.streams), tags)

    def run(
        self,
        job: str,
        keys: Iterable[dg.AssetKey],
        tags: dict[str, str] | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> Iterator[AssetFailure]:
        """Execute the chosen ones of these assets, with the configuration of their ops; yields their failures."""
        wanted = [key for key in keys if key in self.chosen]
        if not wanted:
            return
        result = self._defs.resolve_job_def(job).execute_in_process(
            instance=self._instance,
            asset_selection=wanted,
            tags=tags,
            run_config={**_QUIET, **(config or {})},
            raise_on_error=False,
        )
        sent: dict[str, Counter[str]] = {}
        checks = result.get_asset_check_evaluations()
        is_held = any(check.check_name == PUBLISHABLE and not check.passed for check in checks)
        asked = {key.to_user_string() for key in wanted}
        begun = False
        for event in result.all_events:
            begun = begun or event.is_step_event
            if event.is_step_failure:
                of_step = self._keys_of_step[event.step_key or ""]
                failure = _failure(event, *sorted(of_step & asked or of_step))
                yield replace(failure, awaits_people=is_held and failure.asset == IDENTITY_MAP_KEY.to_user_string())
            elif event.is_step_materialization and event.asset_key is not None:
                # Each day of a run has the same number, that of the run.
                made = event.step_materialization_data.materialization
                sent[event.asset_key.to_user_string()] = _sent(made)
                if isinstance(note := made.metadata.get(NOTE), dg.TextMetadataValue) and note.text:
                    self.noted.append(note.text)
        if not begun:  # what all steps need could not be had, such as the registry
            for asset in sorted(asked - self._made_of(wanted)):
                yield _not_begun(result.all_events, asset)
        self.not_made -= sent.keys()
        if not result.success:
            self.not_made |= asked - sent.keys()
        for asset, numbers in sent.items():
            self.sent[asset] = self.sent.get(asset, Counter()) + numbers

    def _made_of(self, keys: Collection[dg.AssetKey]) -> set[str]:
        """Those of these assets that are made of others of them."""
        graph = self._defs.resolve_asset_graph()
        return {key.to_user_string() for key in keys if not graph.get(key).parent_keys.isdisjoint(keys)}


def _sent(materialization: dg.AssetMaterialization) -> Counter[str]:
    numbers = {kind: materialization.metadata.get(kind) for kind in (OUTSIDE_WINDOW, WITHOUT_TIME, OF_ERASED)}
    return Counter({kind: number.value for kind, number in numbers.items() if isinstance(number, dg.IntMetadataValue)})


def _notes(sent: Mapping[str, Counter[str]], by_file: Collection[str]) -> Iterator[str]:
    """What to know of what was sent. A dropped file holds other days as well; a service that sends them ignores its
    filter."""
    for asset, numbers in sorted(sent.items()):
        service = asset.split("/")[1]
        if (outside := numbers[OUTSIDE_WINDOW]) and service not in by_file:
            were = "1 record was" if outside == 1 else f"{outside:,} records were"
            yield f"{asset}: {were} sent that lie outside of the days that were asked for, and did not land"
        if numbers[WITHOUT_TIME]:
            by_day = "" if service in by_file else "; to see which those are, a range is asked for day by day"
            yield (
                f"{asset}: there are records without a readable updated_at; each lands in every day that reports it, "
                f"and counts once here{by_day}"
            )
        if of_erased := numbers[OF_ERASED]:
            yield f"{asset}: {counted(of_erased, 'record')} of erased persons stayed out"


def _failure(event: dg.DagsterEvent, asset: str, *with_it: str) -> AssetFailure:
    data = event.step_failure_data
    if data.user_failure_data is not None:
        told = data.user_failure_data
        may_pass = told.metadata.get(MAY_PASS, dg.MetadataValue.bool(False)).value
        trace = told.metadata.get(TRACE, dg.MetadataValue.text("")).value
        reason = told.description or "failed without a reason"
        return AssetFailure(asset, reason, str(trace), bool(may_pass), with_it)
    error = _first_cause(data.error)
    if error is not None and error.cls_name == dg.DagsterExecutionInterruptedError.__name__:
        raise KeyboardInterrupt
    return AssetFailure(asset, "an unexpected error", data.error.to_string() if data.error else "", with_it=with_it)


def _not_begun(events: Iterable[dg.DagsterEvent], asset: str) -> AssetFailure:
    """The failure of a run that ended before its first step. Only what our own failures say is known to hold no
    values."""
    failed = (event for event in events if event.event_type is dg.DagsterEventType.RESOURCE_INIT_FAILURE)
    error = next((_first_cause(event.engine_event_data.error) for event in failed), None)
    if error is not None and error.cls_name in (PermanentFailure.__name__, TransientFailure.__name__):
        return AssetFailure(asset, error.message.partition(": ")[2].strip())
    return AssetFailure(asset, "the run ended before its first step", error.to_string() if error else "")


def _first_cause(error: Any) -> Any:
    """The error that led to this one, Dagster's description of it, or ``None``."""
    while error is not None and error.cause is not None:
        error = error.cause
    return error


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
