"""The customers sensor: once integration runs are done and events have changed, what spans services follows."""

import dagster as dg

from cx_orchestration.model import tables
from cx_orchestration.sensors.jobs import customers_job, integration_job
from cx_orchestration.storage.lake import Lake

_UNFINISHED = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
]


@dg.sensor(
    name="customers_and_journeys_runs",
    target=customers_job,
    minimum_interval_seconds=120,
    description="Requests identity, journeys and exploration when events have changed and no integration run is left.",
)
def customers_sensor(
    context: dg.SensorEvaluationContext, lake: dg.ResourceParam[Lake]
) -> dg.RunRequest | dg.SkipReason:
    """One run for each version of the events table at which integration came to rest."""
    version = lake.version(tables.EVENTS)
    if version is None:
        return dg.SkipReason("No events yet: no service has been integrated.")
    if context.instance.get_runs_count(dg.RunsFilter(job_name=integration_job.name, statuses=_UNFINISHED)):
        return dg.SkipReason("Integration runs are under way; what spans services follows them.")
    return dg.RunRequest(run_key=f"events-version-{version}")
