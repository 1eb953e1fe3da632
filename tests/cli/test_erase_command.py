"""``cx erase``, ``cx erasures`` and ``cx export-person``: what they ask for, and what they say."""

from pathlib import Path

import pyarrow as pa
import pytest
from typer.testing import CliRunner

from cx_orchestration.cli import app
from cx_orchestration.model.tables import PROFILES
from cx_orchestration.project.template import write_template
from cx_orchestration.storage.lake import Lake


@pytest.fixture
def project(tmp_path: Path) -> Path:
    write_template(tmp_path / "project")
    (tmp_path / "project" / "lake").mkdir()
    return tmp_path / "project"


def cx(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, list(arguments))
    return result.exit_code, result.output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "name the persons"),
        (("store_till/C-1", "--again"), "or nobody, with --again"),
        (("store_till/C-1",), "--reason and --by are kept as the audit"),
        (("C-1", "--dry-run"), "no customer has or had that id"),
        (("C-1", "--dry-run", "--only-entity"), "goes with SERVICE/ENTITY"),
        (("store_till/C-1", "--dry-run"), "the lake holds nothing of that customer"),
    ],
)
def test_what_is_missing_is_said(project: Path, arguments: tuple[str, ...], said: str) -> None:
    code, output = cx("erase", *arguments, "--project", str(project))
    assert (code, said in output) == (1, True), output


def test_who_never_landed_is_kept_out_when_that_is_meant_and_once(project: Path) -> None:
    options = ("--reason", "request 1", "--by", "privacy office", "--yes", "--project", str(project))
    code, output = cx("erase", "store_till/C-1", *options)
    assert (code, "holds nothing of that customer" in output) == (1, True), output
    assert "Nobody was erased" in cx("erasures", "--project", str(project))[1]
    code, output = cx("erase", "store_till/C-1", "--ahead", *options)
    assert (code, "Still held by store_till" in output) == (0, True), output
    for named in (("store_till/C-1",), ("store_till/C-2", "store_till/C-1")):
        code, output = cx("erase", *named, "--ahead", *options)
        said = "that customer" if len(named) == 1 else "customer 2 of the 2 named"
        assert (code, f"{said} was erased on" in " ".join(output.split())) == (1, True), output
    options = options[-2:]
    code, output = cx("erasures", *options)
    assert code == 0
    assert "1 person, by privacy office: request 1" in output
    assert "to be told: store_till (1)" in output
    assert "1 customer deleted there" in cx("erasures", "--told", "store_till", *options)[1]
    assert "to be told" not in cx("erasures", *options)[1]
    code, output = cx("erasures", "--told", "stor_till", *options)
    assert (code, "did you mean 'store_till'?" in output) == (1, True), output


def test_nothing_is_written_of_somebody_of_whom_there_is_nothing(project: Path, tmp_path: Path) -> None:
    file = tmp_path / "person.json"
    code, output = cx("export-person", "store_till/NOPE", "--output", str(file), "--project", str(project))
    assert (code, "holds nothing of that person" in " ".join(output.split())) == (1, True), output
    assert not file.exists()


def test_a_file_that_exists_is_not_overwritten_by_a_persons_data(project: Path, tmp_path: Path) -> None:
    (tmp_path / "there.json").write_text("mine")
    known = dict.fromkeys(PROFILES.schema.names) | {"service": "store_till", "entity": "C-1", "keys": []}
    Lake(project / "lake").append(PROFILES, pa.Table.from_pylist([known], schema=PROFILES.schema), run_id="night")
    code, output = cx(
        "export-person", "store_till/C-1", "--output", str(tmp_path / "there.json"), "--project", str(project)
    )
    assert (code, "exists; name another file" in output) == (1, True), output
    assert (tmp_path / "there.json").read_text() == "mine"
