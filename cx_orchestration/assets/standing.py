"""The standing check: is any partition of any service left failed?

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
    description="Fails while a partition of an approved service is left failed; says which, why, and how to rerun it.",
)
def no_partition_left_failed(
    project: dg.ResourceParam[CXProject], lake: dg.ResourceParam[Lake], registry: dg.ResourceParam[Registry]
) -> dg.AssetCheckResult:
    """Transient failures warn, since the sensor asks again; others are errors, since only a person can help."""
    ranges = failed_ranges(registry.left_failed(), project.streams_due())
    folders = Folders(project.folder, None if lake.root == project.lake_root else lake.root)
    lasting = any(each.family != "transient" for each in ranges)
    return dg.AssetCheckResult(
        passed=not ranges,
        severity=dg.AssetCheckSeverity.ERROR if lasting else dg.AssetCheckSeverity.WARN,
        metadata={
            "ranges": len(ranges),
            "days": len({(each.service, day) for each in ranges for day in each.days}),
            "left_failed": markdown_table([each.as_row(folders) for each in ranges]),
        },
    )
