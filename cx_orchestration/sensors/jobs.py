"""The jobs that sensors and schedules request, and how a run for a service's days is asked for."""

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


def service_asset_keys(project: CXProject, service: str) -> list[dg.AssetKey]:
    """The partitioned assets of one service."""
    streams = project.services[service].streams
    return [
        *(dg.AssetKey(["landing", service, stream]) for stream in streams),
        dg.AssetKey(["integration", service, "events"]),
    ]


def integration_request(project: CXProject, service: str, days: DayRange, *, run_key: str) -> dg.RunRequest:
    """Ask for a service's days in one run; the better its rank in the plan, the sooner it leaves the queue."""
    approved = project.plan.approved()
    rank = approved.index(service) + 1
    return dg.RunRequest(
        run_key=run_key,
        asset_selection=service_asset_keys(project, service),
        tags={
            **range_tags(days),
            "dagster/priority": str(len(approved) - rank),
            "cx/service": service,
            "cx/rank": str(rank),
        },
    )
