"""Who is compared with whom in E4: customers who are alike as far as there are others enough."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lifecycle_company import AS_OF, START, as_profiles, happenings, settle

from cx_orchestration.exploration.change_priorities import change_priorities
from cx_orchestration.exploration.cohorts import read_cohorts
from cx_orchestration.exploration.strata import LEAST_OTHERS, strata
from cx_orchestration.model.journey import JourneyMap
from cx_orchestration.model.settings import Exploration, Settings
from cx_orchestration.storage.engine import Engine
from cx_orchestration.storage.lake import Lake


def of(*groups: tuple[str, str, int, int]) -> tuple[np.ndarray, pd.DataFrame]:
    """Customers from device, region, how many met it and how many did not."""
    met, values = [], []
    for device, region, hit, others in groups:
        met += [True] * hit + [False] * others
        values += [(device, region)] * (hit + others)
    return np.array(met), pd.DataFrame(values, columns=["device", "region"])


def named(met: np.ndarray, values: pd.DataFrame) -> list[set[tuple[str, str]]]:
    found = strata(met, values)
    return [set(values[found == one].itertuples(index=False, name=None)) for one in range(found.max() + 1)]


def test_who_shares_everything_is_compared_when_there_are_others_enough():
    assert named(*of(("ios", "west", 3, 10), ("ios", "east", 1, 10), ("web", "east", 2, 30))) == [
        {("ios", "east")},
        {("ios", "west")},
        {("web", "east")},
    ]


def test_else_the_last_segment_is_dropped_for_those_who_are_left():
    groups = of(("ios", "west", 3, 9), ("ios", "east", 1, 2), ("web", "east", 2, 30))
    assert named(*groups) == [{("web", "east")}, {("ios", "west"), ("ios", "east")}]


def test_who_has_nobody_left_joins_the_largest_stratum_that_shares_as_much():
    groups = of(("ios", "west", 3, 10), ("ios", "east", 3, 20), ("ios", "", 1, 0), ("web", "east", 2, 300))
    assert {("ios", "east"), ("ios", "")} in named(*groups)


def test_others_whom_nobody_resembles_do_not_count():
    met, values = of(("ios", "west", 3, 10), ("web", "east", 0, 100))
    assert set(strata(met, values)[13:]) == {-1}


@given(
    groups=st.lists(
        st.tuples(st.sampled_from("ab"), st.sampled_from("xyz"), st.integers(0, 6), st.integers(0, 25)), max_size=8
    )
)
def test_everybody_who_met_it_is_compared_with_others_enough(groups):
    met, values = of(("a", "x", 1, LEAST_OTHERS), *groups)
    found = strata(met, values)
    assert (found[met] >= 0).all()
    for stratum in range(found.max() + 1):
        assert (met & (found == stratum)).any()
        assert (~met & (found == stratum)).sum() >= LEAST_OTHERS


MAP = JourneyMap.model_validate(
    {
        "journey": "way",
        "stages": ["sales"],
        "steps": {"in": {"stage": "sales", "abandoned_after_days": 5}},
        "begins_with": {"came": "in"},
        "friction_events": ["failed"],
        "segments": ["size"],
    }
)


@pytest.mark.parametrize("segments", [["size"], []])
def test_a_failure_that_strikes_small_customers_is_not_blamed_for_their_being_small(tmp_path, segments):
    """Small ones bring 10, large ones 100, met or not; the failure strikes 20 of 40 small and 10 of 140 large ones."""
    sizes = ["small"] * 40 + ["large"] * 140
    struck = [*range(20), *range(40, 50)]
    events = [(n, 10, "came") for n in range(180)]
    events += [(n, 10.5, "failed") for n in struck]
    events += [(n, 20, "paid", {"amount": 10 if size == "small" else 100}) for n, size in enumerate(sizes)]
    journey = MAP.model_copy(update={"segments": segments})
    lake = settle(Lake(tmp_path), happenings(*events), as_profiles({"size": sizes}), journey)
    settings = Settings(name="C", start_date=START.date(), currency="USD", exploration=Exploration(min_customers=20))
    cohorts = read_cohorts(lake, Engine(), [journey], as_of=AS_OF)
    (row,) = change_priorities(Engine(), cohorts, settings).to_pylist()
    assert (row["n"], row["baseline_n"], row["value"]) == (30, 150, 40)
    others = (20 * 10 + 130 * 100) / 150
    assert row["revenue_kept"] == pytest.approx(0 if segments else 30 * (others - 40))
    assert row["assumption"].endswith("in the same mix of size") == bool(segments)
