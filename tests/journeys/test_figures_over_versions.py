"""Where instances stand that no event led there: moved by a newer version of their map, or where a part starts."""

import datetime as dt

import pyarrow as pa
import pytest
from sequenced import sequenced, write_sequences

from cx_orchestration.journeys.drawing.figures import AtStep, Figures, figure_tables, read_figures
from cx_orchestration.journeys.drawing.page import drawing_page, drawing_svg
from cx_orchestration.journeys.fold import fold_journeys
from cx_orchestration.journeys.paths.build import reconcile
from cx_orchestration.journeys.versions import known_versions
from cx_orchestration.model import tables
from cx_orchestration.model.journey import JourneyMap
from cx_orchestration.model.settings import Experience
from cx_orchestration.storage.engine import Engine
from cx_orchestration.storage.lake import Lake

START = dt.datetime(2026, 3, 2, tzinfo=dt.UTC)

FIRST = {
    "journey": "purchase",
    "stages": ["sales", "care"],
    "steps": {
        "cart": {"stage": "sales", "abandoned_after_days": 2},
        "taken": {"stage": "care", "abandoned_after_days": 4, "title": "Took it home"},
        "kept": {"stage": "care", "completes": True},
    },
    "begins_with": {"opened": "cart"},
    "transitions": [
        {"from": ["cart"], "on": "paid", "to": "taken"},
        {"from": ["taken"], "on": "praised", "to": "kept"},
    ],
}
SECOND = FIRST | {
    "version": 2,
    "steps": {name.replace("taken", "at_home"): step for name, step in FIRST["steps"].items()},
    "transitions": [
        {"from": ["cart"], "on": "paid", "to": "at_home"},
        {"from": ["at_home"], "on": "praised", "to": "kept"},
    ],
}
#: Ann gives up with the first version, Bob and Cay are there when the second comes, on day 6.
EVENTS = [
    *[("ann", "opened", 0), ("ann", "paid", 1)],
    *[("bob", "opened", 4), ("bob", "paid", 5)],
    *[("cay", "opened", 4), ("cay", "paid", 5), ("cay", "praised", 7)],
    *[("dan", "opened", 6.5), ("dan", "paid", 7)],
]


def folded(lake: Lake, declared: dict, events: list[tuple[str, str, float]], day: float) -> dt.datetime:
    as_of = START + dt.timedelta(days=day)
    rows = [
        {"customer_id": customer, "event_id": f"{n:03}", "type": kind, "occurred_at": START + dt.timedelta(days=at)}
        for n, (customer, kind, at) in enumerate(events)
    ]
    write_sequences(lake, sequenced(rows))
    maps = [JourneyMap.model_validate(declared)]
    fold_journeys(lake, Engine(), maps, as_of=as_of, currency="USD", support_contact_cost=1, run_id="r")
    made = figure_tables(lake, Engine(), known_versions(lake), as_of=as_of)
    lake.replace(tables.STEP_FIGURES, made[tables.STEP_FIGURES], run_id="r")
    return as_of


def figures(lake: Lake, as_of: dt.datetime) -> Figures:
    (found,) = read_figures(lake, Engine(), known_versions(lake), Experience(), as_of=as_of).values()
    return found


def assert_adds_up(lake: Lake, as_of: dt.datetime) -> None:
    totals = [total for total in reconcile(lake, Engine(), as_of=as_of) if total.what.startswith("instances: ")]
    assert totals
    assert [total for total in totals if not total.agrees] == []


def test_whom_a_migration_moved_is_at_the_new_step_and_its_wait_began_there(tmp_path):
    lake = Lake(tmp_path)
    moved = SECOND | {"migrations": {1: {"taken": "at_home"}}}
    folded(lake, FIRST, EVENTS, 5.5)
    folded(lake, moved, EVENTS, 6)
    as_of = folded(lake, moved, EVENTS, 9.5)
    found = figures(lake, as_of).steps
    assert found["taken"] == AtStep(instances=3, active=0, completed=0, abandoned=1, judged=3, again=0)
    # Bob's wait of four days began on day 6; that Cay went on is no sooner known than that Bob did not.
    assert found["at_home"] == AtStep(instances=3, active=2, completed=0, abandoned=0, judged=0, again=0)
    assert_adds_up(lake, as_of)
    later = folded(lake, moved, EVENTS, 10.5)
    assert figures(lake, later).steps["at_home"] == AtStep(3, active=1, completed=0, abandoned=1, judged=2, again=0)
    assert_adds_up(lake, later)


def test_steps_of_an_earlier_version_are_drawn_beside_the_newest_ones_own(tmp_path):
    lake = Lake(tmp_path)
    folded(lake, FIRST, EVENTS, 5.5)
    folded(lake, SECOND, EVENTS, 6)
    as_of = folded(lake, SECOND, EVENTS, 8)
    found, newest, versions = figures(lake, as_of), JourneyMap.model_validate(SECOND), known_versions(lake)
    assert (found.steps["taken"].active, found.steps["at_home"].active) == (1, 1)
    drawn = drawing_svg(newest, found, versions)
    assert 'class="step earlier" data-step="taken"' in drawn
    assert 'data-source="taken" data-target="kept"' in drawn
    assert 'data-step="taken"' not in drawing_svg(newest, found)
    page = drawing_page(newest, found, versions, as_of=as_of)
    assert "2; 1 open instance of an earlier one" in page
    assert "a step of an earlier version" in page
    assert_adds_up(lake, as_of)


def test_a_step_of_an_earlier_version_that_nobody_came_to_is_not_drawn(tmp_path):
    lake = Lake(tmp_path)
    folded(lake, FIRST, [("ann", "opened", 0)], 1)
    as_of = folded(lake, SECOND, [("ann", "opened", 0)], 2)
    drawn = drawing_svg(JourneyMap.model_validate(SECOND), figures(lake, as_of), known_versions(lake))
    assert "data-step" in drawn
    assert "earlier" not in drawn.partition("</style>")[2]


def test_a_part_that_rests_too_long_where_it_starts_is_in_the_figures(tmp_path):
    parts = {
        "journey": "order",
        "stages": ["sales"],
        "parts": {"goods": {"starts_at": "packing"}, "money": {"starts_at": "billing"}},
        "steps": {
            "packing": {"stage": "sales", "part": "goods"},
            "sent": {"stage": "sales", "part": "goods", "completes": True},
            "billing": {"stage": "sales", "part": "money", "abandoned_after_days": 3},
            "settled": {"stage": "sales", "part": "money", "completes": True},
        },
        "begins_with": {"opened": "packing"},
        "transitions": [
            {"from": ["packing"], "on": "posted", "to": "sent"},
            {"from": ["billing"], "on": "paid", "to": "settled"},
        ],
    }
    events = [("ann", "opened", 0), ("bob", "opened", 1), ("bob", "paid", 2), ("cay", "opened", 3.5)]
    lake = Lake(tmp_path)
    as_of = folded(lake, parts, events, 5)
    found = figures(lake, as_of).steps
    assert found["billing"] == AtStep(instances=3, active=0, completed=0, abandoned=1, judged=2, again=0)
    assert found["packing"] == AtStep(instances=3, active=1, completed=0, abandoned=0, judged=None, again=0)
    assert_adds_up(lake, as_of)


@pytest.mark.parametrize("column", ["active", "abandoned"])
def test_figures_that_tell_of_an_instance_too_many_are_found(tmp_path, column):
    lake = Lake(tmp_path)
    as_of = folded(lake, FIRST, EVENTS, 6)
    rows = lake.read(tables.STEP_FIGURES).to_pylist()
    rows[0][column] += 1
    lake.replace(tables.STEP_FIGURES, pa.Table.from_pylist(rows, tables.STEP_FIGURES.schema), run_id="r")
    failed = {total.what for total in reconcile(lake, Engine(), as_of=as_of) if not total.agrees}
    assert failed == {
        f"instances: {column}, and in step figures",
        f"instances: at {rows[0]['step']}, and in step figures",
    }
