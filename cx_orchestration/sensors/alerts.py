"""Alerts: a failed run is told at once; what is over, or never came to a run, is seen by looking at the registry.

Belongs here: what counts as a trouble and when it is over. Does not belong here: what is said and to whom (``alerts``).
"""

import datetime as dt
import hashlib

import dagster as dg

from cx_orchestration.alerts.desk import Desk
from cx_orchestration.alerts.destinations import Destinations
from cx_orchestration.integration.failed import FailedRange, failed_ranges
from cx_orchestration.model.failures import FAMILY
from cx_orchestration.project import CXProject
from cx_orchestration.sensors.jobs import SERVICE_TAG, customers_job, integration_job, planning_job, standing_job
from cx_orchestration.storage.alerts import Trouble
from cx_orchestration.storage.registry import Registry

#: A service that did not answer so often in a row is a trouble of its own, though no run failed: none was made.
SILENT_AFTER = 3

#: The classes of failure that a partition is left with until it is mended.
_OF_PARTITIONS = ("transient", "permanent")

_KILLED = "the run ended without a failed step: its process was killed, or it could not start"


@dg.run_failure_sensor(
    name="alerts_of_failed_runs",
    monitored_jobs=[planning_job, integration_job, customers_job],
    minimum_interval_seconds=30,
    description="Tells people of a failed run, once for each service and class of failure until it works again.",
)
def failed_runs_sensor(
    context: dg.RunFailureSensorContext, project: dg.ResourceParam[CXProject], registry: dg.ResourceParam[Registry]
) -> None:
    """Remember what failed, and tell it."""
    now = dt.datetime.now(dt.UTC)
    desk = _desk(context, project, registry)
    desk.begin(_troubles_of(context, project, left_failed(project, registry), now))
    desk.tell(now)


@dg.sensor(
    name="standing_troubles",
    target=standing_job,
    minimum_interval_seconds=60,
    description="Tells of services that do not answer and of what works again; keeps the standing check current.",
)
def standing_sensor(
    context: dg.SensorEvaluationContext, project: dg.ResourceParam[CXProject], registry: dg.ResourceParam[Registry]
) -> dg.SensorResult:
    """One look at everything that is not over; a run of the standing check whenever what is left failed has changed."""
    now = dt.datetime.now(dt.UTC)
    desk = _desk(context, project, registry)
    ranges = left_failed(project, registry)
    silent = {
        wait.service: wait for wait in registry.waits.standing().values() if project.plan.refusal(wait.service) is None
    }
    desk.begin(
        [
            Trouble(service, "transient", wait.since, "", "", wait.reason)
            for service, wait in silent.items()
            if wait.failures >= SILENT_AFTER
        ]
    )
    standing = registry.troubles.standing()
    for trouble in standing:
        if _is_over(context.instance, trouble, ranges, set(silent)):
            desk.over(trouble)
    told = desk.tell(now)
    state = hashlib.sha256(repr([(each.assets, each.days, each.message) for each in ranges]).encode()).hexdigest()
    if state != context.cursor:
        return dg.SensorResult(run_requests=[dg.RunRequest()], cursor=state)
    return dg.SensorResult(skip_reason=f"{len(standing)} troubles stand; {told} were told now.", cursor=state)


SENSORS = [failed_runs_sensor, standing_sensor]


def left_failed(project: CXProject, registry: Registry) -> list[FailedRange]:
    """The partitions of integrated streams that are left failed."""
    return failed_ranges(registry.left_failed(), project.streams_due())


def _desk(
    context: dg.SensorEvaluationContext | dg.RunFailureSensorContext, project: CXProject, registry: Registry
) -> Desk:
    alerts = project.settings.alerts
    destinations = Destinations(alerts.urls_env, project.environ)
    return Desk(registry.troubles, destinations, alerts.ui_url, context.log.warning)


def _troubles_of(
    context: dg.RunFailureSensorContext, project: CXProject, ranges: list[FailedRange], now: dt.datetime
) -> list[Trouble]:
    """What failed in a run, by service, or by job where a run spans services. Partitions that the registry knows as
    failed are transient or permanent troubles; everything else is one of the run: refused, killed, or a bug."""
    run = context.dagster_run
    recorded = {(each.service, each.family) for each in ranges}
    steps = {
        "__".join(path): service
        for service, declared in project.services.items()
        for path in (
            ("integration", service, "events"),
            *(("landing", service, stream) for stream in declared.streams),
        )
    }
    found: dict[tuple[str, str], Trouble] = {}
    for event in context.get_step_failure_events():
        subject = steps.get(event.step_key or "", run.job_name)
        family, reason = _told(event)
        if family in _OF_PARTITIONS and (subject, family) not in recorded:
            family = "refused"
        found.setdefault((subject, family), Trouble(subject, family, now, run.run_id, _days(run), reason))
    subject = run.tags.get(SERVICE_TAG, run.job_name)
    return list(found.values()) or [Trouble(subject, "killed", now, run.run_id, _days(run), _KILLED)]


def _told(event: dg.DagsterEvent) -> tuple[str, str]:
    """The family and the text of a step's failure. The text of an error that is not ours may hold anything: its name
    has to do."""
    failure = event.step_failure_data
    told = failure.user_failure_data
    if told is not None and FAMILY in told.metadata:
        return str(told.metadata[FAMILY].value), told.description or ""
    error = failure.error
    while error is not None and error.cause is not None:
        error = error.cause
    return "bug", f"an unexpected error ({error.cls_name if error else 'unknown'})"


def _days(run: dg.DagsterRun) -> str:
    first = run.tags.get("dagster/asset_partition_range_start", run.tags.get("dagster/partition", ""))
    last = run.tags.get("dagster/asset_partition_range_end", first)
    return first if first == last else f"{first}..{last}"


def _is_over(instance: dg.DagsterInstance, trouble: Trouble, ranges: list[FailedRange], silent: set[str]) -> bool:
    """Of partitions: none is left failed that way, and the service answers. Of runs: the newest one succeeded."""
    if trouble.family in _OF_PARTITIONS:
        left = any((each.service, each.family) == (trouble.subject, trouble.family) for each in ranges)
        return not left and not (trouble.family == "transient" and trouble.subject in silent)
    finished = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE]
    of_service = dg.RunsFilter(tags={SERVICE_TAG: trouble.subject}, statuses=finished)
    of_job = dg.RunsFilter(job_name=trouble.subject, statuses=finished)
    newest = [*instance.get_runs(of_service, limit=1), *instance.get_runs(of_job, limit=1)]
    return any(run.run_id != trouble.run_id and run.status == dg.DagsterRunStatus.SUCCESS for run in newest)
