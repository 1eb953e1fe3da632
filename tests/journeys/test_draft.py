"""A map drafted from events: sound, without noise, and each guess with what it rests on."""

import datetime as dt

import pyarrow as pa
import pytest

from cx_orchestration.journeys.draft import Draft, draft_map, to_yaml
from cx_orchestration.journeys.maps import check_map
from cx_orchestration.model import tables
from cx_orchestration.model.failures import PermanentFailure
from cx_orchestration.model.journey import JourneyMap
from cx_orchestration.project.yaml_files import parse_yaml
from cx_orchestration.storage.engine import Engine
from cx_orchestration.storage.lake import Lake

START = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)
WAY = ["ad.clicked", "cart.filled", "order.paid"]


def happened(lake: Lake, *ways: list[str], hours: float = 1) -> Lake:
    """One customer a way."""
    rows = [
        dict.fromkeys(tables.SEQUENCES.schema.names)
        | {"customer_id": f"c{customer:04d}", "event_id": f"{customer:04d}-{n:02d}", "type": kind}
        | {"occurred_at": START + dt.timedelta(hours=hours * n)}
        for customer, way in enumerate(ways)
        for n, kind in enumerate(way)
    ]
    where = dict.fromkeys(tables.SEQUENCES.partition_by, (0, 9999))
    rows = [row | dict.fromkeys(where, 0) for row in rows]
    lake.replace(tables.SEQUENCES, pa.Table.from_pylist(rows, schema=tables.SEQUENCES.schema), where=where, run_id="r")
    return lake


def drafted(lake: Lake, **functions: list[str]):
    by_type = {name.replace("_", "."): texts for name, texts in functions.items()}
    return draft_map(lake, Engine(), journey="shop", functions=by_type)


def to_map(draft: Draft) -> JourneyMap:
    return JourneyMap.model_validate(parse_yaml(to_yaml(draft)).values)


def test_the_draft_is_a_sound_map_of_the_ways_taken(tmp_path):
    draft = drafted(happened(Lake(tmp_path), *[WAY] * 60, *[WAY[:2]] * 40))
    journey_map = to_map(draft)
    assert check_map(journey_map) == []
    assert {(move.source, move.target) for move in draft.moves} == {
        ("ad_clicked", "cart_filled"),
        ("cart_filled", "order_paid"),
    }
    assert list(journey_map.begins_with) == ["ad.clicked"]
    assert [(step.customers, step.sure) for step in draft.steps] == [(100, 1.0), (100, 1.0), (60, 1.0)]


def test_a_way_that_few_take_is_noise_and_a_type_that_few_have_is_left_out(tmp_path):
    back = [WAY[0], WAY[2], WAY[1]]
    draft = drafted(happened(Lake(tmp_path), *[WAY] * 300, *[back] * 3, ["rare.thing", *WAY]))
    assert ("ad_clicked", "order_paid") not in {(move.source, move.target) for move in draft.moves}
    assert draft.left_out == ("rare.thing",)
    assert "# Fewer than one customer in a hundred has these: rare.thing" in to_yaml(draft)


def test_what_happens_on_the_way_is_no_step(tmp_path):
    way = ["ad.clicked", "support.requested", "support.resolved", "payment.failed", "order.paid"]
    draft = drafted(happened(Lake(tmp_path), *[way] * 9))
    assert draft.support_events == ("support.requested",)
    assert "# These end a contact that has been counted: support.resolved" in to_yaml(draft)
    assert draft.friction_events == ("payment.failed",)
    assert [(move.source, move.target) for move in draft.moves] == [("ad_clicked", "order_paid")]


def test_a_person_who_answers_is_no_step_and_a_survey_that_is_answered_is_one(tmp_path):
    way = ["support.requested", "agent.replied", "ticket.answered", "survey.answered"]
    journey_map = to_map(drafted(happened(Lake(tmp_path), *[way] * 9)))
    assert journey_map.human_events == ["agent.replied", "ticket.answered"]
    assert journey_map.support_events == ["support.requested"]
    assert list(journey_map.steps) == ["survey_answered"]


@pytest.mark.parametrize("kind", ["order.paid", "support.requested", "agent.replied"])
def test_a_company_with_a_single_type_of_event_has_a_sound_map_of_one_step(tmp_path, kind):
    draft = drafted(happened(Lake(tmp_path), *[[kind]] * 9))
    assert "transitions: []" in to_yaml(draft)
    assert check_map(to_map(draft)) == []
    assert list(to_map(draft).begins_with) == [kind]


def test_stages_come_from_business_functions_where_these_agree_and_else_from_the_type(tmp_path):
    lake = happened(Lake(tmp_path), *[WAY] * 20)
    draft = drafted(lake, order_paid=["Billing"], cart_filled=["Marketing", "Billing"])
    stages = {step.type: (step.stage, step.stage_from.split()[1]) for step in draft.steps}
    assert stages == {
        "ad.clicked": ("educate", "type"),
        "cart.filled": ("sales", "type"),
        "order.paid": ("sales", "business"),
    }


def test_the_function_of_a_single_service_puts_not_everything_into_one_lane(tmp_path):
    way = ["something.odd", *WAY, "goods.delivered", "thing.last"]
    draft = drafted(
        happened(Lake(tmp_path), *[way] * 20), **{kind.replace(".", "_"): ["Product analytics"] for kind in way}
    )
    stages = {step.type: (step.stage, step.stage_from.split()[1]) for step in draft.steps}
    assert stages == {
        "something.odd": ("educate", "place"),
        "ad.clicked": ("educate", "type"),
        "cart.filled": ("sales", "type"),
        "order.paid": ("sales", "type"),
        "goods.delivered": ("post_sales", "type"),
        "thing.last": ("advocacy", "place"),
    }
    assert to_map(draft).stages == ["educate", "sales", "post_sales", "advocacy"]


def test_steps_that_lie_on_no_way_begin_the_journey_so_that_every_step_is_reached(tmp_path):
    island = ["card.lost", "card.replaced", "card.lost"]
    draft = drafted(happened(Lake(tmp_path), *[WAY] * 97, *[island] * 3))
    assert check_map(to_map(draft)) == []


def test_without_events_there_is_nothing_to_draft_from(tmp_path):
    with pytest.raises(PermanentFailure, match="nothing to draft from"):
        drafted(Lake(tmp_path))
