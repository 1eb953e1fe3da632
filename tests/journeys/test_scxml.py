"""A map as SCXML and back: nothing is lost, and what a map cannot mean is refused."""

import pytest

from cx_orchestration.definitions import DEMO_PROJECT
from cx_orchestration.journeys.maps import check_map
from cx_orchestration.journeys.scxml import from_scxml, to_scxml
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


@pytest.mark.parametrize("journey_map", [RICH, CXProject.load(DEMO_PROJECT).maps[0]], ids=lambda one: one.journey)
def test_a_map_comes_back_as_it_went(journey_map):
    read = from_scxml(to_scxml(journey_map))
    assert one_by_one(read) == one_by_one(journey_map)
    assert read.model_copy(update={"transitions": []}) == journey_map.model_copy(update={"transitions": []})


def one_by_one(journey_map: JourneyMap) -> set[str]:
    """Transitions without their order, which means nothing, one for each step they start from."""
    return {
        move.model_copy(update={"source": [source]}).model_dump_json()
        for move in journey_map.transitions
        for source in move.source
    }


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


def chart(inside: str, initial: str = "a") -> str:
    return (
        f'<scxml xmlns="http://www.w3.org/2005/07/scxml" version="1.0" name="m" initial="{initial}">'
        f'<state id="a"><transition event="x.y" target="b"/></state><state id="b">{inside}</state></scxml>'
    )


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ("<scxml", "no XML"),
        ("<svg/>", "expected <scxml"),
        ('<!DOCTYPE scxml [<!ENTITY a "b">]>' + chart(""), "document type"),
        (chart('<onentry><log expr="1"/></onentry>'), "<log> has no meaning"),
        (chart("<invoke/>"), "<invoke> has no meaning"),
        (chart('<onentry><send event="mail.sent"/></onentry>'), "mail.sent"),
        (chart('<transition event="z" cond="amount &gt; 3" target="b"/>'), "amount > 3"),
        (chart('<transition target="b"/>'), "expected the name of one event type"),
        (chart('<transition event="*" target="b"/>'), "expected the name of one event type"),
        (chart('<transition event="z" target="a"/>'), "leads back to the initial state"),
        (chart('<parallel id="p"/>'), "<parallel> has no meaning"),
        (
            chart('<transition xmlns:cx="urn:cx-orchestration:journey-map:1" event="z" cx:when="[{" target="b"/>'),
            "is not the JSON",
        ),
        (chart("", initial="elsewhere"), "initial='elsewhere'"),
        (chart('<transition event="Not A Type" target="b"/>'), "expected the name of one event type"),
        (chart('<onentry><send event="abandoned.b" delay="soon"/></onentry>'), "delay='soon'"),
        (chart("").replace('name="m"', 'name="No Slug"'), "journey"),
        ("x" * 2_000_001, "more than 2,000,000 bytes"),
    ],
)
def test_what_a_map_cannot_mean_is_refused(document, message):
    with pytest.raises(PermanentFailure, match="SCXML") as caught:
        from_scxml(document)
    assert message in str(caught.value)


def test_a_map_with_parts_is_not_written_as_if_they_came_one_after_the_other():
    journey_map = JourneyMap.model_validate(
        {
            "journey": "order",
            "stages": ["sales"],
            "parts": {"money": {"starts_at": "due"}, "goods": {"starts_at": "packed"}},
            "steps": {
                "due": {"stage": "sales", "part": "money", "abandoned_after_days": 3},
                "packed": {"stage": "sales", "part": "goods", "abandoned_after_days": 3},
            },
            "begins_with": {"order.placed": "due"},
        }
    )
    with pytest.raises(PermanentFailure, match="its parts go on at once"):
        to_scxml(journey_map)
