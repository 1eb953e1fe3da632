"""The production instance on a real PostgreSQL: Dagster's storage and our registry."""

import datetime as dt
import shutil
import threading
from contextlib import closing
from pathlib import Path

import dagster as dg
import pytest
from cryptography.fernet import Fernet

from cx_orchestration.definitions import build_defs
from cx_orchestration.integration.rate import Limiter
from cx_orchestration.model.connection import Rate
from cx_orchestration.model.failures import TransientFailure
from cx_orchestration.project import CXProject
from cx_orchestration.project.template import write_template
from cx_orchestration.storage.registry import Attempt, Registry
from cx_orchestration.storage.tokens import KeptTokens, RegistryTokens, Tokens
from cx_orchestration.storage.usage import RegistryUsage

DEPLOY = Path(__file__).parents[2] / "deploy"


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


def test_runs_share_a_days_requests_on_postgresql(postgres_url: str) -> None:
    drawn: list[int] = []

    def run() -> None:
        with closing(Registry(postgres_url)) as registry:
            usage = RegistryUsage(registry.engine)
            limiter = Limiter("crm", Rate(per_second=1e6, per_day=90, concurrency=2), usage, request_seconds=30)
            with pytest.raises(TransientFailure, match="per_day"):
                while True:
                    with limiter.request():
                        drawn.append(1)
            limiter.close()

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(drawn) == 90


def test_one_run_at_a_time_renews_a_token_on_postgresql(postgres_url: str) -> None:
    with closing(Registry(postgres_url)) as registry:
        store = RegistryTokens(registry.engine, {"CX_REGISTRY_KEY": Fernet.generate_key().decode()})
        assert store.claim("crm", "first", now=0, until=10) and not store.claim("crm", "second", now=5, until=15)
        assert store.write("crm", "origin", 0, Tokens("access", "refresh", 1.5))
        assert not store.write("crm", "origin", 0, Tokens("late", "late"))
        store.release("crm", "first")
        assert store.claim("crm", "second", now=5, until=15)
        assert store.read("crm", "origin") == KeptTokens(1, Tokens("access", "refresh", 1.5))
        assert store.read("crm", "another consent") == KeptTokens(1, None)
