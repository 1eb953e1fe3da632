"""``cx init``, ``cx check``, ``cx schema``, and how the command tells failures."""

import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from typer.testing import CliRunner

from cx_orchestration.cli import COMMANDS, app
from cx_orchestration.model.failures import PermanentFailure
from cx_orchestration.project.schemas import FILE_KINDS, stale_schemas


def cx(*arguments):
    return CliRunner().invoke(app, [str(each) for each in arguments])


@pytest.fixture
def company(tmp_path):
    folder = tmp_path / "company"
    assert cx("init", folder).exit_code == 0
    return folder


def test_what_init_writes_passes_check(company):
    result = cx("check", company)
    assert result.exit_code == 0
    assert result.output == "OK: Example Outfitters: 3 systems, 2 services, 3 streams, 1 journey, 1 decision\n"


def test_init_says_what_it_wrote_and_what_comes_next(tmp_path):
    result = cx("init", tmp_path / "company")
    for expected in ("services/store_till.yaml", "scoring.yaml", "inventory.csv", "cx check", "cx run --project"):
        assert expected in result.output


def test_init_takes_an_empty_folder_and_one_that_git_has_just_made(tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    assert cx("init", empty).exit_code == 0
    repository = tmp_path / "repository"
    (repository / ".git").mkdir(parents=True)
    assert cx("init", repository).exit_code == 0
    assert cx("check", repository).exit_code == 0


def test_init_never_overwrites(company):
    (company / "project.yaml").write_text("mine")
    result = cx("init", company)
    assert result.exit_code == 1
    assert result.stderr == f"error: {company} is not empty (.gitignore is there); name a new or empty folder\n"
    assert (company / "project.yaml").read_text() == "mine"


@pytest.mark.parametrize("inside", ["", "below"])
def test_init_cannot_write_over_or_into_a_file(tmp_path, inside):
    file = tmp_path / "file"
    file.write_text("x")
    result = cx("init", file / inside)
    assert result.exit_code == 1
    assert result.stderr.startswith("error: ")
    assert file.read_text() == "x"


def test_what_runs_leaves_behind_is_not_committed(company):
    assert (company / ".gitignore").read_text().splitlines() == ["/lake/", "/registry.db*", ".env"]


def test_check_lists_errors_by_file_and_exits_1(company):
    for file, old, new in (
        ("project.yaml", "currency: USD", "curency: usd"),
        ("services/help_desk.yaml", "kind: rest", "kind: soap"),
        ("services/help_desk.yaml", "type: cursor,", "type: cursors,"),
    ):
        (company / file).write_text((company / file).read_text().replace(old, new))
    result = cx("check", company)
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr == (
        f"{company}: 3 errors\n"
        "project.yaml\n"
        "  line 16: curency: unknown key; did you mean 'currency'?\n"
        "services/help_desk.yaml\n"
        "  line 7: kind: expected 'rest' or 'files' (found 'soap')\n"
        "  line 27: streams.tickets.endpoint.paginator.type: expected one of cursor, header_cursor, last_id, "
        "link_header, next_url, offset, page_number, single_page; did you mean 'cursor'? (found 'cursors')\n"
    )


def test_check_as_json_is_for_programs(company):
    result = json.loads(cx("check", company, "--json").stdout)
    assert result["ok"] is True
    assert result["services"] == {"help_desk": ["tickets"], "store_till": ["customers", "orders"]}
    assert result["decisions"] == {"store_till": "integrate"}
    (company / "identity.yaml").unlink()
    broken = cx("check", company, "--json")
    assert broken.exit_code == 1
    assert json.loads(broken.stdout) == {
        "ok": False,
        "errors": [
            {"file": "identity.yaml", "path": "", "value": "", "expected": "the file is missing", "line": None},
        ],
    }


def test_check_looks_at_the_current_folder_by_default(company, monkeypatch):
    monkeypatch.chdir(company)
    assert cx("check").exit_code == 0


def test_a_folder_that_is_not_there_is_an_error_and_no_trace(tmp_path):
    result = cx("check", tmp_path / "nowhere")
    assert result.exit_code == 1
    assert "there is no such folder; 'cx init' makes one" in result.stderr
    assert "Traceback" not in result.output


def test_schema_writes_all_schemas_and_check_tells_stale_ones(tmp_path):
    out = tmp_path / "schemas"
    assert cx("schema", "--out", out).exit_code == 0
    assert sorted(path.name for path in out.iterdir()) == sorted(kind.schema_file for kind in FILE_KINDS)
    assert cx("schema", "--out", out, "--check").exit_code == 0
    (out / "project.schema.json").write_text("{}")
    stale = cx("schema", "--out", out, "--check")
    assert stale.exit_code == 1
    assert stale.stderr == f"Stale in {out}: project.schema.json; run 'cx schema --out {out}'\n"
    assert stale_schemas(out) == ["project.schema.json"]


def test_schema_into_a_file_is_an_error_and_no_trace(tmp_path):
    (tmp_path / "file").write_text("x")
    result = cx("schema", "--out", tmp_path / "file")
    assert result.exit_code == 1
    assert result.stderr.startswith(f"error: {tmp_path / 'file'}: the schemas cannot be written there")


@pytest.fixture
def failing(monkeypatch):
    """A command that fails in a way of ours or by a bug, told by its argument."""

    def fail(how: str) -> None:
        raise PermanentFailure("the till is closed; open it") if how == "known" else RuntimeError("a bug")

    module = ModuleType("cx_orchestration.commands.failing")
    module.fail = fail
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setitem(COMMANDS, "fail", type(COMMANDS["init"])("failing", "fail", "Fail."))


def test_a_failure_of_ours_is_one_line_and_exit_code_1(failing):
    result = cx("fail", "known")
    assert (result.exit_code, result.stderr) == (1, "error: the till is closed; open it\n")


def test_a_bug_shows_where_it_happened(failing):
    result = cx("fail", "bug")
    assert isinstance(result.exception, RuntimeError)


def test_an_unknown_command_is_refused():
    result = cx("chekc")
    assert result.exit_code == 2
    assert "No such command 'chekc'" in result.stderr


@pytest.mark.parametrize("name", COMMANDS)
def test_each_listed_command_loads_and_has_help(name):
    assert COMMANDS[name].load().help
    assert cx(name, "--help").exit_code == 0


def test_help_names_the_commands():
    result = cx("--help")
    assert result.exit_code == 0
    assert all(command in result.output for command in COMMANDS)


def test_help_loads_none_of_the_heavy_libraries():
    script = (
        "import sys; from cx_orchestration.cli import app\n"
        "try: app(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'dagster', 'pandas', 'pyarrow', 'numpy', 'duckdb', 'sqlalchemy', 'pydantic'}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, env=os.environ)
    assert done.stderr == "[]\n"


def test_check_does_not_load_dagster(company):
    script = (
        "import sys; from cx_orchestration.cli import app\n"
        f"try: app(['check', {str(company)!r}])\n"
        "except SystemExit as done: assert not done.code\n"
        "print('dagster' in sys.modules, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, env=os.environ)
    assert done.stderr == "False\n"


def test_the_command_is_installed():
    done = subprocess.run(
        [Path(sys.executable).parent / "cx", "schema", "--check"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_errors_of_the_current_folder_are_told_with_its_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    company = tmp_path / "company"
    assert CliRunner().invoke(app, ["init", str(company)]).exit_code == 0
    (company / "decisions.yaml").write_text("}{", encoding="utf-8")
    monkeypatch.chdir(company)
    told = CliRunner().invoke(app, ["check"]).stderr
    assert told.startswith(f"{company}: 1 error")
