"""``cx loadtest`` on the project that ``cx init`` writes: a till that drops files, and a help desk nobody can reach."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from click.testing import Result
from typer.testing import CliRunner

from cx_orchestration.cli import app
from cx_orchestration.model import tables
from cx_orchestration.storage.lake import Lake

BRIEFLY = ("--seconds", 0.5, "--every", 0.25, "--peak-per-hour", 48_000, "--factor", 1)


def cx(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(each) for each in arguments])


@pytest.fixture(autouse=True)
def no_surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CX_PROJECT", "DAGSTER_HOME", "HELP_DESK_URL", "HELP_DESK_TOKEN"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def company(tmp_path: Path) -> Path:
    folder = tmp_path / "company"
    assert cx("init", folder).exit_code == 0
    return folder


def test_a_service_is_tested_before_it_is_integrated_and_the_result_is_kept(company: Path) -> None:
    done = cx("loadtest", "store_till", "--project", company, *BRIEFLY, "--json", company / "result.json")
    assert done.exit_code == 0, done.output
    assert "passed, but does not count for load_tested: 0.5 s < 60 s, factor 1 < 3" in done.stdout
    assert "note: of 7 records percentiles mean nothing" in done.stdout
    assert "p95" not in done.stdout
    assert "largest backlog" in done.stdout
    result = json.loads((company / "result.json").read_text(encoding="utf-8"))
    assert (result["offered"], result["committed"], result["lost"], result["doubled"]) == (7, 7, 0, 0)
    assert result["load"]["peak_from"] == "given"
    assert result["counts"] is False
    lake = Lake(company / "lake")
    assert lake.paths() == ["integration/load_tests"]
    row = lake.read(tables.LOAD_TESTS).to_pylist()[0]
    assert (row["service"], row["passed"], row["offered"], row["why"]) == ("store_till", True, 7, "")


def test_a_test_that_counts_is_passed_without_more_words_and_shows_percentiles(company: Path) -> None:
    file = company / "project.yaml"
    settings = yaml.safe_load(file.read_text(encoding="utf-8"))
    file.write_text(yaml.safe_dump({**settings, "busy_season_factor": 1, "load_test": {"seconds": 0.5}}), "utf-8")
    asked = ("--every", 0.25, "--peak-per-hour", 180_000)
    done = cx("loadtest", "store_till", "--project", company, *asked, "--json", company / "result.json")
    assert done.exit_code == 0, done.output
    assert "passed  store_till" in done.stdout
    assert "p95" in done.stdout
    assert json.loads((company / "result.json").read_text(encoding="utf-8"))["counts"] is True


def test_too_few_records_are_no_test_so_more_are_replayed_in_the_same_time(company: Path) -> None:
    file = company / "project.yaml"
    settings = yaml.safe_load(file.read_text(encoding="utf-8"))
    file.write_text(yaml.safe_dump({**settings, "load_test": {"seconds": 0.5}}), "utf-8")
    asked = ("loadtest", "store_till", "--project", company, "--every", 0.25, "--peak-per-hour", 1)
    done = cx(*asked, "--json", company / "result.json")
    assert "note: factor 3 brings 1 record in 0.5 s, which says nothing: replayed with factor 720,000" in done.stdout
    result = json.loads((company / "result.json").read_text(encoding="utf-8"))
    assert (result["offered"], result["counts"]) == (100, True)
    by_hand = cx(*asked, "--factor", 3)
    assert "passed, but does not count for load_tested: 1 of 100 records" in by_hand.stdout


def test_a_busiest_hour_below_that_of_what_has_landed_does_not_count(company: Path) -> None:
    assert cx("run", "--project", company, "--select", "landing/store_till/*").exit_code == 0
    done = cx("loadtest", "store_till", "--project", company, *BRIEFLY[:4], "--peak-per-hour", 1)
    assert "a busiest hour of 1 < the 2 of its history" in done.stdout


def test_a_single_record_is_told_in_the_singular(company: Path) -> None:
    asked = ("--seconds", 0.5, "--every", 0.25, "--peak-per-hour", 1, "--factor", 7200)
    done = cx("loadtest", "store_till", "--project", company, *asked)
    assert "Replaying store_till: 1 record in the busiest hour" in done.stdout
    assert "note: of 1 record percentiles mean nothing" in done.stdout


def test_without_a_history_the_rate_is_not_guessed(company: Path) -> None:
    refused = cx("loadtest", "store_till", "--project", company)
    assert refused.exit_code == 1
    assert "store_till has no landed records" in refused.stderr
    assert "--peak-per-hour (inventory.csv: some" in refused.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("fax",), "declares no service 'fax'; it has help_desk, store_till"),
        (("store_till", "--like", "fax"), "declares no service 'fax'"),
        (("store_till", "--like", "help_desk"), "help_desk has no landed records"),
        (("help_desk", *BRIEFLY), "help_desk: the environment variable HELP_DESK_URL is not set"),
        (("store_till", "--json", "/nowhere/result.json"), "there is no folder /nowhere"),
    ],
)
def test_what_cannot_be_tested_is_refused_with_the_reason(
    company: Path, arguments: tuple[object, ...], message: str
) -> None:
    refused = cx("loadtest", *arguments, "--project", company)
    assert refused.exit_code == 1
    assert message in refused.stderr
    assert not (company / "lake" / "integration").exists()


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_test_removes_its_lake_and_keeps_no_result(
    company: Path, tmp_path: Path, ending: signal.Signals
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    command = "from cx_orchestration.cli import app; app()"
    asked = ("loadtest", "store_till", "--project", company, "--peak-per-hour", 3600, "--seconds", 600)
    with subprocess.Popen(
        [sys.executable, "-c", command, *map(str, asked)],
        env={**os.environ, "TMPDIR": str(scratch)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("Replaying store_till")
        process.send_signal(ending)
        _, told = process.communicate(timeout=60)
    assert process.returncode == 130
    assert told.strip() == "interrupted: the temporary lake is removed, and no result is kept"
    assert list(scratch.iterdir()) == []
    assert not (company / "lake" / "integration").exists()
