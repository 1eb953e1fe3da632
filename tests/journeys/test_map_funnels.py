"""Where customers enter the funnel of a map, when some begin right at one of its milestones."""

import datetime as dt

import pytest
from sequenced import sequenced, write_sequences

from cx_orchestration.journeys.drawing.figures import figure_tables
from cx_orchestration.journeys.fold import fold_journeys
from cx_orchestration.journeys.paths.build import build_paths, reconcile
from cx_orchestration.model import tables
from cx_orchestration.model.journey import JourneyMap
from cx_orchestration.storage.engine import Engine
from cx_orchestration.storage.lake import Lake

START = dt.datetime(2026, 3, 2, tzinfo=dt.UTC)
AS_OF = START + dt.timedelta(days=60)

#: Ann comes by the card, Bob orders at once, Cay never does, and Dan orders, joins, and orders again.
EVENTS = [
    *[("ann", "card.issued", 0), ("ann", "order.placed", 2), ("ann", "order.taken", 3)],
    *[("bob", "order.placed", 1), ("bob", "order.taken", 4)],
    ("cay", "card.issued", 1),
    *[("dan", "order.placed", 0), ("dan", "card.issued", 1), ("dan", "order.placed", 5)],
]


def declared(**more: str) -> JourneyMap:
    begins = {"order.placed": "ordered"} | more
    return JourneyMap.model_validate(
        {
            "journey": "purchase",
            "stages": ["sales"],
            "steps": {
                "joined": {"stage": "sales", "abandoned_after_days": 9},
                "ordered": {"stage": "sales", "milestone": True, "abandoned_after_days": 9},
                "taken": {"stage": "sales", "milestone": True, "completes": True},
            },
            "begins_with": begins,
            "transitions": [
                {"from": ["ordered"], "on": "card.issued", "to": "joined"},
                {"from": ["joined"], "on": "order.placed", "to": "ordered"},
                {"from": ["ordered"], "on": "order.taken", "to": "taken"},
            ],
        }
    )


@pytest.mark.parametrize(
    ("begins", "expected"),
    [
        # Who orders at once is no entry of a funnel that asks who orders; Dan's second order is one after his card.
        ({"card.issued": "joined"}, {"begin": 3, "ordered": 2, "taken": 1}),
        # Everybody begins with the order, so nobody is asked for it.
        ({}, {"begin": 3, "taken": 2}),
        # What another journey did is no event here: who is seen to begin orders.
        ({"journey.lead.completed": "joined"}, {"begin": 3, "taken": 2}),
        # Everybody begins at some milestone: at the order, or when it is taken.
        ({"card.issued": "ordered"}, {"begin": 4, "taken": 2}),
    ],
)
def test_a_beginning_right_at_a_milestone_is_no_entry_unless_all_are(tmp_path, begins, expected):
    lake = Lake(tmp_path)
    rows = [
        {"customer_id": customer, "event_id": f"{n:03}", "type": kind, "occurred_at": START + dt.timedelta(days=day)}
        for n, (customer, kind, day) in enumerate(EVENTS)
    ]
    write_sequences(lake, sequenced(rows))
    maps = [declared(**begins)]
    fold_journeys(lake, Engine(), maps, as_of=AS_OF, currency="USD", support_contact_cost=1, run_id="r")
    lake.replace(tables.STEP_FIGURES, figure_tables(lake, Engine(), maps, as_of=AS_OF)[tables.STEP_FIGURES], run_id="r")
    funnels = build_paths(lake, Engine(), maps, {}, as_of=AS_OF, run_id="r")[tables.FUNNELS].to_pylist()
    for semantics in ("first_touch", "any_start"):
        assert {row["step"]: row["customers"] for row in funnels if row["semantics"] == semantics} == expected
    assert [total for total in reconcile(lake, Engine(), as_of=AS_OF) if not total.agrees] == []
