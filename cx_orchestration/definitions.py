"""The code location: puts project, assets, resources, jobs, sensors and schedules together, here only.

Belongs here: assembly. Does not belong here: anything that a test would want to call by itself.
"""

import os
from collections.abc import Mapping
from pathlib import Path

import dagster as dg

from cx_orchestration.assets import (
    catalog,
    experience,
    exploration,
    identity,
    integration,
    journeys,
    kpis,
    landing,
    paths,
    postgres,
    progress,
    scoring,
    standing,
)
from cx_orchestration.model.settings import Settings
from cx_orchestration.project import CXProject
from cx_orchestration.resources.service import FederatedService, resource_key
from cx_orchestration.resources.stores import (
    EngineResource,
    LakeResource,
    ProjectResource,
    RegistryResource,
    SparkResource,
)
from cx_orchestration.sensors import alerts, customers, integration_runs, nightly, project_changes
from cx_orchestration.sensors.jobs import customers_job, integration_job, kpis_job, planning_job, standing_job
from cx_orchestration.storage.orphans import SPILL

DEMO_PROJECT = Path(__file__).parent / "demo" / "project"


def build_defs(
    project: CXProject, *, lake: Path | None = None, resources: Mapping[str, object] | None = None
) -> dg.Definitions:
    """All definitions of a project.

    ``lake`` replaces the project's lake folder; ``resources`` replaces or adds resources by key: tests and the
    benchmark pass their own, so nothing is ever patched.
    """
    root = str(lake or project.lake_root)
    folder = str(project.folder)
    engine = EngineResource(spill_folder=str(Path(root) / SPILL))
    by_default: dict[str, object] = {
        "project": ProjectResource(folder=folder),
        "lake": LakeResource(root=root),
        "engine": engine,
        "analytics": _analytics(project.settings, engine),
        "registry": RegistryResource(folder=folder, lake_root=root),
        **{
            resource_key(name): FederatedService(project=folder, service=name, lake_root=root)
            for name in project.services
        },
    }
    assets = [
        *catalog.ASSETS,
        *scoring.ASSETS,
        *(asset for service in project.services.values() for asset in landing.landing_assets(project, service)),
        *(integration.events_asset(project, service) for service in project.services.values()),
        integration.customer_events_asset(project),
        progress.integration_progress,
        *identity.ASSETS,
        *journeys.ASSETS,
        *paths.ASSETS,
        *exploration.ASSETS,
        *experience.ASSETS,
        kpis.kpis,
        *([postgres.results_in_postgres] if project.settings.stores.results else []),
    ]
    return dg.Definitions(
        assets=_owned(assets, project.settings.owner),
        asset_checks=[standing.no_partition_left_failed],
        resources={**by_default, **(resources or {})},
        jobs=[planning_job, integration_job, customers_job, kpis_job, standing_job],
        schedules=[nightly.nightly_sync(project)],
        sensors=[
            integration_runs.integration_sensor(project),
            customers.customers_sensor,
            customers.kpis_sensor,
            project_changes.project_sensor(project),
            *alerts.SENSORS,
        ],
        executor=dg.in_process_executor,
    )


def _analytics(settings: Settings, engine: EngineResource) -> EngineResource | SparkResource:
    """What journeys, exploration and the matching of identity run on."""
    if settings.engine == "spark":
        return SparkResource(master=settings.spark.master, config=settings.spark.config)
    return engine


def _owned(assets: list[dg.AssetsDefinition], owner: str) -> list[dg.AssetsDefinition]:
    """The assets, those that no service owns under the project's owner."""

    def with_owner(spec: dg.AssetSpec) -> dg.AssetSpec:
        return spec if spec.owners or not owner else spec.replace_attributes(owners=[owner])

    return list(dg.map_asset_specs(with_owner, assets))


@dg.definitions
def defs() -> dg.Definitions:
    """The code location of the project that ``CX_PROJECT`` names; without it, of the demo company."""
    folder = os.environ.get("CX_PROJECT")
    if folder is None:
        return build_defs(CXProject.load(DEMO_PROJECT), lake=Path(".run/lake").resolve())
    return build_defs(CXProject.load(folder))
