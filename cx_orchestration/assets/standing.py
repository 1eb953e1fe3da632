"""The standing check: is any partition of any service left failed, or can a service not even be asked?

Belongs here: the check, which looks at the registry and runs by itself. Does not belong here: checks of one asset's own
result.
"""

import dagster as dg

from cx_orchestration.assets.edge import markdown_table
from cx_orchestration.integration.failed import Folders, failed_ranges
from cx_orchestration.project import CXProject
from cx_orchestration.storage.lake import Lake
from cx_orchestration.storage.registry import Registry

NO_PARTITION_LEFT_FAILED = dg.AssetCheckKey(dg.AssetKey(["integration", "customer_events"]), "no_partition_left_failed")


@dg.asset_check(
    asset=NO_PARTITION_LEFT_FAILED.asset_key,
    name=NO_PARTITION_LEFT_FAILED.name,
    description="Fails while a partition of an approved service is left failed, or the service cannot even be asked; "
    "says which, why, and how to rerun it.",
)
def no_partition_left_failed(
    project: dg.ResourceParam[CXProject], lake: dg.ResourceParam[Lake], registry: dg.ResourceParam[Registry]
) -> dg.AssetCheckResult:
    """Transient failures warn, since the sensor asks again; others are errors, since only a person can help."""
    wanted = project.streams_due()
    ranges = failed_ranges(registry.left_failed(), wanted)
    unaskable = [each for service, each in registry.unaskable.standing().items() if wanted.get(service)]
    folders = Folders.of(project.folder, lake.root, project.lake_root)
    lasting = bool(unaskable) or any(each.family != "transient" for each in ranges)
    return dg.AssetCheckResult(
        passed=not ranges and not unaskable,
        severity=dg.AssetCheckSeverity.ERROR if lasting else dg.AssetCheckSeverity.WARN,
        metadata={
            "ranges": len(ranges),
            "days": len({(each.service, day) for each in ranges for day in each.days}),
            "could_not_be_asked": markdown_table([each.as_row() for each in unaskable]),
            "left_failed": markdown_table([each.as_row(folders) for each in ranges]),
        },
    )
