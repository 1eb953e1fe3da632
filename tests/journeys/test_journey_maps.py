"""Journey maps: what is refused, what the transition table says, and how the map is drawn."""

import pytest

from cx_orchestration.journeys.charts import compile_map
from cx_orchestration.journeys.kernel import NOWHERE
from cx_orchestration.journeys.maps import check_map
from cx_orchestration.journeys.pictures import to_mermaid
from cx_orchestration.model.failures import InvalidProject
from cx_orchestration.model.journey import JourneyMap

DAY = 86_400_000_000


def chart(**changes) -> JourneyMap:
    declared = {
        "journey": "purchase",
        "stages": ["sales", "post_sales"],
        "steps": {
            "cart": {"stage": "sales", "abandoned_after_days": 2},
            "paid": {"stage": "sales", "milestone": True, "title": 'Paid "in full"'},
            "happy": {"stage": "post_sales", "completes": True},
        },
        "begins_with": {"cart.opened": "cart"},
        "transitions": [
            {"from": ["cart"], "on": "order.paid", "to": "paid"},
            {"from": ["cart", "paid"], "on": "survey.praised", "to": "happy"},
        ],
    }
    return JourneyMap.model_validate(declared | changes)


def step(stage="sales", **more):
    return {"stage": stage, **more}


STEPS = {"cart": step(abandoned_after_days=2), "paid": step(), "happy": step(completes=True)}
MOVES = [{"from": ["cart"], "on": "order.paid", "to": "paid"}, {"from": ["paid"], "on": "praised", "to": "happy"}]


def paths(journey_map: JourneyMap) -> list[str]:
    return [error.path for error in check_map(journey_map)]


def test_a_sound_map_has_no_errors():
    assert check_map(chart()) == []


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"steps": STEPS | {"paid": step("moon")}}, "steps.paid.stage"),
        ({"begins_with": {"cart.opened": "cart", "x": "nowhere"}}, "begins_with.x"),
        ({"transitions": [*MOVES, {"from": ["cart"], "on": "x", "to": "nowhere"}]}, "transitions[2].to"),
        ({"transitions": [*MOVES, {"from": ["cart", "nowhere"], "on": "x", "to": "paid"}]}, "transitions[2].from[1]"),
        ({"transitions": [*MOVES, {"from": ["cart"], "on": "order.paid", "to": "happy"}]}, "transitions[2]"),
        ({"transitions": [*MOVES, {"from": ["cart", "cart"], "on": "x", "to": "paid"}]}, "transitions[2].from"),
        ({"steps": STEPS | {"lost": step(abandoned_after_days=1)}}, "steps.lost"),
        ({"steps": STEPS | {"happy": step()}}, "steps.happy"),
        (
            {
                "steps": STEPS | {"happy": step()},
                "transitions": [*MOVES, {"from": ["happy"], "on": "x", "to": "happy"}],
            },
            "steps.happy",
        ),
        ({"transitions": [*MOVES, {"from": ["happy"], "on": "x", "to": "cart"}]}, "steps.happy.completes"),
        (
            {"steps": STEPS | {"happy": step(completes=True, abandoned_after_days=3)}},
            "steps.happy.abandoned_after_days",
        ),
        ({"segments": ["plan", "region", "plan"]}, "segments"),
    ],
)
def test_what_makes_a_map_ambiguous_or_endless_is_named(changes, path):
    assert paths(chart(**{"steps": STEPS, "transitions": MOVES} | changes)) == [path]


def test_a_step_behind_a_completing_step_only_is_unreachable():
    steps = STEPS | {"later": step(completes=True)}
    moves = [*MOVES, {"from": ["happy"], "on": "x", "to": "later"}]
    assert paths(chart(steps=steps, transitions=moves)) == ["steps.later", "steps.happy.completes"]


def test_all_errors_come_at_once_with_file_and_expectation():
    with pytest.raises(InvalidProject) as raised:
        compile_map(chart(begins_with={"a": "nowhere", "b": "moon"}))
    text = str(raised.value)
    assert "journeys/purchase.yaml: begins_with.a: expected one of the steps cart, paid, happy (found nowhere)" in text
    assert "begins_with.b" in text


def test_the_table_says_where_each_event_type_leads():
    compiled = compile_map(chart())
    table = compiled.table
    assert compiled.steps == ((0, "cart"), (0, "paid"), (0, "happy"))
    assert compiled.event_types == ("cart.opened", "order.paid", "survey.praised")
    assert table.next_step.tolist() == [[NOWHERE, 1, 2], [NOWHERE, NOWHERE, 2], [NOWHERE, NOWHERE, NOWHERE]]
    assert table.first_step.tolist() == [[0, NOWHERE, NOWHERE]]
    assert table.wait.tolist() == [2 * DAY, -1, -1]
    assert table.completes.tolist() == [False, False, True]


def test_the_drawing_has_stages_transitions_and_ends():
    assert to_mermaid(chart()).splitlines() == [
        "stateDiagram-v2",
        "  state stage_sales {",
        '    state "cart" as cart',
        "    state \"Paid 'in full' (milestone)\" as paid",
        "  }",
        "  state stage_post_sales {",
        '    state "happy" as happy',
        "  }",
        "  [*] --> cart : cart.opened",
        "  cart --> paid : order.paid",
        "  cart --> happy : survey.praised",
        "  paid --> happy : survey.praised",
        "  cart --> [*] : abandoned after 2 days",
        "  happy --> [*] : completed",
    ]
