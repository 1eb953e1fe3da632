"""systemd units, compose file and environment: what can be known of them without systemd or containers running."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

DEPLOY = Path(__file__).parents[2] / "deploy"
UNITS = sorted((DEPLOY / "systemd").glob("cx*.*"))
SERVICES = [unit for unit in UNITS if unit.suffix == ".service"]
BIN = Path(sys.executable).parent

needs_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")


@needs_systemd
def test_systemd_finds_nothing_wrong_with_the_units(tmp_path: Path) -> None:
    """The programs are looked for, so the units name those of this environment."""
    units = [unit for unit in UNITS if unit.suffix != ".sysusers"]
    for unit in units:
        (tmp_path / unit.name).write_text(unit.read_text().replace("/opt/cx/bin/", f"{BIN}/"))
    verified = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", *(tmp_path / unit.name for unit in units)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (verified.returncode, verified.stderr) == (0, "")


@needs_systemd
@pytest.mark.parametrize("unit", SERVICES, ids=lambda unit: unit.stem)
def test_a_service_is_confined(unit: Path) -> None:
    """``systemd-analyze security`` rates exposure from 0 to 10; an ordinary service has 9.6."""
    rated = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--threshold=25", "--no-pager", unit],
        capture_output=True,
        text=True,
        check=False,
    )
    assert rated.returncode == 0, rated.stdout


def test_credentials_reach_the_code_server_alone() -> None:
    reading = [unit.stem for unit in SERVICES if "EnvironmentFile=-/etc/cx/credentials" in unit.read_text()]
    assert reading == ["cx-code"]
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]
    assert [name for name, service in compose.items() if "env_file" in service] == ["code"]


def test_only_the_proxy_of_this_machine_reaches_a_port() -> None:
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]
    assert {name: service["ports"] for name, service in compose.items() if "ports" in service} == {
        "webserver": ["127.0.0.1:3000:3000"]
    }
    assert "-h 127.0.0.1 -p 3000" in (DEPLOY / "systemd" / "cx-webserver.service").read_text()


def test_containers_and_units_run_the_same_commands() -> None:
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]
    for name in ("code", "daemon", "webserver"):
        unit = (DEPLOY / "systemd" / f"cx-{name}.service").read_text()
        started = re.search(r"^ExecStart=/opt/cx/bin/(.*)$", unit, re.MULTILINE)
        assert started is not None
        by_systemd = started[1].replace("${CX_CODE_SOCKET}", "/run/cx/code.sock").replace("127.0.0.1", "0.0.0.0")
        assert by_systemd == " ".join(compose[name]["command"]).replace("=", " ")
        assert (BIN / compose[name]["command"][0]).is_file()


@pytest.mark.parametrize("file", ["environment.example", "credentials.example"])
def test_every_variable_is_explained(file: str) -> None:
    text = (DEPLOY / file).read_text()
    for line in text.splitlines():
        assert not line or line.startswith("#") or re.fullmatch(r"[A-Z][A-Z0-9_]*=\S*", line), line
    for block in text.strip().split("\n\n"):
        assert block.startswith("#")


def test_what_deploy_reads_from_the_environment_is_listed() -> None:
    listed = set(re.findall(r"^([A-Z_]+)=", (DEPLOY / "environment.example").read_text(), re.MULTILINE))
    asked = set()
    for file in (DEPLOY / "dagster.yaml", DEPLOY / "workspace.yaml"):
        asked |= set(re.findall(r"\{env: (\w+)\}", file.read_text()))
    for file in (*SERVICES, DEPLOY / "backup.sh", DEPLOY / "restore.sh"):
        asked |= set(re.findall(r"\$\{([A-Z_]+)", file.read_text()))
    assert asked and asked <= listed | {"DAGSTER_HOME"}
