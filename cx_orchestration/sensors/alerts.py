"""Alerts: a failed run is told at once; what is over, or never came to a run, is seen by looking at the registry.

Belongs here: what counts as a trouble and when it is over. Does not belong here: what is said and to whom (``alerts``).
"""

import datetime as dt
import hashlib

import dagster as dg

from cx_orchestration.alerts.desk import Desk
from cx_orchestration.alerts.destinations import Destinations
from cx_orchestration.integration.failed import FailedRange, Folders, failed_ranges
from cx_orchestration.model.days import DayRange
from cx_orchestration.model.failures import FAMILY
from cx_orchestration.project import CXProject
from cx_orchestration.sensors.jobs import SERVICE_TAG, customers_job, integration_job, planning_job, standing_job
from cx_orchestration.storage.alerts import Trouble
from cx_orchestration.storage.lake import Lake
from cx_orchestration.storage.registry import LeftFailed, Registry

#: A service that did not answer so often in a row is a trouble of its own, though no run failed: none was made.
SILENT_AFTER = 3

#: The classes of failure that a partition is left with until it is mended.
_OF_PARTITIONS = ("transient", "permanent")

#: How many ranges of days a message names; the rest is counted.
_RANGES_TOLD = 2

_KILLED = "the run ended without a failed step: its process was killed, or it could not start"


@dg.run_failure_sensor(
    name="alerts_of_failed_runs",
    monitored_jobs=[planning_job, integration_job, customers_job],
    minimum_interval_seconds=30,
    description="Tells people of a failed run, once for each service and class of failure until it works again.",
)
def failed_runs_sensor(
    context: dg.RunFailureSensorContext,
    project: dg.ResourceParam[CXProject],
    registry: dg.ResourceParam[Registry],
    lake: dg.ResourceParam[Lake],
) -> None:
    """Remember what failed, and tell it."""
    now = dt.datetime.now(dt.UTC)
    desk = _desk(context, project, registry, lake)
    desk.begin(_troubles_of(context, project, registry.left_failed(), now))
    desk.tell(now)


@dg.sensor(
    name="standing_troubles",
    target=standing_job,
    minimum_interval_seconds=60,
    description="Tells of services that cannot be asked or do not answer, and of what works again; keeps the standing "
    "check current.",
)
def standing_sensor(
    context: dg.SensorEvaluationContext,
    project: dg.ResourceParam[CXProject],
    registry: dg.ResourceParam[Registry],
    lake: dg.ResourceParam[Lake],
) -> dg.SensorResult:
    """One look at everything that is not over; a run of the standing check whenever what is left failed has changed."""
    now = dt.datetime.now(dt.UTC)
    desk = _desk(context, project, registry, lake)
    wanted = project.streams_due()
    ranges = failed_ranges(registry.left_failed(), wanted)
    unaskable = {service: each for service, each in registry.unaskable.standing().items() if wanted.get(service)}
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
    desk.begin(
        [
            Trouble(service, "permanent", each.since, "", "", f"it could not be asked: {each.reason}")
            for service, each in unaskable.items()
        ]
    )
    open_ones = {*((service, "transient") for service in silent), *((service, "permanent") for service in unaskable)}
    open_ones |= {(each.service, each.family) for each in ranges}
    standing = registry.troubles.standing()
    for trouble in standing:
        if _is_over(context.instance, trouble, open_ones):
            desk.over(trouble)
    told = desk.tell(now)
    shown = [
        *((each.assets, each.days, each.message) for each in ranges),
        *((each.service, each.reason) for each in unaskable.values()),
    ]
    state = hashlib.sha256(repr(shown).encode()).hexdigest()
    if state != context.cursor:
        return dg.SensorResult(run_requests=[dg.RunRequest()], cursor=state)
    return dg.SensorResult(skip_reason=f"{len(standing)} troubles stand; {told} were told now.", cursor=state)


SENSORS = [failed_runs_sensor, standing_sensor]


def _desk(
    context: dg.SensorEvaluationContext | dg.RunFailureSensorContext, project: CXProject, registry: Registry, lake: Lake
) -> Desk:
    alerts = project.settings.alerts
    destinations = Destinations(alerts.urls_env, project.environ)
    folders = Folders.of(project.folder, lake.root, project.lake_root)
    return Desk(registry.troubles, destinations, context.log.warning, ui_url=alerts.ui_url, list_command=folders.failed)


def _troubles_of(
    context: dg.RunFailureSensorContext, project: CXProject, left: list[LeftFailed], now: dt.datetime
) -> list[Trouble]:
    """What failed in a run, by service, or by job where a run spans services. Partitions that the registry knows as
    failed are transient or permanent troubles; everything else is one of the run: refused, killed, or a bug."""
    run = context.dagster_run
    wanted = project.streams_due()
    recorded = {(each.service, each.family) for each in failed_ranges(left, wanted)}
    of_run = failed_ranges((each for each in left if each.attempt.run_id == run.run_id), wanted)
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
        days = _failed_days([each for each in of_run if (each.service, each.family) == (subject, family)])
        if family in _OF_PARTITIONS and (subject, family) not in recorded:
            family = "refused"
        found.setdefault((subject, family), Trouble(subject, family, now, run.run_id, days or _days(run), reason))
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


def _failed_days(ranges: list[FailedRange]) -> str:
    """The days in a few words, whatever their number: a run of a year may have failed every second day."""
    days = DayRange.contiguous({day for each in ranges for day in each.days})
    told, more = days[:_RANGES_TOLD], sum(map(len, days[_RANGES_TOLD:]))
    return ", ".join(map(str, told)) + (f" and {more} more" if more else "")


def _days(run: dg.DagsterRun) -> str:
    """The days of a run, where it is not known which of them failed."""
    first = run.tags.get("dagster/asset_partition_range_start", run.tags.get("dagster/partition", ""))
    last = run.tags.get("dagster/asset_partition_range_end", first)
    return first if first == last else f"{first}..{last}"


def _is_over(instance: dg.DagsterInstance, trouble: Trouble, open_ones: set[tuple[str, str]]) -> bool:
    """Of partitions: none is left failed that way, and the service can be asked and answers (``open_ones`` has the
    services and classes of which that is not so). Of runs: the newest one succeeded."""
    if trouble.family in _OF_PARTITIONS:
        return (trouble.subject, trouble.family) not in open_ones
    finished = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE]
    of_service = dg.RunsFilter(tags={SERVICE_TAG: trouble.subject}, statuses=finished)
    of_job = dg.RunsFilter(job_name=trouble.subject, statuses=finished)
    newest = [*instance.get_runs(of_service, limit=1), *instance.get_runs(of_job, limit=1)]
    return any(run.run_id != trouble.run_id and run.status == dg.DagsterRunStatus.SUCCESS for run in newest)
