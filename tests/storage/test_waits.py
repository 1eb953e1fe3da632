"""Which service is left alone until when: twice as long after each failure, as long as it asks, until it answers."""

import datetime as dt
from pathlib import Path

import pytest

from cx_orchestration.model.failures import TransientFailure
from cx_orchestration.storage.registry import Registry
from cx_orchestration.storage.waits import FIRST_WAIT, LONGEST_ASKED_WAIT, LONGEST_WAIT, Wait, Waits

NOW = dt.datetime(2026, 7, 1, 3, tzinfo=dt.UTC)
MINUTE = dt.timedelta(minutes=1)


@pytest.fixture
def waits(tmp_path: Path) -> Waits:
    return Registry(f"sqlite:///{tmp_path}/registry.db").waits


def down(retry_after: float | None = None) -> TransientFailure:
    return TransientFailure("stripe/charges: /v1/charges answers HTTP 503", retry_after=retry_after)


def test_each_failure_doubles_the_wait_up_to_the_longest(waits: Waits) -> None:
    now, lengths = NOW, []
    for _ in range(8):
        wait = waits.postpone("stripe", down(), now=now)
        lengths.append(wait.until - now)
        now = wait.until
    assert lengths[:4] == [FIRST_WAIT, 2 * FIRST_WAIT, 4 * FIRST_WAIT, 8 * FIRST_WAIT]
    assert lengths[4:] == [LONGEST_WAIT] * 4
    assert waits.standing()["stripe"].since == NOW


def test_failures_while_it_is_left_alone_do_not_lengthen_the_wait(waits: Waits) -> None:
    first = waits.postpone("stripe", down(), now=NOW)
    again = waits.postpone("stripe", down(), now=NOW + MINUTE)
    assert (again.until, again.failures) == (first.until, 1)


def test_an_hour_that_was_asked_for_is_waited_for_and_a_shorter_wait_cannot_take_it_back(waits: Waits) -> None:
    wait = waits.postpone("stripe", down(3600), now=NOW)
    assert wait.until == wait.asked_until == NOW + dt.timedelta(hours=1)
    again = waits.postpone("stripe", down(60), now=NOW + MINUTE)
    assert again.until == again.asked_until == wait.until
    assert "until 2026-07-01 04:00 UTC, as it asked; it failed once: stripe/charges" in str(again)


def test_a_short_wait_asked_for_again_and_again_grows_all_the_same(waits: Waits) -> None:
    now = NOW
    for times in (1, 2, 4):
        wait = waits.postpone("stripe", down(1), now=now)
        assert wait.until - now == times * FIRST_WAIT
        now = wait.until


def test_a_broken_header_puts_no_service_to_sleep_for_good(waits: Waits) -> None:
    assert waits.postpone("stripe", down(1e15), now=NOW).until == NOW + LONGEST_ASKED_WAIT


def test_a_service_that_answers_starts_anew(waits: Waits) -> None:
    first = waits.postpone("stripe", down(), now=NOW)
    waits.postpone("stripe", down(), now=first.until)
    waits.answered("stripe")
    waits.answered("zendesk")
    assert waits.standing() == {}
    assert waits.postpone("stripe", down(), now=NOW).failures == 1


def test_a_wait_that_is_over_stands_but_is_not_in_force(waits: Waits) -> None:
    wait = waits.postpone("stripe", down(), now=NOW)
    assert waits.in_force(wait.until - MINUTE) == {"stripe": wait}
    assert waits.in_force(wait.until) == {}
    assert waits.standing() == {
        "stripe": Wait("stripe", NOW, NOW + FIRST_WAIT, None, 1, "stripe/charges: /v1/charges answers HTTP 503")
    }
