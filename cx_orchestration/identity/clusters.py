"""Which entities are one person, from pairs of integer codes with weights: components, then what keeps them apart.

Belongs here: the rules of clustering and what of the input needs them. Does not belong here: tables and text
(``resolve.py``), ids (``customer_ids.py``), the compiled passes (``linkage.py``).
"""

from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from cx_orchestration.identity.linkage import average_linkage, constrained_union, united

Codes: TypeAlias = NDArray[np.integer[Any]]
Flags: TypeAlias = NDArray[np.bool_]
Reals: TypeAlias = NDArray[np.floating[Any]]

#: Weights are summed as whole numbers of 2 ** -20: sums of real numbers would depend on the order of the pairs.
_UNIT = float(2**20)
#: No single weight counts for more than this, in whatever unit the weights are; 2 ** 33 pairs then add up without
#: overflow.
_MOST = 1000.0


class Kind(IntEnum):
    """What a pair is evidence of. ``ALWAYS`` and ``NEVER`` are decisions of people; their weight is not looked at."""

    EXACT = 0
    MODEL = 1
    ALWAYS = 2
    NEVER = 3


@dataclass(frozen=True)
class Linkage:
    """When groups are joined.

    Two groups are joined while the average weight of the pairs between them is at least ``threshold``. ``absent`` is
    the weight of a pair that was never compared (below ``threshold``); ``None`` leaves such pairs out of the average,
    and those with an entity that is bare are always left out: of it there is nothing to compare.
    """

    threshold: float = 0.0
    absent: float | None = None

    def __post_init__(self) -> None:
        if self.absent is not None and self.absent >= self.threshold:
            raise ValueError(f"absent is {self.absent}, expected less than the threshold, {self.threshold}")


@dataclass(frozen=True)
class Pairs:
    """Evidence on pairs of entities, one row per pair and rule, in any order: codes, weight, ``Kind``.

    Several exact links of a pair add up. ``MODEL`` comes at most once a pair. Pairs of an entity with itself say
    nothing.
    """

    left: Codes
    right: Codes
    weight: Reals
    kind: Codes

    def rows(self, chosen: Flags | Codes) -> "Pairs":
        return Pairs(self.left[chosen], self.right[chosen], self.weight[chosen], self.kind[chosen])


@dataclass(frozen=True)
class UniqueValues:
    """Values that one person can have one of: codes of entity, namespace and value, one row each, in any order."""

    entity: Codes = field(default_factory=lambda: np.empty(0, np.int64))
    namespace: Codes = field(default_factory=lambda: np.empty(0, np.int64))
    value: Codes = field(default_factory=lambda: np.empty(0, np.int64))

    def rows(self, chosen: Flags) -> "UniqueValues":
        return UniqueValues(self.entity[chosen], self.namespace[chosen], self.value[chosen])


@dataclass(frozen=True)
class Clusters:
    """By entity: the code of the first entity of its ``cluster``, and of its ``component``.

    Entities of different components have no influence on each other, whatever is added or removed: a component is
    held together by exact links, people's ``ALWAYS`` and pairs at or above the threshold.
    """

    cluster: Codes
    component: Codes


def find_clusters(
    entities: int,
    pairs: Pairs,
    unique: UniqueValues | None = None,
    linkage: Linkage | None = None,
    *,
    bare: Flags | None = None,
) -> Clusters:
    """The clusters of the entities coded 0, 1, ... in the order of their content, which settles ties.

    ``bare`` says of each whether its record has nothing to compare but keys: neither a name, nor a date of birth, nor
    an address. Without it none is.

    1. Pairs that are ``NEVER`` one person are never together, nor are two that hold different ``unique`` values of a
       namespace: a group that has one takes in no other. Only ``ALWAYS`` outweighs that, a person who knows that a
       value was mistyped; the group then has both values, and takes in what has one of them.
    2. ``ALWAYS`` unites first, then exact links, those of the heaviest pairs first, unless that is forbidden.
    3. Then the two groups with the highest average weight between them are joined, unless that is forbidden, while
       it is at least the threshold.

    Takes time proportional to n log n, a component of many thousands included. Raises ``ValueError`` for a weight
    that is not a number.
    """
    linkage = linkage or Linkage()
    unique = unique or UniqueValues()
    bare = np.zeros(entities, np.bool_) if bare is None else bare
    if np.isnan(pairs.weight).any():
        raise ValueError(f"{int(np.isnan(pairs.weight).sum())} pairs have a weight that is not a number")
    group = np.arange(entities)
    united(pairs.left, pairs.right, (pairs.kind == Kind.EXACT) | (pairs.kind == Kind.ALWAYS), group)
    component = group
    strong = (pairs.kind == Kind.MODEL) & (pairs.weight >= linkage.threshold)
    if strong.any():
        component = group.copy()
        united(pairs.left, pairs.right, strong, component)
    hard = _needing_more(pairs, unique, group, component)
    cluster = group
    if len(hard):
        cluster = group.copy()
        cluster[hard] = hard[_settle(hard, pairs, unique, component, linkage, bare)]
    return Clusters(cluster, component)


def _needing_more(pairs: Pairs, unique: UniqueValues, group: Codes, component: Codes) -> Codes:
    """The entities, in order, of the components that exact links alone do not settle."""
    needs = np.zeros(len(group), np.bool_)  # by component
    needs[component[group != component]] = True
    apart = pairs.kind == Kind.NEVER
    if apart.any():
        left, right = pairs.left[apart], pairs.right[apart]
        needs[component[left[group[left] == group[right]]]] = True
    groups, spaces, _ = _distinct(group[unique.entity], unique.namespace, unique.value)
    again = (groups[1:] == groups[:-1]) & (spaces[1:] == spaces[:-1])
    needs[component[groups[1:][again]]] = True
    return np.flatnonzero(needs[component])


def _settle(hard: Codes, pairs: Pairs, unique: UniqueValues, component: Codes, linkage: Linkage, bare: Flags) -> Codes:
    """By position in ``hard`` the position of the first of its cluster."""
    position = np.full(len(component), -1, np.int64)
    position[hard] = np.arange(len(hard))
    inside = (position[pairs.left] >= 0) & (component[pairs.left] == component[pairs.right])
    pairs = pairs.rows(inside & (pairs.left != pairs.right))
    pairs = Pairs(position[pairs.left], position[pairs.right], pairs.weight, pairs.kind)
    unique = unique.rows(position[unique.entity] >= 0)
    unique = UniqueValues(position[unique.entity], unique.namespace, unique.value)
    weighed, never = _weighed(len(hard), pairs), pairs.rows(pairs.kind == Kind.NEVER)
    group = _unite(len(hard), weighed, never, unique)
    return _join(group, component[hard], weighed, never, unique, linkage, bare[hard])


@dataclass(frozen=True)
class _Weighed:
    """One row per pair that was compared or decided, ordered by left and right.

    ``weight`` in all, in units of 2 ** -20; whether it ``weighs`` in the average; whether people (``always``) or an
    ``exact`` link unite it.
    """

    left: Codes
    right: Codes
    weight: Codes
    weighs: Flags
    always: Flags
    exact: Flags


def _weighed(entities: int, pairs: Pairs) -> _Weighed:
    pairs = pairs.rows(pairs.kind != Kind.NEVER)
    key, order = _pair_keys(entities, pairs.left, pairs.right)
    kind = pairs.kind[order]
    whole = np.rint(np.clip(pairs.weight[order], -_MOST, _MOST) * _UNIT).astype(np.int64)
    starts = _starts(key)
    always = _any(kind == Kind.ALWAYS, starts)
    weight = np.add.reduceat(np.where(kind == Kind.ALWAYS, 0, whole), starts) if len(starts) else whole
    return _Weighed(
        left=key[starts] // entities,
        right=key[starts] % entities,
        weight=weight,
        weighs=_any(kind != Kind.ALWAYS, starts),
        always=always,
        exact=_any(kind == Kind.EXACT, starts),
    )


def _unite(entities: int, weighed: _Weighed, never: Pairs, unique: UniqueValues) -> Codes:
    """By entity the first of its group: what people and exact links unite, the heaviest pairs first."""
    chosen = np.flatnonzero(weighed.always | weighed.exact)
    # Pairs lie in the order of their content, which settles ties as the sort is stable.
    chosen = chosen[np.lexsort((-weighed.weight[chosen], ~weighed.always[chosen]))]
    group: Codes = constrained_union(
        entities,
        weighed.left[chosen],
        weighed.right[chosen],
        weighed.always[chosen],
        never.left,
        never.right,
        *_value_lists(entities, unique.entity, unique),
    )
    return group


def _join(
    group: Codes,
    component: Codes,
    weighed: _Weighed,
    never: Pairs,
    unique: UniqueValues,
    linkage: Linkage,
    bare: Flags,
) -> Codes:
    """By entity the first of its cluster, after average linkage of the groups."""
    firsts, code = np.unique(group, return_inverse=True)
    left = code[np.r_[weighed.left[weighed.weighs], never.left]]
    right = code[np.r_[weighed.right[weighed.weighs], never.right]]
    forbidden = np.r_[np.zeros(weighed.weighs.sum(), np.bool_), np.ones(len(never.left), np.bool_)]
    weight = np.r_[weighed.weight[weighed.weighs], np.zeros(len(never.left), np.int64)]
    between = left != right
    pair = np.r_[np.flatnonzero(weighed.weighs), np.full(len(never.left), len(weighed.left))]
    beside = np.r_[(bare[weighed.left] | bare[weighed.right])[weighed.weighs], np.zeros(len(never.left), np.bool_)]
    columns = (left, right, forbidden, weight, pair, beside)
    left, right, forbidden, weight, pair, beside = (column[between] for column in columns)
    if not len(left):
        return group
    key, order = _pair_keys(len(firsts), left, right)
    starts = _starts(key)
    forbidden, weight, pair, beside = forbidden[order], weight[order], pair[order], beside[order]
    one, other = key[starts] // len(firsts), key[starts] % len(firsts)
    total, count = np.add.reduceat(weight, starts), np.add.reduceat((~forbidden).astype(np.int64), starts)
    bare_ends = np.add.reduceat(beside.astype(np.int64), starts)
    barred, where = _any(forbidden, starts), component[firsts][one]
    by_component = np.argsort(where, kind="stable")
    # Pairs lie in the order of their content, and a stable sort has left the first one of each edge first.
    tie = pair[starts]
    ended = average_linkage(
        where[by_component].astype(np.int64),
        one[by_component],
        other[by_component],
        total[by_component],
        count[by_component],
        bare_ends[by_component],
        barred[by_component],
        np.bincount(code[~bare], minlength=len(firsts)),
        tie[by_component],
        *_value_lists(len(firsts), code[unique.entity], unique),
        linkage.threshold * _UNIT,
        0.0 if linkage.absent is None else linkage.absent * _UNIT,
        linkage.absent is not None,
    )
    first = np.full(len(firsts), len(group), np.int64)
    np.minimum.at(first, ended, firsts)
    cluster: Codes = first[ended][code]
    return cluster


def _value_lists(groups: int, group: Codes, unique: UniqueValues) -> tuple[Codes, Codes, Codes, Codes]:
    """The values of each group as ``linkage.py`` wants them: heads by group; spaces, values and after by node."""
    holder, space, value = _distinct(group, unique.namespace, unique.value)
    heads = np.full(groups, -1, np.int64)
    after = np.full(len(holder), -1, np.int64)
    if len(holder):
        first = np.r_[True, holder[1:] != holder[:-1]]
        heads[holder[first]] = np.flatnonzero(first)
        after[:-1] = np.where(first[1:], -1, np.arange(1, len(holder)))
    return heads, space, value, after


def _distinct(*columns: Codes) -> tuple[Codes, ...]:
    """The distinct rows, in order."""
    order = np.lexsort(columns[::-1])
    rows = tuple(column[order].astype(np.int64) for column in columns)
    new = np.ones(len(order), np.bool_)
    new[1:] = np.logical_or.reduce([column[1:] != column[:-1] for column in rows])
    return tuple(column[new] for column in rows)


def _pair_keys(entities: int, left: Codes, right: Codes) -> tuple[Codes, Codes]:
    """One number a pair whichever way round it stands, in order; and where each was."""
    key = np.minimum(left, right).astype(np.int64) * entities + np.maximum(left, right)
    order = np.argsort(key, kind="stable")
    return key[order], order


def _starts(key: Codes) -> Codes:
    return np.flatnonzero(np.r_[True, key[1:] != key[:-1]][: len(key)])


def _any(flags: Flags, starts: Codes) -> Flags:
    return np.logical_or.reduceat(flags, starts) if len(starts) else np.empty(0, np.bool_)
