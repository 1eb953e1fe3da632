"""Incidents on a small shop whose bad weeks are known: when, for whom, told once, and none where none was."""

import datetime as dt

import numpy as np
import pandas as pd
import pytest
from lifecycle_company import AS_OF, DAYS, START, as_profiles, as_sequences, settle

from cx_orchestration.exploration.cohorts import read_cohorts
from cx_orchestration.exploration.incidents import RatesOverTime, rates_over_time
from cx_orchestration.exploration.pictures import incidents_picture, weekly_picture, weekly_svg
from cx_orchestration.model import tables
from cx_orchestration.model.journey import JourneyMap
from cx_orchestration.model.settings import Exploration, Settings
from cx_orchestration.storage.engine import Engine
from cx_orchestration.storage.lake import Lake

VISIT = JourneyMap.model_validate(
    {
        "journey": "visit",
        "correlation": "visit",
        "re_entry": False,
        "steps": {
            "cart": {"stage": "sales", "abandoned_after_days": 0.25},
            "payment": {"stage": "sales", "abandoned_after_days": 0.25},
            "ordered": {"stage": "post_sales", "completes": True},
        },
        "begins_with": {"cart.filled": "cart"},
        "transitions": [
            {"from": ["cart"], "on": "payment.viewed", "to": "payment"},
            {"from": ["payment"], "on": "order.placed", "to": "ordered"},
        ],
        "support_events": ["support.requested"],
        "segments": ["device", "region"],
    }
)
BAD = (50, 64)  # the days, both included
FROM, UNTIL = (START.date() + dt.timedelta(days=day) for day in BAD)


def shop(seed: int, *, bad: str | None = None, chats: bool = False, one_region: bool = False, customers: int = 450):
    """Visits with a cart, payment and order. In the bad days payments fail at every ``bad`` device, or ``all``; with
    ``chats`` half of those who came to pay then turn to support."""
    rng = np.random.default_rng(seed)
    rows = []
    for customer in range(customers):
        device = "ios" if customer % 5 < 2 else "android" if customer % 5 < 4 else "desktop"
        gives_up = rng.beta(2, 6)
        for nth, day in enumerate(np.sort(rng.choice(DAYS - 1, rng.integers(1, 5), replace=False)).tolist()):
            struck = BAD[0] <= day <= BAD[1] and bad in (device, "all")
            kinds = ["cart.filled"]
            if rng.random() < 0.75:
                kinds.append("payment.viewed")
                if rng.random() < (0.5 if struck and chats else 0.03):
                    kinds.append("support.requested")
                if rng.random() > (0.85 if struck else gives_up):
                    kinds.append("order.placed")
            text = f'{{"visit":"{customer}-{nth}","device":"{device}"}}'
            rows += [(customer, day + 0.5 + n / 1000, kind, text) for n, kind in enumerate(kinds)]
    events = pd.DataFrame(rows, columns=["customer", "days", "type", "attributes"])
    events = events.assign(event_id=[f"e{n:05}" for n in range(len(events))], amount=np.nan)
    region = np.array(["north", "west"])[rng.integers(0, 1 if one_region else 2, customers)]
    return as_sequences(events), as_profiles({"region": region})


def looked_at(folder, *, zone: str = "UTC", maps=(VISIT,), **planted) -> RatesOverTime:
    lake = settle(Lake(folder), *shop(**planted), VISIT)
    settings = Settings(
        name="Shop",
        start_date=START.date(),
        time_zone=zone,
        exploration=Exploration(min_customers=20, support_window_days=1),
    )
    cohorts = read_cohorts(lake, Engine(), maps, as_of=AS_OF, every_visit=True)
    return rates_over_time(Engine(), cohorts, settings)


def findings(found: RatesOverTime) -> dict[tuple, dict]:
    return {
        (row["step"], row["outcome"], row["segment"], row["segment_value"]): row
        for row in found.incidents.to_pylist()
        if row["is_finding"]
    }


@pytest.fixture(scope="module")
def struck(tmp_path_factory):
    return looked_at(tmp_path_factory.mktemp("struck"), seed=1, bad="ios")


@pytest.fixture(scope="module")
def everybody(tmp_path_factory):
    return looked_at(tmp_path_factory.mktemp("everybody"), seed=2, bad="all", chats=True)


def test_an_incident_of_one_device_is_told_once_and_as_that_devices(struck):
    found = findings(struck)
    assert list(found) == [("payment", "gave_up", "device", "ios")]
    (row,) = found.values()
    assert abs((row["from_day"] - FROM).days) <= 2 and abs((row["until_day"] - UNTIL).days) <= 2
    assert row["is_over"] and row["is_stable"]
    assert row["effect_low"] < 0.85 - 0.25 < row["effect_high"]
    assert row["excess"] == pytest.approx(row["visits"] * row["effect"])


def test_the_rate_of_all_customers_is_its_shadow(struck):
    rows = {
        row["segment"]: row
        for row in struck.incidents.to_pylist()
        if row["outcome"] == "gave_up" and row["step"] == "payment" and row["segment_value"] in ("customers", "ios")
    }
    assert rows["all"]["shadow_of"] == rows["device"]["finding_id"]


def test_an_incident_of_everybody_is_not_told_of_each_device(everybody):
    assert {key[1:] for key in findings(everybody)} == {
        ("gave_up", "all", "customers"),
        ("asked_support", "all", "customers"),
    }


def test_contacts_after_one_step_are_not_an_incident_of_the_step_before(everybody):
    """Whoever came to pay had filled a cart within the same window."""
    (asked,) = [row for key, row in findings(everybody).items() if key[1] == "asked_support"]
    assert asked["step"] == "payment"
    before = [
        row
        for row in everybody.incidents.to_pylist()
        if (row["step"], row["outcome"], row["segment"]) == ("cart", "asked_support", "all")
    ]
    assert before[0]["p_value"] < 1e-3 and before[0]["shadow_of"] == asked["finding_id"]


def test_each_rate_is_looked_at_once_with_the_period_where_it_stands_out(struck):
    rows = struck.incidents.to_pylist()
    keys = [tuple(row[name] for name in ("step", "outcome", "segment", "segment_value")) for row in rows]
    assert len(set(keys)) == len(keys)
    assert {key[2] for key in keys} == {"all", "device", "region"}
    for row in rows:
        assert row["n"] >= 20 and row["baseline_n"] >= 20
        assert row["from_day"] <= row["until_day"] <= row["judged_until"] <= (AS_OF - dt.timedelta(hours=1)).date()


def test_a_value_that_everybody_has_is_no_cluster(tmp_path):
    found = looked_at(tmp_path, seed=2, bad="all", one_region=True)
    assert {row["segment"] for row in found.incidents.to_pylist()} == {"all", "device"}
    assert {key[2] for key in findings(found)} == {"all"}


def test_a_day_is_one_of_the_companys_time_zone(tmp_path, struck):
    """All visits are at noon UTC, which is the next day at a place fourteen hours ahead."""
    ahead = findings(looked_at(tmp_path, seed=1, bad="ios", zone="Pacific/Kiritimati"))
    (row,), (other,) = findings(struck).values(), ahead.values()
    assert other["from_day"] - row["from_day"] == dt.timedelta(days=1)


@pytest.mark.parametrize("seed", range(3))
def test_nothing_is_found_where_nothing_happened(tmp_path, seed):
    assert findings(looked_at(tmp_path, seed=seed)) == {}


def test_without_maps_there_is_nothing_to_look_at(tmp_path):
    found = looked_at(tmp_path, seed=1, maps=())
    assert (found.incidents.num_rows, found.weekly.num_rows) == (0, 0)
    assert "old enough" in weekly_picture(found.weekly, found.incidents)
    assert "visits enough" in incidents_picture(found.incidents)


def test_weeks_of_an_incident_lie_above_the_limit_and_the_others_within(struck):
    rows = [
        row
        for row in struck.weekly.to_pylist()
        if (row["step"], row["outcome"], row["segment"]) == ("payment", "gave_up", "device")
    ]
    assert {row["segment_value"] for row in rows} == {"ios"}
    assert all(row["week"].weekday() == 0 for row in rows)
    (finding,) = findings(struck).values()
    for row in rows:
        ends = row["week"] + dt.timedelta(days=6)
        assert row["in_incident"] == (row["week"] <= finding["until_day"] and finding["from_day"] <= ends)
        if not row["in_incident"]:
            assert row["limit_low"] <= row["value"] <= row["limit_high"]
    assert any(row["value"] > row["limit_high"] for row in rows)
    assert sum(row["visits"] for row in rows) == finding["visits"] + finding["baseline_visits"]
    assert rows[0]["baseline"] == finding["baseline"]


def test_pictures_name_the_rate_and_its_period(struck):
    drawn = weekly_svg(struck.weekly, struck.incidents)
    assert "gave up at payment (device ios), by week" in drawn
    assert incidents_picture(struck.incidents).startswith("![incidents](data:image/svg+xml;base64,")


def test_both_tables_can_be_written_to_the_lake(tmp_path, struck):
    lake = Lake(tmp_path)
    for table, rows in ((tables.INCIDENTS, struck.incidents), (tables.WEEKLY_RATES, struck.weekly)):
        lake.replace(table, rows, run_id="r")
        assert lake.read(table).num_rows == rows.num_rows > 0
