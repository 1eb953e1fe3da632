"""What guards say of each other, of one value, and of many events at once.

Belongs here: may two guards hold of one event, and which events does each fit. Does not belong here: the words of a
guard (``model.guards``).
"""

import re
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from cx_orchestration.model.guards import NUMBERS, TEXTS, Guard, Plain, as_text, is_number

#: All guards of one transition or beginning; they hold together.
Guards = tuple[Guard, ...]

#: The columns of an event that a guard may name; everything else is an attribute.
COLUMNS = (*NUMBERS, *TEXTS)

# Bounded, so that no number that reads as one is infinite.
_NUMBER = r"^[+-]?([0-9]{1,40}(\.[0-9]{0,40})?|\.[0-9]{1,40})([eE][+-]?[0-9]{1,2})?$"


def exclude_each_other(left: Guards, right: Guards) -> bool:
    """Whether no event can fit both: there is a name for which no value fits what both say of it.

    The values that guards tell apart are finitely many: those they list, the bounds and what lies between them, some
    other text, and none. So all are tried.
    """
    names = {guard.name for guard in (*left, *right)}
    by_name = [[guard for guard in (*left, *right) if guard.name == name] for name in names]
    return any(not any(all(fits(guard, value) for guard in said) for value in _cases(said)) for said in by_name)


def fits(guard: Guard, value: str | None) -> bool:
    """Whether one value, as text, fits: what ``fitting`` says of many."""
    if value is None or not value.strip():
        return guard.exists is False or _only_refuses(guard)
    number = float(value) if re.match(_NUMBER, value) else None
    if guard.exists is False or any(_is(each, value, number) for each in guard.none_of or ()):
        return False
    if guard.equals is not None and not _is(guard.equals, value, number):
        return False
    if guard.any_of is not None and not any(_is(each, value, number) for each in guard.any_of):
        return False
    return not guard.is_range or (
        number is not None
        and (guard.at_least is None or number >= guard.at_least)
        and (guard.above is None or number > guard.above)
        and (guard.at_most is None or number <= guard.at_most)
        and (guard.below is None or number < guard.below)
    )


def fitting(guards: Guards, columns: pa.Table) -> NDArray[np.bool_]:
    """Which of many events fit all guards; ``columns`` has each name, as text or as a number."""
    kept = np.ones(columns.num_rows, np.bool_)
    for guard in guards:
        kept = kept & _fitting(guard, columns.column(guard.name).combine_chunks())
    return kept


def _fitting(guard: Guard, column: pa.Array) -> NDArray[np.bool_]:
    if not pa.types.is_floating(column.type):
        # Most attributes have few values; whatever is asked is asked once of each.
        coded = column.dictionary_encode()
        of_each = np.append(_fitting_texts(guard, coded.dictionary), fits(guard, None))
        of_events = pc.fill_null(coded.indices, len(coded.dictionary)).to_numpy(zero_copy_only=False)
        fitting_events: NDArray[np.bool_] = np.take(of_each, of_events)
        return fitting_events
    numbers = pc.fill_null(column, np.nan).to_numpy(zero_copy_only=False)
    return _tested(guard, lambda value: numbers == float(value), numbers, np.isnan(numbers))


def _fitting_texts(guard: Guard, texts: pa.Array) -> NDArray[np.bool_]:
    reads = pc.match_substring_regex(texts, _NUMBER)
    numbers = np.full(len(texts), np.nan)
    numbers[_flags(reads)] = texts.filter(reads).cast(pa.float64()).to_numpy(zero_copy_only=False)

    def equal(value: Plain) -> NDArray[np.bool_]:
        return numbers == float(value) if is_number(value) else _flags(pc.equal(texts, as_text(value)))

    return _tested(guard, equal, numbers, _flags(pc.equal(pc.utf8_trim_whitespace(texts), "")))


def _tested(
    guard: Guard,
    equal: Callable[[Plain], NDArray[np.bool_]],
    numbers: NDArray[np.float64],
    absent: NDArray[np.bool_],
) -> NDArray[np.bool_]:
    if guard.exists is False:
        return absent
    kept = np.ones(len(numbers), np.bool_)
    for value in guard.none_of or ():
        kept &= ~equal(value)
    if guard.equals is not None:
        kept &= equal(guard.equals)
    if guard.any_of is not None:
        kept &= np.any([equal(value) for value in guard.any_of], axis=0)
    for bound, compare in (
        (guard.at_least, np.greater_equal),
        (guard.above, np.greater),
        (guard.at_most, np.less_equal),
        (guard.below, np.less),
    ):
        if bound is not None:
            kept &= compare(numbers, bound)
    return np.where(absent, _only_refuses(guard), kept)


def _flags(values: pa.Array) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = values.to_numpy(zero_copy_only=False).astype(np.bool_)
    return found


def _only_refuses(guard: Guard) -> bool:
    asks = guard.equals is not None or guard.any_of is not None or guard.exists is not None or guard.is_range
    return guard.none_of is not None and not asks


def _is(expected: Plain, value: str, number: float | None) -> bool:
    return number == float(expected) if is_number(expected) else value == as_text(expected)


def _cases(guards: Sequence[Guard]) -> Iterator[str | None]:
    """One value, at least, of each kind that these guards treat alike."""
    listed = [value for guard in guards for value in guard.values]
    texts = [as_text(value) for value in listed if not is_number(value)]
    numbers = {float(value) for value in listed if is_number(value)}
    numbers |= {float(text) for text in texts if re.match(_NUMBER, text)}
    for guard in guards:
        bounds = (guard.at_least, guard.above, guard.at_most, guard.below)
        numbers |= {bound for bound in bounds if bound is not None}
    points = sorted(numbers) or [0.0]
    between = [(low + high) / 2 for low, high in pairwise(points)]
    yield None
    yield from texts
    yield "x" * (1 + max(map(len, texts), default=0))
    for number in [*points, *between, points[0] - 1, points[-1] + 1]:
        spelled = format(Decimal(repr(number)), "f")
        whole = spelled if "." in spelled else f"{spelled}."
        # A number that some guard lists as a text has other spellings still.
        yield from (spelled, *(whole + "0" * zeros for zeros in range(1, len(texts) + 2)))
