"""Decisions on who is who in the project folder: what is refused, and how a command adds one."""

import datetime as dt

import pytest
from typer.testing import CliRunner

from cx_orchestration.cli import app
from cx_orchestration.model.failures import InvalidProject
from cx_orchestration.project import CXProject

NOW = dt.datetime(2026, 6, 1, 12, tzinfo=dt.UTC)


def entry(left: str, right: str, decision: str = "always", on: str = "2026-02-01", **more: str) -> str:
    values = {"left": left, "right": right, "decision": decision, "by": "steward", "on": on, "why": "seen"} | more
    return "  - {" + ", ".join(f"{name}: {value}" for name, value in values.items()) + "}\n"


def errors_of(folder, *entries: str) -> list[str]:
    (folder / "identity_overrides.yaml").write_text("overrides:\n" + "".join(entries))
    with pytest.raises(InvalidProject) as caught:
        CXProject.load(folder, now=NOW)
    return [str(error) for error in caught.value.errors]


def test_a_project_does_without_the_file(folder):
    (folder / "identity_overrides.yaml").unlink()
    assert CXProject.load(folder).overrides == []


@pytest.mark.parametrize("text", ["", "# none any more\n", "overrides:\n", "overrides: # none\n", "overrides: []\n"])
def test_a_file_without_an_entry_decides_nothing_and_takes_the_next_decision(folder, text):
    file = folder / "identity_overrides.yaml"
    file.write_text(text)
    assert CXProject.load(folder).overrides == []
    assert decide(folder, "store_till/1", "help_desk/2", "always").exit_code == 0
    assert len(CXProject.load(folder).overrides) == 1
    assert all(comment in file.read_text() for comment in text.splitlines() if comment.startswith("#"))


def test_a_file_that_has_to_say_something_is_still_refused_when_it_is_empty(folder):
    (folder / "identity.yaml").write_text("# nothing\n")
    with pytest.raises(InvalidProject, match=r"identity.yaml: the file has no values, only comments"):
        CXProject.load(folder)


def test_everything_that_cannot_stand_is_told_at_once(folder):
    errors = errors_of(
        folder,
        entry("store_till/1", "store_till/1"),
        entry("store_till/1", "help_desk/2"),
        entry("help_desk/2", "store_till/1"),
        entry("help_desk/2", "store_till/1", "never"),
        entry("stor_till/1", "help_desk/3", on="2026-06-02"),
        entry("store_till", "help_desk/3"),
        entry("store_till/4", "help_desk/3", "perhaps"),
        entry("store_till/4", "help_desk/9", surely="yes"),
    )
    told = [(error.split(": ")[1], error) for error in errors]
    assert [where for where, _ in told] == [
        "overrides[0].right",
        "overrides[2]",
        "overrides[3]",
        "overrides[4].on",
        "overrides[4].left",
        "overrides[5].left",
        "overrides[6].decision",
        "overrides[7].surely",
    ], errors
    expected = [
        "expected another record than 'left'",
        "is decided already in overrides[1]",
        "is decided as always in overrides[1]",
        "expected a day up to today, 2026-06-01",
        "did you mean 'store_till'?",
        "expected a service and its customer's id such as crm/C-17",
        "'always' or 'never'",
        "unknown key",
    ]
    for text, (_, error) in zip(expected, told, strict=True):
        assert text in error


def test_never_between_two_that_a_chain_makes_one_person_names_the_chain(folder):
    (error,) = errors_of(
        folder,
        entry("store_till/1", "help_desk/2"),
        entry("store_till/5", "help_desk/6"),
        entry("help_desk/2", "store_till/3"),
        entry("store_till/1", "store_till/3", "never"),
    )
    assert "overrides[3].decision: expected no contradiction: overrides[0], overrides[2] make these one" in error


def decide(folder, *arguments: str, why: str = "showed both receipts", by: str = "data steward"):
    command = ["identity", "decide", *arguments, "--why", why, "--by", by, "--project", str(folder)]
    return CliRunner().invoke(app, command)


def test_a_decision_is_added_and_every_comment_stays(folder):
    file = folder / "identity_overrides.yaml"
    before = file.read_text()
    assert decide(folder, "store_till/1", "help_desk/2", "always").exit_code == 0
    file.write_text(file.read_text() + "# the end\n")
    assert (
        decide(folder, "store_till/3", "help_desk/#4: x", "never", why="Father & son: 'both'", by="on").exit_code == 0
    )
    comments = [line for line in before.splitlines() if line.startswith("#")]
    assert [line for line in file.read_text().splitlines() if line.startswith("#")] == [*comments, "# the end"]
    first, second = CXProject.load(folder).overrides
    assert (first.left, first.right, first.decision, first.by) == (
        "store_till/1",
        "help_desk/2",
        "always",
        "data steward",
    )
    assert (second.right, second.decision, second.why, second.by) == (
        "help_desk/#4: x",
        "never",
        "Father & son: 'both'",
        "on",
    )


def test_a_decision_makes_the_file_and_follows_the_way_it_is_indented(folder):
    file = folder / "identity_overrides.yaml"
    file.unlink()
    assert decide(folder, "store_till/1", "help_desk/2", "always").exit_code == 0
    assert len(CXProject.load(folder).overrides) == 1
    file.write_text("overrides:\n" + entry("store_till/1", "help_desk/2").replace("  - ", "- "))
    assert decide(folder, "store_till/1", "help_desk/3", "never").exit_code == 0
    assert [each.decision for each in CXProject.load(folder).overrides] == ["always", "never"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("help_desk/2", "store_till/1", "never"),
            "refused, and nothing was written: identity_overrides.yaml:2 (overrides[0]) says already that store_till/1 "
            "and help_desk/2 are always one person; take that entry out first",
        ),
        (("store_till/1", "help_desk/2", "always"), "(overrides[0]) says already that store_till/1 and help_desk/2"),
        (
            ("store_till/1", "store_till/3", "never"),
            "by identity_overrides.yaml:2 (overrides[0]) and identity_overrides.yaml:3 (overrides[1]) the two are "
            "always one person; take one of these out first",
        ),
        (
            ("store_till/3", "help_desk/4", "always"),
            "identity_overrides.yaml:4 (overrides[2]) says that store_till/1 and help_desk/4 are never one person, and "
            "with identity_overrides.yaml:2 (overrides[0]) and identity_overrides.yaml:3 (overrides[1]) this decision "
            "makes them one; take one of these out first",
        ),
        (("store_till/1", "store_till/1", "always"), "written: expected another record than 'left'"),
        (("store_till", "help_desk/2", "never"), "LEFT: expected a record as SERVICE/ENTITY"),
        (("till/1", "help_desk/2", "never"), "of a service of inventory.csv"),
    ],
)
def test_a_decision_that_cannot_stand_changes_nothing_and_names_the_one_in_its_way(folder, arguments, message):
    file = folder / "identity_overrides.yaml"
    entries = [
        entry("store_till/1", "help_desk/2"),
        entry("help_desk/2", "store_till/3"),
        entry("store_till/1", "help_desk/4", "never"),
    ]
    file.write_text("overrides:\n" + "".join(entries))
    before = file.read_text()
    result = decide(folder, *arguments)
    assert result.exit_code == 1
    assert message in result.stderr
    assert "has 1 error" not in result.stderr
    assert file.read_text() == before


def test_a_decision_by_nobody_and_without_a_reason_names_the_empty_options(folder):
    result = decide(folder, "store_till/1", "help_desk/2", "always", why=" ", by="")
    assert result.exit_code == 1
    assert "--by is empty; expected the role" in result.stderr
    assert "--why is empty; expected what is known" in result.stderr
    assert "SERVICE/ENTITY" not in result.stderr


def test_a_file_to_which_nothing_can_be_added_safely_is_left_alone_with_the_entry_to_add(folder):
    file = folder / "identity_overrides.yaml"
    text = "overrides: [" + entry("store_till/1", "help_desk/2").strip(" -\n") + "]\n"
    file.write_text(text)
    result = decide(folder, "store_till/3", "help_desk/4", "always")
    assert result.exit_code == 1
    assert "add it yourself:\n  - left: store_till/3" in result.stderr
    assert file.read_text() == text
