"""Who abandons in E1 is who abandons in the fold: the two must not tell two stories of one customer."""

import datetime as dt

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sequenced import sequenced, write_sequences

from cx_orchestration.exploration.abandonment_hotspots import giving_up
from cx_orchestration.exploration.cohorts import read_cohorts
from cx_orchestration.journeys.fold import fold_journeys
from cx_orchestration.model import tables
from cx_orchestration.model.journey import JourneyMap
from cx_orchestration.storage.engine import Engine
from cx_orchestration.storage.lake import Lake

START = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)
AS_OF = START + dt.timedelta(days=12)

#: Nobody comes back to a step once they have left it, so a customer's stay at a step is the first one.
PURCHASE = JourneyMap.model_validate(
    {
        "journey": "purchase",
        "stages": ["sales"],
        "steps": {
            "cart": {"stage": "sales", "abandoned_after_days": 2},
            "paid": {"stage": "sales", "abandoned_after_days": 3},
            "happy": {"stage": "sales", "completes": True},
        },
        "begins_with": {"cart.opened": "cart"},
        "transitions": [
            {"from": ["cart"], "on": "cart.changed", "to": "cart"},
            {"from": ["cart"], "on": "order.paid", "to": "paid"},
            {"from": ["paid"], "on": "bill.paid", "to": "paid"},
            {"from": ["paid"], "on": "praised", "to": "happy"},
        ],
        "re_entry": False,
    }
)
TYPES = ["cart.opened", "cart.changed", "order.paid", "bill.paid", "praised", "browsed"]


def folded(root, log: list[tuple[str, str, float]]) -> Lake:
    """A lake in which the events of the log (customer, type, day) are folded."""
    lake = Lake(root)
    rows = [
        {
            "customer_id": customer,
            "event_id": f"e{place:03}",
            "type": kind,
            "occurred_at": START + dt.timedelta(days=day),
        }
        for place, (customer, kind, day) in enumerate(log)
    ]
    write_sequences(lake, sequenced(rows))
    fold_journeys(lake, Engine(), [PURCHASE], as_of=AS_OF, currency="USD", support_contact_cost=0, run_id="r")
    return lake


def outcomes(lake: Lake) -> dict[tuple[str, str], int]:
    engine = Engine()
    cohorts = read_cohorts(lake, engine, [PURCHASE], as_of=AS_OF)
    rows = giving_up(engine, cohorts, "USD")
    return {(row["customer_id"], row["step"]): row["hit"] for row in rows.to_pylist()}


@pytest.mark.parametrize(
    ("days_of_changes", "paid_on", "hit"),
    [
        ([1.5], 3, 0),
        ([1.5, 3.4], 5.4, 0),
        ([], 2, 0),
        ([], 2.1, 1),
        ([1.5], 3.6, 1),
        ([2.1], 3, 1),
        ([9], None, 1),
        ([1.5, 3], 7, 0),
    ],
)
def test_doing_a_step_again_starts_its_rest_anew(tmp_path, days_of_changes, paid_on, hit):
    log = [("c1", "cart.opened", 0), *[("c1", "cart.changed", day) for day in days_of_changes]]
    lake = folded(tmp_path, [*log, *([("c1", "order.paid", paid_on)] if paid_on else [])])
    assert outcomes(lake)["c1", "cart"] == hit


def test_who_still_does_the_step_again_has_not_abandoned_it(tmp_path):
    changes = [("c1", "cart.changed", day) for day in range(2, 16, 2)]
    lake = folded(tmp_path, [("c1", "cart.opened", 0), *changes])
    assert outcomes(lake) == {("c1", "cart"): 0}


#: Many customers a log: each of them is a case, and a log costs half a second.
CUSTOMERS = [f"c{number}" for number in range(1, 13)]
EVENTS = st.tuples(st.sampled_from(CUSTOMERS), st.sampled_from(TYPES), st.integers(0, 13))
LOGS = st.lists(EVENTS, min_size=40, max_size=100)


@settings(max_examples=10, deadline=None)
@given(log=LOGS)
@example(log=[("c1", "cart.opened", 0), ("c1", "cart.changed", 2), ("c1", "order.paid", 4), ("c1", "praised", 5)])
def test_customers_who_abandon_in_e1_are_those_abandoned_within_the_time_they_are_followed(tmp_path_factory, log):
    lake = folded(tmp_path_factory.mktemp("lake"), log)
    found = outcomes(lake)
    moves = [row for row in lake.read(tables.STEPS).to_pylist() if not row["deviation"]]
    moves.sort(key=lambda row: (row["occurred_at"], row["event_id"]))
    came = {(row["customer_id"], row["to_state"]): row["occurred_at"] for row in reversed(moves)}
    abandoned = set()
    for row in lake.read(tables.INSTANCES).to_pylist():
        key = (row["customer_id"], row["state"])
        wait = dt.timedelta(days=PURCHASE.steps[row["state"]].abandoned_after_days or 0)
        if row["status"] == "abandoned" and row["last_step_at"] <= came[key] + wait and came[key] + 2 * wait < AS_OF:
            abandoned.add(key)
    assert {key for key, hit in found.items() if hit} == abandoned
    first: dict[tuple[str, str], dt.datetime] = {}
    for row in lake.read(tables.STEPS).to_pylist():
        key = (row["customer_id"], row["to_state"])
        first[key] = min(first.get(key, row["occurred_at"]), row["occurred_at"])
    old_enough = {
        (customer, step)
        for (customer, step), at in first.items()
        if (wait := PURCHASE.steps[step].abandoned_after_days) is not None and AS_OF - at > dt.timedelta(days=2 * wait)
    }
    assert set(found) == old_enough
