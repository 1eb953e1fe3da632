"""Declared conditions over a parsed record, in Python; in SQL they are ``mapping_sql.py``'s."""

from collections.abc import Callable, Sequence
from typing import Any

from cx_orchestration.integration.paths import parse_path
from cx_orchestration.integration.records import text_of
from cx_orchestration.model.values import Condition


def all_hold(conditions: Sequence[Condition]) -> Callable[[Any], bool]:
    """A function that says of a record whether all conditions hold; without conditions it is always true."""
    tests = [_test(condition) for condition in conditions]
    return lambda record: all(test(record) for test in tests)


def _test(condition: Condition) -> Callable[[Any], bool]:
    path = parse_path(condition.path)

    def holds(record: Any) -> bool:
        text = text_of(path.of(record)) or None
        if condition.exists is not None:
            return (text is not None) == condition.exists
        if condition.any_of is not None:
            return text in condition.any_of
        return text not in (condition.none_of or ())

    return holds
