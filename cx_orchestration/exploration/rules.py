"""Clusters that nobody declared: customers who share two or three known values, found by a shallow tree.

Belongs here: searching rules on some of the customers, and who fits them. Does not belong here: testing them, which the
others do together with everything else that an analysis looks at (``rates``, ``profitable_paths``).
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray
from sklearn.tree import DecisionTreeRegressor

from cx_orchestration.exploration.significance import Side, compare_means
from cx_orchestration.storage.engine import Engine, sql_text

#: As many values as a rule may join, and as many rules as a step may add to what is tested.
DEPTH = 3
MOST_RULES = 3

#: Of each step half of the customers are searched, and of more than twice so many about this number: so time and memory
#: have an end, and what is missed is rules of very few or of very little. All others test what is found.
MOST_SEARCHED = 100_000

#: What is proposed for testing must stand out so much among those on whom it is searched.
_PROPOSED_AT = 0.05

_CONDITIONS = pa.schema(
    [(name, pa.string()) for name in ("journey", "step", "segment", "rule", "attribute", "attribute_value")]
    + [("wanted", pa.int64()), ("conditions", pa.int64()), ("searched_until", pa.string())]
)
_LIMITS = pa.schema([(name, pa.string()) for name in ("journey", "step", "searched_until")])


@dataclass(frozen=True, order=True)
class Condition:
    """An attribute that has this value, or, if not ``wanted``, another one."""

    attribute: str
    value: str
    wanted: bool


@dataclass(frozen=True)
class Rule:
    """Conditions on at least two attributes, all of which must hold."""

    conditions: tuple[Condition, ...]

    @property
    def segment(self) -> str:
        """The attributes, as ``device & region``."""
        return " & ".join(self._by_attribute())

    @property
    def value(self) -> str:
        """What is asked of each of them, as ``android & not west``."""
        return " & ".join(self._by_attribute().values())

    def _by_attribute(self) -> dict[str, str]:
        words: dict[str, str] = {}
        for condition in sorted(self.conditions):
            word = condition.value if condition.wanted else f"not {condition.value}"
            before = words.get(condition.attribute)
            words[condition.attribute] = word if before is None else f"{before} and {word}"
        return words


def with_rules(
    engine: Engine,
    clusters: pa.Table,
    outcomes: pa.Table,
    *,
    side: Side,
    least: int,
    min_effect: float = 0.0,
    most_searched: int = MOST_SEARCHED,
) -> pa.Table:
    """The clusters and those found by rules, as rows of ``candidates.sql``.

    ``outcomes`` (journey, step, customer_id, outcome) says of each customer what a rule is to tell apart: whose outcome
    is ``side`` than that of the others, by at least ``min_effect``. Groups of fewer than ``least`` are not proposed.
    """
    limits = _limits(outcomes, most_searched)
    searched: pd.DataFrame = engine.query(
        sql_text(__package__, "searched.sql"),
        {"clusters": clusters, "outcomes": outcomes, "limits": pa.Table.from_pylist(limits, _LIMITS)},
    ).to_pandas()
    until = {(one["journey"], one["step"]): one["searched_until"] for one in limits}
    rows = [
        {
            "journey": journey,
            "step": step,
            "segment": rule.segment,
            "rule": rule.value,
            "attribute": condition.attribute,
            "attribute_value": condition.value,
            "wanted": int(condition.wanted),
            "conditions": len(rule.conditions),
            "searched_until": until[str(journey), str(step)],
        }
        for (journey, step), at_step in searched.groupby(["journey", "step"], sort=True)
        for rule in find_rules(at_step, side=side, least=least, min_effect=min_effect)
        for condition in rule.conditions
    ]
    conditions = pa.Table.from_pylist(rows, _CONDITIONS)
    return engine.query(sql_text(__package__, "candidates.sql"), {"clusters": clusters, "conditions": conditions})


def _limits(outcomes: pa.Table, most_searched: int) -> list[dict[str, str]]:
    """By step, before which digest those come who are searched: the same customers tonight and tomorrow, but for what
    the number of customers changes."""
    steps = outcomes.group_by(["journey", "step"]).aggregate([([], "count_all")]).to_pylist()
    return [
        {
            "journey": one["journey"],
            "step": one["step"],
            "searched_until": f"{int(2**32 * min(0.5, most_searched / one['count_all'])):08x}",
        }
        for one in steps
    ]


def find_rules(searched: pd.DataFrame, *, side: Side, least: int, min_effect: float) -> list[Rule]:
    """The rules of one step, strongest first: paths through a regression tree over all known values.

    ``searched`` has customer_id, segment, segment_value, outcome. A rule is proposed if its customers differ from the
    others, and also from those whom its last condition leaves out: else it only repeats what it narrows.
    """
    known = _Known.of(searched)
    features = known.features(least)
    if len(features) < 2 or np.ptp(known.outcome) == 0:
        return []
    tree = DecisionTreeRegressor(max_depth=DEPTH, min_samples_leaf=least, random_state=0)
    tree.fit(np.column_stack([known.fitting((Condition(*each, wanted=True),)) for each in features]), known.outcome)
    proposed: dict[Rule, float] = {}
    for path in _paths(tree, features):
        rule = Rule(known.simplest(path))
        attributes = {condition.attribute for condition in rule.conditions}
        if len(attributes) < 2:
            continue
        all_known = np.logical_and.reduce([known.codes[attribute] >= 0 for attribute in attributes])
        inside = all_known & known.fitting(rule.conditions)
        wider = all_known & known.fitting(path[:-1]) & ~inside
        strength = 0.0
        for others in (all_known & ~inside, wider):
            if strength <= _PROPOSED_AT:
                of_these = known.outcome[inside], known.outcome[others]
                strength = max(strength, _strength(*of_these, side=side, least=least, min_effect=min_effect))
        if strength <= _PROPOSED_AT:
            proposed[rule] = min(strength, proposed.get(rule, 1.0))
    return sorted(proposed, key=lambda rule: (proposed[rule], rule.segment, rule.value))[:MOST_RULES]


@dataclass(frozen=True)
class _Known:
    """What is known of the customers of one step: by attribute, a code for each, -1 where unknown; and the outcomes."""

    codes: dict[str, NDArray[np.int64]]
    values: dict[str, list[str]]
    outcome: NDArray[np.float64]

    @classmethod
    def of(cls, searched: pd.DataFrame) -> "_Known":
        customers, names = pd.factorize(searched["customer_id"])
        outcome = np.zeros(len(names))
        outcome[customers] = searched["outcome"].to_numpy(dtype=np.float64)
        codes: dict[str, NDArray[np.int64]] = {}
        values: dict[str, list[str]] = {}
        attributes = searched["segment"].to_numpy(dtype=object)
        for attribute in sorted(set(attributes)):
            places = np.flatnonzero(attributes == attribute)
            own, found = pd.factorize(searched["segment_value"].iloc[places], sort=True)
            codes[attribute] = np.full(len(names), -1, dtype=np.int64)
            codes[attribute][customers[places]] = own
            values[attribute] = [str(value) for value in found]
        return cls(codes, values, outcome)

    def features(self, least: int) -> list[tuple[str, str]]:
        """Attribute and value of which at least so many customers have it, and as many another one."""
        features = []
        for attribute, codes in self.codes.items():
            counts = np.bincount(codes[codes >= 0], minlength=len(self.values[attribute]))
            common = (counts >= least) & (counts.sum() - counts >= least)
            features += [(attribute, self.values[attribute][code]) for code in np.flatnonzero(common)]
        return features

    def fitting(self, conditions: tuple[Condition, ...]) -> NDArray[np.bool_]:
        """The customers for whom all these hold; a value that is unknown is another one."""
        fits = np.ones(len(self.outcome), dtype=np.bool_)
        for condition in conditions:
            code = self.values[condition.attribute].index(condition.value)
            fits &= (self.codes[condition.attribute] == code) == condition.wanted
        return fits

    def simplest(self, path: tuple[Condition, ...]) -> tuple[Condition, ...]:
        """Without what another condition implies: the one value that is left stands for all that are not."""
        kept: list[Condition] = []
        for attribute in sorted({condition.attribute for condition in path}):
            own = [condition for condition in path if condition.attribute == attribute]
            wanted = [condition for condition in own if condition.wanted]
            left = set(self.values[attribute]) - {condition.value for condition in own}
            if wanted:
                kept += wanted[:1]
            elif len(left) == 1:
                kept.append(Condition(attribute, left.pop(), wanted=True))
            else:
                kept += own
        return tuple(kept)


def _paths(tree: DecisionTreeRegressor, names: list[tuple[str, str]]) -> Iterator[tuple[Condition, ...]]:
    """The conditions that lead to each node below the root."""
    nodes = tree.tree_
    waiting: list[tuple[int, tuple[Condition, ...]]] = [(0, ())]
    while waiting:
        node, path = waiting.pop()
        if path:
            yield path
        if nodes.children_left[node] != nodes.children_right[node]:
            attribute, value = names[nodes.feature[node]]
            waiting.append((nodes.children_left[node], (*path, Condition(attribute, value, wanted=False))))
            waiting.append((nodes.children_right[node], (*path, Condition(attribute, value, wanted=True))))


def _strength(
    inside: NDArray[np.float64], others: NDArray[np.float64], *, side: Side, least: int, min_effect: float
) -> float:
    """The p-value of the difference, 1 where a group or the difference is too small."""
    if min(len(inside), len(others)) < least:
        return 1.0
    compared = compare_means(inside, others, side)
    size = compared.effect if side == "more" else -compared.effect
    return compared.p_value if size >= min_effect else 1.0
