"""The daily partitions of a project, in one place: every partitioned asset shares them."""

import datetime as dt
import warnings

import dagster as dg

from cx_orchestration.model.days import DayRange
from cx_orchestration.model.settings import Settings

# Dagster calls this parameter beta; single-run backfills have been in wide use for years.
warnings.filterwarnings("ignore", message=".*backfill_policy.*", category=dg.BetaWarning)

#: Several days of one asset are one run, one query a chunk and one commit.
ONE_RUN_PER_RANGE = dg.BackfillPolicy.single_run()


def daily_partitions(settings: Settings) -> dg.DailyPartitionsDefinition:
    """Calendar days in the company's time zone, from the project's first day to its last, or to yesterday."""
    end = settings.end_date + dt.timedelta(days=1) if settings.end_date else None
    return dg.DailyPartitionsDefinition(
        start_date=settings.start_date.isoformat(),
        end_date=end.isoformat() if end else None,
        timezone=settings.time_zone,
    )


def days_of(context: dg.AssetExecutionContext) -> DayRange:
    """The days that the run is about: one partition, or a contiguous range of them."""
    keys = context.partition_key_range
    return DayRange(dt.date.fromisoformat(keys.start), dt.date.fromisoformat(keys.end))


def range_tags(days: DayRange) -> dict[str, str]:
    """Run tags that ask for a range of days in one run."""
    return {
        "dagster/asset_partition_range_start": days.first.isoformat(),
        "dagster/asset_partition_range_end": days.last.isoformat(),
    }
