"""The integration sensor: asks the services in plan order what is new and requests runs, best rank first (I3, I5)."""

import datetime as dt
import time

import dagster as dg

from cx_orchestration.model.days import DayRange
from cx_orchestration.model.failures import Failure
from cx_orchestration.project import CXProject
from cx_orchestration.resources.service import FederatedService, resource_key
from cx_orchestration.sensors.jobs import integration_job, integration_request
from cx_orchestration.storage.registry import Registry

#: Dagster gives a tick 60 seconds; what was not asked by then is asked first at the next tick.
TIME_BUDGET_SECONDS = 40

#: After so many failed attempts a day waits for a person.
MAX_ATTEMPTS = 3


def integration_sensor(definition: CXProject) -> dg.SensorDefinition:
    """A sensor that requests the days each approved service still owes, and those in which it has something new."""

    @dg.sensor(
        name="integration_runs",
        target=integration_job,
        minimum_interval_seconds=300,
        required_resource_keys={"project", "registry", *(resource_key(name) for name in definition.services)},
        description="Asks the approved services in plan order what is new; the highest rank runs first.",
    )
    def sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        project: CXProject = context.resources.project
        registry: Registry = context.resources.registry
        now = dt.datetime.now(dt.UTC)
        deadline = time.monotonic() + TIME_BUDGET_SECONDS
        requests: list[dg.RunRequest] = []
        failures: dict[str, str] = {}
        asked = 0
        approved = project.plan.approved()
        for service in _in_turn(approved, context.cursor):
            if time.monotonic() > deadline:
                return dg.SensorResult(run_requests=requests, cursor=service)
            asked += 1
            source: FederatedService = getattr(context.resources, resource_key(service))
            try:
                request = _request(project, registry, source, service, now)
            except Failure as failure:
                failures[service] = str(failure)
                context.log.warning(f"{service} could not be asked: {failure}")
                continue
            if request is not None:
                requests.append(request)
        if asked and len(failures) == asked:
            raise dg.Failure("No service could be asked:\n" + "\n".join(failures.values()))
        if not requests:
            return dg.SkipReason(_why_nothing(approved, len(registry.failed()), failures))
        return dg.SensorResult(run_requests=requests, cursor="")

    return sensor


def _in_turn(approved: list[str], cursor: str | None) -> list[str]:
    """Plan order; after a tick that ran out of time, from the service that was not asked. Any other cursor is void."""
    start = approved.index(cursor) if cursor in approved else 0
    return approved[start:]


def _request(
    project: CXProject, registry: Registry, source: FederatedService, service: str, now: dt.datetime
) -> dg.RunRequest | None:
    """A run for the oldest contiguous days that a service owes, once it has answered; ``None`` when it owes nothing.

    The run key counts attempts: a tick during the run asks for the same run again, which Dagster drops, and a tick
    after its failure asks for another.
    """
    days = _owed_days(project, registry, service, now)
    if days is None:
        return None
    start, end = days.bounds(project.zone)
    fresh = [stream for stream in project.services[service].streams if source.has_new(stream, start, end)]
    tried = max(registry.attempts_of(service, day) for day in (days.first, days.last))
    request = integration_request(project, service, days, run_key=f"owed:{service}:{days}:attempt{tried}")
    return request.with_replaced_attrs(tags={**request.tags, "cx/streams_with_records": str(len(fresh))})


def _owed_days(project: CXProject, registry: Registry, service: str, now: dt.datetime) -> DayRange | None:
    """The oldest contiguous days that some stream has not landed, without those that failed too often to go on."""
    landed = registry.landed_days(service, project.services[service].streams)
    missing = [
        day
        for day in project.days(now) or ()
        if day not in landed and registry.attempts_of(service, day) < MAX_ATTEMPTS
    ]
    owed = DayRange.contiguous(missing)
    return owed[0] if owed else None


def _why_nothing(approved: list[str], failed: int, failures: dict[str, str]) -> str:
    if not approved:
        return "No service is approved for integration; decisions.yaml says who decided what."
    reasons = [f"{service} did not answer: {message}" for service, message in failures.items()]
    if failed:
        reasons.append(f"{failed} days failed {MAX_ATTEMPTS} times and wait for a person: see 'cx failed'.")
    return " ".join(reasons) or "Every approved service has landed all its days."
