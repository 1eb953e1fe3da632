"""The fold against python-statemachine: the same configurations, on random maps and logs."""

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import Machine
from random_maps import random_log, random_map
from sequenced import as_begun
from test_fold_as_interpreted import fold_log


def compare(seed: int) -> None:
    rng = Random(seed)
    correlated = rng.random() < 0.5
    journey_map = random_map(rng, correlated=correlated, with_parts=rng.random() < 0.4)
    # To whom an event without the key belongs is no question of state charts.
    keyed = [
        (who, event) for who, event in random_log(rng) if not correlated or (event.value("order_id") or "").strip()
    ]
    as_of = rng.randint(1, 16)
    expected = []
    threads = sorted({(who, event.value("order_id") if correlated else None) for who, event in keyed})
    for who, key in threads:
        machine = Machine(journey_map)
        own = [event for w, event in keyed if w == who and (not correlated or event.value("order_id") == key)]
        for event in sorted((event for event in own if event.day < as_of), key=lambda event: event.day):
            machine.take(event)
        expected += [(who, key, steps, status) for steps, status in machine.finish(as_of)]
    folded = fold_log([(0, journey_map)], keyed, as_of)
    rows = as_begun(folded.steps, folded.instances)
    found = [
        (row["customer_id"], row["correlation"], set((row["standing"] or row["state"]).split(" + ")), row["status"])
        for row in sorted(rows, key=lambda row: (row["customer_id"], row["correlation"] or ""))
    ]
    assert found == expected


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_the_compiled_pass_stands_where_a_state_chart_stands(seed):
    compare(seed)


@pytest.mark.long
def test_ten_thousand_times_the_compiled_pass_stands_where_a_state_chart_stands():
    for seed in range(10_000):
        compare(seed)
