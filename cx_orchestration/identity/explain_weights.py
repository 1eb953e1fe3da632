"""What makes the weight of a scored pair, part by part: the waterfall that Splink draws, from what the ledger keeps.

Belongs here: bits by field, and where their bars are. Does not belong here: what the fields are called.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

_LONGEST = 420.0


@dataclass(frozen=True)
class Part:
    """One part of a weight: a field and its level, or ``start`` and ``rarity``; ``bits`` is what it adds."""

    name: str
    level: str
    bits: float


@dataclass(frozen=True)
class Bar:
    """A part as a bar: where it begins and how long it is, in pixels."""

    part: Part
    x: float
    length: float


def weigh(settings: Mapping[str, Any], levels: Sequence[tuple[str, str]], total: float) -> tuple[Part, ...]:
    """The parts of a pair's weight under a frozen model; they add up to ``total`` bits.

    ``start`` is how likely any two candidates are one person, each field adds log2(m / u) of its level (Fellegi and
    Sunter 1969), and ``rarity`` is the rest: rare values count for more than common ones (term frequencies).
    """
    chance = float(settings["probability_two_random_records_match"])
    parts = [Part("start", "", math.log2(chance / (1 - chance)))]
    known = {each["output_column_name"]: each["comparison_levels"] for each in settings["comparisons"]}
    for name, level in levels:
        found = [each for each in known.get(name, ()) if each["label_for_charts"] == level and "m_probability" in each]
        if found:
            parts.append(Part(name, level, math.log2(found[0]["m_probability"] / found[0]["u_probability"])))
    rest = total - sum(part.bits for part in parts)
    return (*parts, Part("rarity", "", rest)) if abs(rest) >= 0.05 else tuple(parts)


def bars(parts: Sequence[Part]) -> tuple[Bar, ...]:
    """The parts one after the other, each beginning where the one before ends, on one scale."""
    ends = [0.0, *accumulate(part.bits for part in parts)]
    lowest, span = min(ends), (max(ends) - min(ends)) or 1.0
    scale = _LONGEST / span
    return tuple(
        Bar(part, (min(start, end) - lowest) * scale, max(abs(part.bits) * scale, 1.0))
        for part, start, end in zip(parts, ends, ends[1:], strict=False)
    )
