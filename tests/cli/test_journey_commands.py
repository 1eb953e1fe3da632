"""``cx journeys`` and ``cx picture``: a map goes to other tools and comes back, and is drawn, also before any run."""

import datetime as dt
import shutil

import pyarrow as pa
import pytest
from typer.testing import CliRunner

from cx_orchestration.cli import app
from cx_orchestration.definitions import DEMO_PROJECT
from cx_orchestration.model import tables
from cx_orchestration.project import CXProject
from cx_orchestration.storage.lake import Lake


def cx(*arguments):
    return CliRunner().invoke(app, [str(each) for each in arguments])


@pytest.fixture
def project(tmp_path):
    return shutil.copytree(DEMO_PROJECT, tmp_path / "project")


def test_a_map_that_was_exported_is_imported_as_it_was(project, tmp_path):
    document = tmp_path / "map.scxml"
    document.write_text(cx("journeys", "export", "customer_lifecycle", "--project", project).output, encoding="utf-8")
    before = CXProject.load(project).journeys["customer_lifecycle"]
    assert cx("journeys", "import", document, "--project", project).exit_code == 1
    (project / "journeys" / "customer_lifecycle.yaml").unlink()
    assert cx("journeys", "import", document, "--project", project).exit_code == 0
    after = CXProject.load(project).journeys["customer_lifecycle"]
    assert after.steps == before.steps
    assert len(after.transitions) <= len(before.transitions)


def test_maps_go_and_come_while_the_folder_has_errors_elsewhere(project, tmp_path):
    (project / "services" / "odd.yaml").write_text("nonsense: 1\n", encoding="utf-8")
    document = tmp_path / "map.scxml"
    exported = cx("journeys", "export", "customer_lifecycle", "--project", project)
    document.write_text(exported.output, encoding="utf-8")
    (project / "journeys" / "customer_lifecycle.yaml").unlink()
    assert exported.exit_code == cx("journeys", "import", document, "--project", project).exit_code == 0
    (project / "journeys" / "customer_lifecycle.yaml").write_text("journey: 1\n", encoding="utf-8")
    refused = cx("journeys", "export", "customer_lifecycle", "--project", project)
    assert (refused.exit_code, "journeys/customer_lifecycle.yaml" in refused.output) == (1, True)
    assert "odd.yaml" not in refused.output


def test_a_log_into_a_folder_that_is_not_there_is_refused_before_anything_is_read(project, tmp_path):
    result = cx("journeys", "log", tmp_path / "nowhere" / "log.csv", "--project", project)
    assert (result.exit_code, result.exception.__class__) == (1, SystemExit)
    assert f"there is no folder {tmp_path / 'nowhere'}" in result.output


def test_an_unsound_chart_is_refused_with_what_is_wrong(project, tmp_path):
    document = tmp_path / "map.scxml"
    text = cx("journeys", "export", "customer_lifecycle", "--project", project).output
    document.write_text(
        text.replace('name="customer_lifecycle"', 'name="other"').replace("product.viewed", "signup.completed")
    )
    result = cx("journeys", "import", document, "--project", project)
    assert result.exit_code == 1
    assert "expected one transition" in result.output
    assert not (project / "journeys" / "other.yaml").exists()


def test_a_lake_that_is_named_and_not_there_is_refused(project, tmp_path):
    result = cx("journeys", "draw", "customer_lifecycle", "--project", project, "--lake", tmp_path / "nowhere")
    assert (result.exit_code, "does not exist" in result.output) == (2, True)


def test_a_map_is_drawn_before_anybody_is_on_it(project, tmp_path):
    result = cx("journeys", "draw", "customer_lifecycle", "--project", project, "--out", tmp_path / "map.svg")
    assert "no customers are on it yet" in result.output
    assert (tmp_path / "map.svg").read_text(encoding="utf-8").startswith("<svg")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("draw", "nowhere"), "no journey 'nowhere'"),
        (("export", "nowhere"), "no journey 'nowhere'"),
        (("draw", "customer_lifecycle", "--out", "map.png"), "ends in .html or .svg"),
        (("draft", "customer_lifecycle"), "never overwrites a map"),
        (("draft", "first_look"), "nothing to draft from"),
        (("draft", "../elsewhere"), "is no name of a journey"),
        (("log", "out.xes"), "ends in .csv, .parquet or .jsonocel"),
        (("log", "out.csv", "--journey", "nowhere"), "no journey 'nowhere'"),
    ],
)
def test_what_cannot_be_done_is_said(project, arguments, message):
    result = cx("journeys", *arguments, "--project", project)
    assert result.exit_code == 1
    assert message in " ".join(result.output.split())


def test_the_picture_of_a_table_is_written_as_it_stands_in_the_lake(project, tmp_path):
    lake, out = tmp_path / "lake", tmp_path / "kept.svg"
    day = dt.date(2026, 1, 5)
    rows = [
        {"cohort": day, "week": week, "customers": 9, "observed": 9, "active": 3, "share": 1 / 3} for week in (0, 1)
    ]
    Lake(lake).replace(tables.RETENTION, pa.Table.from_pylist(rows, tables.RETENTION.schema), run_id="r")
    result = cx("picture", "journeys/retention", "--project", project, "--lake", lake, "--out", out)
    assert result.exit_code == 0, result.output
    drawn = out.read_text(encoding="utf-8")
    assert drawn.startswith("<svg") and "2026-01-05 (9)" in drawn


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("journeys/steps",),
            "there is no picture of 'journeys/steps'; those with one: exploration/abandonment_hotspots",
        ),
        (("journeys/steps",), "exploration/experience, exploration/incidents, exploration/kpis, "),
        (("exploration/incidents", "--out", "picture.png"), "ends in .svg"),
        (("exploration/incidents",), "not in the lake yet"),
    ],
)
def test_a_picture_that_cannot_be_drawn_is_said(project, tmp_path, arguments, message):
    (tmp_path / "lake").mkdir()
    result = cx("picture", *arguments, "--project", project, "--lake", tmp_path / "lake")
    assert result.exit_code == 1
    assert message in " ".join(result.output.split())


def test_check_finds_what_keeps_a_map_from_following_the_version_in_use(project):
    loaded = CXProject.load(project)
    body = loaded.journeys["customer_lifecycle"].model_dump_json(by_alias=True, exclude_defaults=True)
    row = {"journey": "customer_lifecycle", "version": 1, "since": None, "body": body}
    kept = pa.Table.from_pylist([row], schema=tables.JOURNEY_MAPS.schema)
    Lake(loaded.lake_root).replace(tables.JOURNEY_MAPS, kept, run_id="r")
    file = project / "journeys" / "customer_lifecycle.yaml"
    text = file.read_text(encoding="utf-8").replace("version: 1", "version: 2", 1)
    file.write_text(text + "migrations:\n  1: {checkout: checkout}\n", encoding="utf-8")
    assert cx("check", project).exit_code == 0
    file.write_text(text + "migrations:\n  1: {checkot: checkout}\n", encoding="utf-8")
    result = cx("check", project)
    assert result.exit_code == 1
    assert f"line {len(text.splitlines()) + 2}: " in result.output
    assert "checkot: expected one of the steps of version 1" in result.output
