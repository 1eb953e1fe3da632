"""How far each service's integration is, since when, and what is left over time."""

import datetime as dt
import re
from typing import Any

import pytest

from cx_orchestration.integration.progress import Progress, Standing, status_of, update_progress
from cx_orchestration.integration.progress_report import (
    burn_down_markdown,
    burn_down_svg,
    headline,
    left_over_time,
    progress_page,
)
from cx_orchestration.model import tables
from cx_orchestration.model.scoring import Disposition
from cx_orchestration.storage.lake import Lake

START = dt.datetime(2026, 6, 1, 8, tzinfo=dt.UTC)
NOBODY: frozenset[str] = frozenset()


def standing(service: str = "till", **changes: Any) -> Standing:
    whole: dict[str, Any] = {
        "rank": 1,
        "scored": True,
        "disposition": Disposition.INTEGRATE,
        "refusal": "",
        "days_due": 10,
        "days_done": 10,
    }
    return Standing(service=service, **{**whole, **changes})


def after(days: int) -> dt.datetime:
    return START + dt.timedelta(days=days)


def update(lake: Lake, now: dt.datetime, *standings: Standing, consumed: frozenset[str] = NOBODY) -> Progress:
    return update_progress(lake, standings, consumed=consumed, now=now, run_id="r")


@pytest.mark.parametrize(
    ("changes", "status", "why"),
    [
        ({"scored": False, "disposition": None, "days_done": 0}, "inventoried", "no scores yet"),
        ({"disposition": None, "refusal": "nobody has decided", "days_done": 0}, "scored", "nobody has decided"),
        ({"disposition": Disposition.KEEP, "refusal": "keep_as_is", "days_due": 0}, "closed", "keep_as_is"),
        ({"disposition": Disposition.CONSOLIDATE, "refusal": "r"}, "closed", "r"),
        ({"disposition": Disposition.REPLACE, "refusal": "r"}, "closed", "r"),
        ({"disposition": Disposition.INTEGRATE_LATER, "refusal": "later", "days_due": 0}, "decided", "later"),
        ({"refusal": "outside of the rollout", "days_due": 0, "days_done": 0}, "decided", "outside of the rollout"),
        ({"days_done": 0}, "decided", "None of its days is there yet."),
        ({"days_due": 0, "days_done": 0}, "decided", "None of its days is due yet."),
        ({"days_done": 7}, "integrating", "3 of its 10 days are missing."),
        ({}, "integrating", "no subscriber consumes its events yet"),
        ({"disposition": Disposition.RETIRE, "refusal": "Decided: retire."}, "retired", "Decided: retire."),
        ({"disposition": Disposition.RETIRE, "refusal": "r", "scored": False}, "retired", "r"),
    ],
)
def test_a_service_has_the_status_that_it_has_earned_and_says_why_not_more(
    changes: dict[str, Any], status: str, why: str
) -> None:
    found, reason = status_of(standing(**changes), NOBODY)
    assert (found, why in reason) == (status, True)


def test_a_service_is_integrated_when_all_its_days_are_there_and_somebody_consumes_its_events() -> None:
    assert status_of(standing(), {"till"})[0] == "integrated"
    assert status_of(standing(days_done=9), {"till"})[0] == "integrating"
    assert status_of(standing(), {"desk"})[0] == "integrating"


def test_what_the_rollout_leaves_out_is_part_of_the_reason(lake: Lake) -> None:
    (row,) = update(lake, START, standing(left_out=("refunds",))).rows
    assert row["reason"].endswith("consumes its events yet. The rollout leaves out refunds.")


def test_the_history_grows_by_changes_alone_and_a_rerun_adds_nothing(lake: Lake) -> None:
    update(lake, after(0), standing(days_done=0), standing("desk", disposition=None, refusal="open"))
    update(lake, after(1), standing(days_done=4), standing("desk", disposition=None, refusal="open"))
    before = lake.content_hash(tables.PROGRESS), lake.version(tables.PROGRESS_HISTORY)
    progress = update(lake, after(2), standing(days_done=4), standing("desk", disposition=None, refusal="open"))
    assert (lake.content_hash(tables.PROGRESS), lake.version(tables.PROGRESS_HISTORY)) == before
    rows = [(row["service"], row["changed_at"], row["status"], row["days_done"]) for row in progress.history]
    assert rows == [
        ("till", after(0), "decided", 0),
        ("desk", after(0), "scored", 10),
        ("till", after(1), "integrating", 4),
    ]


def test_since_is_when_the_status_began_whatever_changed_within_it(lake: Lake) -> None:
    for day, done in enumerate((0, 3, 6, 10)):
        progress = update(lake, after(day), standing(days_done=done))
    assert progress.rows[0]["since"] == after(1)
    assert update(lake, after(9), standing(), consumed=frozenset({"till"})).rows[0]["since"] == after(9)
    (kept,) = lake.read(tables.PROGRESS).to_pylist()
    assert (kept["status"], kept["since"], kept["rank"]) == ("integrated", after(9), 1)


def test_a_step_back_is_part_of_the_history(lake: Lake) -> None:
    update(lake, after(0), standing(), consumed=frozenset({"till"}))
    progress = update(lake, after(1), standing(days_due=11), consumed=frozenset({"till"}))
    assert [row["status"] for row in progress.history] == ["integrated", "integrating"]


def test_a_service_that_left_the_inventory_is_told_once_and_is_no_more_left(lake: Lake) -> None:
    update(lake, after(0), standing(), standing("desk", days_done=2))
    for day in (1, 2):
        progress = update(lake, after(day), standing())
    assert [row["service"] for row in progress.rows] == ["till"]
    assert [(row["service"], row["status"]) for row in progress.history][2:] == [("desk", "removed")]
    assert (progress.services_left, progress.days_left) == (1, 0)
    back = update(lake, after(3), standing(), standing("desk", days_done=2))
    assert back.rows[1]["since"] == after(3)


def test_the_burn_down_counts_what_is_left_after_each_change(lake: Lake) -> None:
    retired = standing("old", disposition=Disposition.RETIRE, refusal="r", days_due=0, days_done=0)
    update(lake, after(0), standing(days_done=0), standing("desk", disposition=None, days_due=0, days_done=0), retired)
    update(lake, after(4), standing(days_done=6), standing("desk", days_done=0), retired)
    progress = update(lake, after(8), standing(), standing("desk", days_done=9), retired, consumed=frozenset({"till"}))
    services, days = left_over_time(progress, after(9))
    assert [row["days"] for row in days] == [10, 14, 1, 1]
    assert [row["at"] for row in days] == [after(day).isoformat() for day in (0, 4, 8, 9)]
    left = [{row["status"] for row in services if row["at"] == each["at"] and row["services"]} for each in days]
    assert left == [{"scored", "decided"}, {"decided", "integrating"}, {"integrating"}, {"integrating"}]
    assert headline(progress) == "1 of 3 services left, 1 day to land."
    svg = burn_down_svg(progress, after(9))
    assert "Services left" in svg
    assert "Days left" in svg


def test_the_burn_down_reaches_nothing_when_all_are_integrated_or_left_alone_by_decision(lake: Lake) -> None:
    nothing_due = {"refusal": "r", "days_due": 0, "days_done": 0}
    left_alone = [
        standing(disposition.value, disposition=disposition, **nothing_due)
        for disposition in (Disposition.KEEP, Disposition.CONSOLIDATE, Disposition.REPLACE, Disposition.RETIRE)
    ]
    progress = update(lake, START, standing(), *left_alone, consumed=frozenset({"till"}))
    services, days = left_over_time(progress, START)
    assert {row["services"] for row in services} == {0}
    assert {row["days"] for row in days} == {0}
    assert headline(progress) == "All 5 services are integrated, or closed or retired by decision."
    page = progress_page(progress, project_name="x", as_of=START)
    assert "10 of 10" in page
    assert "0 of 0" not in re.sub("10 of 10", "", page)


def test_the_newest_state_has_a_width_in_the_moment_of_its_change(lake: Lake) -> None:
    update(lake, after(0), standing(days_done=0))
    progress = update(lake, after(50), standing(days_done=6))
    days = left_over_time(progress, after(50))[1]
    assert [(row["at"], row["days"]) for row in days] == [
        (after(at).isoformat(), left) for at, left in ((0, 10), (50, 4), (53, 4))
    ]
    assert left_over_time(progress, after(60))[1][-1]["at"] == after(60).isoformat()


def test_the_time_axis_is_of_24_hours_in_utc_and_no_days_left_lie_on_the_ground(lake: Lake) -> None:
    afternoon = START.replace(hour=14, minute=10)
    svg = burn_down_svg(update(lake, afternoon, standing()), afternoon)
    assert {"14:15", "15:00"} <= set(re.findall(r">(\d\d:\d\d)<", svg))
    assert not re.search(r">[^<]*[AP]M<", svg)
    assert {"0", "1"} <= set(re.findall(r">([\d.]+)<", svg)), "of the days, whose axis had its zero in the middle"


def test_a_first_look_has_a_picture_too(lake: Lake) -> None:
    progress = update(lake, START, standing())
    assert burn_down_markdown(progress, START).startswith("![1 of 1 service left, 0 days to land.](data:image/svg+xml;")


def test_the_page_needs_no_network_and_no_value_becomes_markup(lake: Lake) -> None:
    progress = update(lake, START, standing(refusal="<script>alert(1)</script>", days_due=0, days_done=0))
    page = progress_page(progress, project_name="A & <b>", as_of=after(1))
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert "A &amp; &lt;b&gt;" in page
    assert re.findall(r"""(?:src|href)=["'](?!#)[^"']*""", page) == []
