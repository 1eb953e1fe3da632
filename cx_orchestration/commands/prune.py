"""``cx prune``: deletes what nothing rests on any more: old runs, with their events and printed text, and files that a
killed write left in the lake.

Belongs here: which runs may go, and their deletion through Dagster's public API. Does not belong here: which files may
go (``storage/orphans.py``), the lake's history, which stays, and ticks, which Dagster purges by ``retention`` in
dagster.yaml.
"""

import datetime as dt
import os
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import dagster as dg
import typer

from cx_orchestration.commands.terminal import terminal
from cx_orchestration.project import CXProject
from cx_orchestration.storage.orphans import SAFE_AGE, find_orphans, remove_orphans
from cx_orchestration.storage.registry import Registry

_FINISHED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]
_PAGE = 1000


@dataclass(frozen=True)
class OldRuns:
    """The ids of finished runs that are older than asked for, oldest first: those that may go, and those kept."""

    superseded: list[str]
    standing: list[str]
    unresolved: list[str]


def prune(
    project: Annotated[Path, typer.Option(envvar="CX_PROJECT", help="The project folder")],
    keep_days: Annotated[int, typer.Option(min=0, help="Runs that changed within so many days are not touched")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be deleted, and delete nothing")] = False,
) -> None:
    """Delete finished runs that are older than --keep-days, with their events and printed text, and files of the lake
    that no version of a table names.

    A run is kept, however old, while it holds the newest materialization of an asset or partition, which Dagster would
    otherwise show as missing, or while a partition that it failed has not been attempted since. Files are left by
    writes that were killed or failed; those of the last day are not touched, as they may belong to a run under way.
    Without DAGSTER_HOME, which names the instance, there are no runs to delete, only files.
    """
    loaded = CXProject.load(project)
    now = dt.datetime.now(dt.UTC)
    told = _prune_runs(loaded, now - dt.timedelta(days=keep_days), dry_run=dry_run)
    orphans = find_orphans(loaded.lake_root, before=now - SAFE_AGE)
    if not dry_run:
        remove_orphans(orphans)
    done = "to delete" if dry_run else "deleted"
    console = terminal()
    console.print(told, highlight=False, soft_wrap=True)
    size = sum(orphan.size for orphan in orphans)
    console.print(
        f"Files that killed writes left in the lake: {len(orphans):,} {done} ({size / 1e6:,.1f} MB).",
        highlight=False,
        soft_wrap=True,
    )


def _prune_runs(project: CXProject, before: dt.datetime, *, dry_run: bool) -> str:
    """Delete the runs that may go, and say in a line what became of which."""
    if not os.environ.get("DAGSTER_HOME"):
        return "Finished runs: not looked at, as DAGSTER_HOME is not set."
    registry = Registry(project.registry_url())
    failed_in = {attempt.run_id for attempt in registry.failed()}
    registry.close()
    with dg.DagsterInstance.get() as instance:
        old = find_old_runs(instance, before=before, failed_in=failed_in)
        if not dry_run:
            delete_runs(instance, old.superseded)
    return (
        f"Finished runs not changed since {before:%Y-%m-%d %H:%M} UTC: "
        f"{len(old.superseded):,} {'to delete' if dry_run else 'deleted'}; "
        f"kept {len(old.standing):,} with the newest materialization of a partition, "
        f"{len(old.unresolved):,} with a failure that stands."
    )


def find_old_runs(instance: dg.DagsterInstance, *, before: dt.datetime, failed_in: Collection[str]) -> OldRuns:
    """Finished runs that have not changed since ``before``, by what may become of them.

    ``failed_in`` are the runs of the registry's newest attempts that failed: they say why a partition is not there.
    """
    old = list(_finished_runs(instance, before))
    holders = _newest_materializations(instance) if old else set()
    standing = [run for run in old if run in holders]
    unresolved = [run for run in old if run in failed_in and run not in holders]
    kept = {*standing, *unresolved}
    return OldRuns([run for run in old if run not in kept], standing, unresolved)


def delete_runs(instance: dg.DagsterInstance, runs: Collection[str]) -> None:
    """Delete runs, their events, and what they printed."""
    for run in runs:
        instance.compute_log_manager.delete_logs(prefix=[run])
        instance.delete_run(run)


def _finished_runs(instance: dg.DagsterInstance, before: dt.datetime) -> Iterator[str]:
    """Oldest first, a page at a time."""
    filters = dg.RunsFilter(statuses=_FINISHED, updated_before=before)
    cursor = None
    while page := instance.get_run_records(filters, limit=_PAGE, cursor=cursor, ascending=True):
        cursor = page[-1].dagster_run.run_id
        yield from (record.dagster_run.run_id for record in page)


def _newest_materializations(instance: dg.DagsterInstance) -> set[str]:
    """The runs that hold the newest materialization of an asset, or of one of its partitions."""
    return {run for asset in instance.get_asset_keys() for run in _newest_of(instance, asset).values()}


def _newest_of(instance: dg.DagsterInstance, asset: dg.AssetKey) -> dict[str | None, str]:
    """The run of the newest materialization of each partition; the key of an asset without partitions is ``None``."""
    newest: dict[str | None, str] = {}
    cursor, more = None, True
    while more:
        page = instance.fetch_materializations(asset, limit=_PAGE, cursor=cursor)
        for record in page.records:
            newest.setdefault(record.partition_key, record.run_id)
        cursor, more = page.cursor, page.has_more
    return newest
