"""The nightly sync: every approved service, best rank first, the days that may have gained records since.

Belongs here: what is requested at the hour of the night. Does not belong here: which days those are (``needs.py``).
"""

import datetime as dt
from collections.abc import Iterator, Mapping

import dagster as dg

from cx_orchestration.integration.loadtest.gate import untested
from cx_orchestration.project import CXProject
from cx_orchestration.sensors.jobs import integration_job, integration_request
from cx_orchestration.sensors.needs import Need, ServiceDays, as_needs, last_night, lookback, occasion_of
from cx_orchestration.storage.engine import Engine
from cx_orchestration.storage.lake import Lake
from cx_orchestration.storage.registry import Registry
from cx_orchestration.storage.waits import Wait


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
        context: dg.ScheduleEvaluationContext,
        project: dg.ResourceParam[CXProject],
        registry: dg.ResourceParam[Registry],
        lake: dg.ResourceParam[Lake],
        engine: dg.ResourceParam[Engine],
    ) -> Iterator[dg.RunRequest | dg.SkipReason]:
        now = context.scheduled_execution_time.astimezone(dt.UTC)
        left_alone = registry.waits.in_force(now)
        nothing = True
        declared = [project.services[service] for service in project.services_due()]
        not_tested = untested(lake, engine, declared, project.settings)
        for service in project.services_due():
            if service in not_tested:
                context.log.info(not_tested[service])
            elif service in left_alone:
                context.log.info(f"{left_alone[service]}. The sensor reads its days when that is over.")
            elif service in definition.services:
                for need in nightly_needs(project, service, registry, now):
                    nothing = False
                    yield integration_request(
                        project,
                        service,
                        need.days,
                        streams=need.streams,
                        occasion=need.occasion,
                        attempt=f"nightly-{now:%Y-%m-%d}",
                    )
        if nothing:
            yield dg.SkipReason(_why_nothing(project, now, left_alone, not_tested))

    return schedule


def nightly_needs(project: CXProject, service: str, registry: Registry, now: dt.datetime) -> list[Need]:
    """What a service's night is about: yesterday and the lookback days of each stream, whether or not they have landed,
    and open days that have settled by now."""
    due = project.due(service, now)
    if (days := due.days) is None:
        return []
    night = last_night(project.settings, project.zone, now)
    streams = project.services[service].streams
    ranges = {name: lookback(streams[name], project.settings, project.zone, night) for name in due.streams}
    nightly = {name: {day for day in wanted if day in days} for name, wanted in ranges.items()}
    settled = ServiceDays(project, registry, service, now).settled
    return [
        *as_needs(nightly, occasion_of(night, project.zone)),
        *as_needs({name: found - nightly[name] for name, found in settled.items()}, "settled"),
    ]


def _why_nothing(
    project: CXProject, now: dt.datetime, left_alone: Mapping[str, Wait], not_tested: Mapping[str, str]
) -> str:
    if not project.services_due():
        return "No service is approved and in the rollout; see decisions.yaml, and rollout in project.yaml."
    if left_alone or not_tested:
        return " ".join([*(f"{wait}." for wait in left_alone.values()), *not_tested.values()])
    return f"No day of the project is to be read again: its days are {project.days_due(now) or 'not over yet'}."
