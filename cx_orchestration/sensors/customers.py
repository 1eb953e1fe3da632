"""What follows when events have changed: KPIs at once, and once integration runs are done all that spans services."""

import dagster as dg

from cx_orchestration.model import tables
from cx_orchestration.project import CXProject, folder_digest
from cx_orchestration.sensors.jobs import (
    MAX_ATTEMPTS,
    REQUEST_TAG,
    customers_job,
    has_failed_too_often,
    integration_job,
    is_under_way,
    kpis_job,
    runs_of,
)
from cx_orchestration.storage.lake import Lake


@dg.sensor(
    name="customers_and_journeys_runs",
    target=customers_job,
    minimum_interval_seconds=120,
    description="Requests identity, journeys and exploration when events or the project have changed and are at rest.",
)
def customers_sensor(
    context: dg.SensorEvaluationContext, project: dg.ResourceParam[CXProject], lake: dg.ResourceParam[Lake]
) -> dg.RunRequest | dg.SkipReason:
    """One successful run for each state of the events table and the project folder."""
    if is_under_way(context.instance, job=integration_job.name):
        return dg.SkipReason("Integration runs are under way; what spans services follows them.")
    return _once_for_each_state(context.instance, project, lake, customers_job.name, "customers")


@dg.sensor(
    name="kpis_runs",
    target=kpis_job,
    minimum_interval_seconds=60,
    description="Requests KPIs as soon as events or the project have changed, also while other services are read.",
)
def kpis_sensor(
    context: dg.SensorEvaluationContext, project: dg.ResourceParam[CXProject], lake: dg.ResourceParam[Lake]
) -> dg.RunRequest | dg.SkipReason:
    """One successful run for each state of the events table and the project folder."""
    return _once_for_each_state(context.instance, project, lake, kpis_job.name, "kpis")


def _once_for_each_state(
    instance: dg.DagsterInstance, project: CXProject, lake: Lake, job: str, name: str
) -> dg.RunRequest | dg.SkipReason:
    events = lake.state(tables.EVENTS)
    if events is None:
        return dg.SkipReason("No events yet: no service has been integrated.")
    if is_under_way(instance, job=job):
        return dg.SkipReason("A run is under way.")
    request = f"{name}:{events}:{folder_digest(project.folder)[:12]}"
    if runs_of(instance, request, [dg.DagsterRunStatus.SUCCESS]):
        return dg.SkipReason("Neither events nor the project have changed since the last run.")
    if has_failed_too_often(instance, request):
        return dg.SkipReason(f"The run for this state failed {MAX_ATTEMPTS} times and waits for a person.")
    attempt = runs_of(instance, request)
    return dg.RunRequest(run_key=f"{request}:{attempt}", tags={REQUEST_TAG: request})
