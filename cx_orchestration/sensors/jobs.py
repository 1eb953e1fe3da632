"""The jobs that sensors and schedules request, and how a run for a service's days is asked for.

Belongs here: which assets a job has, and what a run request carries. Does not belong here: when one is made.
"""

from collections.abc import Iterable, Sequence

import dagster as dg

from cx_orchestration.model.days import DayRange
from cx_orchestration.partitions import range_tags
from cx_orchestration.project import CXProject
from cx_orchestration.storage.registry import Registry

PROGRESS = dg.AssetSelection.assets(["integration", "integration_progress"])
PLANNING = (
    dg.AssetSelection.assets(["catalog", "inventory"], ["catalog", "overlap"])
    | dg.AssetSelection.groups("scoring")
    | PROGRESS
)
INTEGRATION = dg.AssetSelection.groups("landing") | (
    dg.AssetSelection.groups("integration") - dg.AssetSelection.assets(["integration", "customer_events"]) - PROGRESS
)
CUSTOMERS = (
    dg.AssetSelection.groups("identity", "journeys", "exploration")
    | dg.AssetSelection.assets(["integration", "customer_events"], ["catalog", "gaps"])
    | PROGRESS
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

kpis_job = dg.define_asset_job(
    "kpis",
    selection=dg.AssetSelection.assets(["exploration", "kpis"]).downstream(),
    description="KPIs of what has landed, and what publishes them; no journey is folded.",
)

standing_job = dg.define_asset_job(
    "standing_checks",
    selection=dg.AssetSelection.checks(
        dg.AssetCheckKey(dg.AssetKey(["integration", "customer_events"]), "no_partition_left_failed")
    ),
    description="Looks whether any partition is left failed.",
)

#: The tag by which runs of one request are counted, and the one by which a service's runs are found.
REQUEST_TAG, SERVICE_TAG = "cx/request", "cx/service"

#: After so many failures of the same request a person has to look.
MAX_ATTEMPTS = 3

_FINISHED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE]
_LOOK_BACK = 50
_UNFINISHED = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


def service_asset_keys(service: str, streams: Iterable[str]) -> list[dg.AssetKey]:
    """The partitioned assets that read these streams of a service, and the one that maps all of its streams."""
    return [*(dg.AssetKey(["landing", service, stream]) for stream in streams), events_key(service)]


def events_key(service: str) -> dg.AssetKey:
    """The asset that maps a service's landed days to customer events."""
    return dg.AssetKey(["integration", service, "events"])


def integration_request(
    project: CXProject, service: str, days: DayRange, *, streams: Sequence[str], attempt: str, occasion: str = ""
) -> dg.RunRequest:
    """Ask for a service's days in one run; the better its rank in the plan, the sooner it leaves the queue.

    ``streams`` are read before the service is mapped; with none of them, what has landed is mapped again. ``occasion``
    says why days are read again that have landed, ``attempt`` tells this request from earlier ones of the same name:
    Dagster never runs a run key twice.
    """
    approved = project.plan.approved()
    rank = approved.index(service) + 1
    request = request_name(project, service, days, streams, occasion)
    return dg.RunRequest(
        run_key=f"{request}:{attempt}",
        asset_selection=service_asset_keys(service, streams),
        tags={
            **range_tags(days),
            "dagster/priority": str(len(approved) - rank),
            REQUEST_TAG: request,
            SERVICE_TAG: service,
            "cx/rank": str(rank),
        },
    )


def request_name(project: CXProject, service: str, days: DayRange, streams: Sequence[str], occasion: str = "") -> str:
    """What runs for the same work on the same days have in common."""
    if not streams:
        return f"map:{service}:{days}"
    some = "" if tuple(streams) == project.due(service).streams else f"/{'+'.join(streams)}"
    return f"integrate:{service}{some}:{days}" + (f":{occasion}" if occasion else "")


def is_under_way(instance: dg.DagsterInstance, *, job: str, tags: dict[str, str] | None = None) -> bool:
    """Whether a run of a job with these tags waits or runs."""
    return instance.get_runs_count(dg.RunsFilter(job_name=job, tags=tags or {}, statuses=_UNFINISHED)) > 0


def runs_of(instance: dg.DagsterInstance, request: str, statuses: Sequence[dg.DagsterRunStatus] = ()) -> int:
    """How many runs were made for a request, or how many of them have one of these statuses."""
    return instance.get_runs_count(dg.RunsFilter(tags={REQUEST_TAG: request}, statuses=list(statuses)))


def has_failed_too_often(instance: dg.DagsterInstance, request: str, registry: Registry | None = None) -> bool:
    """Whether the newest runs of a request all failed, so often that only a person can help.

    With a ``registry``, runs that met nothing but transient failures do not count: those are waited for.
    """
    runs = instance.get_runs(dg.RunsFilter(tags={REQUEST_TAG: request}, statuses=_FINISHED), limit=_LOOK_BACK)
    transient = registry.transient_runs([run.run_id for run in runs]) if registry else set()
    counted = [run.status for run in runs if run.run_id not in transient][:MAX_ATTEMPTS]
    return counted == [dg.DagsterRunStatus.FAILURE] * MAX_ATTEMPTS
