"""The canary over the demo's services: each does what its declaration says, so nothing is told."""

from pathlib import Path

import orjson
import pytest
from typer.testing import CliRunner

from cx_orchestration.cli import app
from cx_orchestration.demo.company import Company
from cx_orchestration.demo.project_folder import write_project
from cx_orchestration.demo.serve import SERVICES


@pytest.mark.parametrize("service", SERVICES)
def test_each_service_of_the_demo_passes_its_probe(
    service: str, small_company: Company, served: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_project(tmp_path / "company", small_company)
    for name, value in served.items():
        monkeypatch.setenv(name, value)
    file = tmp_path / "probe.json"
    done = CliRunner().invoke(app, ["probe", service, "--project", str(tmp_path / "company"), "--json", str(file)])
    assert done.exit_code == 0, done.output
    streams = orjson.loads(file.read_bytes())["streams"]
    told = {
        (stream["stream"], finding["check"]): finding["meaning"]
        for stream in streams
        for finding in stream["findings"]
        if finding["status"] not in ("ok", "not applicable")
    }
    assert told == {}
    assert all(0 < stream["requests"] <= 30 for stream in streams)
    assert all(
        {"data", "pages", "end", "clock"} <= {each["check"] for each in stream["findings"]} for stream in streams
    )
