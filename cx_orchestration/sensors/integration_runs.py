"""The integration sensor: asks the services in plan order what is new and requests runs, best rank first (I3, I5).

Belongs here: one tick. Does not belong here: what a service's days need (``needs.py``), how services are asked at once
(``asking.py``), what a request looks like (``jobs.py``).
"""

import datetime as dt
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import dagster as dg
import orjson

from cx_orchestration.integration.loadtest.gate import untested
from cx_orchestration.model.days import DayRange
from cx_orchestration.model.failures import Failure, TransientFailure
from cx_orchestration.project import CXProject
from cx_orchestration.resources.service import FederatedService, resource_key
from cx_orchestration.sensors.asking import Asking, Patience
from cx_orchestration.sensors.jobs import (
    MAX_ATTEMPTS,
    SERVICE_TAG,
    has_failed_too_often,
    integration_job,
    integration_request,
    is_under_way,
    request_name,
    runs_of,
)
from cx_orchestration.sensors.needs import Need, ServiceDays, oldest_by_streams
from cx_orchestration.storage.registry import Registry

#: By stream, the days whose file was dropped or changed after they were looked at.
_Changed = dict[str, set[dt.date]]


@dataclass(frozen=True)
class _Cursor:
    """What one tick leaves to the next: the service to begin with, and those whose end has been told."""

    first: str = ""
    closed: tuple[str, ...] = ()

    @classmethod
    def read(cls, text: str | None) -> "_Cursor":
        """Any text; what is no cursor of ours is a fresh start."""
        try:
            found = orjson.loads(text or "")
        except orjson.JSONDecodeError:
            return cls()
        if not isinstance(found, dict) or not isinstance(found.get("closed"), list):
            return cls()
        return cls(str(found.get("first", "")), tuple(str(service) for service in found["closed"]))

    def __str__(self) -> str:
        return orjson.dumps({"first": self.first, "closed": self.closed}).decode()


@dataclass
class _Tick:
    """What a tick finds out: what each service needs, who could not be asked, and why others need nothing now."""

    project: CXProject
    registry: Registry
    now: dt.datetime
    untested: Mapping[str, str] = field(default_factory=dict)
    needs: dict[str, list[Need]] = field(default_factory=dict)
    troubles: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def integration_sensor(definition: CXProject, *, patient: Patience | None = None) -> dg.SensorDefinition:
    """A sensor that requests the days each approved service owes, and those to be read again.

    ``patient`` says how long a tick waits for answers; by default as ``asking.py`` says.
    """
    asking = Asking[_Changed](time.monotonic, patient)

    @dg.sensor(
        name="integration_runs",
        target=integration_job,
        minimum_interval_seconds=300,
        required_resource_keys={
            "project",
            "registry",
            "lake",
            "engine",
            *(resource_key(name) for name in definition.services),
        },
        description="Asks the approved services at once what is new, and requests runs, the highest rank first.",
    )
    def sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        project, registry = context.resources.project, context.resources.registry
        approved = project.services_due()
        declared = [project.services[service] for service in approved]
        not_tested = untested(context.resources.lake, context.resources.engine, declared, project.settings)
        tick = _Tick(project, registry, dt.datetime.now(dt.UTC), not_tested)
        cursor = _Cursor.read(context.cursor)
        known = [service for service in approved if service in definition.services]
        if not approved:
            tick.notes.append(
                "No service is approved and in the rollout; see decisions.yaml, and rollout in project.yaml."
            )
        if fresh := [service for service in approved if service not in known]:
            tick.notes.append(f"Reload the code location: it does not know {', '.join(fresh)} yet.")
        closed = _tell_closed(tick, cursor)
        first = _look(context, tick, asking, _in_turn(known, cursor.first))
        requests = [
            _request(context, tick, service, need) for service in approved for need in tick.needs.get(service, ())
        ]
        return _result(context, tick, [each for each in requests if each], _Cursor(first, closed))

    return sensor


def _in_turn(services: list[str], first: str) -> list[str]:
    """Plan order; after a tick that did not come to all, from the service that was not asked."""
    start = services.index(first) if first in services else 0
    return services[start:] + services[:start]


def _tell_closed(tick: _Tick, cursor: _Cursor) -> tuple[str, ...]:
    """Say once of each service that was integrated and may not be any more that it is closed; gives all of them."""
    refusals = {service: tick.project.plan.refusal(service) for service in tick.registry.services()}
    closed = {service: why for service, why in refusals.items() if why is not None}
    for service, why in closed.items():
        if service not in cursor.closed:
            tick.notes.append(f"{service} is closed: nothing is requested of it any more, what landed stays. {why}")
    return tuple(closed)


def _look(context: dg.SensorEvaluationContext, tick: _Tick, asking: Asking[_Changed], services: list[str]) -> str:
    """Find out what each service needs; gives the first one that there was no time to ask, if any."""
    left_alone = tick.registry.waits.in_force(tick.now)
    states: dict[str, ServiceDays] = {}
    for service in services:
        if is_under_way(context.instance, job=integration_job.name, tags={SERVICE_TAG: service}):
            tick.notes.append(f"{service} is being integrated.")
            continue
        state = ServiceDays(tick.project, tick.registry, service, tick.now)
        if hopeless := state.hopeless():
            tick.notes.append(f"{service} {', '.join(map(str, hopeless))} waits for a person: see 'cx failed'.")
        if to_map := state.to_map():
            tick.needs[service] = to_map[:1]
        elif service in tick.untested:
            tick.notes.append(tick.untested[service])
        elif service in left_alone:
            tick.notes.append(f"{left_alone[service]}.")
        else:
            states[service] = state
    answers = asking.ask({service: _question(context, tick, service, state) for service, state in states.items()})
    for service, changed in answers.given.items():
        tick.registry.unaskable.answered(service)
        if needs := next(filter(None, states[service].to_be_read(changed)), []):
            tick.needs[service] = oldest_by_streams(needs)
    for service, failure in answers.failed.items():
        tick.troubles.append(_remember(tick, service, failure))
    for service in answers.silent:
        tick.troubles.append(f"{service} has not answered yet; the next tick looks at what it answers.")
    for trouble in tick.troubles:
        context.log.warning(trouble)
    if states and len(tick.troubles) == len(states) and not tick.needs:
        raise dg.Failure("No service could be asked:\n" + "\n".join(tick.troubles))
    return next(iter(answers.unasked), "")


def _remember(tick: _Tick, service: str, failure: Failure) -> str:
    """Remember that a question failed, for as long as it matters; gives the words for it. What only a person can mend
    is asked again at every tick, so that it works as soon as it is mended."""
    if isinstance(failure, TransientFailure):
        wait = tick.registry.waits.postpone(service, failure, now=tick.now)
        return f"{service} did not answer: {failure}. It is asked again after {wait.until:%Y-%m-%d %H:%M} UTC."
    tick.registry.unaskable.failed(service, failure, now=tick.now)
    return f"{service} could not be asked: {failure}. See 'cx failed'."


def _question(
    context: dg.SensorEvaluationContext, tick: _Tick, service: str, state: ServiceDays
) -> Callable[[], _Changed]:
    """Ask for a page of the newest day to be read, so that a service that is down costs no run; then look for files.

    What the question needs is read from the registry here: it may outlive the tick.
    """
    source: FederatedService = getattr(context.resources, resource_key(service))
    project, looked_at = tick.project, state.looked_at
    newest = state.to_read[-1:] or state.to_read_again[-1:]

    def ask() -> _Changed:
        with source.apart(project) as asked:
            for need in newest:
                start, end = DayRange(need.days.last, need.days.last).bounds(project.zone)
                for stream in need.streams:
                    asked.has_new(stream, start, end)
            return {stream: set(asked.dropped_since(stream, at)) for stream, at in looked_at.items()}

    return ask


def _request(context: dg.SensorEvaluationContext, tick: _Tick, service: str, need: Need) -> dg.RunRequest | None:
    name = request_name(tick.project, service, need.days, need.streams, need.occasion)
    if has_failed_too_often(context.instance, name, tick.registry):
        tick.notes.append(f"{service} {need.days} failed {MAX_ATTEMPTS} times and waits for a person.")
        return None
    attempt = str(runs_of(context.instance, name))
    return integration_request(
        tick.project, service, need.days, streams=need.streams, occasion=need.occasion, attempt=attempt
    )


def _result(
    context: dg.SensorEvaluationContext, tick: _Tick, requests: list[dg.RunRequest], cursor: _Cursor
) -> dg.SensorResult:
    if requests:
        for note in tick.notes:
            context.log.info(note)
        return dg.SensorResult(run_requests=requests, cursor=str(cursor))
    reason = " ".join([*tick.troubles, *tick.notes]) or "Every approved service has landed and mapped all its days."
    return dg.SensorResult(skip_reason=reason, cursor=str(cursor))
