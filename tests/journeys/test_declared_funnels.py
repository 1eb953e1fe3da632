"""Funnels that a company declares: guards and audiences mean what a slow reading of each customer's events says."""

import datetime as dt
import json
import random

import pytest
from sequenced import sequenced, write_sequences

from cx_orchestration.journeys.guards import fits
from cx_orchestration.journeys.paths.build import build_paths
from cx_orchestration.model import tables
from cx_orchestration.model.funnel import DeclaredFunnel, EventChoice
from cx_orchestration.storage.engine import Engine
from cx_orchestration.storage.lake import Lake

START = dt.datetime(2026, 3, 2, tzinfo=dt.UTC)
AS_OF = START + dt.timedelta(days=40)

GUARDED = DeclaredFunnel.model_validate(
    {
        "semantics": "any_start",
        "window_days": 8,
        "audience": {"on": ["joined", "paid"], "when": [{"name": "plan", "none_of": ["free"]}]},
        "steps": [
            {"step": "looked", "on": ["viewed", "opened"], "when": [{"name": "channel", "equals": "web"}]},
            {"step": "opened", "on": ["opened"]},
            {
                "step": "paid",
                "on": ["paid"],
                "when": [{"name": "amount", "at_least": 10}, {"name": "plan", "equals": "pro"}],
            },
        ],
    }
)


def company(customers=400):
    rng = random.Random(11)
    for customer in range(customers):
        for _ in range(rng.randint(1, 14)):
            row = {"customer_id": f"c{customer}", "type": rng.choice(["viewed", "opened", "paid", "joined", "called"])}
            row |= {"occurred_at": START + dt.timedelta(minutes=rng.randrange(20 * 1440))}
            row |= {"channel": rng.choice(["web", "store", None]), "amount": rng.choice([None, 5, 10, 99])}
            yield row | {"attributes": json.dumps(rng.choice([{}, {"plan": "pro"}, {"plan": "free"}]))}


def takes(choice: EventChoice, row) -> bool:
    values = json.loads(row["attributes"]) | {"channel": row["channel"]}
    values |= {"amount": None if row["amount"] is None else str(row["amount"])}
    return row["type"] in choice.on and all(fits(guard, values.get(guard.name)) for guard in choice.when)


def reached(funnel: DeclaredFunnel, rows) -> int:
    """The furthest step of one customer, by trying every entry, or the first one alone."""
    window = dt.timedelta(days=funnel.window_days)
    if funnel.audience is not None:
        from_here = [place for place, row in enumerate(rows) if takes(funnel.audience, row)]
        rows = rows[from_here[0] :] if from_here else []
    entries = [place for place, row in enumerate(rows) if takes(funnel.steps[0], row)]
    depths = [0]
    for entry in entries[:1] if funnel.semantics == "first_touch" else entries:
        depth = 1
        for row in rows[entry + 1 :]:
            in_time = row["occurred_at"] - rows[entry]["occurred_at"] <= window
            depth += depth < len(funnel.steps) and in_time and takes(funnel.steps[depth], row)
        depths.append(depth)
    return max(depths)


@pytest.mark.parametrize("semantics", ["first_touch", "any_start"])
@pytest.mark.parametrize("audience", [None, GUARDED.audience])
def test_a_guarded_funnel_counts_what_a_slow_reading_counts(tmp_path, semantics, audience):
    funnel = GUARDED.model_copy(update={"semantics": semantics, "audience": audience})
    rows = [row | {"event_id": f"e{place:05}", "bucket": 0} for place, row in enumerate(company())]
    lake = Lake(tmp_path)
    write_sequences(lake, sequenced(rows))
    built = build_paths(lake, Engine(), [], {"guarded": funnel}, as_of=AS_OF, run_id="r")
    by_customer = {}
    for row in sorted(rows, key=lambda row: (row["occurred_at"], row["event_id"])):
        by_customer.setdefault(row["customer_id"], []).append(row)
    depths = [reached(funnel, events) for events in by_customer.values()]
    expected = {step.step: sum(depth > place for depth in depths) for place, step in enumerate(funnel.steps)}
    assert {row["step"]: row["customers"] for row in built[tables.FUNNELS].to_pylist()} == expected
    assert min(expected.values()) > 0
    went = built[tables.FUNNEL_EXITS].to_pylist()
    assert {row["next_type"] for row in went} <= {"viewed", "opened", "paid", "joined", "called", None}
    assert sum(row["customers"] for row in went) == sum(0 < depth < 3 for depth in depths)


def test_a_funnel_of_types_that_no_event_has_counts_nobody(tmp_path):
    lake = Lake(tmp_path)
    write_sequences(lake, sequenced([{**next(company()), "event_id": "e", "bucket": 0}]))
    nobody = GUARDED.model_copy(update={"audience": EventChoice(on=["never.seen"])})
    built = build_paths(lake, Engine(), [], {"nobody": nobody}, as_of=AS_OF, run_id="r")
    assert [row["customers"] for row in built[tables.FUNNELS].to_pylist()] == [0, 0, 0]
