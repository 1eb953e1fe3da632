"""Who is compared: nothing that a customer did or became after a step may tell which cluster they belong to there."""

import datetime as dt

import pyarrow as pa
import pytest
from lifecycle_company import AS_OF, LIFECYCLE, START, as_profiles, happenings, settle

from cx_orchestration.exploration.cohorts import read_cohorts
from cx_orchestration.model import tables
from cx_orchestration.storage.engine import Engine
from cx_orchestration.storage.lake import Lake

DAY = 86_400_000_000
ORIGIN = int(START.timestamp()) * 1_000_000


@pytest.fixture
def lake(tmp_path):
    return Lake(tmp_path)


def cohorts(lake, *events, traits=None, journey_map=LIFECYCLE, profiles=None):
    profiles = as_profiles(traits or {"region": ["west"]}) if profiles is None else profiles
    settle(lake, happenings(*events), profiles, journey_map)
    return read_cohorts(lake, Engine(), [journey_map], as_of=AS_OF)


#: What every customer has, whatever the map declares.
UNDECLARED = {"channel", "came_from", "came_back"}


def values(found, step: str) -> dict[str, str]:
    """The declared segments."""
    return {name: value for name, value in all_values(found, step).items() if name not in UNDECLARED}


def undeclared(found, step: str) -> dict[str, str]:
    return {name: value for name, value in all_values(found, step).items() if name in UNDECLARED}


def all_values(found, step: str) -> dict[str, str]:
    rows = found.clusters.to_pylist()
    return {row["segment"]: row["segment_value"] for row in rows if row["step"] == step}


def days(found) -> dict[str, tuple]:
    def day(microseconds):
        return None if microseconds is None else (microseconds - ORIGIN) / DAY

    return {row["step"]: (day(row["entered_at"]), day(row["left_at"])) for row in found.entries.to_pylist()}


def test_the_event_that_led_to_the_step_says_the_value_there(lake):
    found = cohorts(lake, (0, 1, "ad.clicked", {"device": "ios"}), (0, 2, "product.viewed", {"device": "desktop"}))
    assert (values(found, "aware")["device"], values(found, "evaluating")["device"]) == ("ios", "desktop")


def test_else_the_latest_event_before_it_does_on_the_map_or_off_it(lake):
    found = cohorts(
        lake,
        (0, 0, "page.viewed", {"device": "ios"}),
        (0, 1, "ad.clicked"),
        (0, 2, "page.viewed", {"device": "android"}),
        (0, 3, "product.viewed"),
    )
    assert (values(found, "aware")["device"], values(found, "evaluating")["device"]) == ("ios", "android")


def test_a_value_that_only_a_later_event_carries_is_unknown(lake):
    found = cohorts(lake, (0, 1, "ad.clicked"), (0, 2, "product.viewed", {"product": "duo"}))
    assert "product" not in values(found, "aware")
    assert values(found, "evaluating")["product"] == "duo"


def test_an_attribute_that_events_carry_is_never_taken_from_profiles(lake):
    """Else a plan bought later would tell at the checkout who went on to buy."""
    found = cohorts(
        lake,
        (0, 1, "ad.clicked"),
        (0, 2, "product.viewed", {"plan": "pro"}),
        traits={"plan": ["pro"], "region": ["west"]},
    )
    assert values(found, "aware") == {"region": "west"}
    assert values(found, "evaluating") == {"region": "west", "plan": "pro"}


def test_the_latest_profile_with_a_value_counts(lake):
    rows = as_profiles({"region": ["west"]}).to_pylist() * 3
    older = AS_OF - dt.timedelta(days=9)
    rows[1] = rows[1] | {"service": "desk", "attributes": '{"region":"north"}', "updated_at": older}
    rows[2] = rows[2] | {"service": "shop", "attributes": '{"plan":"pro","region":""}'}
    found = cohorts(lake, (0, 1, "ad.clicked"), profiles=pa.Table.from_pylist(rows, tables.PROFILES.schema))
    assert values(found, "aware") == {"region": "west", "plan": "pro"}


def test_attributes_that_the_map_does_not_name_are_left_alone(lake):
    found = cohorts(lake, (0, 1, "ad.clicked", {"campaign": "spring"}), traits={"size": ["big"]})
    assert all_values(found, "aware") == {"came_from": "nowhere", "came_back": "no"}


def test_channel_and_the_path_so_far_are_known_without_declaring(lake):
    found = cohorts(
        lake,
        (0, 1, "ad.clicked", {"channel": "web"}),
        (0, 2, "product.viewed", {"channel": "app"}),
        (0, 3, "ad.clicked"),
    )
    assert undeclared(found, "aware") == {"channel": "web", "came_from": "nowhere", "came_back": "no"}
    assert undeclared(found, "evaluating") == {"channel": "app", "came_from": "aware", "came_back": "no"}


def test_who_comes_to_a_step_in_a_later_instance_has_come_back(lake):
    way = [(0, day, kind) for day, kind in enumerate(("ad.clicked", "product.viewed", "signup.completed"), 1)]
    found = cohorts(lake, *way, (0, 4, "checkout.started"), (0, 20, "order.completed"))
    assert undeclared(found, "checkout") == {"came_from": "registered", "came_back": "no"}
    assert undeclared(found, "purchased") == {"came_from": "checkout", "came_back": "yes"}


def test_a_declared_segment_takes_the_place_of_an_undeclared_one(lake):
    declared = LIFECYCLE.model_copy(update={"segments": ["channel"]})
    found = cohorts(lake, (0, 1, "ad.clicked", {"channel": "web"}), traits={"channel": ["tv"]}, journey_map=declared)
    assert all_values(found, "aware")["channel"] == "tv"


def test_only_the_first_entry_into_a_step_counts(lake):
    events = [(0, 1, "ad.clicked"), (0, 2, "product.viewed"), (0, 3, "signup.completed"), (0, 4, "checkout.started")]
    found = cohorts(lake, *events, (0, 12, "ad.clicked"), (0, 13, "product.viewed"))
    assert days(found) == {
        "aware": (1, 2),
        "evaluating": (2, 3),
        "registered": (3, 4),
        "checkout": (4, 12),
    }


def test_repeating_a_step_is_not_leaving_it(lake):
    again = LIFECYCLE.model_dump(by_alias=True)
    again["transitions"].append({"from": ["aware"], "on": "ad.clicked", "to": "aware"})
    found = cohorts(
        lake,
        (0, 1, "ad.clicked"),
        (0, 2, "ad.clicked"),
        (0, 3, "signup.completed"),
        (0, 5, "product.viewed"),
        journey_map=type(LIFECYCLE).model_validate(again),
    )
    assert days(found) == {"aware": (1, 5), "evaluating": (5, None)}


def test_an_empty_lake_has_empty_cohorts(lake):
    found = read_cohorts(lake, Engine(), [LIFECYCLE], as_of=AS_OF)
    assert (found.entries.num_rows, found.clusters.num_rows) == (0, 0)
