"""Clusters against a slow reference that does what the rules say, and the properties that others rely on."""

import itertools
import math
from collections.abc import Iterable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cx_orchestration.identity.clusters import Clusters, Kind, Linkage, Pairs, UniqueValues, find_clusters
from cx_orchestration.model.identity import Matching

#: left, right, weight, kind
Row = tuple[int, int, float, Kind]
#: entity, namespace, value
Value = tuple[int, int, int]

EXACT, MODEL, ALWAYS, NEVER = Kind


def clusters(
    entities: int,
    rows: Iterable[Row],
    values: Iterable[Value] = (),
    linkage: Linkage | None = None,
    bare: Iterable[int] = (),
):
    found = _found(entities, list(rows), list(values), linkage, bare)
    return {frozenset(np.flatnonzero(found.cluster == first).tolist()) for first in np.unique(found.cluster)}


def _found(
    entities: int, rows: list[Row], values: list[Value], linkage: Linkage | None, bare: Iterable[int] = ()
) -> Clusters:
    left, right, weight, kind = ([row[n] for row in rows] for n in range(4))
    pairs = Pairs(
        np.array(left, np.int64), np.array(right, np.int64), np.array(weight, np.float64), np.array(kind, np.int8)
    )
    holder, space, value = (np.array([row[n] for row in values], np.int64) for n in range(3))
    is_bare = np.isin(np.arange(entities), list(bare))
    return find_clusters(entities, pairs, UniqueValues(holder, space, value), linkage, bare=is_bare)


def reference(entities: int, rows: Iterable[Row], values: Iterable[Value], linkage: Linkage, bare: Iterable[int] = ()):
    """The rules, word by word: every step looks at every two groups."""
    rows, values = list(rows), list(values)
    compared: dict[tuple[int, int], float] = {}
    uniting: dict[tuple[int, int], int] = {}
    never = {frozenset((left, right)) for left, right, _, kind in rows if kind == NEVER and left != right}
    for left, right, weight, kind in rows:
        pair = min(left, right), max(left, right)
        if left == right or kind == NEVER:
            continue
        if kind != ALWAYS:
            compared[pair] = compared.get(pair, 0.0) + weight
        if kind != MODEL:
            uniting[pair] = min(uniting.get(pair, 1), 0 if kind == ALWAYS else 1)
    groups = [frozenset({entity}) for entity in range(entities)]

    def held(group: frozenset[int], space: int) -> set[int]:
        return {value for entity, where, value in values if entity in group and where == space}

    def parted(one: frozenset[int], other: frozenset[int]) -> bool:
        return any(frozenset(pair) in never for pair in itertools.product(one, other))

    def conflict(one: frozenset[int], other: frozenset[int]) -> bool:
        both = [(held(one, space), held(other, space)) for space in {space for _, space, _ in values}]
        return any(a - b and b - a for a, b in both)

    def unite(one: frozenset[int], other: frozenset[int]) -> None:
        groups.remove(one)
        groups.remove(other)
        groups.append(one | other)

    for pair in sorted(uniting, key=lambda pair: (uniting[pair], -compared.get(pair, 0.0), pair)):
        one, other = (next(group for group in groups if entity in group) for entity in pair)
        by_people = uniting[pair] == 0
        if one != other and not parted(one, other) and (by_people or not conflict(one, other)):
            unite(one, other)

    def between(one: frozenset[int], other: frozenset[int]) -> list[tuple[int, int]]:
        return [(min(pair), max(pair)) for pair in itertools.product(one, other)]

    def average(one: frozenset[int], other: frozenset[int]) -> float:
        pairs = between(one, other)
        weights = [compared[pair] for pair in pairs if pair in compared]
        if linkage.absent is not None and weights:
            weights += [linkage.absent for pair in pairs if pair not in compared and not {*pair} & {*bare}]
        return sum(weights) / len(weights) if weights else -math.inf

    while True:
        open_to = [
            (-average(one, other), min(pair for pair in between(one, other) if pair in compared), one, other)
            for one, other in itertools.combinations(groups, 2)
            if average(one, other) >= linkage.threshold and not parted(one, other) and not conflict(one, other)
        ]
        if not open_to:
            return set(groups)
        unite(*min(open_to, key=lambda item: item[:2])[2:])


N = 9
_codes = st.integers(0, N - 1)
_model = st.dictionaries(
    st.tuples(_codes, _codes).map(lambda pair: (min(pair), max(pair))), st.integers(-12, 12), max_size=24
).map(lambda weights: [(*pair, weight / 2, MODEL) for pair, weight in weights.items() if pair[0] != pair[1]])
_others = st.lists(
    st.tuples(_codes, _codes, st.sampled_from([6.0, 8.0]), st.sampled_from([EXACT, EXACT, EXACT, ALWAYS, NEVER])),
    max_size=8,
)
_values = st.lists(st.tuples(_codes, st.integers(0, 1), st.integers(0, 2)), max_size=8)
_linkages = st.sampled_from([Linkage(), Linkage(1.0), Linkage(0.5, absent=0.0), Linkage(0.0, absent=-4.0)])


@settings(deadline=None, max_examples=300)
@given(model=_model, others=_others, values=_values, linkage=_linkages, bare=st.sets(_codes))
def test_clusters_are_those_of_the_reference(model, others, values, linkage, bare) -> None:
    assert clusters(N, model + others, values, linkage, bare) == reference(N, model + others, values, linkage, bare)


@settings(deadline=None, max_examples=50)
@given(model=_model, others=_others, values=_values, linkage=_linkages, data=st.data())
def test_the_order_of_the_input_does_not_matter(model, others, values, linkage, data) -> None:
    rows = model + others
    turned = [
        (right, left, weight, kind) if turn else (left, right, weight, kind)
        for (left, right, weight, kind), turn in zip(
            data.draw(st.permutations(rows)),
            data.draw(st.lists(st.booleans(), min_size=len(rows), max_size=len(rows))),
            strict=True,
        )
    ]
    expected = _found(N, rows, values, linkage)
    found = _found(N, turned, data.draw(st.permutations(values)), linkage)
    assert found.cluster.tolist() == expected.cluster.tolist()
    assert found.component.tolist() == expected.component.tolist()


@settings(deadline=None, max_examples=50)
@given(model=_model, others=_others, values=_values, linkage=_linkages)
def test_a_component_alone_has_the_clusters_that_it_has_among_others(model, others, values, linkage) -> None:
    rows = model + others
    whole = _found(N, rows, values, linkage)
    for first in np.unique(whole.component):
        members = np.flatnonzero(whole.component == first).tolist()
        code = {entity: position for position, entity in enumerate(members)}
        own = [(code[a], code[b], weight, kind) for a, b, weight, kind in rows if a in code and b in code]
        held = [(code[entity], space, value) for entity, space, value in values if entity in code]
        alone = _found(len(members), own, held, linkage)
        assert [members[n] for n in alone.cluster] == whole.cluster[members].tolist()
        assert set(alone.component.tolist()) == {0}


@settings(deadline=None, max_examples=50)
@given(model=_model, others=_others, values=_values, linkage=_linkages)
def test_never_pairs_and_different_unique_values_are_never_together(model, others, values, linkage) -> None:
    rows = [row for row in model + others if row[3] != ALWAYS]
    one_each = {(entity, space): value for entity, space, value in values}
    held = [(entity, space, value) for (entity, space), value in one_each.items()]
    for group in clusters(N, rows, held, linkage):
        assert not [row for row in rows if row[3] == NEVER and {row[0], row[1]} <= group and row[0] != row[1]]
        for space in (0, 1):
            assert len({value for entity, where, value in held if entity in group and where == space}) <= 1


def test_people_outweigh_a_unique_conflict_and_nothing_else_does() -> None:
    born = [(0, 0, 1), (1, 0, 2)]
    assert clusters(2, [(0, 1, 40.0, EXACT), (0, 1, 60.0, MODEL)], born) == {frozenset({0}), frozenset({1})}
    assert clusters(2, [(0, 1, 0.0, ALWAYS)], born) == {frozenset({0, 1})}
    assert clusters(2, [(0, 1, 0.0, ALWAYS), (0, 1, 0.0, NEVER)], born) == {frozenset({0}), frozenset({1})}


def test_a_chain_of_good_pairs_does_not_glue_strangers_together() -> None:
    chain = [(0, 1, 9.0, MODEL), (1, 2, 8.0, MODEL), (0, 2, -20.0, MODEL)]
    assert clusters(3, chain) == {frozenset({0, 1}), frozenset({2})}


def test_a_shared_key_unites_against_a_model_that_says_no() -> None:
    rows = [(0, 1, 20.0, EXACT), (0, 1, -18.0, MODEL)]
    assert clusters(2, rows, linkage=Linkage(5.0)) == {frozenset({0, 1})}


def test_a_weight_that_is_no_number_is_refused() -> None:
    with pytest.raises(ValueError, match="1 pairs have a weight that is not a number"):
        clusters(2, [(0, 1, math.nan, MODEL)])


def test_an_absent_weight_above_the_threshold_is_refused() -> None:
    with pytest.raises(ValueError, match="expected less than the threshold"):
        Linkage(0.0, absent=1.0)


def test_nobody_is_no_cluster() -> None:
    assert clusters(0, []) == set()


def test_a_pair_that_nobody_compared_cannot_be_declared_to_unite() -> None:
    with pytest.raises(ValueError, match=r"absent_bits to be below union_probability, -2\.0 bits"):
        Matching(absent_bits=-1, union_probability=0.2)


def test_records_of_which_there_is_nothing_to_compare_are_no_evidence_against() -> None:
    account = [(1, 2, 20.0, EXACT), (1, 3, 20.0, EXACT), (1, 4, 20.0, EXACT)]
    contact, linkage = [(0, 1, 8.0, MODEL)], Linkage(2.0, absent=-4.0)
    assert len(clusters(5, account + contact, linkage=linkage)) == 2
    assert len(clusters(5, account + contact, linkage=linkage, bare=[2, 3, 4])) == 1
    assert len(clusters(5, [*account, *contact, (0, 3, -6.0, MODEL)], linkage=linkage, bare=[2, 3, 4])) == 2
