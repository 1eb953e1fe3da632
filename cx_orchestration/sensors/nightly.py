"""The nightly sync: every approved service, best rank first, yesterday and the lookback days before it."""

import datetime as dt
from collections.abc import Iterator

import dagster as dg

from cx_orchestration.model.days import DayRange
from cx_orchestration.project import CXProject
from cx_orchestration.sensors.jobs import integration_job, integration_request


def nightly_sync(definition: CXProject) -> dg.ScheduleDefinition:
    """A schedule in the company's time zone that requests one run a service."""
    hour, minute = definition.settings.nightly_at.split(":")

    @dg.schedule(
        name="nightly_sync",
        target=integration_job,
        cron_schedule=f"{int(minute)} {int(hour)} * * *",
        execution_timezone=definition.settings.time_zone,
        description="Reads yesterday and the lookback days of every approved service again, highest rank first.",
    )
    def schedule(
        context: dg.ScheduleEvaluationContext, project: dg.ResourceParam[CXProject]
    ) -> Iterator[dg.RunRequest | dg.SkipReason]:
        days = nightly_days(project, context.scheduled_execution_time)
        approved = [service for service in project.plan.approved() if service in definition.services]
        if days is None:
            yield dg.SkipReason(f"The project's days ended on {project.settings.end_date}.")
        elif not approved:
            yield dg.SkipReason("No service is approved for integration; decisions.yaml says who decided what.")
        else:
            for service in approved:
                yield integration_request(project, service, days, attempt="nightly")

    return schedule


def nightly_days(project: CXProject, now: dt.datetime) -> DayRange | None:
    """Yesterday in the company's zone with the lookback before it, inside the project's days; else ``None``."""
    yesterday = now.astimezone(project.zone).date() - dt.timedelta(days=1)
    first = max(project.settings.start_date, yesterday - dt.timedelta(days=project.settings.lookback_days))
    last = min(yesterday, project.settings.end_date or yesterday)
    return DayRange(first, last) if first <= last else None
