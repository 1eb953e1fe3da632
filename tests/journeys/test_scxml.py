"""A map as SCXML and back: nothing is lost, and what a map cannot mean is refused."""

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from interpreter import Happening
from oracle import state_chart
from random_maps import KINDS, random_map, random_versions
from statemachine.io.scxml.processor import SCXMLProcessor

from cx_orchestration.definitions import DEMO_PROJECT
from cx_orchestration.journeys.maps import check_map
from cx_orchestration.journeys.scxml.read import from_scxml
from cx_orchestration.journeys.scxml.written import to_scxml
from cx_orchestration.model.failures import PermanentFailure
from cx_orchestration.model.journey import JourneyMap
from cx_orchestration.project import CXProject

RICH = JourneyMap.model_validate(
    {
        "journey": "order",
        "version": 3,
        "title": 'An <order> & its "way"',
        "goal": "Coffee",
        "audience": "subscribers",
        "correlation": "order_id",
        "re_entry": False,
        "stages": ["sales", "care", "advocacy"],
        "steps": {
            "cart": {"stage": "sales", "abandoned_after_days": 0.1, "milestone": True, "channel": "web"},
            "paid": {"stage": "sales", "moment_of_truth": True, "layer": "relationship", "stance": "empathise"},
            "asking": {
                "stage": "care",
                "owner": "Care",
                "actions": [{"kind": "to_do", "title": "Call", "delivered": "later", "channel": "phone"}],
            },
            "done": {"stage": "care", "completes": True},
        },
        "begins_with": {
            "cart.filled": "cart",
            "order.placed": [
                {"to": "paid", "when": [{"name": "amount", "at_least": 10}]},
                {"to": "cart", "when": [{"name": "amount", "below": 10}]},
            ],
        },
        "transitions": [
            {
                "from": ["cart"],
                "on": "order.paid",
                "to": "paid",
                "when": [{"name": "channel", "any_of": ["web", "app"]}],
            },
            {"from": ["cart", "paid"], "on": "support.requested", "to": "asking", "requires": ["channel"]},
            {"from": ["asking"], "on": "support.solved", "to": "cart", "back": True},
            {"from": ["paid", "asking"], "on": "order.received", "to": "done"},
        ],
        "support_events": ["support.requested"],
        "segments": ["device", "region"],
        "migrations": {"2": {"basket": "cart"}},
    }
)


ORDER = JourneyMap.model_validate(
    {
        "journey": "order",
        "stages": ["sales", "unused", "care"],
        "parts": {
            "money": {"starts_at": "due", "owner": "Billing", "title": "What it costs"},
            "goods": {"starts_at": "packed"},
        },
        "steps": {
            "sent": {"stage": "care", "part": "goods"},
            "due": {"stage": "sales", "part": "money", "abandoned_after_days": 1 / 3},
            "settled": {"stage": "care", "part": "money", "completes": True, "milestone": True},
            "packed": {"stage": "sales", "part": "goods", "abandoned_after_days": 3},
            "abandoned": {"stage": "sales", "part": "goods", "completes": True},
        },
        "begins_with": {"order.placed": "due"},
        "transitions": [
            {"from": ["due"], "on": "order.paid", "to": "settled"},
            {"from": ["sent", "packed"], "on": "order.dropped", "to": "abandoned"},
            {"from": ["packed"], "on": "order.sent", "to": "sent"},
            {"from": ["sent"], "on": "order.returned", "to": "packed", "back": True},
        ],
        "human_events": ["agent.replied", "agent.called"],
        "conversion_window_days": 12.5,
        "acquisition_cost": "bid",
    }
)


@pytest.mark.parametrize(
    "journey_map", [RICH, ORDER, CXProject.load(DEMO_PROJECT).maps[0]], ids=lambda one: one.journey
)
def test_a_map_comes_back_as_it_went(journey_map):
    assert as_file(from_scxml(to_scxml(journey_map))) == as_file(journey_map)


def as_file(journey_map: JourneyMap) -> str:
    """Everything that a map says, in its order: milestones and first fits follow it."""
    return journey_map.model_dump_json()


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_any_map_comes_back_as_it_went(seed):
    rng = Random(seed)
    for _, journey_map in random_versions(rng):
        assert as_file(from_scxml(to_scxml(journey_map))) == as_file(journey_map)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_an_engine_of_state_charts_stands_where_the_map_stands(seed):
    rng = Random(seed)
    journey_map = with_ways_back(random_map(rng, plain=True, with_parts=rng.random() < 0.7), rng)
    processor = SCXMLProcessor()
    processor.parse_scxml("random", to_scxml(without_waits(journey_map)))
    chart, expected = processor.start(), state_chart(journey_map)()
    for kind in rng.choices(KINDS, k=12):
        chart.send(kind)
        expected.send(kind, carried=Happening(kind, 0))
        assert standing(chart, journey_map) == standing(expected, journey_map)


def with_ways_back(journey_map: JourneyMap, rng: Random) -> JourneyMap:
    """An engine has no guards of ours, but it has histories."""
    steps, moves = journey_map.steps, journey_map.transitions
    away = [steps[move.source[0]].stage != steps[move.target].stage for move in moves]
    turned = [
        move.model_copy(update={"back": can and rng.random() < 0.5}) for move, can in zip(moves, away, strict=True)
    ]
    return journey_map.model_copy(update={"transitions": turned})


def without_waits(journey_map: JourneyMap) -> JourneyMap:
    """An engine would wait for real."""
    steps = {name: step.model_copy(update={"abandoned_after_days": None}) for name, step in journey_map.steps.items()}
    return journey_map.model_copy(update={"steps": steps})


def standing(chart, journey_map: JourneyMap) -> set[str]:
    return {state.id for state in chart.configuration} & set(journey_map.steps)


def test_a_chart_of_another_tool_is_a_map():
    read = from_scxml(
        """<?xml version="1.0"?>
        <scxml xmlns="http://www.w3.org/2005/07/scxml" version="1.0" name="loan" initial="nobody">
          <state id="nobody"><transition event="loan.asked" target="asked"/></state>
          <state id="sales">
            <state id="asked"><transition event="loan.granted" target="granted"/></state>
            <final id="granted"/>
          </state>
        </scxml>"""
    )
    assert check_map(read) == []
    assert read.begins_with == {"loan.asked": "asked"}
    assert read.stages == ["sales"]
    assert read.steps["granted"].completes


def chart(inside: str, initial: str = "a", attributes: str = "", end: str = "") -> str:
    return (
        f'<scxml xmlns="http://www.w3.org/2005/07/scxml" version="1.0" name="m" initial="{initial}">'
        f'<state id="a"><transition event="x.y" target="b"/></state><state id="b" {attributes}>{inside}</state>'
        f"{end}</scxml>"
    )


OURS = 'xmlns:cx="urn:cx-orchestration:journey-map:1"'
WAIT = (
    '<onentry><send event="Tired" delay="432000s"/></onentry><transition event="Tired" target="gone"/>'
    '<transition event="z" target="c"/>'
)
GIVEN_UP = '<final id="gone"/><final id="c"/>'


def test_a_final_state_that_only_delayed_events_lead_to_is_giving_up():
    read = from_scxml(chart(WAIT, end=GIVEN_UP))
    assert check_map(read) == []
    assert (list(read.steps), read.steps["b"].abandoned_after_days) == (["b", "c"], 5)


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ("<scxml", "no XML"),
        ("<svg/>", "expected <scxml"),
        ('<!DOCTYPE scxml [<!ENTITY a "b">]>' + chart(""), "document type"),
        (chart('<onentry><log expr="1"/></onentry>'), "<log> in <onentry> has no meaning"),
        (chart("<invoke/>"), "<invoke> in <state> 'b' has no meaning"),
        (chart('<onentry><send event="mail.sent"/></onentry>'), "mail.sent"),
        (chart('<transition event="z" cond="amount &gt; 3" target="b"/>'), "amount > 3"),
        (chart('<transition target="b"/>'), "expected the name of one event type"),
        (chart('<transition event="*" target="b"/>'), "expected the name of one event type"),
        (chart('<transition event="z" target="a"/>'), "leads back to the initial state"),
        (chart('<parallel id="p"/>'), "lies in another state"),
        (chart('<state id="c"/><transition event="z" target="b"/>'), "<transition> on 'b'"),
        (chart('<transition event="z"/>'), "target=''"),
        (chart('<history id="h"><transition target="a"/></history>'), "leads to no state beside it"),
        (chart('<history id="h"/>'), "needs a transition"),
        (
            chart('<transition xmlns:cx="urn:cx-orchestration:journey-map:1" event="z" cx:when="[{" target="b"/>'),
            "is not the JSON",
        ),
        (chart("", initial="elsewhere"), "initial='elsewhere'"),
        (chart('<transition event="Not A Type" target="b"/>'), "expected the name of one event type"),
        (chart(WAIT.replace("432000s", "soon"), end=GIVEN_UP), "delay='soon'"),
        (chart(WAIT.replace("432000s", "nans"), end=GIVEN_UP), "delay='nans'"),
        (chart(WAIT, end=GIVEN_UP.replace("final", "state")), "to a final state"),
        (chart(WAIT.replace("<transition", "<transition cond='late'"), end=GIVEN_UP), "no conditions"),
        (chart(WAIT + '<transition event="x.z" target="gone"/>', end=GIVEN_UP), "'x.z' leads to 'gone'"),
        (chart('<transition event="z" target="b"><send event="Rested.b"/></transition>'), "<send> in <transition> 'z'"),
        (chart("").replace('name="m"', 'name="No Slug"'), "on <scxml>, expected a name of lower-case letters"),
        (chart('<transition event="BigNews" target="b"/>'), "event='BigNews', expected an event type"),
        (chart("").replace('id="b"', 'id="b" colour="red"'), "colour='red' on <state> 'b'"),
        (chart("").replace('id="b"', f'id="b" {OURS} cx:milestne="true"'), "milestne='true'"),
        (chart("").replace('id="b"', f'id="b" {OURS.replace("map:1", "map:2")} cx:milestone="true"'), "map:2"),
        (chart("see the manual"), "the text 'see the manual'"),
        (chart('<state id="c"><state id="d"/></state>'), "'c' has states in it and lies in 'b'"),
        (chart('<state id="c"/>').replace('id="b"', f'id="b" {OURS} cx:owner="team:sales"'), "'b', a stage"),
        (
            chart('<initial><transition target="c"/></initial><state id="c"/>', attributes='initial="c"'),
            "and <initial>",
        ),
        (
            chart(f"""<transition {OURS} event="z" cx:when='[{{"name":"amount","above":5}}]' cond="amount above 10"
            target="b"/>"""),
            "is not what its guards say ('amount above 5",
        ),
        ("x" * 2_000_001, "more than 2,000,000 bytes"),
    ],
)
def test_what_a_map_cannot_mean_is_refused(document, message):
    with pytest.raises(PermanentFailure, match="SCXML") as caught:
        from_scxml(document)
    assert message in str(caught.value)


def test_a_text_that_xml_cannot_have_is_refused():
    with pytest.raises(PermanentFailure, match="which XML cannot have"):
        to_scxml(RICH.model_copy(update={"goal": "Coffee\x0b"}))


def test_a_wait_that_an_editor_has_changed_is_the_one_that_counts():
    document = to_scxml(ORDER)
    assert 'delay="259200s"' in document
    read = from_scxml(document.replace('delay="259200s"', 'delay="86400s"'))
    assert (read.steps["packed"].abandoned_after_days, read.steps["due"].abandoned_after_days) == (1, 1 / 3)


def parallel(regions: str, *, beside: str = "", initial: str = "nobody") -> str:
    return (
        f'<scxml xmlns="http://www.w3.org/2005/07/scxml" version="1.0" name="loan" initial="{initial}">'
        f'<state id="nobody"><transition event="loan.asked" target="both"/></state>'
        f'<parallel id="both">{regions}</parallel>{beside}</scxml>'
    )


CHECKS = """<state id="checks" initial="office">
    <state id="home"><state id="asked_at_home"/></state>
    <state id="office">
      <initial><transition target="read"/></initial>
      <state id="waiting"/>
      <state id="read"><transition event="paper.found_good" target="good"/></state>
      <final id="good"/>
    </state>
  </state>"""
TALKS = (
    '<state id="talks"><state id="calling"><transition event="call.made" target="called"/></state><final id="called"/>'
    "</state>"
)


def test_regions_of_a_chart_of_another_tool_are_parts():
    read = from_scxml(parallel(CHECKS + TALKS))
    assert {name: part.starts_at for name, part in read.parts.items()} == {"checks": "read", "talks": "calling"}
    assert read.begins_with == {"loan.asked": "read"}
    assert (read.steps["good"].part, read.steps["good"].stage, read.steps["good"].completes) == (
        "checks",
        "office",
        True,
    )
    assert (read.steps["called"].part, read.steps["called"].stage) == ("talks", "journey")


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (parallel(TALKS, beside='<final id="refused"/>'), "'refused' beside <parallel>"),
        (parallel(TALKS, initial="calling"), "is in <parallel>"),
        (parallel("<state id='empty'/>"), "'empty' has no states in it"),
        (parallel(""), "'both' has no states in it"),
        (parallel(TALKS + CHECKS, beside="<parallel id='more'/>"), "one of 2"),
        (parallel(TALKS.replace('"called"/></state><', '"both"/></state><')), "starts all parts anew"),
        (parallel('<transition event="loan.dropped" target="called"/>' + TALKS), "<transition> on 'both'"),
        (parallel('<history id="h"><transition target="talks"/></history>' + TALKS), "remembers more than the step"),
        (parallel(TALKS.replace('target="called"', 'target="called read"') + CHECKS), "one state of the document"),
        (parallel(TALKS.replace("call.made", "done.state.checks")), "raised by the chart itself"),
        (parallel(TALKS.replace('id="called"', 'id="calling"')), "an id of its own"),
        (parallel(TALKS.replace('<state id="talks">', '<state id="talks" initial="talks">')), "itself as its initial"),
    ],
)
def test_what_parts_cannot_mean_is_refused(document, message):
    with pytest.raises(PermanentFailure, match="SCXML") as caught:
        from_scxml(document)
    assert message in str(caught.value)
