"""``cx prune``: what may go, what is kept and why, and that no partition is forgotten."""

import datetime as dt
import os
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from typer.testing import CliRunner

from cx_orchestration.cli import app
from cx_orchestration.commands.prune import OldRuns, delete_runs, find_old_runs
from cx_orchestration.project import CXProject
from cx_orchestration.project.template import write_template
from cx_orchestration.storage.orphans import SPILL
from cx_orchestration.storage.registry import Attempt, Registry

DAYS = dg.DailyPartitionsDefinition(start_date="2026-06-01", end_date="2026-06-05")
LATER = dt.datetime(2100, 1, 1, tzinfo=dt.UTC)
EARLIER = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)


@dg.asset(partitions_def=DAYS, backfill_policy=dg.BackfillPolicy.single_run())
def daily(context: dg.AssetExecutionContext) -> None:
    if context.run.tags.get("fail"):
        raise dg.Failure("as asked")


@dg.asset
def whole(context: dg.AssetExecutionContext) -> None:
    context.log.info("materialized")


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.local_temp(str(tmp_path), overrides={"telemetry": {"enabled": False}}) as given:
        yield given


def materialize_days(instance: dg.DagsterInstance, first: str, last: str, **tags: str) -> str:
    tags |= {"dagster/asset_partition_range_start": first, "dagster/asset_partition_range_end": last}
    return dg.materialize([daily], instance=instance, tags=tags, raise_on_error=False).run_id


def materialized_days(instance: dg.DagsterInstance) -> set[str | None]:
    return {record.partition_key for record in instance.fetch_materializations(daily.key, limit=100).records}


def test_a_run_goes_when_later_ones_hold_all_its_partitions(instance: dg.DagsterInstance) -> None:
    first = materialize_days(instance, "2026-06-01", "2026-06-02")
    second = materialize_days(instance, "2026-06-02", "2026-06-03")
    assert find_old_runs(instance, before=LATER, failed_in=()) == OldRuns([], [first, second], [])
    third = materialize_days(instance, "2026-06-01", "2026-06-01")
    old = find_old_runs(instance, before=LATER, failed_in=())
    assert old == OldRuns([first], [second, third], [])
    days = materialized_days(instance)
    delete_runs(instance, old.superseded)
    assert materialized_days(instance) == days == {"2026-06-01", "2026-06-02", "2026-06-03"}
    assert instance.get_run_by_id(first) is None
    assert not instance.all_logs(first)


def test_of_an_asset_without_partitions_the_newest_run_stays(instance: dg.DagsterInstance) -> None:
    runs = [dg.materialize([whole], instance=instance).run_id for _ in range(3)]
    assert find_old_runs(instance, before=LATER, failed_in=()) == OldRuns(runs[:2], runs[2:], [])


def test_a_failed_run_stays_while_its_failure_stands(instance: dg.DagsterInstance) -> None:
    failed = materialize_days(instance, "2026-06-01", "2026-06-01", fail="yes")
    assert find_old_runs(instance, before=LATER, failed_in={failed}) == OldRuns([], [], [failed])
    assert find_old_runs(instance, before=LATER, failed_in=()) == OldRuns([failed], [], [])


def test_recent_and_unfinished_runs_are_not_touched(instance: dg.DagsterInstance) -> None:
    for _ in range(2):
        dg.materialize([whole], instance=instance)
    assert find_old_runs(instance, before=EARLIER, failed_in=()) == OldRuns([], [], [])
    job = dg.define_asset_job("later", selection=[whole])
    defs = dg.Definitions(assets=[whole], jobs=[job])
    started = instance.create_run_for_job(defs.resolve_job_def("later"), status=dg.DagsterRunStatus.STARTED)
    old = find_old_runs(instance, before=LATER, failed_in=())
    assert len(old.superseded) == len(old.standing) == 1
    assert started.run_id not in {*old.superseded, *old.standing, *old.unresolved}


def test_what_a_deleted_run_printed_is_deleted_too(instance: dg.DagsterInstance, tmp_path: Path) -> None:
    run = dg.materialize([whole], instance=instance).run_id
    assert list(tmp_path.rglob(f"{run}/compute_logs/*.err"))
    delete_runs(instance, [run])
    assert not list(tmp_path.rglob(f"{run}/compute_logs/*"))


def test_the_command_deletes_what_its_dry_run_announced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, home = tmp_path / "project", tmp_path / "home"
    home.mkdir()
    (home / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    monkeypatch.setenv("DAGSTER_HOME", str(home))
    write_template(folder)
    with dg.DagsterInstance.get() as instance:
        runs = [dg.materialize([whole], instance=instance).run_id for _ in range(2)]
        failed = materialize_days(instance, "2026-06-01", "2026-06-01", fail="yes")
    registry = Registry(CXProject.load(folder).registry_url())
    attempted = dt.datetime(2026, 6, 2, tzinfo=dt.UTC)
    registry.record([Attempt("till", "sales", dt.date(2026, 6, 1), failed, attempted, "failed")])
    registry.close()

    def said(*options: str) -> str:
        result = CliRunner().invoke(app, ["prune", "--project", str(folder), *options])
        assert result.exit_code == 0, result.output
        return result.output.partition(" UTC: ")[2].splitlines(keepends=True)[0]

    kept = "kept 1 with the newest materialization of a partition, 1 with a failure that stands.\n"
    assert said("--keep-days", "0", "--dry-run") == f"1 to delete; {kept}"
    assert said("--keep-days", "1") == f"0 deleted; {kept.replace('1', '0')}"
    assert said("--keep-days", "0") == f"1 deleted; {kept}"
    assert said("--keep-days", "0") == f"0 deleted; {kept}"
    with dg.DagsterInstance.get() as instance:
        assert {record.dagster_run.run_id for record in instance.get_run_records()} == {runs[1], failed}


def test_without_an_instance_files_alone_are_deleted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    project = tmp_path / "project"
    write_template(project)
    left = project / "lake" / SPILL / "left"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"x")
    os.utime(left, (0, 0))
    for options, is_there in ((("--dry-run",), True), ((), False)):
        result = CliRunner().invoke(app, ["prune", "--project", str(project), "--keep-days", "90", *options])
        assert result.exit_code == 0, result.output
        assert "Finished runs: not looked at, as DAGSTER_HOME is not set." in result.stdout
        assert left.exists() == is_there
