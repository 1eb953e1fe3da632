"""Journey maps: what is refused, what the transition table says, and how the map is drawn."""

import pytest

from cx_orchestration.journeys.charts import compile_map
from cx_orchestration.journeys.kernel import NOWHERE
from cx_orchestration.journeys.maps import check_map, check_versions
from cx_orchestration.journeys.micro_events import by_nesting, from_services, nesting_errors
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


GUARDED = {"from": ["cart"], "on": "order.paid", "to": "paid", "when": [{"name": "amount", "at_least": 100}]}


def test_transitions_that_some_event_fits_both_of_are_ambiguous_and_both_are_named():
    other = GUARDED | {"to": "happy", "when": [{"name": "amount", "at_most": 100}]}
    (error,) = check_map(chart(steps=STEPS, transitions=[GUARDED, other, MOVES[1]]))
    assert error.path == "transitions[1]"
    assert "transitions[0], which leads to paid (amount at least 100)" in error.expected
    assert "ambiguous: some events fit both this (amount at most 100)" in error.expected


def test_guards_that_exclude_each_other_and_one_transition_for_the_rest_are_sound():
    other = GUARDED | {"to": "happy", "when": [{"name": "amount", "below": 50}]}
    rest = {"from": ["cart"], "on": "order.paid", "to": "cart"}
    assert check_map(chart(steps=STEPS, transitions=[GUARDED, rest, other, MOVES[1]])) == []
    assert paths(chart(steps=STEPS, transitions=[GUARDED, rest, other, MOVES[1], rest])) == ["transitions[4]"]


def test_beginnings_are_told_apart_like_transitions():
    web = {"to": "cart", "when": [{"name": "channel", "equals": "web"}]}
    assert paths(chart(begins_with={"cart.opened": [web, {"to": "paid"}]})) == []
    assert paths(chart(begins_with={"cart.opened": [web, {"to": "paid"}, web]})) == ["begins_with.cart.opened[2]"]


def test_a_guard_that_no_event_can_fit_is_named():
    never = GUARDED | {"when": [{"name": "amount", "above": 5}, {"name": "amount", "below": 5}]}
    assert paths(chart(steps=STEPS, transitions=[never, *MOVES])) == ["transitions[0].when"]


def test_more_different_guards_on_one_event_type_than_the_table_has_room_for_are_refused():
    moves = [GUARDED | {"to": "happy", "when": [{"name": "plan", "equals": f"p{n}"}]} for n in range(11)]
    assert paths(chart(steps=STEPS, transitions=[*moves, *MOVES])) == ["transitions"]


SIDES = {
    "parts": {"one": {"starts_at": "cart"}, "two": {"starts_at": "billing"}},
    "steps": {
        "cart": step(part="one", abandoned_after_days=1),
        "paid": step(part="one", completes=True),
        "billing": step(part="two"),
        "settled": step(part="two", completes=True),
    },
    "transitions": [
        {"from": ["cart"], "on": "order.paid", "to": "paid"},
        {"from": ["billing"], "on": "settled", "to": "settled"},
    ],
}


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({}, None),
        ({"steps": SIDES["steps"] | {"cart": step(abandoned_after_days=1)}}, "steps.cart"),
        ({"steps": SIDES["steps"] | {"cart": step(part="three", abandoned_after_days=1)}}, "steps.cart.part"),
        ({"parts": SIDES["parts"] | {"two": {"starts_at": "settled"}}}, "parts.two.starts_at"),
        ({"parts": SIDES["parts"] | {"two": {"starts_at": "nowhere"}}}, "parts.two.starts_at"),
        ({"transitions": [*SIDES["transitions"], {"from": ["cart"], "on": "x", "to": "settled"}]}, "transitions[2]"),
    ],
)
def test_steps_belong_to_parts_or_there_are_none(changes, path):
    assert path in [*paths(chart(**SIDES | changes)), None] and bool(paths(chart(**SIDES | changes))) == bool(path)


BACK = {"from": ["paid"], "on": "x", "to": "cart", "back": True}


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"transitions": [*MOVES, {"from": ["paid"], "on": "x", "to": "cart", "back": True}]}, "transitions[2].back"),
        ({"version": 2, "migrations": {2: {"cart": "cart"}}}, "migrations.2"),
        ({"version": 2, "migrations": {1: {"cart": "moon"}}}, "migrations.1.cart"),
        ({"version": 2, "migrations": {1: {"cart": "happy"}}}, "migrations.1.cart"),
    ],
)
def test_ways_back_and_migrations_lead_somewhere(changes, path):
    (found,) = paths(chart(**{"steps": STEPS, "transitions": MOVES} | changes))
    assert found.endswith(path)


def test_a_later_version_follows_from_the_earlier_ones():
    first = chart(correlation=None)
    moved = chart(version=2, migrations={1: {"basket": "cart"}})
    assert [error.path for error in check_versions([first, moved])] == ["migrations.1.basket"]
    assert [error.path for error in check_versions([first, chart(version=2, correlation="order_id")])] == [
        "correlation"
    ]


def nested(name: str, *on: str) -> JourneyMap:
    return chart(
        journey=name,
        steps={"cart": step(abandoned_after_days=1)},
        begins_with=dict.fromkeys(on, "cart"),
        transitions=[],
    )


def test_maps_come_after_those_nested_in_them_whatever_their_order():
    maps = [nested("a", "journey.b.begun"), nested("b", "journey.c.completed"), nested("c", "x"), nested("d", "y")]
    assert [one.journey for one in by_nesting(maps)] == ["c", "b", "a", "d"]
    assert from_services(["journey.a.begun", "z"], {one.journey: one for one in maps}) == {"x", "z"}


def test_maps_that_wait_for_each_other_are_refused_with_the_whole_circle():
    maps = {one.journey: one for one in (nested("a", "journey.b.begun"), nested("b", "journey.a.begun"))}
    (error,) = nesting_errors(maps["a"], maps, "journeys/a.yaml")
    assert "a waits for b waits for a" in error.expected
    (error,) = nesting_errors(nested("a", "journey.a.begun"), {"a": nested("a", "journey.a.begun")}, "")
    assert "a waits for a" in error.expected


@pytest.mark.parametrize("kind", ["journey.moon.begun", "journey.b.paused", "journey.begun"])
def test_what_no_journey_does_is_named(kind):
    maps = {"b": nested("b", "x")}
    (error,) = nesting_errors(nested("a", kind), maps, "")
    assert error.path == f"begins_with.{kind}"
    assert "begun, completed or abandoned" in error.expected
    assert ("there is no journey 'moon' in journeys/; those that there are: b" in error.expected) == ("moon" in kind)


def test_a_step_behind_a_completing_step_only_is_unreachable():
    steps = STEPS | {"later": step(completes=True)}
    moves = [*MOVES, {"from": ["happy"], "on": "x", "to": "later"}]
    assert paths(chart(steps=steps, transitions=moves)) == ["steps.later", "steps.happy.completes"]


def test_steps_that_lead_only_to_each_other_have_no_way_out():
    steps = STEPS | {"happy": step(), "sad": step()}
    round_and_round = [{"from": ["happy"], "on": "x", "to": "sad"}, {"from": ["sad"], "on": "x", "to": "happy"}]
    assert paths(chart(steps=steps, transitions=[*MOVES, *round_and_round])) == ["steps.happy", "steps.sad"]
    given_up = steps | {"sad": step(abandoned_after_days=1)}
    assert paths(chart(steps=given_up, transitions=[*MOVES, *round_and_round])) == []


def test_all_errors_come_at_once_with_file_and_expectation():
    with pytest.raises(InvalidProject) as raised:
        compile_map(chart(begins_with={"a": "nowhere", "b": "moon"}))
    text = str(raised.value)
    expected = "expected one of the steps cart, paid, happy; or declare it under 'steps' (found nowhere)"
    assert f"journeys/purchase.yaml: begins_with.a: {expected}" in text
    assert "begins_with.b" in text


def test_a_step_that_is_not_declared_is_told_and_not_what_follows_from_it():
    moves = [{"from": ["cart"], "on": "order.paid", "to": "payed"}, MOVES[-1]]
    (error,) = check_map(chart(steps=STEPS | {"cart": step()}, transitions=moves))
    assert (error.path, error.value) == ("transitions[0].to", "payed")
    assert "did you mean 'paid'?" in error.expected


@pytest.mark.parametrize("measure", ["amount", "score", "channel", "currency", "score_kind"])
def test_what_every_event_has_tells_no_instances_apart(measure):
    assert paths(chart(correlation=measure)) == ["correlation"]


def test_the_name_of_the_first_step_of_funnels_is_no_steps_name():
    moves = [*MOVES, {"from": ["cart"], "on": "x", "to": "begin"}]
    assert paths(chart(steps=STEPS | {"begin": step(completes=True)}, transitions=moves)) == ["steps.begin"]


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
