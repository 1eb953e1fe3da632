"""Versions of a map: what is in force when, and what instances in flight do."""

import datetime as dt

import pytest
from sequenced import sequenced, write_sequences

from cx_orchestration.journeys.fold import fold_journeys
from cx_orchestration.journeys.versions import compile_in_use, errors_of_succession
from cx_orchestration.model import tables
from cx_orchestration.model.failures import InvalidProject
from cx_orchestration.model.journey import JourneyMap
from cx_orchestration.storage.engine import Engine
from cx_orchestration.storage.lake import Lake

START = dt.datetime(2026, 3, 2, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)

FIRST = {
    "journey": "purchase",
    "stages": ["sales"],
    "steps": {"basket": {"stage": "sales"}, "paid": {"stage": "sales", "completes": True}},
    "begins_with": {"opened": "basket"},
    "transitions": [{"from": ["basket"], "on": "paid", "to": "paid"}],
}
SECOND = FIRST | {
    "version": 2,
    "steps": {"cart": {"stage": "sales"}, "sent": {"stage": "sales", "completes": True}},
    "begins_with": {"opened": "cart"},
    "transitions": [{"from": ["cart"], "on": "paid", "to": "sent"}],
}


def fold(lake: Lake, declared: dict, events: list[tuple[str, str, float]], as_of: float) -> dict[str, tuple]:
    rows = [
        {"customer_id": customer, "event_id": f"{n:03}", "type": kind, "occurred_at": START + day * DAY}
        for n, (customer, kind, day) in enumerate(events)
    ]
    write_sequences(lake, sequenced(rows))
    one = JourneyMap.model_validate(declared)
    until = START + as_of * DAY
    fold_journeys(lake, Engine(), [one], as_of=until, currency="USD", support_contact_cost=1, run_id="r")
    found = lake.read(tables.INSTANCES).to_pylist()
    return {row["customer_id"]: (row["map_version"], row["state"], row["status"]) for row in found}


EVENTS = [("a", "opened", 0), ("b", "opened", 6), ("a", "paid", 7), ("c", "opened", 7)]


def test_an_instance_in_flight_goes_on_with_the_version_that_it_began_with(tmp_path):
    lake = Lake(tmp_path)
    fold(lake, FIRST, EVENTS, 5)
    fold(lake, SECOND, EVENTS, 6.5)
    assert fold(lake, SECOND, EVENTS, 8) == {
        "a": (1, "paid", "completed"),
        "b": (1, "basket", "active"),
        "c": (2, "cart", "active"),
    }
    kept = lake.read(tables.JOURNEY_MAPS).sort_by("version").to_pylist()
    assert [(row["version"], row["since"]) for row in kept] == [(1, None), (2, START + 6.5 * DAY)]


def test_a_declared_migration_moves_an_instance_in_flight_when_the_version_comes_into_force(tmp_path):
    lake = Lake(tmp_path)
    fold(lake, FIRST, EVENTS, 5)
    moved = SECOND | {"migrations": {1: {"basket": "cart"}}}
    assert fold(lake, moved, EVENTS, 6.5) == {"a": (2, "cart", "active"), "b": (2, "cart", "active")}
    assert fold(lake, moved, EVENTS, 8)["a"] == (2, "sent", "completed")


def test_a_map_that_changes_without_a_new_version_is_read_so_for_all_times(tmp_path):
    lake = Lake(tmp_path)
    fold(lake, FIRST, EVENTS, 5)
    assert fold(lake, SECOND | {"version": 1}, EVENTS, 8)["a"] == (1, "sent", "completed")
    assert lake.read(tables.JOURNEY_MAPS).num_rows == 1


def test_a_version_that_a_lake_knows_no_earlier_one_of_counts_for_all_times(tmp_path):
    migrated = SECOND | {"migrations": {1: {"basket": "cart"}}}
    assert fold(Lake(tmp_path), migrated, EVENTS, 8)["a"] == (2, "sent", "completed")


def test_a_fold_that_changes_no_map_keeps_none_anew(tmp_path):
    lake = Lake(tmp_path)
    fold(lake, FIRST, EVENTS, 5)
    before = lake.version(tables.JOURNEY_MAPS)
    fold(lake, FIRST, EVENTS, 8)
    assert lake.version(tables.JOURNEY_MAPS) == before


@pytest.mark.parametrize(
    ("later", "path"),
    [(FIRST, "version"), (SECOND | {"version": 3, "correlation": "order_id"}, "correlation")],
)
def test_a_version_that_cannot_follow_is_refused_before_anything_is_written(tmp_path, later, path):
    lake = Lake(tmp_path)
    fold(lake, FIRST, EVENTS, 5)
    fold(lake, SECOND, EVENTS, 8)
    before = [lake.version(table) for table in (tables.JOURNEY_MAPS, tables.INSTANCES)]
    with pytest.raises(InvalidProject) as raised:
        fold(lake, later, EVENTS, 9)
    assert [error.path for error in raised.value.errors] == [path]
    assert [lake.version(table) for table in (tables.JOURNEY_MAPS, tables.INSTANCES)] == before


def test_all_maps_that_cannot_follow_are_told_at_once_and_nothing_is_written(tmp_path):
    lake = Lake(tmp_path)
    maps = [JourneyMap.model_validate(FIRST | {"journey": name, "version": 2}) for name in ("one", "two", "three")]
    compile_in_use(lake, maps, as_of=START, run_id="r")
    before = lake.version(tables.JOURNEY_MAPS)
    wrong = {"version": 3, "migrations": {2: {"baskt": "cart"}}}
    declared = [SECOND | wrong | {"journey": "one"}, SECOND | {"journey": "two", "version": 1}, FIRST]
    later = [JourneyMap.model_validate(each) for each in declared]
    found = errors_of_succession(lake, later)
    assert [(error.file, error.path) for error in found] == [
        ("journeys/one.yaml", "migrations.2.baskt"),
        ("journeys/two.yaml", "version"),
    ]
    assert errors_of_succession(lake, maps) == []
    assert lake.version(tables.JOURNEY_MAPS) == before
