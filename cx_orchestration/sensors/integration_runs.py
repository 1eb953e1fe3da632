"""The integration sensor: asks the services in plan order what is new and requests runs, best rank first (I3, I5).

Belongs here: which days of a service need which work. Does not belong here: what a request looks like (``jobs.py``).
"""

import datetime as dt
import time
from dataclasses import dataclass, field

import dagster as dg

from cx_orchestration.model.days import DayRange
from cx_orchestration.model.failures import Failure
from cx_orchestration.project import CXProject
from cx_orchestration.resources.service import FederatedService, resource_key
from cx_orchestration.sensors.jobs import (
    MAX_ATTEMPTS,
    SERVICE_TAG,
    Work,
    has_failed_too_often,
    integration_job,
    integration_request,
    is_under_way,
    request_name,
    runs_of,
)
from cx_orchestration.storage.registry import Registry

#: Dagster gives a tick 60 seconds; services that were not asked by then are asked first at the next tick.
TIME_BUDGET_SECONDS = 40


@dataclass
class _Tick:
    """What a tick finds out: requests, services that did not answer, and why others need nothing now."""

    requests: list[dg.RunRequest] = field(default_factory=list)
    silent: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    asked: int = 0


def integration_sensor(definition: CXProject) -> dg.SensorDefinition:
    """A sensor that requests the days each approved service owes, and those that changed after they landed."""

    @dg.sensor(
        name="integration_runs",
        target=integration_job,
        minimum_interval_seconds=300,
        required_resource_keys={"project", "registry", *(resource_key(name) for name in definition.services)},
        description="Asks the approved services in plan order what is new; the highest rank runs first.",
    )
    def sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        project: CXProject = context.resources.project
        deadline = time.monotonic() + TIME_BUDGET_SECONDS
        approved = project.plan.approved()
        known = [service for service in approved if service in definition.services]
        tick = _Tick()
        if not approved:
            tick.notes.append("No service is approved for integration; decisions.yaml says who decided what.")
        if fresh := [service for service in approved if service not in known]:
            tick.notes.append(f"Reload the code location: it does not know {', '.join(fresh)} yet.")
        for service in _in_turn(known, context.cursor):
            if time.monotonic() > deadline:
                return dg.SensorResult(run_requests=tick.requests, cursor=service)
            _ask(context, tick, service)
        if tick.asked and len(tick.silent) == tick.asked:
            context.update_cursor("")
            raise dg.Failure("No service could be asked:\n" + "\n".join(tick.silent.values()))
        if tick.requests:
            return dg.SensorResult(run_requests=tick.requests, cursor="")
        silent = [f"{service} did not answer: {why}" for service, why in tick.silent.items()]
        reason = " ".join([*silent, *tick.notes]) or "Every approved service has landed and mapped all its days."
        return dg.SensorResult(skip_reason=reason, cursor="")

    return sensor


def _in_turn(services: list[str], cursor: str | None) -> list[str]:
    """Plan order; after a tick that ran out of time, from the service that was not asked. Any other cursor is void."""
    start = services.index(cursor) if cursor in services else 0
    return services[start:] + services[:start]


def _ask(context: dg.SensorEvaluationContext, tick: _Tick, service: str) -> None:
    """Add what a service needs to the tick: a request, a failure to answer, or the reason why it needs nothing now."""
    project: CXProject = context.resources.project
    if is_under_way(context.instance, job=integration_job.name, tags={SERVICE_TAG: service}):
        tick.notes.append(f"{service} is being integrated.")
        return
    source: FederatedService = getattr(context.resources, resource_key(service))
    tick.asked += 1
    try:
        due = _due(context, tick, source, service)
    except Failure as failure:
        tick.silent[service] = str(failure)
        context.log.warning(f"{service} could not be asked: {failure}")
        return
    if due is None:
        return
    work, days = due
    request = request_name(service, days, work)
    if has_failed_too_often(context.instance, request):
        tick.notes.append(f"{service} {days} failed {MAX_ATTEMPTS} times and waits for a person.")
        return
    attempt = str(runs_of(context.instance, request))
    tick.requests.append(integration_request(project, service, days, work=work, attempt=attempt))


def _due(
    context: dg.SensorEvaluationContext, tick: _Tick, source: FederatedService, service: str
) -> tuple[Work, DayRange] | None:
    """The oldest contiguous days that need work: first days to map, then days to read, then files that came later."""
    project: CXProject = context.resources.project
    registry: Registry = context.resources.registry
    streams = project.services[service].streams
    states = registry.days(service, streams)
    days = list(project.days(dt.datetime.now(dt.UTC)) or ())
    hopeless = {day for day, state in states.items() if state.failures >= MAX_ATTEMPTS}
    if given_up := DayRange.contiguous(hopeless.intersection(days)):
        tick.notes.append(f"{service} {', '.join(map(str, given_up))} waits for a person: see 'cx failed'.")
    if unmapped := [day for day in days if day in states and states[day].landed and not states[day].mapped]:
        return _oldest(Work.MAP, set(unmapped) - hopeless)
    if owed := {day for day in days if day not in states or not states[day].landed} - hopeless:
        newest = max(owed)
        start, end = DayRange(newest, newest).bounds(project.zone)
        for stream in streams:
            source.has_new(stream, start, end)  # raises where the service does not answer, before a run is made
        return _oldest(Work.INTEGRATE, owed)
    changed = {day for stream in streams for day in source.dropped_since(stream, registry.landed_at(service, stream))}
    return _oldest(Work.INTEGRATE, changed.intersection(days) - hopeless)


def _oldest(work: Work, days: set[dt.date]) -> tuple[Work, DayRange] | None:
    ranges = DayRange.contiguous(days)
    return (work, ranges[0]) if ranges else None
