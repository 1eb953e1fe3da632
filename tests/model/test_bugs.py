"""What is told of an exception that nobody foresaw: types and places, never a value."""

import pytest

from cx_orchestration.model.bugs import Bug, bugs_as_failures
from cx_orchestration.model.failures import TransientFailure

PERSON = "ada.canary@example.org"


def fail_with_a_cause() -> None:
    people = {"somebody": PERSON}
    try:
        people[PERSON]
    except KeyError as error:
        raise ValueError(f"no {PERSON} in {people}") from error


def told() -> Bug:
    with pytest.raises(Bug) as caught, bugs_as_failures():
        fail_with_a_cause()
    return caught.value


def test_type_and_place_are_told() -> None:
    assert "ValueError in fail_with_a_cause (test_bugs.py:" in str(told())


def test_the_trace_leads_from_the_cause_to_the_end_in_lines_of_code() -> None:
    trace = told().trace
    assert trace.index("people[PERSON]") < trace.index("KeyError") < trace.index("ValueError")


def test_no_value_is_kept() -> None:
    bug = told()
    assert PERSON not in f"{bug}{bug!r}{bug.trace}"
    assert bug.__suppress_context__


def test_failures_of_ours_pass() -> None:
    with pytest.raises(TransientFailure, match="the service is down"), bugs_as_failures():
        raise TransientFailure("the service is down")
