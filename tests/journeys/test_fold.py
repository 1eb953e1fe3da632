"""The fold against a slow interpreter of the same words, and the cases that people ask about."""

import datetime as dt
from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sequenced import sequenced

from cx_orchestration.journeys.fold import code_events, fold_bucket, fold_journeys
from cx_orchestration.journeys.maps import check_map, compile_map
from cx_orchestration.model import tables
from cx_orchestration.model.failures import InvalidProject, PermanentFailure
from cx_orchestration.model.journey import JourneyMap
from cx_orchestration.storage.engine import Engine, sql_text
from cx_orchestration.storage.lake import Lake

START = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)
FOLD_INPUT = sql_text("cx_orchestration.journeys", "fold_input.sql")

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


def sequences(events: list[Event]) -> pa.Table:
    rows = []
    for number, event in enumerate(events):
        row = {"customer_id": event.customer, "event_id": event.event_id or f"e{number:03}", "type": event.kind}
        row |= {"occurred_at": START + event.day * DAY, "channel": "web", "bucket": ord(event.customer[-1]) % 3}
        if event.amount is not None:
            row |= {"amount": Decimal(event.amount), "currency": event.currency}
        rows.append(row)
    return sequenced(rows)


def fold(events: list[Event], *, journey_map: JourneyMap = PURCHASE, as_of: float = 100, cost: float = 2.5):
    params = {"as_of": START + as_of * DAY, "currency": "USD"}
    rows = Engine().query(FOLD_INPUT, {"sequences": sequences(events)}, params)
    return fold_bucket(code_events(rows), compile_map(journey_map), as_of=params["as_of"], support_contact_cost=cost)


def states(folded) -> list[tuple[str, str]]:
    return [(row["state"], row["status"]) for row in folded.instances.to_pylist()]


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


# --- against a slow interpreter ---------------------------------------------------------------------------------------


@dataclass
class Instance:
    state: str
    moved: float
    status: str = "active"
    path: list[tuple[str | None, str, bool]] = field(default_factory=list)
    contacts: int = 0
    revenue: int = 0


def interpret(
    journey_map: JourneyMap, events: list[tuple[str, int, int]], as_of: int
) -> tuple[list[Instance], Counter]:
    """The words of ``JourneyMap``, read one event at a time; times in days."""
    instances: list[Instance] = []
    fell: Counter = Counter()
    named = {*journey_map.begins_with, *(move.on for move in journey_map.transitions)}

    def target(state: str, kind: str) -> str | None:
        hits = [move.target for move in journey_map.transitions if move.on == kind and state in move.source]
        return hits[0] if hits else None

    def expire(now: int) -> None:
        last = instances[-1]
        limit = journey_map.steps[last.state].abandoned_after_days
        if last.status == "active" and limit is not None and now - last.moved > limit:
            last.status = "abandoned"

    def start(kind: str, at: int, source: str | None, to: str) -> None:
        instances.append(Instance(to, at, path=[(source, to, False)]))

    for kind, at, amount in events:
        if instances:
            expire(at)
        last = instances[-1] if instances else None
        if last is not None and last.status == "active":
            to = target(last.state, kind)
            if to is not None:
                last.path.append((last.state, to, False))
                last.state, last.moved = to, at
                fell["moves"] += 1
            elif kind in named:
                last.path.append((last.state, last.state, True))
                fell["deviations"] += 1
            else:
                fell["off_map"] += 1
        else:
            resumed = target(last.state, kind) if last is not None and last.status == "abandoned" else None
            if last is not None and resumed is not None:
                start(kind, at, last.state, resumed)
            elif kind in journey_map.begins_with and (last is None or journey_map.re_entry):
                start(kind, at, None, journey_map.begins_with[kind])
            else:
                fell["outside"] += 1
                continue
            fell["moves"] += 1
        inside = instances[-1]
        inside.contacts += kind in journey_map.support_events
        inside.revenue += amount
        if journey_map.steps[inside.state].completes:
            inside.status = "completed"
    if instances:
        expire(as_of)
    return instances, fell


STEP_NAMES, KINDS = ["s0", "s1", "s2", "s3"], ["a", "b", "c", "d", "e"]


@st.composite
def sound_maps(draw) -> JourneyMap:
    steps = STEP_NAMES[: draw(st.integers(1, 4))]
    ends = {name: draw(st.sampled_from(["completes", "waits", "open"])) for name in steps}
    sources = [name for name in steps if ends[name] != "completes"]
    arrows = st.tuples(st.sampled_from(sources or steps), st.sampled_from(KINDS[:4]))
    targets = draw(st.dictionaries(arrows, st.sampled_from(steps), max_size=10)) if sources else {}
    begins = draw(st.dictionaries(st.sampled_from(KINDS[:4]), st.sampled_from(steps), min_size=1, max_size=3))
    declared = {
        "journey": "random",
        "stages": ["only"],
        "begins_with": begins,
        "transitions": [{"from": [source], "on": kind, "to": to} for (source, kind), to in targets.items()],
        "support_events": ["e", "b"],
        "re_entry": draw(st.booleans()),
    }
    reachable = set(begins.values())
    for _ in steps:
        reachable |= {to for (source, _), to in targets.items() if source in reachable}
    kept = [name for name in steps if name in reachable]
    declared["transitions"] = [move for move in declared["transitions"] if move["from"][0] in kept]
    declared["steps"] = {}
    for name in kept:
        leaves = any(source == name and to != name for (source, _), to in targets.items())
        declared["steps"][name] = {"stage": "only"} | (
            {"completes": True}
            if ends[name] == "completes"
            else {"abandoned_after_days": draw(st.integers(1, 3))}
            if ends[name] == "waits" or not leaves
            else {}
        )
    journey_map = JourneyMap.model_validate(declared)
    assert check_map(journey_map) == []
    return journey_map


LOGS = st.lists(
    st.tuples(st.sampled_from(["c1", "c2", "c3"]), st.sampled_from(KINDS), st.integers(0, 12), st.integers(-3, 9)),
    max_size=25,
)


def fold_log(log: list[tuple[str, str, int, int]], journey_map: JourneyMap, as_of: int):
    """The fold of customer, type, day and whole amount; equal times stay in the order of the log."""
    events = sorted((c, at, f"e{n:03}", k, m) for n, (c, k, at, m) in enumerate(log) if at < as_of)
    columns = list(zip(*events, strict=True)) or [[]] * 5
    customer, day, event_id, kind, amount = columns
    times = pa.array([START + at * DAY for at in day], tables.UTC_MICROSECONDS)
    rows = pa.table(
        {
            "customer_id": pa.chunked_array([pa.array(customer, pa.string())]),
            "event_id": pa.array(event_id, pa.string()),
            "type": pa.array(kind, pa.string()),
            "channel": pa.nulls(len(events), pa.string()),
            "occurred_at": times,
            "at": times.cast(pa.int64()),
            "amount": pa.array([m * 10_000 for m in amount], pa.int64()),
        }
    )
    return fold_bucket(code_events(rows), compile_map(journey_map), as_of=START + as_of * DAY, support_contact_cost=1)


@settings(max_examples=200, deadline=None)
@given(journey_map=sound_maps(), log=LOGS, as_of=st.integers(1, 14))
def test_the_compiled_pass_equals_the_slow_interpreter(journey_map, log, as_of):
    folded = fold_log(log, journey_map, as_of)
    rows, fell = [], Counter()
    for customer in sorted({customer for customer, *_ in log}):
        # Equal times are ordered by event id, which here is the place in the log.
        own = sorted(((k, at, m) for c, k, at, m in log if c == customer and at < as_of), key=lambda event: event[1])
        instances, counted = interpret(journey_map, own, as_of)
        fell += counted
        for i in instances:
            rows.append((customer, i.state, i.status, i.path, START + i.moved * DAY, i.contacts, Decimal(i.revenue)))
    paths: dict[str, list] = {}
    for step in folded.steps.to_pylist():
        path = paths.setdefault(step["instance_id"], [])
        path.append((step["from_state"], step["to_state"], step["deviation"]))
        assert step["seq"] == len(path)
    assert [
        (
            row["customer_id"],
            row["state"],
            row["status"],
            paths[row["instance_id"]],
            row["last_step_at"],
            row["support_events"],
            row["revenue"],
        )
        for row in folded.instances.to_pylist()
    ] == rows
    counts = folded.counts
    assert (counts.moves, counts.deviations, counts.off_map, counts.outside) == (
        fell["moves"],
        fell["deviations"],
        fell["off_map"],
        fell["outside"],
    )


@settings(max_examples=50, deadline=None)
@given(journey_map=sound_maps(), log=LOGS, as_of=st.integers(1, 14))
def test_steps_instances_and_events_reconcile(journey_map, log, as_of):
    folded = fold_log(log, journey_map, as_of)
    counts, steps, instances = folded.counts, folded.steps.to_pylist(), folded.instances.to_pylist()
    assert counts.moves + counts.deviations + counts.off_map + counts.outside == sum(at < as_of for _, _, at, _ in log)
    assert counts.moves + counts.deviations == len(steps)
    assert counts.active + counts.completed + counts.abandoned == len(instances)
    assert len({step["event_id"] for step in steps}) == len(steps)
    by_instance = Counter(step["instance_id"] for step in steps)
    assert by_instance == {row["instance_id"]: row["steps"] + row["deviations"] for row in instances}
    last = {step["instance_id"]: step for step in steps}
    for row in instances:
        assert (last[row["instance_id"]]["to_state"], last[row["instance_id"]]["event_id"]) == (
            row["state"],
            row["last_event_id"],
        )


# --- in the lake ------------------------------------------------------------------------------------------------------


def write(lake: Lake, events: list[Event]) -> None:
    lake.replace(tables.SEQUENCES, sequences(events), where={"bucket": (0, 10)}, run_id="r")


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
        lake.replace(tables.SEQUENCES, rows, where={"bucket": (0, 10)}, run_id="r")
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
