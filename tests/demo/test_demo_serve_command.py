"""The command that serves the demo company: it tells when it is ready, serves, and stops when told to."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import requests

from cx_orchestration.demo.truth import Truth

COMMAND = [sys.executable, "-m", "cx_orchestration.demo.serve", "--customers", "60", "--days", "10"]


def test_it_prints_its_environment_serves_and_stops_on_sigterm() -> None:
    with subprocess.Popen(COMMAND, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines: list[str] = []
        while not lines or lines[-1] != "}\n":
            lines.append(process.stdout.readline())
        environment = json.loads("".join(lines))
        headers = {"Authorization": f"Bearer {environment['CX_STRIPE_TOKEN']}"}
        reply = requests.get(environment["CX_STRIPE_URL"] + "/v1/customers", headers=headers, timeout=20)
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=20)
    assert reply.status_code == 200
    assert reply.json()["data"]


def test_the_ready_file_is_only_for_its_owner_and_comes_with_project_and_truth(tmp_path: Path) -> None:
    files = {name: str(tmp_path / name) for name in ("ready", "project", "truth")}
    arguments = [part for name, path in files.items() for part in (f"--{name}", path)]
    with subprocess.Popen(
        [*COMMAND, "--null", "--fault", "stripe:html", *arguments], stderr=subprocess.PIPE
    ) as process:
        while not (tmp_path / "ready").exists() and process.poll() is None:
            try:
                process.wait(timeout=0.05)
            except subprocess.TimeoutExpired:
                continue
        environment = json.loads((tmp_path / "ready").read_text())
        reply = requests.get(environment["CX_STRIPE_URL"] + "/v1/customers", timeout=20)
        process.send_signal(signal.SIGINT)
        process.wait(timeout=20)
    assert (tmp_path / "ready").stat().st_mode & 0o077 == 0
    assert reply.headers["Content-Type"].startswith("text/html")
    assert "end_date: 2026-06-10" in (tmp_path / "project" / "project.yaml").read_text()
    assert Truth.read(tmp_path / "truth").null


def test_a_fault_that_cannot_be_read_is_explained() -> None:
    done = subprocess.run([*COMMAND, "--fault", "stripe:fire"], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 2
    assert "expected kind[:after[:times]]" in done.stderr
