"""Many services asked at once: who hangs delays nobody, is not asked twice, and is heard when it answers late."""

import threading
from collections.abc import Callable, Set

import pytest

from cx_orchestration.model.failures import Failure, PermanentFailure, TransientFailure
from cx_orchestration.sensors.asking import (
    AT_ONCE,
    PATIENCE_SECONDS,
    QUIET_SECONDS,
    Answers,
    Asking,
    Patience,
    patience,
)


def never(*_: object) -> bool:
    return True


def without(*hanging: str) -> Patience:
    """Patience until only these are still awaited."""
    return lambda awaited, *_: not awaited <= set(hanging)


def asking(patient: Patience = never) -> Asking[int]:
    return Asking(lambda: 0.0, patient)


class Held:
    """A question that is answered when it is let go; the asker may wait until it has come back."""

    def __init__(self, answer: int | Failure = 1) -> None:
        self.go, self.asked = threading.Event(), 0
        self._answer = answer

    def __call__(self) -> int:
        self.asked += 1
        self.go.wait()
        if isinstance(self._answer, Failure):
            raise self._answer
        return self._answer


def come_back() -> None:
    for thread in threading.enumerate():
        if thread.name == "cx-asking":
            thread.join()


def test_answers_and_failures_come_in_the_order_asked() -> None:
    def down() -> int:
        raise TransientFailure("down")

    answers = asking().ask({"c": lambda: 3, "a": down, "b": lambda: 2})
    assert list(answers.given.items()) == [("c", 3), ("b", 2)]
    assert {service: str(failure) for service, failure in answers.failed.items()} == {"a": "down"}
    assert answers.silent == answers.unasked == []


def test_a_service_that_hangs_is_silent_and_the_others_answer() -> None:
    held = Held()
    questions = {"a": lambda: 1, "hanging": held, "b": lambda: 2}
    answers = asking(without("hanging")).ask(questions)
    assert (answers.given, answers.silent) == ({"a": 1, "b": 2}, ["hanging"])
    held.go.set()
    come_back()


def test_while_it_hangs_it_is_not_asked_again() -> None:
    held, asks = Held(), asking(without("hanging"))
    for _ in range(3):
        assert asks.ask({"hanging": held}).silent == ["hanging"]
    assert held.asked == 1
    held.go.set()
    come_back()


@pytest.mark.parametrize("late", [7, TransientFailure("too slow")])
def test_what_comes_too_late_is_heard_the_next_time_once(late: int | TransientFailure) -> None:
    held = Held(late)
    asks = asking(lambda *_: not held.asked or held.go.is_set())
    asks.ask({"slow": held})
    held.go.set()
    come_back()
    heard = asks.ask({"slow": lambda: 8})
    assert [*heard.given.values(), *heard.failed.values()] == [late]
    assert asks.ask({"slow": lambda: 8}).given == {"slow": 8}


def test_who_has_answered_does_not_wait_long_for_the_last_ones() -> None:
    hanging = {"hanging"}
    assert patience(hanging, PATIENCE_SECONDS - 0.1, None)
    assert not patience(hanging, PATIENCE_SECONDS, None)
    assert patience(hanging, 5, QUIET_SECONDS - 0.1)
    assert not patience(hanging, 5, QUIET_SECONDS)
    assert not patience(hanging, PATIENCE_SECONDS, 0.0)


def test_the_quiet_is_counted_from_the_last_answer() -> None:
    held, seen = Held(), []

    def patient(awaited: Set[str], _: float, quiet: float | None) -> bool:
        seen.append((len(awaited), quiet))
        return awaited != {"hanging"}

    asking(patient).ask({"a": lambda: 1, "hanging": held})
    assert seen[-1] == (1, 0.0)
    assert {quiet for awaited, quiet in seen if awaited == 2} <= {None}
    held.go.set()
    come_back()


def test_when_all_places_are_taken_by_services_that_hang_the_rest_is_asked_the_next_time() -> None:
    held = {f"hanging{number}": Held() for number in range(AT_ONCE)}
    questions: dict[str, Callable[[], int]] = {**held, "last": lambda: 1}
    asks = asking(lambda awaited, *_: "last" in awaited if first.unasked else not all(e.asked for e in held.values()))
    first: Answers[int] = Answers()
    first = asks.ask(questions)
    assert (first.silent, first.unasked) == (list(held), ["last"])
    second = asks.ask(questions)
    assert (second.given, second.silent) == ({"last": 1}, list(held))
    for each in held.values():
        each.go.set()
    come_back()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_bug_in_one_question_stops_no_other_and_is_told() -> None:
    def broken() -> int:
        raise ZeroDivisionError

    answers = asking().ask({"broken": broken, "b": lambda: 2})
    come_back()  # its trace is told before the next test begins
    assert answers.given == {"b": 2}
    assert isinstance(answers.failed["broken"], PermanentFailure)
    assert "unexpected error" in str(answers.failed["broken"])
