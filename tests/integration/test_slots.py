"""Who may have how many requests under way."""

import threading
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cx_orchestration.integration.rate import OwnUsage
from cx_orchestration.integration.slots import Slots, shared
from cx_orchestration.model.failures import TransientFailure
from cx_orchestration.storage.usage import Lease


def test_a_slot_that_comes_free_goes_to_who_waits() -> None:
    slots = Slots("crm", 1, OwnUsage().change_leases, 30)
    entered, order = threading.Event(), list[str]()

    def second() -> None:
        entered.set()
        with slots.one():
            order.append("second")

    thread = threading.Thread(target=second)
    with slots.one():
        thread.start()
        entered.wait(5)
        order.append("first")
    thread.join(5)
    assert order == ["first", "second"]


def test_without_a_slot_for_a_minute_it_is_a_transient_failure_and_nobody_waits_for_it_any_more() -> None:
    usage = OwnUsage()
    busy = Slots("crm", 1, usage.change_leases, 30)
    late = Slots("crm", 1, usage.change_leases, 30, patience=0)
    refused = pytest.raises(TransientFailure, match=r"client\.rate\.concurrency \(1\)")
    with busy.one(), refused as caught, late.one():
        pass
    assert caught.value.retry_after == 60
    leases: Sequence[Lease] = usage.change_leases("crm", lambda before: (before, before))
    assert [(lease.slots, lease.wanted) for lease in leases if lease.wanted > lease.slots] == []


def test_closing_gives_the_slots_to_others() -> None:
    usage = OwnUsage()
    first, second = (Slots("crm", 1, usage.change_leases, 30, patience=0) for _ in range(2))
    with first.one():
        pass
    first.close()
    with second.one():
        pass


def test_the_slots_of_a_killed_process_are_free_when_its_lease_ends() -> None:
    now = [1000.0]
    usage = OwnUsage()
    killed = Slots("crm", 2, usage.change_leases, 30, clock=lambda: now[0])
    next(killed.one().gen)  # type: ignore[attr-defined]  # enters, and never leaves
    other = Slots("crm", 2, usage.change_leases, 30, clock=lambda: now[0], patience=0)
    with other.one():
        with pytest.raises(TransientFailure), other.one():
            pass
        now[0] += 46
        with other.one():
            pass


def test_a_long_run_makes_room_for_another_every_few_seconds() -> None:
    before = [Lease("run", 1, 1, 100.0), Lease("sensor", 0, 1, 100.0)]
    leases, slots = shared("run", 1, 0, 1, 50.0, 95.0, before)
    assert slots == 0
    _, slots = shared("sensor", 1, 0, 1, 50.0, 95.0, leases)
    assert slots == 1


def test_requests_under_way_are_never_taken_away() -> None:
    before = [Lease("run", 4, 4, 100.0), Lease("sensor", 0, 2, 100.0)]
    assert shared("run", 4, 3, 4, 50.0, 95.0, before)[1] == 3
    assert shared("run", 4, 0, 4, 50.0, 95.0, before)[1] == 2


@given(st.integers(1, 8), st.lists(st.tuples(st.integers(0, 4), st.integers(1, 5)), max_size=40))
def test_all_leases_together_never_exceed_the_limit(limit: int, asks: list[tuple[int, int]]) -> None:
    leases: Sequence[Lease] = []
    for holder, wanted in asks:
        leases, _ = shared(str(holder), limit, 0, wanted, 0.0, 10.0, leases)
        assert sum(lease.slots for lease in leases) <= limit
