"""Probabilities of the levels of agreement, estimated from counts of patterns without labels.

Belongs here: expectation maximisation and its guards, on numbers only. Does not belong here: how pairs are found and
compared (``training.py``).

The model is Fellegi and Sunter's (1969): m is the share of a level among the pairs of one person, u among the others,
and a level weighs log2(m / u) bits. u comes from random pairs, m from blocks of pairs that agree in something, in
which what they agree in is not looked at. All blocks are maximised together, so that each field has one m.

What makes a family of a person with a mistyped name is how often that is so: surnames are mistyped as often at one
address under one given name, where no family is in the way (``_disagreeing``), and what other given names at one
address are more than that are households (``_with_households``).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from cx_orchestration.identity.matching.comparisons import (
    HOME_UNKNOWN,
    HOUSEMATES,
    NEIGHBOURS,
    STRANGERS,
    Comparison,
)

Reals: TypeAlias = NDArray[np.floating[Any]]

#: What is expected before training counts as much as so many pairs of one person: a level that no pair shows has no
#: weight of minus infinity, and a hundred rows do not make wild weights.
_EXPECTED_PAIRS = 10.0
#: The same for pairs of different persons, who are counted by the hundred thousand.
_STRANGER_PAIRS = 0.5
#: A block with fewer pairs teaches nothing.
_LEAST_PAIRS = 20
#: How many pairs of one person disagree in a field, where nothing else tells; counts as much as so many pairs.
_DISAGREEING, _DISAGREEING_PAIRS = 0.05, 10.0
#: Given names of one person disagree at most so many times as often as surnames do: there are short forms of them.
_SURNAMES = 2.0
#: What pairs of neighbours and of housemates were chosen by, which says nothing of which of them are one person.
_CHOSEN_BY = {NEIGHBOURS: frozenset({"family"}), HOUSEMATES: frozenset({"family", "address", "area"})}
_ROUNDS, _CONVERGED = 300, 1e-6
_FEWEST, _MOST = 1e-4, 1 - 1e-4


@dataclass(frozen=True)
class Patterns:
    """How often pairs agree how: ``levels`` has a row a pattern and a column a comparison, in Splink's numbers (-1
    missing, 0 the last level); ``pairs`` how many pairs show it."""

    levels: NDArray[np.integer[Any]]
    pairs: Reals

    def total(self) -> float:
        return float(self.pairs.sum())


@dataclass(frozen=True)
class Block:
    """Pairs that agree in what a rule names.

    ``unused`` are the comparisons that this decides. Those ``unjudged`` teach how persons agree in them, but do not
    say which pairs are one person: households meet in such a block, and agree in them too.
    """

    rule: str
    patterns: Patterns
    unused: frozenset[str]
    unjudged: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Estimates:
    """m and u by comparison and level, strongest level first; ``prior`` is the share of pairs that are one person.

    ``matches`` says how many pairs of one person each comparison learnt from, ``share`` how many of a block's pairs
    were of one person.
    """

    m: tuple[Reals, ...]
    u: tuple[Reals, ...]
    prior: float
    matches: dict[str, float] = field(default_factory=dict)
    share: dict[str, float] = field(default_factory=dict)


def estimate(
    comparisons: Sequence[Comparison],
    *,
    strangers: Patterns,
    neighbours: Patterns,
    housemates: Patterns,
    blocks: Sequence[Block],
    candidates: Patterns,
    candidate_share: float,
    entities: int,
) -> Estimates:
    """The estimates from five kinds of pairs.

    ``strangers`` are random pairs, ``neighbours`` random pairs of one surname and ``housemates`` pairs of one home,
    from which comes what people share by living together. All hold pairs of one person, who are taken out by their
    own probability. ``candidates`` are the pairs that would be scored, or the ``candidate_share`` of them: they give
    the prior.
    """
    all_pairs = max(entities * (entities - 1) / 2, 1.0)
    usable = [block for block in blocks if block.patterns.total() >= _LEAST_PAIRS]
    expected = tuple(_shares(np.array([level.expected for level in c.levels]), c) for c in comparisons)
    by_chance = {STRANGERS: strangers, NEIGHBOURS: neighbours, HOUSEMATES: housemates}
    near = {NEIGHBOURS: 0.1, HOUSEMATES: 0.5}
    u = _chance_shares(comparisons, {kind: (patterns, patterns.pairs) for kind, patterns in by_chance.items()})
    within = _disagreeing(comparisons, usable, u)
    state = Estimates(expected, u, prior=min(1 / max(entities, 2), 0.1))
    share = {block.rule: 0.5 for block in usable}
    for _ in range(_ROUNDS):
        counts = [_EXPECTED_PAIRS * shares for shares in expected]
        moved, coarse = 0.0, _with_one_disagreement(comparisons, state)
        for block in usable:
            used = [i for i, c in enumerate(comparisons) if c.name not in block.unused]
            judging = [i for i in used if comparisons[i].name not in block.unjudged]
            if not judging:
                continue
            now = _share_of_matches(comparisons, block.patterns, judging, coarse, share[block.rule], within)
            moved = max(moved, abs(now - share[block.rule]))
            share[block.rule] = now
            weight = block.patterns.pairs * _probability(block.patterns, judging, coarse, now)
            for i in used:
                counts[i] = counts[i] + _level_counts(block.patterns.levels[:, i], weight, len(counts[i]))
        m = tuple(
            _capped(_shares(count, c), c, _SURNAMES * within) for count, c in zip(counts, comparisons, strict=True)
        )
        moved = max([moved, *(float(np.abs(a - b).max()) for a, b in zip(m, state.m, strict=True))])
        state = replace(state, m=m)
        coarse = _with_one_disagreement(comparisons, state)
        everything = list(range(len(comparisons)))
        different = {STRANGERS: 1 - _probability(strangers, everything, state, state.prior)}
        for kind in (NEIGHBOURS, HOUSEMATES):
            patterns = by_chance[kind]
            telling = [i for i in everything if comparisons[i].name not in _CHOSEN_BY[kind]]
            if patterns.total() and telling:
                now = _share_of_matches(comparisons, patterns, telling, coarse, near[kind], within)
                moved, near[kind] = max(moved, abs(now - near[kind])), now
            different[kind] = 1 - _probability(patterns, telling, coarse, near[kind])
        weighted = {kind: (patterns, patterns.pairs * different[kind]) for kind, patterns in by_chance.items()}
        prior = _prior(candidates, state, candidate_share, all_pairs)
        u = _with_households(comparisons, _chance_shares(comparisons, weighted), m, weighted[NEIGHBOURS])
        state = replace(state, u=u, prior=prior)
        if moved < _CONVERGED:
            break
    matches = {
        c.name: float(count.sum() - _EXPECTED_PAIRS * shares.sum())
        for c, count, shares in zip(comparisons, counts, expected, strict=True)
    }
    guarded = [_in_order(m, u, c) for m, u, c in zip(state.m, state.u, comparisons, strict=True)]
    state = replace(state, m=tuple(m for m, _ in guarded), u=tuple(u for _, u in guarded))
    return replace(state, prior=_prior(candidates, state, candidate_share, all_pairs), matches=matches, share=share)


def bits(state: Estimates) -> tuple[Reals, ...]:
    """The weight of each level, log2(m / u)."""
    return tuple(np.log2(m / u) for m, u in zip(state.m, state.u, strict=True))


def _evidence(patterns: Patterns, used: Sequence[int], state: Estimates) -> Reals:
    total = np.zeros(len(patterns.pairs))
    for i in used:
        log = np.log(state.m[i] / state.u[i])
        level = patterns.levels[:, i]
        total += np.where(level >= 0, log[np.clip(len(log) - 1 - level, 0, len(log) - 1)], 0.0)
    return total


def _probability(patterns: Patterns, used: Sequence[int], state: Estimates, share: float) -> Reals:
    logit = _evidence(patterns, used, state) + np.log(share / (1 - share))
    return np.asarray(1 / (1 + np.exp(-np.clip(logit, -500, 500))))


def _disagreeing(comparisons: Sequence[Comparison], blocks: Sequence[Block], u: tuple[Reals, ...]) -> float:
    """How many pairs of one person disagree in a name.

    Seen where the address agrees and neither name is looked at: the share of other surnames under one given name, less
    the strangers who have that given name by chance, as many as those with other given names let expect.
    """
    places = {comparison.name: i for i, comparison in enumerate(comparisons)}
    homes = [block for block in blocks if "address" in block.unused and not block.unused & {"given", "family"}]
    seen, disagreeing = _DISAGREEING_PAIRS, _DISAGREEING_PAIRS * _DISAGREEING
    if "given" in places and "family" in places:
        by_chance = u[places["given"]]
        for block in homes:
            given, family = (block.patterns.levels[:, places[name]] for name in ("given", "family"))
            other = comparisons[places["given"]].disagreeing
            one_name = (given == len(by_chance) - 1) - ((given >= 0) & (given < other)) * by_chance[0] / by_chance[
                -other:
            ].sum()
            pairs = block.patterns.pairs * one_name
            seen += max(float(pairs[family >= 0].sum()), 0.0)
            disagreeing += max(float(pairs[family == 0].sum()), 0.0)
    return float(np.clip(disagreeing / seen, 0.01, 0.3))


def _share_of_matches(
    comparisons: Sequence[Comparison],
    patterns: Patterns,
    used: Sequence[int],
    state: Estimates,
    share: float,
    disagreeing: float,
) -> float:
    """The share of a block's pairs that are one person.

    With one comparison alone any mixture fits: then its last level is held to what is expected of it, as if that much
    of the disagreement were within persons: ``disagreeing``.
    """
    if len(used) == 1:
        i = used[0]
        seen = _level_counts(patterns.levels[:, i], patterns.pairs, len(state.m[i]))
        if seen.sum() == 0:
            return share
        other = _disagreements(comparisons[i])
        last, by_chance = float(seen[other].sum() / seen.sum()), _among(comparisons[i], seen, state.u[i][other], other)
        return float(np.clip((by_chance - last) / max(by_chance - disagreeing, 1e-9), _FEWEST, _MOST))
    mean = float((patterns.pairs * _probability(patterns, used, state, share)).sum() / patterns.total())
    return min(max(mean, _FEWEST), _MOST)


def _capped(m: Reals, comparison: Comparison, most: float) -> Reals:
    """m where those levels of a name that twins are at, and couples, have no more than ``most`` together: what names of
    one person are is not learnt from families."""
    if comparison.disagreeing == 1:
        return m
    other = _disagreements(replace(comparison, disagreeing=comparison.disagreeing + 1))
    share = m[other].sum()
    if share <= most:
        return m
    return np.asarray(np.where(other, m * (most / share), m * ((1 - most) / (1 - share))))


def _with_one_disagreement(comparisons: Sequence[Comparison], state: Estimates) -> Estimates:
    """All levels of disagreement with the weight of them together, as it is known how often persons disagree at all."""
    m = []
    for i, comparison in enumerate(comparisons):
        found = state.m[i].copy()
        if comparison.disagreeing > 1:
            other = _disagreements(comparison)
            found[other] = state.u[i][other] * (found[other].sum() / state.u[i][other].sum())
        m.append(found)
    return replace(state, m=tuple(m))


def _disagreements(comparison: Comparison) -> NDArray[np.bool_]:
    """Which levels say that two values are different: the last ones of each condition."""
    given = [level.given for level in comparison.levels]
    last = [given[place : place + comparison.disagreeing + 1] for place in range(len(given))]
    return np.array([len(set(ahead)) > 1 or len(ahead) <= comparison.disagreeing for ahead in last])


def _among(comparison: Comparison, seen: Reals, u: Reals, other: NDArray[np.bool_]) -> float:
    """How often different persons disagree, in the conditions in which pairs were ``seen``."""
    given = np.array([level.given for level in comparison.levels])
    return float((np.bincount(given, seen)[given[other]] * u).sum() / seen.sum())


def _prior(candidates: Patterns, state: Estimates, candidate_share: float, all_pairs: float) -> float:
    prior = state.prior
    everything = list(range(len(state.m)))
    for _ in range(50):
        found = float((candidates.pairs * _probability(candidates, everything, state, prior)).sum())
        now = min(max(found / candidate_share, 1.0) / all_pairs, 0.5)
        if abs(now / prior - 1) < 1e-3:
            break
        prior = now
    return now


def _level_counts(level: NDArray[np.integer[Any]], weight: Reals, levels: int) -> Reals:
    there = level >= 0
    return np.asarray(np.bincount(levels - 1 - level[there], weight[there], levels), np.float64)


def _chance_shares(comparisons: Sequence[Comparison], pairs: Mapping[str, tuple[Patterns, Reals]]) -> tuple[Reals, ...]:
    """u of each level, from the pairs of different persons (their patterns, and how many each stands for) in which its
    condition is found."""
    found = []
    for i, comparison in enumerate(comparisons):
        size, count = len(comparison.levels), np.zeros(len(comparison.levels))
        conditions = 1 + comparison.levels[-1].given
        for kind in {level.by_chance for level in comparison.levels}:
            patterns, weight = pairs[NEIGHBOURS if kind == HOME_UNKNOWN else kind]
            seen = _level_counts(patterns.levels[:, i], weight, size)
            if kind == HOME_UNKNOWN:
                # Neighbours of any home: of those who are not seen to live together some do.
                seen = np.tile(seen.reshape(conditions, -1).sum(axis=0), conditions)
            chosen = np.array([level.by_chance == kind for level in comparison.levels])
            count += np.where(chosen, seen, 0.0)
        expected = [
            _STRANGER_PAIRS / size if level.chance is None else _EXPECTED_PAIRS * level.chance
            for level in comparison.levels
        ]
        found.append(_shares(count + np.array(expected), comparison))
    return tuple(found)


def _with_households(
    comparisons: Sequence[Comparison], u: tuple[Reals, ...], m: tuple[Reals, ...], neighbours: tuple[Patterns, Reals]
) -> tuple[Reals, ...]:
    """u of the address among those of one surname, from one number: how many of them live together.

    Those who do write their address as differently as one person does (m), the others agree as strangers do. So few
    pairs cannot make one level look like a household's and another not.
    """
    found = list(u)
    for i, comparison in enumerate(comparisons):
        if not comparison.tells_homes:
            continue
        patterns, weight = neighbours
        grades = len(comparison.levels) // 2
        seen = _level_counts(patterns.levels[:, i], weight, 2 * grades)[:grades]
        together, apart = m[i][:grades], u[i][grades:]
        rate = 0.5
        for _ in range(100 if seen.sum() else 0):
            now = float((seen * rate * together / (rate * together + (1 - rate) * apart)).sum() / seen.sum())
            moved, rate = abs(now - rate), min(max(now, 1e-9), 1 - 1e-9)
            if moved < _CONVERGED:
                break
        found[i] = np.r_[rate * together + (1 - rate) * apart, apart]
    return tuple(found)


def _shares(count: Reals, comparison: Comparison) -> Reals:
    """Counts as shares, which add up to one among the levels of the same condition."""
    given = np.array([level.given for level in comparison.levels])
    total = np.bincount(given, count)
    return np.asarray(count / total[given])


def _in_order(m: Reals, u: Reals, comparison: Comparison) -> tuple[Reals, Reals]:
    """A weaker agreement weighs no more than a stronger one: where it did, both get the weight of the two together.

    Neighbouring levels are pooled until the order holds (isotonic regression by pooling adjacent violators).
    """
    m, u = m.copy(), u.copy()
    for condition in sorted({level.given for level in comparison.levels}):
        pools = [[i] for i, level in enumerate(comparison.levels) if level.given == condition]
        position = 0
        while position < len(pools) - 1:
            here, below = pools[position], pools[position + 1]
            if m[here].sum() * u[below].sum() < m[below].sum() * u[here].sum():
                pools[position : position + 2] = [here + below]
                position = max(position - 1, 0)
            else:
                position += 1
        for pool in pools:
            if len(pool) > 1:
                m[pool] = u[pool] * (m[pool].sum() / u[pool].sum())
    return m, u
