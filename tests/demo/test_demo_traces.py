"""Which pairs of one person's records anything joins at all."""

import pandas as pd

from cx_orchestration.demo.traces import Traces, trace

WHO = pd.DataFrame(
    [("crm", "c1", 1), ("desk", "d1", 1), ("news", "n1", 1), ("web", "w1", 1), ("crm", "c2", 2), ("desk", "d2", 2)],
    columns=["service", "entity", "person"],
)
KEYS = pd.DataFrame(
    [
        *(("crm", "c1", "email", "a"), ("desk", "d1", "email", "a"), ("desk", "d1", "phone", "1")),
        *(("news", "n1", "phone", "1"), ("web", "w1", "device", "x"), ("crm", "c2", "phone", "1")),
        ("desk", "d2", "email", "1"),
    ],
    columns=["service", "entity", "namespace", "value"],
)


def resolved(*customers: str) -> pd.DataFrame:
    return WHO[["service", "entity"]].assign(customer_id=list(customers))


def test_a_chain_of_shared_values_joins_a_person_and_a_browser_alone_is_traceless() -> None:
    traces = trace(WHO, KEYS, resolved("x", "x", "z", "w", "p", "q"))
    assert traces == Traces(pairs=7, traced=3, found=1, traced_found=1)
    assert traces.traced_recall == 1 / 3
    assert traces.traceless_share_of_missed == 1 - 2 / 6


def test_what_is_found_without_a_shared_value_counts_as_found_only() -> None:
    traces = trace(WHO, KEYS, resolved("x", "x", "x", "w", "p", "p"))
    assert traces == Traces(pairs=7, traced=3, found=4, traced_found=3)
    assert (traces.traced_recall, traces.traceless_share_of_missed) == (1.0, 1.0)
