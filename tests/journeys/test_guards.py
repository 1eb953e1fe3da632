"""Guards: the words that people write, what they say of many events, and when two exclude each other."""

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from cx_orchestration.journeys.guards import exclude_each_other, fits, fitting
from cx_orchestration.model.guards import Guard

VALUES = st.sampled_from([None, "", " ", "pro", "Pro", "true", "5", "5.0", "05", "-1", "99.99", "1e2", "1e400", "nan"])
PLAIN = st.sampled_from(["pro", "true", True, "5", 5, 5.0, -1, 100])
BOUND = st.none() | st.sampled_from([-1.0, 5.0, 99.99, 100.0])


@st.composite
def guards(draw, name="plan") -> Guard:
    tests = {
        "equals": draw(st.none() | PLAIN),
        "any_of": draw(st.none() | st.lists(PLAIN, min_size=1, max_size=2)),
        "none_of": draw(st.none() | st.lists(PLAIN, min_size=1, max_size=2)),
        **{word: draw(BOUND) for word in ("at_least", "above", "at_most", "below")},
    }
    chosen = draw(st.sets(st.sampled_from(list(tests)), max_size=2))
    said = {word: value for word, value in tests.items() if word in chosen and value is not None}
    return Guard.model_validate({"name": name} | (said or {"exists": draw(st.booleans())}))


@pytest.mark.parametrize(
    ("tests", "fitting_values", "others"),
    [
        ({"equals": "pro"}, ["pro"], ["Pro", "", None, "free"]),
        ({"equals": 5}, ["5", "5.0", "05", "0.5e1"], ["5 kg", "", None, "6"]),
        ({"equals": "5"}, ["5"], ["5.0", None]),
        ({"equals": True}, ["true"], ["True", "1", None]),
        ({"any_of": ["web", "app"]}, ["web", "app"], ["phone", None]),
        ({"none_of": ["web"]}, ["app", None, ""], ["web"]),
        ({"at_least": 5}, ["5", "5.0", "1e2"], ["4.99", "many", None]),
        ({"above": 5, "at_most": 7}, ["5.01", "7"], ["5", "7.01"]),
        ({"below": 5}, ["4.99", "-3"], ["5", "", None]),
        ({"exists": True}, ["0", "false"], ["", " ", None]),
        ({"exists": False}, ["", " ", None], ["0", "false"]),
    ],
)
def test_what_each_test_means_of_a_value(tests, fitting_values, others):
    guard = Guard(name="plan", **tests)
    assert [fits(guard, value) for value in fitting_values] == [True] * len(fitting_values)
    assert [fits(guard, value) for value in others] == [False] * len(others)


@settings(max_examples=150, deadline=None)
@given(said=st.lists(guards(), min_size=1, max_size=2), values=st.lists(VALUES, max_size=12))
def test_many_events_are_judged_as_each_would_be(said, values):
    columns = pa.table({"plan": pa.array(values, pa.string())})
    assert fitting(tuple(said), columns).tolist() == [all(fits(guard, value) for guard in said) for value in values]


@pytest.mark.parametrize(
    ("tests", "expected"),
    [
        ({"at_least": 5}, [True, False, True, False]),
        ({"equals": 5}, [True, False, False, False]),
        ({"none_of": [5]}, [False, True, True, True]),
        ({"exists": True}, [True, True, True, False]),
        ({"exists": False}, [False, False, False, True]),
    ],
)
def test_numbers_are_judged_as_numbers(tests, expected):
    columns = pa.table({"amount": pa.array([5, 4.99, 7, None], pa.float64())})
    assert fitting((Guard(name="amount", **tests),), columns).tolist() == expected


@settings(max_examples=200, deadline=None)
@given(left=guards(), right=guards(), value=VALUES)
def test_no_value_fits_guards_that_exclude_each_other(left, right, value):
    if exclude_each_other((left,), (right,)):
        assert not (fits(left, value) and fits(right, value))


@pytest.mark.parametrize(
    ("left", "right", "excluding"),
    [
        ({"at_least": 100}, {"below": 100}, True),
        ({"at_least": 100}, {"at_most": 100}, False),
        ({"above": 1, "below": 2}, {"at_least": 2}, True),
        ({"equals": "pro"}, {"equals": "free"}, True),
        ({"equals": "pro"}, {"any_of": ["free", "pro"]}, False),
        ({"equals": "pro"}, {"none_of": ["pro"]}, True),
        ({"none_of": ["free"]}, {"none_of": ["pro"]}, False),
        ({"equals": "pro"}, {"at_least": 0}, True),
        ({"equals": "7"}, {"at_least": 5}, False),
        ({"equals": 5}, {"none_of": ["5"]}, False),
        ({"equals": "5"}, {"none_of": [5]}, True),
        ({"exists": True}, {"exists": False}, True),
        ({"exists": False}, {"none_of": ["pro"]}, False),
        ({"equals": "pro"}, {"exists": False}, True),
        ({"exists": True}, {"equals": "pro"}, False),
    ],
)
def test_exclusion_is_found_where_there_is_one_and_only_there(left, right, excluding):
    pair = (Guard(name="plan", **left),), (Guard(name="plan", **right),)
    assert (exclude_each_other(*pair), exclude_each_other(*reversed(pair))) == (excluding, excluding)


def test_guards_on_different_names_do_not_exclude_each_other_unless_one_name_does():
    web, phone = Guard(name="channel", equals="web"), Guard(name="channel", equals="phone")
    dear = Guard(name="amount", at_least=100)
    assert not exclude_each_other((web,), (dear,))
    assert exclude_each_other((web, dear), (phone, dear))
    assert not exclude_each_other((), (web,))


@pytest.mark.parametrize(
    ("tests", "why"),
    [
        ({}, "needs a test"),
        ({"exists": False, "equals": "a"}, "stands alone"),
        ({"name": "amount", "equals": "much"}, "is a number"),
        ({"name": "channel", "at_least": 3}, "is a text"),
        ({"name": "channel", "any_of": [1]}, "is a text"),
    ],
)
def test_a_guard_that_cannot_be_meant_is_refused(tests, why):
    with pytest.raises(ValidationError, match=why):
        Guard.model_validate({"name": "plan"} | tests)


def test_a_guard_reads_as_a_phrase():
    assert str(Guard(name="amount", at_least=100, below=250.5)) == "amount at least 100 and below 250.5"
    assert str(Guard(name="plan", any_of=["pro", True])) == "plan any of pro, true"
