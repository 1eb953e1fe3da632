"""The two example projects on their logs: every line of a log comes out as one event, and a rerun changes nothing.

One test an example, as the whole log is run: tests of one run on two workers would run it twice.
"""

import datetime as dt
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import dagster as dg
import pytest

from cx_orchestration.commands.materialize import materialize_project
from cx_orchestration.commands.run import summary_of
from cx_orchestration.model import tables
from cx_orchestration.model.days import DayRange
from cx_orchestration.project import CXProject
from cx_orchestration.storage.engine import Engine
from cx_orchestration.storage.lake import Lake

EXAMPLES = Path(__file__).parents[2] / "examples"
sys.path.insert(0, str(EXAMPLES))

import run_examples  # noqa: E402
import take_logs  # noqa: E402

NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


def materialize(folder: Path, days: DayRange | None = None, select: str | None = None) -> dict:
    project = CXProject.load(folder)
    with dg.DagsterInstance.ephemeral() as instance:
        done = materialize_project(project, instance, days=days or project.days(NOW), select=select)
    assert done.failures == []
    return summary_of(project, done, None).as_json()


def content(folder: Path) -> dict[str, str]:
    project, lake = CXProject.load(folder), Lake(folder / "lake")
    known = [table for table in vars(tables).values() if isinstance(table, tables.Table)]
    known += [tables.landed(name, stream) for name, one in project.services.items() for stream in one.streams]
    hashes = {table.path: lake.content_hash(table) for table in known if lake.exists(table)}
    assert sorted(hashes) == lake.paths()
    return hashes


def assert_shown_in_readme(name: str, taken: take_logs.Taken, summary: dict) -> None:
    """The README shows what comes out; where this fails, paste what 'make examples' prints."""
    shown = "\n".join(run_examples.shown(name, taken, summary))
    assert shown in (EXAMPLES / "README.md").read_text(encoding="utf-8"), shown


def column(lake: Lake, table: tables.Table, sql: str) -> list:
    return Engine().query(f"SELECT {sql} AS found FROM rows", {"rows": lake.scan(table)})["found"].to_pylist()


@pytest.mark.long
def test_every_line_of_the_order_log_is_one_event_and_rerunning_a_month_changes_nothing(tmp_path):
    folder = tmp_path / "cdnow"
    taken = run_examples.prepare("cdnow", folder)
    assert (taken.rows, taken.customers, str(taken.money)) == (69_659, 23_570, "2500315.63")

    summary, lake = materialize(folder), Lake(folder / "lake")

    assert run_examples.mismatches(taken, summary, lake) == []
    assert (summary["events"], summary["customers"]) == (69_659, 23_570)
    assert column(lake, tables.EVENTS, "sum(amount)::VARCHAR") == ["2500315.6300"]
    assert column(lake, tables.REJECTED_RECORDS, "count(*)") == [0]
    assert column(lake, tables.EVENTS, "count(DISTINCT entity)") == [23_570]
    # Of the 69,659 lines 2,068 add to an order of the same day.
    kinds = Counter(column(lake, tables.EVENTS, "type"))
    assert kinds == {"order.placed": 67_591, "order.extended": 2_068}
    # Every customer begins once, and no line of a customer lies before that: all the money is on the journey.
    assert column(lake, tables.INSTANCES, "sum(revenue)::VARCHAR") == ["2500315.6300"]
    assert column(lake, tables.STEPS, "count(*) FILTER (WHERE from_state IS NULL)") == [23_570]
    assert column(lake, tables.STEPS, "count(*)") == [67_591]
    found = {(row["step"], row["segment"], row["segment_value"]) for row in summary["findings"]["abandonment_hotspots"]}
    assert ("first_order", "basket", "1 CD") in found
    assert lake.read(tables.PROFITABLE_PATHS).num_rows > 0

    assert_shown_in_readme("cdnow", taken, summary)

    # What reads those days is run again too, but for the customer documents and analyses: the shop's test has them.
    before = content(folder)
    again = "group:landing or group:integration or group:journeys"
    materialize(folder, DayRange(dt.date(1997, 2, 1), dt.date(1997, 2, 28)), select=again)
    assert content(folder) == before


@pytest.mark.long
def test_every_click_of_the_shop_is_one_event_and_rerunning_a_month_changes_nothing(tmp_path):
    folder = tmp_path / "shop"
    taken = run_examples.prepare("shop", folder)
    assert taken == take_logs.Taken(rows=31_106, customers=600)

    summary, lake = materialize(folder), Lake(folder / "lake")

    assert run_examples.mismatches(taken, summary, lake) == []
    assert (summary["events"], summary["customers"]) == (31_106, 600)
    assert column(lake, tables.EVENTS, "count(DISTINCT record_id)") == [31_106]
    # As many orders, contacts and markers as the log has rows of 'purchase', 'support_chat' and so on.
    kinds = Counter(column(lake, tables.EVENTS, "type"))
    assert {kind: kinds[kind] for kind in ("order.placed", "support.requested", "checkout.sent_back")} == {
        "order.placed": 470,
        "support.requested": 277,
        "checkout.sent_back": 44,
    }
    assert column(lake, tables.EVENTS, "sum(amount)::VARCHAR") == ["470.0000"]
    assert {row["status"] for row in summary["journeys"]} == {"active", "completed", "abandoned"}
    # Of the planted periods, both are found, each as the one whom it struck and told once.
    incidents = {
        (row["outcome"], row["step"], row["segment_value"]): (str(row["from_day"]), str(row["until_day"]))
        for row in summary["findings"]["incidents"]
    }
    assert incidents == {
        ("gave_up", "shipping", "mobile"): ("2024-04-09", "2024-05-19"),
        ("gave_up", "payment", "customers"): ("2024-05-19", "2024-06-06"),
        ("asked_support", "payment", "customers"): ("2024-05-19", "2024-06-08"),
    }
    found = {(row["step"], row["segment"], row["segment_value"]) for row in summary["findings"]["abandonment_hotspots"]}
    assert ("product", "user_lifecycle", "new") in found
    assert lake.read(tables.SUPPORT_SHIFTS).num_rows > 0

    assert_shown_in_readme("shop", taken, summary)

    before = content(folder)
    materialize(folder, DayRange(dt.date(2024, 4, 1), dt.date(2024, 4, 30)))
    assert content(folder) == before


@pytest.mark.parametrize("name", sorted(take_logs.LOGS))
def test_without_the_packages_the_error_names_the_command_that_installs_them(tmp_path, name):
    with pytest.raises(take_logs.LogNotThere, match="'make examples' installs"):
        take_logs.take(name, tmp_path / "project", tmp_path / "nothing")


@pytest.mark.parametrize("name", sorted(take_logs.LOGS))
def test_a_log_that_is_not_the_one_of_the_examples_is_refused(tmp_path, name):
    file = tmp_path / take_logs.LOGS[name].path
    file.parent.mkdir(parents=True)
    file.write_bytes(b"another log")
    with pytest.raises(take_logs.LogNotThere, match="is not the log of"):
        take_logs.take(name, tmp_path / "project", tmp_path)
    assert not (tmp_path / "project").exists()


def test_the_commands_tell_a_missing_log_in_one_line_and_exit_with_1(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(run_examples, "OUT", tmp_path / "out")
    for command, arguments in (
        (take_logs.main, ["cdnow", str(tmp_path / "project"), "--packages", str(tmp_path)]),
        (run_examples.main, ["--packages", str(tmp_path)]),
    ):
        assert command(arguments) == 1
        assert all("make examples" in line for line in capsys.readouterr().err.splitlines())


def test_a_number_that_does_not_add_up_is_named():
    taken = take_logs.Taken(rows=10, customers=4)
    right = {
        "services": [{"records": 10, "events": 9, "rejected": 1}],
        "events": 9,
        "customers": 4,
        "journeys": [{"journey": "buying", "status": "active", "instances": 4}],
        "failures": [],
    }
    assert run_examples.mismatches(taken, right, Lake("nowhere")) == []
    for wrong, named in (
        (right | {"services": [{"records": 9, "events": 9, "rejected": 0}]}, "rows of the log and records landed"),
        (right | {"services": [{"records": 10, "events": 9, "rejected": 0}]}, "records landed and events"),
        (right | {"events": 8}, "events and distinct events: 9 is not 8"),
        (right | {"customers": 5}, "customers of the log and customers: 4 is not 5"),
        (right | {"journeys": []}, "no customer is on a journey"),
        (right | {"failures": [{"asset": "journeys/steps", "message": "why"}]}, "journeys/steps failed: why"),
    ):
        (only,) = run_examples.mismatches(taken, wrong, Lake("nowhere"))
        assert only.startswith(named)


def test_money_that_got_lost_is_named(lake):
    taken = replace(take_logs.Taken(rows=0, customers=0), money=run_examples.Decimal("1.50"))
    empty = {"services": [], "events": 0, "customers": 0, "journeys": [{}], "failures": []}
    assert run_examples.mismatches(taken, empty, lake) == ["money of the log and of events: 1.50 is not 0.0000"]
