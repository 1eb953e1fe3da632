"""Conditions on one event, as a journey map's transitions and beginnings carry them.

Belongs here: the words, and what they mean of a value. Does not belong here: whether two of them exclude each other or
what they say of many events (``journeys.guards``).
"""

from typing import Self

from pydantic import Field, model_validator

from cx_orchestration.model.base import Declared, Slug

#: What a guard may name besides attributes, by the kind of its values.
NUMBERS = ("amount", "score")
TEXTS = ("channel", "currency", "score_kind")

#: A value as people write it: a number compares with numbers, everything else with texts.
Plain = bool | int | float | str


class Guard(Declared):
    """True when an event's value fits all tests named; a value that is absent fits ``none_of`` and ``exists: false``.

    A value is absent when it is null or blank text. Texts compare exactly; a number compares with a value that is a
    number or reads as one; ``true`` and ``false`` are the texts of the same name.
    """

    name: Slug = Field(description="amount, score, channel, currency, score_kind, or the name of an attribute")
    equals: Plain | None = None
    any_of: list[Plain] | None = Field(default=None, min_length=1)
    none_of: list[Plain] | None = Field(default=None, min_length=1)
    at_least: float | None = Field(default=None, allow_inf_nan=False)
    above: float | None = Field(default=None, allow_inf_nan=False)
    at_most: float | None = Field(default=None, allow_inf_nan=False)
    below: float | None = Field(default=None, allow_inf_nan=False)
    exists: bool | None = None

    @model_validator(mode="after")
    def _tests_something(self) -> Self:
        others = [getattr(self, name) for name in type(self).model_fields if name not in {"name", "exists"}]
        if not any(test is not None for test in others) and self.exists is None:
            raise ValueError(
                "a guard needs a test: 'equals', 'any_of', 'none_of', 'at_least', 'above', 'at_most', 'below' or "
                "'exists'"
            )
        if self.exists is False and any(test is not None for test in others):
            raise ValueError("'exists: false' stands alone: no value that is absent fits another test")
        if self.name in NUMBERS and any(not is_number(value) for value in self.values):
            raise ValueError(f"'{self.name}' is a number: compare it with numbers")
        if self.name in TEXTS and (self.is_range or any(is_number(value) for value in self.values)):
            raise ValueError(f"'{self.name}' is a text: compare it with texts")
        return self

    @property
    def values(self) -> list[Plain]:
        """All values that it compares with one by one."""
        return [*([] if self.equals is None else [self.equals]), *(self.any_of or []), *(self.none_of or [])]

    @property
    def is_range(self) -> bool:
        """Whether it compares by size."""
        return any(bound is not None for bound in (self.at_least, self.above, self.at_most, self.below))

    def __str__(self) -> str:
        words = {
            "equals": self.equals,
            "any_of": self.any_of,
            "none_of": self.none_of,
            "at_least": self.at_least,
            "above": self.above,
            "at_most": self.at_most,
            "below": self.below,
            "exists": self.exists,
        }
        tests = [f"{word.replace('_', ' ')} {_said(value)}" for word, value in words.items() if value is not None]
        return f"{self.name} {' and '.join(tests)}"


def is_number(value: Plain) -> bool:
    """Whether a value as written compares with numbers."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def as_text(value: Plain) -> str:
    """A value that compares with texts, as the events have it."""
    return ("false", "true")[value] if isinstance(value, bool) else str(value)


def _said(value: Plain | list[Plain]) -> str:
    if isinstance(value, list):
        return ", ".join(map(_said, value))
    return f"{value:g}" if is_number(value) and not isinstance(value, str) else as_text(value)
