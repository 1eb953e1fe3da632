"""The fold against a slow interpreter of the same words, on random maps and logs."""

import datetime as dt
import json
from collections import Counter
from decimal import Decimal
from random import Random

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from interpreter import Happening, Interpreter
from random_maps import random_log, random_versions
from sequenced import as_begun, sequenced, types_of

from cx_orchestration.journeys.charts import Version, compile_versions
from cx_orchestration.journeys.coding import code_events
from cx_orchestration.journeys.placing import Folded, fold_bucket
from cx_orchestration.model.journey import JourneyMap

START = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)
SEEDS = st.integers(0, 2**32)

Log = list[tuple[str, Happening]]


def sequences(log: Log) -> pa.Table:
    """Rows of ``journeys/sequences``; events of one day are in the order of the log."""
    rows = []
    for place, (customer, event) in sorted(enumerate(log), key=lambda found: (found[1][0], found[1][1].day, found[0])):
        carried = dict(event.carries)
        row = {"customer_id": customer, "event_id": f"e{place:03}", "type": event.kind}
        row |= {"occurred_at": START + event.day * DAY, "channel": carried.pop("channel", None)}
        row |= {"amount": Decimal(event.amount), "currency": "USD"}
        row |= {"attributes": json.dumps({name: value for name, value in carried.items() if name != "amount"})}
        rows.append(row)
    return sequenced(rows)


def fold_log(declared: list[tuple[int, JourneyMap]], log: Log, as_of: int) -> Folded:
    until = START + as_of * DAY
    since = [Version(one, int((START + day * DAY).timestamp()) * 1_000_000) for day, one in declared]
    chart = compile_versions(since)
    rows = sequences(log)
    coded = code_events(rows, [chart], types=types_of(rows), as_of=until, currency="USD")
    (folded,) = fold_bucket(coded, [chart], as_of=until, support_contact_cost=1)
    return folded


def interpreted(declared: list[tuple[int, JourneyMap]], log: Log, as_of: int) -> tuple[list[tuple], Counter]:
    rows, fell = [], Counter()
    for customer in sorted({customer for customer, _ in log}):
        machine = Interpreter([(float(day), one) for day, one in declared])
        # Sorting keeps the order of the log within a day.
        for event in sorted((e for c, e in log if c == customer and e.day < as_of), key=lambda event: event.day):
            machine.take(event)
        machine.finish(as_of)
        fell += machine.fell
        for one in machine.instances:
            version, standing = one.end
            rows.append(
                (
                    customer,
                    one.key,
                    one.state,
                    " + ".join(standing) if one.map.parts else None,
                    one.status,
                    version,
                    one.path,
                    START + one.moved * DAY,
                    None if one.ended is None else START + one.ended * DAY,
                    one.contacts,
                    Decimal(one.revenue),
                )
            )
    return rows, fell


def folded_rows(folded: Folded) -> list[tuple]:
    paths: dict[str, list] = {}
    for step in folded.steps.to_pylist():
        path = paths.setdefault(step["instance_id"], [])
        path.append((step["from_state"], step["to_state"], step["deviation"], step["map_version"]))
        assert step["seq"] == len(path)
    return [
        (
            row["customer_id"],
            row["correlation"],
            row["state"],
            row["standing"],
            row["status"],
            row["map_version"],
            paths[row["instance_id"]],
            row["last_step_at"],
            row["ended_at"],
            row["support_events"],
            row["revenue"],
        )
        for row in as_begun(folded.steps, folded.instances)
    ]


def compare(seed: int) -> None:
    rng = Random(seed)
    declared, log, as_of = random_versions(rng), random_log(rng), rng.randint(1, 16)
    folded = fold_log(declared, log, as_of)
    rows, fell = interpreted(declared, log, as_of)
    assert folded_rows(folded) == rows
    counts = folded.counts
    assert (counts.moves, counts.deviations, counts.off_map, counts.outside, counts.jointly) == (
        fell["moves"],
        fell["deviations"],
        fell["off_map"],
        fell["outside"],
        fell["jointly"],
    )


@settings(max_examples=150, deadline=None)
@given(seed=SEEDS)
def test_the_compiled_pass_equals_the_slow_interpreter(seed):
    compare(seed)


@pytest.mark.long
def test_ten_thousand_times_the_compiled_pass_equals_the_slow_interpreter():
    for seed in range(10_000):
        compare(seed)


@settings(max_examples=40, deadline=None)
@given(seed=SEEDS)
def test_steps_instances_and_events_reconcile(seed):
    rng = Random(seed)
    declared, log, as_of = random_versions(rng), random_log(rng), rng.randint(1, 16)
    folded = fold_log(declared, log, as_of)
    counts, steps, instances = folded.counts, folded.steps.to_pylist(), folded.instances.to_pylist()
    events = sum(event.day < as_of for _, event in log)
    assert counts.moves + counts.deviations + counts.off_map + counts.outside - counts.jointly == events
    assert counts.moves + counts.deviations == len(steps)
    assert counts.active + counts.completed + counts.abandoned == len(instances)
    by_instance = Counter(step["instance_id"] for step in steps)
    assert by_instance == {row["instance_id"]: row["steps"] + row["deviations"] for row in instances}
    last = {step["instance_id"]: step for step in steps}
    for row in instances:
        assert last[row["instance_id"]]["event_id"] == row["last_event_id"]
