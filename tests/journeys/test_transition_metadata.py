"""Metadata that transitions require: counted by service, and never in a customer's way."""

import datetime as dt
import json
from decimal import Decimal

import pyarrow as pa
import pytest
from pydantic import ValidationError
from sequenced import sequenced, write_sequences

from cx_orchestration.journeys.completeness import event_metadata, transition_metadata
from cx_orchestration.journeys.fold import fold_journeys
from cx_orchestration.model import tables
from cx_orchestration.model.days import DayRange
from cx_orchestration.model.journey import JourneyMap, Transition
from cx_orchestration.storage.engine import Engine
from cx_orchestration.storage.lake import Lake

START = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)
MAP = JourneyMap.model_validate(
    {
        "journey": "purchase",
        "stages": ["sales"],
        "steps": {"cart": {"stage": "sales"}, "paid": {"stage": "sales", "completes": True}},
        "begins_with": {"cart.opened": "cart"},
        "transitions": [{"from": ["cart"], "on": "order.paid", "to": "paid", "requires": ["amount", "product"]}],
    }
)


def paid(customer: int, service: str, *, amount: int | None = None, **attributes) -> list[dict]:
    opened = {"type": "cart.opened", "service": service, "occurred_at": START}
    order = {"type": "order.paid", "service": service, "occurred_at": START + dt.timedelta(hours=1)}
    order |= {"amount": None if amount is None else Decimal(amount), "attributes": json.dumps(attributes)}
    return [
        {"customer_id": f"c{customer}", "event_id": f"{customer}-{place}"} | event
        for place, event in enumerate([opened, order])
    ]


def complete(root, *customers: list[dict], maps=(MAP,)) -> tuple[Lake, dict]:
    lake = Lake(root)
    rows = sequenced([event for events in customers for event in events])
    write_sequences(lake, rows)
    as_of = START + dt.timedelta(days=1)
    fold_journeys(lake, Engine(), maps, as_of=as_of, currency="USD", support_contact_cost=0, run_id="r")
    found = transition_metadata(lake, Engine(), maps).to_pylist()
    return lake, {(row["service"], row["required"]): (row["carried"], row["moves"], row["share"]) for row in found}


def test_what_moves_carry_is_counted_by_service_and_name(tmp_path):
    _, found = complete(
        tmp_path,
        paid(1, "shop", amount=5, product="duo"),
        paid(2, "shop", amount=5),
        paid(3, "till", amount=0, product="duo"),
        paid(4, "till", product="duo"),
    )
    assert found == {
        ("shop", "amount"): (2, 2, 1.0),
        ("shop", "product"): (1, 2, 0.5),
        ("till", "amount"): (1, 2, 0.5),
        ("till", "product"): (2, 2, 1.0),
    }


@pytest.mark.parametrize("value", [None, "", "  "])
def test_an_empty_value_is_not_carried(tmp_path, value):
    _, found = complete(tmp_path, paid(1, "shop", amount=5, product=value))
    assert found["shop", "product"] == (0, 1, 0.0)


@pytest.mark.parametrize("value", [False, 0, "0", ["a"]])
def test_a_value_that_is_there_is_carried_whatever_it_is(tmp_path, value):
    _, found = complete(tmp_path, paid(1, "shop", amount=5, product=value))
    assert found["shop", "product"] == (1, 1, 1.0)


def test_what_is_missing_does_not_stop_the_move(tmp_path):
    lake, found = complete(tmp_path, paid(1, "shop"))
    assert [row["status"] for row in lake.read(tables.INSTANCES).to_pylist()] == ["completed"]
    assert found["shop", "amount"] == (0, 1, 0.0)


def test_deviations_and_moves_by_other_transitions_are_not_asked(tmp_path):
    early = paid(1, "shop")[1] | {"event_id": "early", "type": "cart.opened", "occurred_at": START}
    again = paid(1, "shop")[0] | {"event_id": "again", "occurred_at": START + dt.timedelta(minutes=1)}
    begun = {"begins_with": {"cart.opened": "cart", "order.paid": "paid"}}
    both = MAP.model_copy(update=begun)
    _, found = complete(tmp_path, [early, again], [paid(2, "shop")[1]], maps=(both,))
    assert found == {}


def test_events_of_a_service_are_judged_by_what_any_transition_on_their_type_requires(tmp_path):
    lake, day = Lake(tmp_path), dt.date(2026, 3, 1)

    def reported(number, landed, **event):
        whole = dict.fromkeys(tables.EVENTS.schema.names) | {"event_id": f"e{number}", "service": "shop", "day": landed}
        return whole | {"type": "order.paid", "occurred_at": START} | event

    later = day + dt.timedelta(days=1)
    rows = [
        reported(1, day, amount=Decimal(5), attributes=json.dumps({"product": " "})),
        reported(2, day, attributes=json.dumps({"product": "duo"})),
        reported(3, day),
        reported(3, later, amount=Decimal(1)),  # the same event, told again with more
        reported(4, day, type="page.viewed"),
    ]
    events = pa.Table.from_pylist(rows, tables.EVENTS.schema)
    lake.replace(tables.EVENTS, events, where={"service": "shop", "day": (day, later)}, run_id="r")
    for service, expected in (("shop", {"amount": (2, 3), "product": (1, 3)}), ("till", {})):
        found = event_metadata(lake, Engine(), (MAP,), service, DayRange(day, later)).to_pylist()
        assert {row["required"]: (row["carried"], row["events"]) for row in found} == expected


def test_a_map_that_requires_nothing_has_nothing_to_show(tmp_path):
    (move,) = MAP.transitions
    free = MAP.model_copy(update={"transitions": [move.model_copy(update={"requires": []})]})
    assert complete(tmp_path, paid(1, "shop"), maps=(free,))[1] == {}


def test_a_name_that_no_attribute_can_have_is_refused():
    with pytest.raises(ValidationError):
        Transition.model_validate({"from": ["cart"], "on": "order.paid", "to": "paid", "requires": ['a"b']})
