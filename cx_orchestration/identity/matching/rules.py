"""Which rules of blocks are worth their pairs.

Belongs here: what a rule finds that no other one does, seen on a sample, and which rules are left out for it. Does not
belong here: what blocks there are (``blocks.sql``), and how large they may be (``training.py``).

Most pairs that one block alone brings together share a frequent name, a day of birth or a house number by chance, and
the more entities there are, the more of them for each pair of one person.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from math import sqrt
from operator import or_
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from cx_orchestration.identity.matching.comparisons import Comparison
from cx_orchestration.identity.matching.estimation import Patterns
from cx_orchestration.identity.matching.observation import levels_of
from cx_orchestration.identity.matching.weighing import count_levels, untrained, weigh
from cx_orchestration.storage.engine import Session, sql_text

#: So many pairs are looked at, at most, as one counts for each rule that finds it: all pairs of some entities.
_SAMPLE = 400_000
#: So few pairs cost nothing: no rule is left out.
_FEW = 100_000
#: A rule is left out where of so many pairs that it alone finds one is a match, or none,
_PAIRS_A_MATCH = 1_000
#: and together those left out lose no more than this share of the matches.
_LOST = 0.002
#: A pair that weighs less is no match.
_LEAST_BITS = -10.0
#: The bit of all rules for which a number of 64 bits has none of their own. They stay.
_OTHERS = 1 << 62


@dataclass(frozen=True)
class RuleSample:
    """A ``share`` of the pairs that rules of blocks find: all pairs of some entities.

    They lie in the table ``rule_pairs`` of a workspace (``candidates_drawn.sql``). ``found_by`` are the rules that find
    the pairs of each of the ``patterns``: their ``bits``, in one number.
    """

    patterns: Patterns
    found_by: NDArray[np.integer[Any]]
    bits: Mapping[str, int]
    share: float

    @property
    def pairs(self) -> float:
        """About how many pairs all rules find."""
        return self.patterns.total() / self.share

    def of(self, rules: Collection[str]) -> Patterns:
        """Of the sample, what one of these rules finds, or several."""
        theirs = (self.found_by & _together(self.bits[rule] for rule in rules)) > 0
        return Patterns(self.patterns.levels[theirs], self.patterns.pairs[theirs])


def sample_rules(session: Session, comparisons: Sequence[Comparison], offered: pa.Table) -> RuleSample:
    """A sample of what ``offered`` rules (rule, cap, pairs: ``caps.sql``) find in a workspace.

    Entities are drawn by a hash, so that the same ones give the same pairs.
    """
    bits = {rule: min(1 << place, _OTHERS) for place, rule in enumerate(offered["rule"].to_pylist())}
    most = max(float(np.sum(offered["pairs"].to_numpy())), 1.0)
    drawn = 1 - sqrt(1 - min(_SAMPLE / most, 1.0))
    session.keep("offered_rules", offered.append_column("bit", pa.array(bits.values(), pa.int64())))
    text = "SELECT unique_id FROM fields WHERE hash(unique_id) % 1000000 < $drawn"
    session.make_in_parts("drawn_entities", text, "fields", {"drawn": 1e6 * drawn})
    session.make("rule_pairs", sql_text(__package__, "candidates_drawn.sql"))
    counted = count_levels(session, untrained(comparisons), "rule_pairs")
    patterns = Patterns(levels_of(counted, comparisons), counted["pairs"].to_numpy())
    return RuleSample(patterns, counted["match_key"].to_numpy(), bits, 1 - (1 - drawn) ** 2)


def choose_rules(session: Session, sample: RuleSample, model: Mapping[str, Any], frequencies: pa.Table) -> list[str]:
    """The rules of a sample that are worth their pairs, as the ``model`` (Splink's settings) weighs these."""
    if sample.pairs <= _FEW:
        return list(sample.bits)
    return fruitful_rules(sample.bits, count_matches(session, model, frequencies))


def count_matches(session: Session, model: Mapping[str, Any], frequencies: pa.Table) -> pa.Table:
    """What the rules of a workspace's sample find together (``rules_found.sql``)."""
    weigh(session, model, "rule_pairs", frequencies, _LEAST_BITS)
    return session.query(sql_text(__package__, "rules_found.sql"))


def fruitful_rules(bits: Mapping[str, int], found: pa.Table) -> list[str]:
    """The rules but for those that hardly find anybody whom no other one finds.

    ``found``: how many ``pairs``, and how many ``matches`` among them, the rules ``found_by`` (their ``bits``, in one
    number) find together. The least fruitful rule is left out, then of those that stay the least fruitful one, and so
    on. A rule that brings no pair of its own stays, as it costs nothing.
    """
    found_by, pairs, matches = (found[name].to_numpy() for name in ("found_by", "pairs", "matches"))
    kept, may_lose = dict(bits), _LOST * float(matches.sum())

    def found_alone(rule: str) -> tuple[float, float]:
        alone = (found_by & _together(kept.values())) == kept[rule]
        return float(matches[alone].sum()), float(pairs[alone].sum())

    while alone := {rule: its for rule, bit in kept.items() if bit < _OTHERS and (its := found_alone(rule))[1] > 0}:
        rule = min(alone, key=lambda each: (alone[each][0] / alone[each][1], each))
        lost, saved = alone[rule]
        if lost * _PAIRS_A_MATCH > saved or lost > may_lose:
            break
        may_lose -= lost
        del kept[rule]
    return list(kept)


def _together(bits: Iterable[int]) -> int:
    return reduce(or_, bits, 0)
