"""The jobs that sensors and schedules request, and how a run for a service's days is asked for.

Belongs here: which assets a job has, and what a run request carries. Does not belong here: when one is made.
"""

from collections.abc import Sequence
from enum import StrEnum

import dagster as dg

from cx_orchestration.model.days import DayRange
from cx_orchestration.partitions import range_tags
from cx_orchestration.project import CXProject

PLANNING = dg.AssetSelection.assets(["catalog", "inventory"], ["catalog", "overlap"]) | dg.AssetSelection.groups(
    "scoring"
)
INTEGRATION = dg.AssetSelection.groups("landing") | (
    dg.AssetSelection.groups("integration") - dg.AssetSelection.assets(["integration", "customer_events"])
)
CUSTOMERS = dg.AssetSelection.groups("identity", "journeys", "exploration") | dg.AssetSelection.assets(
    ["integration", "customer_events"], ["catalog", "gaps"]
)

planning_job = dg.define_asset_job(
    "catalog_and_scoring", selection=PLANNING, description="Inventory, scores, decisions and the plan."
)
integration_job = dg.define_asset_job(
    "integration", selection=INTEGRATION, description="Lands services' streams and maps them to customer events."
)
customers_job = dg.define_asset_job(
    "customers_and_journeys", selection=CUSTOMERS, description="Who is who, their journeys, and what those show."
)

#: The tag by which runs of one request are counted, and the one by which a service's runs are found.
REQUEST_TAG, SERVICE_TAG = "cx/request", "cx/service"

#: After so many failures of the same request a person has to look.
MAX_ATTEMPTS = 3

_UNFINISHED = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


class Work(StrEnum):
    """What a run does with a service's days: read and map them, or map again what has landed."""

    INTEGRATE = "integrate"
    MAP = "map"


def service_asset_keys(project: CXProject, service: str, work: Work = Work.INTEGRATE) -> list[dg.AssetKey]:
    """The partitioned assets of one service that a kind of work is done by."""
    events = dg.AssetKey(["integration", service, "events"])
    if work == Work.MAP:
        return [events]
    return [*(dg.AssetKey(["landing", service, stream]) for stream in project.services[service].streams), events]


def integration_request(
    project: CXProject, service: str, days: DayRange, *, work: Work = Work.INTEGRATE, attempt: str
) -> dg.RunRequest:
    """Ask for a service's days in one run; the better its rank in the plan, the sooner it leaves the queue.

    ``attempt`` tells this request from earlier ones for the same days: Dagster never runs a run key twice.
    """
    approved = project.plan.approved()
    rank = approved.index(service) + 1
    request = request_name(service, days, work)
    return dg.RunRequest(
        run_key=f"{request}:{attempt}",
        asset_selection=service_asset_keys(project, service, work),
        tags={
            **range_tags(days),
            "dagster/priority": str(len(approved) - rank),
            REQUEST_TAG: request,
            SERVICE_TAG: service,
            "cx/rank": str(rank),
        },
    )


def request_name(service: str, days: DayRange, work: Work) -> str:
    """What runs for the same work on the same days have in common."""
    return f"{work}:{service}:{days}"


def is_under_way(instance: dg.DagsterInstance, *, job: str, tags: dict[str, str] | None = None) -> bool:
    """Whether a run of a job with these tags waits or runs."""
    return instance.get_runs_count(dg.RunsFilter(job_name=job, tags=tags or {}, statuses=_UNFINISHED)) > 0


def runs_of(instance: dg.DagsterInstance, request: str, statuses: Sequence[dg.DagsterRunStatus] = ()) -> int:
    """How many runs were made for a request, or how many of them have one of these statuses."""
    return instance.get_runs_count(dg.RunsFilter(tags={REQUEST_TAG: request}, statuses=list(statuses)))


def has_failed_too_often(instance: dg.DagsterInstance, request: str) -> bool:
    """Whether a request has failed so often that only a person can help."""
    return runs_of(instance, request, [dg.DagsterRunStatus.FAILURE]) >= MAX_ATTEMPTS
