"""The fold: the cases that people ask about, and what lies in the lake."""

import datetime as dt
import json
from dataclasses import dataclass, field
from decimal import Decimal

import pyarrow as pa
import pytest
from sequenced import as_begun, sequenced, types_of, write_sequences

from cx_orchestration.journeys.charts import compile_map
from cx_orchestration.journeys.coding import code_events
from cx_orchestration.journeys.fold import fold_journeys
from cx_orchestration.journeys.micro_events import by_nesting
from cx_orchestration.journeys.placing import fold_bucket
from cx_orchestration.model import tables
from cx_orchestration.model.failures import InvalidProject, PermanentFailure
from cx_orchestration.model.journey import JourneyMap
from cx_orchestration.storage.engine import Engine
from cx_orchestration.storage.lake import Lake

START = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)

PURCHASE = JourneyMap.model_validate(
    {
        "journey": "purchase",
        "version": 3,
        "stages": ["sales", "after"],
        "steps": {
            "cart": {"stage": "sales", "abandoned_after_days": 2},
            "paid": {"stage": "sales", "abandoned_after_days": 10},
            "happy": {"stage": "after", "completes": True},
        },
        "begins_with": {"cart.opened": "cart"},
        "transitions": [
            {"from": ["cart"], "on": "order.paid", "to": "paid"},
            {"from": ["cart"], "on": "cart.changed", "to": "cart"},
            {"from": ["paid"], "on": "praised", "to": "happy"},
        ],
        "support_events": ["ticket"],
    }
)


@dataclass
class Event:
    kind: str
    day: float
    customer: str = "c1"
    amount: str | None = None
    currency: str | None = "USD"
    event_id: str = ""
    channel: str = "web"
    attributes: dict[str, str] = field(default_factory=dict)


def changed(journey_map: JourneyMap, **changes) -> JourneyMap:
    declared = journey_map.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    return JourneyMap.model_validate(declared | changes)


def sequences(events: list[Event]) -> pa.Table:
    rows = []
    for number, event in enumerate(events):
        row = {"customer_id": event.customer, "event_id": event.event_id or f"e{number:03}", "type": event.kind}
        row |= {"occurred_at": START + event.day * DAY, "channel": event.channel, "bucket": ord(event.customer[-1]) % 3}
        row |= {"attributes": json.dumps(event.attributes)}
        if event.amount is not None:
            row |= {"amount": Decimal(event.amount), "currency": event.currency}
        rows.append(row)
    return sequenced(rows)


def fold(events: list[Event], *, journey_map: JourneyMap = PURCHASE, as_of: float = 100, cost: float = 2.5):
    until, chart = START + as_of * DAY, compile_map(journey_map)
    rows = sequences(events)
    coded = code_events(rows, [chart], types=types_of(rows), as_of=until, currency="USD")
    (folded,) = fold_bucket(coded, [chart], as_of=until, support_contact_cost=cost)
    return folded


def states(folded) -> list[tuple[str, str]]:
    """State and status of each instance, by customer and in the order in which they began."""
    return [(row["state"], row["status"]) for row in as_begun(folded.steps, folded.instances)]


def moves(folded) -> list[tuple]:
    return [(row["from_state"], row["type"], row["to_state"]) for row in folded.steps.to_pylist()]


# --- the cases that people ask about ----------------------------------------------------------------------------------


def test_a_way_to_the_end_is_completed_at_its_last_event():
    folded = fold([Event("cart.opened", 0), Event("order.paid", 1), Event("praised", 3)])
    (instance,) = folded.instances.to_pylist()
    assert (instance["state"], instance["stage"], instance["status"]) == ("happy", "after", "completed")
    assert (instance["started_at"], instance["ended_at"]) == (START, START + 3 * DAY)
    assert (instance["steps"], instance["deviations"], instance["map_version"]) == (3, 0, 3)
    assert moves(folded) == [
        (None, "cart.opened", "cart"),
        ("cart", "order.paid", "paid"),
        ("paid", "praised", "happy"),
    ]


def test_a_rest_longer_than_the_step_allows_is_abandoned_at_its_deadline():
    (instance,) = fold([Event("cart.opened", 1)]).instances.to_pylist()
    assert (instance["state"], instance["status"], instance["ended_at"]) == ("cart", "abandoned", START + 3 * DAY)


def test_a_rest_that_may_still_end_in_time_is_active():
    assert states(fold([Event("cart.opened", 1)], as_of=3)) == [("cart", "active")]
    assert fold([Event("cart.opened", 1)], as_of=3).instances.to_pylist()[0]["ended_at"] is None


def test_a_move_at_the_very_deadline_is_in_time():
    assert states(fold([Event("cart.opened", 1), Event("order.paid", 3)], as_of=4)) == [("paid", "active")]


def test_a_customer_who_returns_resumes_from_the_abandoned_step():
    folded = fold([Event("cart.opened", 0), Event("order.paid", 5)], as_of=6)
    assert states(folded) == [("cart", "abandoned"), ("paid", "active")]
    assert moves(folded) == [(None, "cart.opened", "cart"), ("cart", "order.paid", "paid")]
    assert [row["seq"] for row in folded.steps.to_pylist()] == [1, 1]


def test_resuming_needs_no_re_entry():
    once = PURCHASE.model_copy(update={"re_entry": False})
    assert states(fold([Event("cart.opened", 0), Event("order.paid", 5)], journey_map=once, as_of=6)) == [
        ("cart", "abandoned"),
        ("paid", "active"),
    ]


def test_without_re_entry_a_second_beginning_stays_outside():
    once = PURCHASE.model_copy(update={"re_entry": False})
    folded = fold([Event("cart.opened", 0), Event("cart.opened", 5)], journey_map=once)
    assert states(folded) == [("cart", "abandoned")]
    assert folded.counts.outside == 1


def test_a_beginning_event_after_the_end_starts_another_instance():
    events = [Event("cart.opened", 0), Event("order.paid", 1), Event("praised", 2), Event("cart.opened", 3)]
    assert states(fold(events, as_of=4)) == [("happy", "completed"), ("cart", "active")]


def test_nothing_resumes_a_completed_instance():
    events = [Event("cart.opened", 0), Event("order.paid", 1), Event("praised", 2), Event("praised", 3)]
    folded = fold(events, as_of=4)
    assert (states(folded), folded.counts.outside) == ([("happy", "completed")], 1)


def test_doing_a_step_again_starts_its_rest_anew_but_a_deviation_does_not():
    again = fold([Event("cart.opened", 0), Event("cart.changed", 1.5), Event("order.paid", 3)], as_of=4)
    astray = fold([Event("cart.opened", 0), Event("praised", 1.5), Event("order.paid", 3)], as_of=4)
    assert states(again) == [("paid", "active")]
    assert states(astray) == [("cart", "abandoned"), ("paid", "active")]


def test_a_named_event_without_a_transition_is_a_deviation_that_moves_nothing():
    folded = fold([Event("cart.opened", 0), Event("praised", 1), Event("browsed", 1)], as_of=2)
    deviations = [row for row in folded.steps.to_pylist() if row["deviation"]]
    assert [(row["from_state"], row["to_state"], row["seq"], row["type"]) for row in deviations] == [
        ("cart", "cart", 2, "praised")
    ]
    assert (folded.counts.deviations, folded.counts.off_map) == (1, 1)


def test_revenue_is_what_lies_inside_the_instance_in_the_projects_currency_refunds_negative():
    events = [
        Event("invoice", -1, amount="1000"),
        Event("cart.opened", 0),
        Event("order.paid", 1, amount="99.9000"),
        Event("order.paid", 1.5, amount="50", currency="EUR"),
        Event("refund", 2, amount="-20.0001"),
        Event("praised", 3),
        Event("invoice", 4, amount="1000"),
    ]
    folded = fold(events)
    assert folded.instances.column("revenue").to_pylist() == [Decimal("79.8999")]


def test_support_is_counted_inside_the_instance_and_costs_per_contact():
    events = [Event("cart.opened", 0), Event("ticket", 1), Event("ticket", 1), Event("ticket", 9)]
    (instance,) = fold(events, cost=2.5).instances.to_pylist()
    assert (instance["support_events"], instance["cost"]) == (2, Decimal("5.0000"))


def test_events_from_the_instant_of_judging_on_are_not_read():
    assert states(fold([Event("cart.opened", 0), Event("order.paid", 1)], as_of=1)) == [("cart", "active")]


def test_amounts_that_revenue_cannot_hold_are_refused():
    with pytest.raises(PermanentFailure, match="scale"):
        fold([Event("cart.opened", 0, amount="9" * 14)] * 2)


# --- guards, correlation, ways back, parts, nested journeys -----------------------------------------------------------


def order(kind: str, day: float, key: str | None, **more) -> Event:
    return Event(kind, day, attributes={} if key is None else {"order_id": key}, **more)


ORDERS = PURCHASE.model_copy(update={"correlation": "order_id"})


def test_two_orders_are_two_instances_open_at_once():
    events = [order("cart.opened", 0, "o1"), order("cart.opened", 1, "o2"), order("order.paid", 1.5, "o1")]
    folded = fold(events, journey_map=ORDERS, as_of=2)
    assert [(row["correlation"], row["state"]) for row in as_begun(folded.steps, folded.instances)] == [
        ("o1", "paid"),
        ("o2", "cart"),
    ]
    assert [row["correlation"] for row in folded.steps.to_pylist()] == ["o1", "o2", "o1"]


def test_the_same_key_of_another_customer_is_another_instance():
    events = [order("cart.opened", 0, "o1"), order("cart.opened", 0, "o1", customer="c2")]
    assert fold(events, journey_map=ORDERS, as_of=1).counts.active == 2


@pytest.mark.parametrize(
    ("open_orders", "state", "outside"),
    [(["o1"], ["paid"], 0), (["o1", "o2"], ["cart", "cart"], 1), ([], [], 1)],
)
def test_an_event_without_the_key_concerns_the_only_open_instance_or_none(open_orders, state, outside):
    events = [*[order("cart.opened", 0, key) for key in open_orders], order("order.paid", 1, None)]
    folded = fold(events, journey_map=ORDERS, as_of=2)
    assert ([row["state"] for row in as_begun(folded.steps, folded.instances)], folded.counts.outside) == (
        state,
        outside,
    )


def test_an_event_without_the_key_begins_and_resumes_nothing():
    events = [order("cart.opened", 0, " "), order("cart.opened", 1, "o1"), order("order.paid", 9, None)]
    folded = fold(events, journey_map=ORDERS)
    assert (states(folded), folded.counts.outside) == ([("cart", "abandoned")], 2)


def test_an_instance_that_has_rested_too_long_is_not_among_the_open_ones():
    events = [order("cart.opened", 0, "o1"), order("cart.opened", 5, "o2"), order("order.paid", 6, None)]
    assert states(fold(events, journey_map=ORDERS, as_of=7)) == [("cart", "abandoned"), ("paid", "active")]


def test_guards_decide_between_transitions_and_between_beginnings():
    tiers = changed(
        PURCHASE,
        begins_with={"cart.opened": [{"to": "paid", "when": [{"name": "channel", "equals": "store"}]}, {"to": "cart"}]},
        transitions=[
            {"from": ["cart"], "on": "order.paid", "to": "happy", "when": [{"name": "amount", "at_least": 100}]},
            {"from": ["cart"], "on": "order.paid", "to": "paid", "when": [{"name": "amount", "below": 100}]},
            {"from": ["paid"], "on": "praised", "to": "happy", "when": [{"name": "plan", "any_of": ["pro"]}]},
        ],
    )
    events = [
        Event("cart.opened", 0, "c1"),
        Event("order.paid", 1, "c1", amount="100"),
        Event("cart.opened", 0, "c2"),
        Event("order.paid", 1, "c2", amount="99.9999", currency="EUR"),
        Event("praised", 2, "c2", attributes={"plan": "free"}),
        Event("cart.opened", 0, "c3"),
        Event("order.paid", 1, "c3"),
        Event("cart.opened", 0, "c4", channel="store"),
        Event("praised", 1, "c4", attributes={"plan": "pro"}),
    ]
    folded = fold(events, journey_map=tiers, as_of=2.5)
    assert states(folded) == [("happy", "completed"), ("paid", "active"), ("cart", "abandoned"), ("happy", "completed")]
    assert folded.counts.deviations == 2


def test_a_way_back_leads_to_where_the_instance_stood_last_even_after_it_was_abandoned():
    helped = changed(
        PURCHASE,
        steps={
            "browsing": {"stage": "sales", "abandoned_after_days": 2},
            "cart": {"stage": "sales", "abandoned_after_days": 2},
            "helped": {"stage": "after", "abandoned_after_days": 2},
        },
        begins_with={"seen": "browsing", "ticket": "helped"},
        transitions=[
            {"from": ["browsing"], "on": "cart.opened", "to": "cart"},
            {"from": ["browsing", "cart"], "on": "ticket", "to": "helped"},
            {"from": ["helped"], "on": "solved", "to": "browsing", "back": True},
        ],
    )
    events = [
        *[Event("seen", 0, "c1"), Event("cart.opened", 1, "c1"), Event("ticket", 2, "c1"), Event("solved", 3, "c1")],
        *[Event("ticket", 0, "c2"), Event("solved", 1, "c2")],
        *[Event("seen", 0, "c3"), Event("cart.opened", 1, "c3"), Event("ticket", 2, "c3"), Event("solved", 9, "c3")],
    ]
    folded = fold(events, journey_map=helped, as_of=3.5)
    assert states(folded) == [("cart", "active"), ("browsing", "abandoned"), ("helped", "active")]
    assert states(fold(events, journey_map=helped, as_of=9.5))[-2:] == [("helped", "abandoned"), ("cart", "active")]


SIDE_BY_SIDE = changed(
    PURCHASE,
    parts={"goods": {"starts_at": "packing"}, "money": {"starts_at": "billing"}},
    steps={
        "packing": {"stage": "sales", "part": "goods", "abandoned_after_days": 5},
        "sent": {"stage": "after", "part": "goods", "completes": True},
        "billing": {"stage": "sales", "part": "money", "abandoned_after_days": 3},
        "settled": {"stage": "after", "part": "money", "completes": True},
    },
    begins_with={"ordered": "packing"},
    transitions=[
        {"from": ["packing"], "on": "shipped", "to": "sent"},
        {"from": ["billing"], "on": "paid", "to": "settled"},
        {"from": ["packing"], "on": "picked_up", "to": "sent"},
        {"from": ["billing"], "on": "picked_up", "to": "settled"},
    ],
)


def test_parts_move_side_by_side_and_the_instance_is_completed_when_all_are():
    half = [Event("ordered", 0), Event("shipped", 1)]
    (row,) = fold(half, journey_map=SIDE_BY_SIDE, as_of=2).instances.to_pylist()
    assert (row["status"], row["state"], row["standing"]) == ("active", "sent", "sent + billing")
    (row,) = fold([*half, Event("paid", 2)], journey_map=SIDE_BY_SIDE).instances.to_pylist()
    assert (row["status"], row["ended_at"], row["standing"]) == ("completed", START + 2 * DAY, "sent + settled")


def test_one_event_may_move_several_parts():
    folded = fold([Event("ordered", 0), Event("picked_up", 1)], journey_map=SIDE_BY_SIDE)
    assert states(folded) == [("settled", "completed")]
    assert [(row["to_state"], row["part"]) for row in folded.steps.to_pylist()] == [
        ("packing", "goods"),
        ("sent", "goods"),
        ("settled", "money"),
    ]
    assert (folded.counts.moves, folded.counts.jointly) == (3, 1)


def test_a_part_that_rests_too_long_abandons_the_whole_at_its_deadline():
    (row,) = fold([Event("ordered", 0)], journey_map=SIDE_BY_SIDE).instances.to_pylist()
    assert (row["status"], row["state"], row["ended_at"]) == ("abandoned", "billing", START + 3 * DAY)


MICRO = changed(
    PURCHASE,
    journey="paying",
    steps={
        "cart": {"stage": "sales", "abandoned_after_days": 2},
        "paid": {"stage": "after", "completes": True},
    },
    transitions=[{"from": ["cart"], "on": "order.paid", "to": "paid"}],
)
MACRO = changed(
    PURCHASE,
    journey="living",
    steps={
        "shopping": {"stage": "sales", "abandoned_after_days": 30},
        "customer": {"stage": "after", "completes": True},
        "lost": {"stage": "after", "abandoned_after_days": 30},
    },
    begins_with={"journey.paying.begun": "shopping"},
    transitions=[
        {"from": ["shopping", "lost"], "on": "journey.paying.completed", "to": "customer"},
        {"from": ["shopping"], "on": "journey.paying.abandoned", "to": "lost"},
    ],
)


def fold_nested(events: list[Event], *maps: JourneyMap, as_of: float = 100):
    until, charts = START + as_of * DAY, [compile_map(one) for one in by_nesting(maps)]
    rows = sequences(events)
    coded = code_events(rows, charts, types=types_of(rows), as_of=until, currency="USD")
    return fold_bucket(coded, charts, as_of=until, support_contact_cost=1)


def test_what_a_micro_journey_does_moves_the_macro_journey():
    events = [Event("cart.opened", 0), Event("order.paid", 1, amount="10"), Event("browsed", 2)]
    micro, macro = fold_nested(events, MACRO, MICRO)
    assert (states(micro), states(macro)) == ([("paid", "completed")], [("customer", "completed")])
    steps = macro.steps.to_pylist()
    assert [(row["type"], row["event_id"], row["occurred_at"]) for row in steps] == [
        ("journey.paying.begun", "e000", START),
        ("journey.paying.completed", "e001", START + DAY),
    ]
    assert macro.counts.micro_events == 2
    # The order counts once for the macro journey: where it is itself, while the instance was open.
    assert macro.instances.column("revenue").to_pylist() == [Decimal("10.0000")]


def test_an_abandoned_micro_journey_counts_at_its_deadline_before_what_follows():
    events = [Event("cart.opened", 0), Event("browsed", 2), Event("order.paid", 5)]
    micro, macro = fold_nested(events, MICRO, MACRO, as_of=6)
    assert states(micro) == [("cart", "abandoned"), ("paid", "completed")]
    lost = [row for row in macro.steps.to_pylist() if row["type"] == "journey.paying.abandoned"]
    (first, _) = as_begun(micro.steps, micro.instances)
    assert [(row["occurred_at"], row["event_id"]) for row in lost] == [(START + 2 * DAY, first["instance_id"])]
    assert states(macro) == [("customer", "completed")]


def test_journeys_nest_more_than_once():
    top = changed(
        MACRO,
        journey="whole",
        begins_with={"journey.living.begun": "shopping"},
        transitions=[
            {"from": ["shopping"], "on": "journey.living.completed", "to": "customer"},
            {"from": ["shopping"], "on": "journey.paying.abandoned", "to": "lost"},
        ],
    )
    events = [Event("cart.opened", 0), Event("order.paid", 1)]
    *_, whole = fold_nested(events, top, MACRO, MICRO)
    assert (whole.counts.journey, states(whole)) == ("whole", [("customer", "completed")])


def test_rows_that_lie_in_another_order_give_the_same():
    rows = sequences([Event("cart.opened", 0), Event("order.paid", 1), Event("praised", 1)])
    chart, until = compile_map(PURCHASE), START + DAY * 9
    coded = [
        code_events(rows.take(order), [chart], types=types_of(rows), as_of=until, currency="USD")
        for order in ([0, 1, 2], [2, 1, 0])
    ]
    one, other = (fold_bucket(each, [chart], as_of=until, support_contact_cost=1)[0] for each in coded)
    assert one.steps.equals(other.steps)


# --- in the lake ------------------------------------------------------------------------------------------------------


def write(lake: Lake, events: list[Event]) -> None:
    write_sequences(lake, sequences(events))


def run(lake: Lake, maps: list[JourneyMap], as_of: float = 100):
    return fold_journeys(
        lake, Engine(), maps, as_of=START + as_of * DAY, currency="USD", support_contact_cost=1, run_id="r"
    )


MANY = [Event(kind, n * 0.7 + c, f"c{c}") for c in range(6) for n, kind in enumerate(["cart.opened", "order.paid"] * 3)]


def test_all_buckets_are_folded_and_counted_together(tmp_path):
    lake = Lake(tmp_path)
    write(lake, MANY)
    summary = run(lake, [PURCHASE])
    (counts,) = summary.journeys
    assert (summary.events, counts.customers) == (36, 6)
    assert lake.read(tables.STEPS).num_rows == counts.moves + counts.deviations
    assert lake.read(tables.INSTANCES).num_rows == counts.active + counts.completed + counts.abandoned


def test_a_second_fold_gives_the_same_content_whatever_the_buckets(tmp_path):
    lake = Lake(tmp_path)
    hashes = []
    for spread in (3, 1):
        rows = sequences(MANY)
        buckets = pa.array([bucket % spread for bucket in rows.column("bucket").to_pylist()], pa.int32())
        rows = rows.set_column(rows.schema.get_field_index("bucket"), "bucket", buckets)
        write_sequences(lake, rows)
        run(lake, [PURCHASE])
        hashes.append((lake.content_hash(tables.STEPS), lake.content_hash(tables.INSTANCES)))
    assert hashes[0] == hashes[1]


def test_a_journey_that_is_no_longer_declared_leaves_the_lake(tmp_path):
    lake = Lake(tmp_path)
    write(lake, MANY)
    other = PURCHASE.model_copy(update={"journey": "renamed"})
    run(lake, [PURCHASE])
    assert run(lake, [other]).removed == ("purchase",)
    assert set(lake.read(tables.INSTANCES).column("journey").to_pylist()) == {"renamed"}
    assert set(lake.read(tables.STEPS).column("journey").to_pylist()) == {"renamed"}


def test_money_in_another_currency_is_counted_not_lost(tmp_path):
    lake = Lake(tmp_path)
    write(lake, [Event("cart.opened", 0), Event("order.paid", 1, amount="5", currency="EUR")])
    assert run(lake, [PURCHASE]).in_other_currency == 1


def test_an_empty_lake_gives_empty_tables(tmp_path):
    lake = Lake(tmp_path)
    summary = run(lake, [PURCHASE])
    assert (summary.events, summary.journeys[0].customers) == (0, 0)
    assert lake.exists(tables.STEPS)
    assert lake.exists(tables.INSTANCES)


def test_an_unsound_map_is_refused_before_anything_is_written(tmp_path):
    lake = Lake(tmp_path)
    write(lake, MANY)
    with pytest.raises(InvalidProject):
        run(lake, [PURCHASE, PURCHASE.model_copy(update={"journey": "bad", "begins_with": {"x": "nowhere"}})])
    assert not lake.exists(tables.INSTANCES)
