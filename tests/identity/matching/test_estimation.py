"""Probabilities estimated from counts of patterns, without labels."""

import duckdb
import numpy as np
import pytest
from numpy.typing import NDArray

from cx_orchestration.identity.matching.comparisons import (
    NEIGHBOURS,
    STRANGERS,
    Comparison,
    Level,
    derive_comparisons,
)
from cx_orchestration.identity.matching.estimation import Block, Estimates, Patterns, Reals, bits, estimate


def three_levels(name: str, *, household: bool = False) -> Comparison:
    levels = [Level("same", "", 0.8), Level("similar", "", 0.1), Level("different", "", 0.1)]
    if household:
        levels += [Level(f"{level.label}, other surname", "", level.expected, given=1) for level in levels]
    return Comparison(name, "", tuple(levels))


COMPARISONS = (three_levels("given"), three_levels("birth"), three_levels("city"))
M = np.array([[0.9, 0.07, 0.03], [0.85, 0.05, 0.1], [0.6, 0.1, 0.3]])
U = np.array([[0.01, 0.02, 0.97], [0.001, 0.009, 0.99], [0.1, 0.1, 0.8]])


def draw(rng: np.random.Generator, pairs: int, share: float, agreeing: int | None = None) -> Patterns:
    """Pairs of which a ``share`` is of one person; ``agreeing`` is the comparison in which all agree."""
    same = rng.random(pairs) < share
    levels = np.empty((pairs, 3), np.int64)
    for i in range(3):
        mine, others = (rng.choice([2, 1, 0], pairs, p=probabilities) for probabilities in (M[i], U[i]))
        levels[:, i] = np.where(same, mine, others)
    if agreeing is not None:
        levels[:, agreeing] = 2
    patterns, counts = np.unique(levels, axis=0, return_counts=True)
    return Patterns(patterns, counts.astype(float))


def learn(comparisons: tuple[Comparison, ...] = COMPARISONS, *, share: float = 0.4, pairs: int = 20_000) -> Estimates:
    rng = np.random.default_rng(3)
    nothing = Patterns(np.empty((0, len(comparisons)), np.int64), np.empty(0))
    blocks = [
        Block("on birth", draw(rng, pairs, share, agreeing=1), frozenset({"birth"})),
        Block("on given", draw(rng, pairs, share, agreeing=0), frozenset({"given"})),
    ]
    return estimate(
        comparisons,
        strangers=draw(rng, 400_000, 0.0005),
        neighbours=nothing,
        housemates=nothing,
        blocks=blocks,
        candidates=draw(rng, 1_000_000, 0.0008),
        candidate_share=1_000_000 / (5_000 * 4_999 / 2),
        entities=5_000,
    )


def test_m_and_u_are_found_without_labels() -> None:
    found = learn()
    assert np.abs(np.array(found.m) - M).max() < 0.02
    assert np.abs(np.array(found.u) - U).max() < 0.005


@pytest.mark.parametrize("share", [0.02, 0.98])
def test_a_block_of_nearly_all_or_nearly_no_matches_does_not_turn_the_mixture_round(share: float) -> None:
    weights = bits(learn(share=share))
    assert all(weight[0] > 1 > 0 > weight[-1] for weight in weights)


def test_the_prior_is_the_share_of_all_pairs_that_are_one_person() -> None:
    assert learn().prior == pytest.approx(0.0008, rel=0.15)


def test_a_level_that_no_pair_shows_gets_a_finite_weight_in_order() -> None:
    rare = Comparison("given", "", (*COMPARISONS[0].levels[:1], Level("initial", "", 0.01), *COMPARISONS[0].levels[1:]))
    weights = bits(_with_levels_between(rare))[0]
    assert np.isfinite(weights).all()
    assert (np.diff(weights) <= 1e-9).all()


def _with_levels_between(comparison: Comparison) -> Estimates:
    rng = np.random.default_rng(5)
    drawn = draw(rng, 5_000, 0.5)
    # Level numbers of four levels: the second one is never seen.
    levels = np.column_stack([np.where(drawn.levels[:, 0] == 2, 3, drawn.levels[:, 0]), drawn.levels[:, 1]])
    patterns, nothing = Patterns(levels, drawn.pairs), Patterns(np.empty((0, 2), np.int64), np.empty(0))
    return estimate(
        (comparison, COMPARISONS[1]),
        strangers=patterns,
        neighbours=patterns,
        housemates=nothing,
        blocks=[Block("birth", patterns, frozenset({"birth"}))],
        candidates=patterns,
        candidate_share=1.0,
        entities=1_000,
    )


def _of_one_surname(rng: np.random.Generator, persons: int, families: int, other_given: float) -> NDArray[np.int64]:
    """Levels in given, family and address of pairs with one surname: of one person, whose given name is another one
    in a share of them, of a family, and of strangers."""
    mistyped = np.where(rng.random(persons) < other_given, 0, 2)
    given = np.concatenate([mistyped, np.where(rng.random(families + 4_000) < 0.01, 2, 0)])
    address = np.concatenate([np.full(persons + families, 5), np.full(4_000, 3)])
    return np.column_stack([given, np.full(len(given), 2), address])


def _weights_of_homes(families: int, mistyped: float) -> tuple[Reals, ...]:
    rng = np.random.default_rng(7)
    address = Comparison(
        "address",
        "",
        tuple(
            Level(f"{label}{suffix}", "", share, given=place, by_chance=by_chance)
            for place, (by_chance, suffix) in enumerate(((NEIGHBOURS, ""), (STRANGERS, ", other surname")))
            for label, share in (("same", 0.8), ("near", 0.1), ("different", 0.1))
        ),
    )
    comparisons = (three_levels("given"), three_levels("family"), address)
    near = _of_one_surname(rng, 2_000, families, mistyped)
    persons = np.column_stack([np.where(rng.random((2_000, 2)) < mistyped, 0, 2), np.full(2_000, 5)])
    persons[:, 2] = np.where(persons[:, 1] == 0, 2, 5)
    homes = np.concatenate([near[2_000 : 2_000 + families], persons])
    strangers = np.column_stack([np.where(rng.random((200_000, 2)) < 0.01, 2, 0), np.zeros(200_000, np.int64)])
    strangers[:, 2] = np.where(strangers[:, 1] == 2, 3, 0)

    def counted(rows: NDArray[np.int64]) -> Patterns:
        patterns, counts = np.unique(rows, axis=0, return_counts=True)
        return Patterns(patterns, counts.astype(float))

    household = frozenset({"family", "address"})
    found = estimate(
        comparisons,
        strangers=counted(strangers),
        neighbours=counted(near),
        housemates=counted(homes),
        blocks=[
            Block("street", counted(homes), frozenset({"address"}), household),
            Block("names", counted(persons[persons[:, :2].min(axis=1) == 2]), frozenset({"given", "family"})),
        ],
        candidates=counted(np.concatenate([near, persons])),
        candidate_share=1.0,
        entities=3_000,
    )
    return bits(found)


def test_another_given_name_at_one_address_is_a_slip_where_surnames_slip_as_often() -> None:
    given, family, address = _weights_of_homes(families=0, mistyped=0.15)
    assert given[-1] == pytest.approx(np.log2(0.15 / 0.99), abs=0.3)
    assert family[0] + address[0] + given[-1] > 10


def test_another_given_name_at_one_address_is_a_family_where_there_are_families() -> None:
    given, _, address = _weights_of_homes(families=3_000, mistyped=0.02)
    assert address[0] < 1.5
    assert given[-1] < -4


def test_without_pairs_to_learn_from_what_is_expected_stays() -> None:
    nothing = Patterns(np.empty((0, 3), np.int64), np.empty(0))
    rng = np.random.default_rng(3)
    found = estimate(
        COMPARISONS,
        strangers=draw(rng, 10_000, 0.0),
        neighbours=nothing,
        housemates=nothing,
        blocks=[],
        candidates=nothing,
        candidate_share=1.0,
        entities=100,
    )
    assert np.allclose(found.m[0], [0.8, 0.1, 0.1])
    assert found.matches == {"given": 0.0, "birth": 0.0, "city": 0.0}


@pytest.mark.parametrize(
    ("there", "expected"),
    [
        ({}, ()),
        ({"key_email": 0.9, "key_login": 0.9}, ()),
        ({"given": 0.9}, ()),
        ({"given": 0.9, "family": 0.01, "birth": 0.5}, ("given", "birth")),
        ({"given": 0.9, "family": 0.9, "street": 0.5, "postcode": 0.5}, ("given", "family", "address", "area")),
        ({"given": 0.9, "family": 0.9, "street": 0.5}, ("given", "family", "address")),
        ({"family": 0.9, "city": 0.5, "key_vat": 0.3}, ("family", "area", "key_vat")),
    ],
)
def test_what_is_compared_follows_from_the_fields_that_exist(
    there: dict[str, float], expected: tuple[str, ...]
) -> None:
    found = derive_comparisons(there, frozenset())
    assert tuple(comparison.name for comparison in found) == expected


@pytest.mark.parametrize(
    ("streets", "postcodes", "compared"),
    [
        (("1 elm", "1 elm"), ("10115", "10115"), "address"),
        (("1 elm", None), ("10115", "10115"), "area"),
        ((None, None), ("10115", "20095"), "area"),
        (("1 elm", None), ("10115", None), None),
    ],
)
def test_where_somebody_lives_is_weighed_once_by_the_most_that_both_sides_know(
    streets: tuple[str | None, ...], postcodes: tuple[str | None, ...], compared: str | None
) -> None:
    found = derive_comparisons({"given": 0.9, "street": 0.5, "postcode": 0.9, "city": 0.1}, frozenset())
    sides = {"street_l": streets[0], "street_r": streets[1], "postcode_l": postcodes[0], "postcode_r": postcodes[1]}
    row = ", ".join(f"${name}::VARCHAR AS {name}" for name in (*sides, "city_l", "city_r"))
    weighed = [
        comparison.name
        for comparison in found
        if comparison.name != "given"
        and duckdb.execute(
            f"SELECT {comparison.missing} FROM (SELECT {row})", {**sides, "city_l": None, "city_r": None}
        ).fetchall()[0][0]
        is False
    ]
    assert weighed == ([compared] if compared else [])


@pytest.mark.parametrize(
    ("left", "right", "given", "family"),
    [
        (("ada", "berg"), ("berg", "ada"), "elsewhere in the name", "elsewhere in the name"),
        (("ada", "berg"), ("berk", "ada"), "elsewhere in the name", "elsewhere in the name"),
        (("ada maria", "berg"), ("maria", "berg"), "elsewhere in the name", "same"),
        (("ada", "berg holm"), ("ada", "holm"), "same", "elsewhere in the name"),
        # Siblings, one of whom is written with names swapped: the surname agrees, and counts once.
        (("ada", "berg"), ("berg", "otto"), "different", "elsewhere in the name"),
    ],
)
def test_a_name_in_another_place_counts_once(
    left: tuple[str, str], right: tuple[str, str], given: str, family: str
) -> None:
    values = {}
    for side, (givens, surname) in (("l", left), ("r", right)):
        values |= {f"given_{side}": givens.split()[0], f"family_{side}": surname}
        values |= {f"tokens_{side}": sorted({*givens.split(), *surname.split()})}
    values |= dict.fromkeys(("given_share_l", "given_share_r"))
    row = ", ".join(f"${name} AS {name}" for name in values)
    found = {}
    for comparison in derive_comparisons({"given": 0.9, "family": 0.9}, frozenset()):
        cases = " ".join(f"WHEN {level.sql} THEN '{level.label}'" for level in comparison.levels[:-1])
        query = f"SELECT CASE {cases} ELSE 'different' END FROM (SELECT {row})"
        found[comparison.name] = duckdb.execute(query, values).fetchall()[0][0]
    assert found == {"given": given, "family": family}


HOME = {"street": "1 elm", "numbers": "1", "postcode": "10115", "city": "berlin"}


@pytest.mark.parametrize(
    ("left", "right", "level"),
    [
        (HOME | {"family": "berg"}, HOME | {"family": "ott"}, "same, one home"),
        (HOME | {"family": "berg", "street": None}, HOME | {"family": "berg"}, "same, one home"),
        (HOME | {"family": "berg", "street": None}, HOME | {"family": "ott"}, "same, other surname"),
        (HOME | {"family": "berg"}, {"family": "berg", "street": "7 oak", "numbers": "7"}, "same"),
        (HOME | {"family": "berg"}, {"family": "berg"}, "same, home unknown"),
        (HOME | {"family": "berg"}, {"family": "ott"}, "same, other surname"),
    ],
)
def test_a_households_phone_is_weighed_given_whether_two_live_in_one_home(
    left: dict[str, str | None], right: dict[str, str | None], level: str
) -> None:
    coverage = {"given": 0.9, "family": 0.9, "key_phone": 0.9}
    phone = next(c for c in derive_comparisons(coverage, frozenset({"key_phone"})) if c.name == "key_phone")
    values: dict[str, str | None] = {}
    for name in ("family", *HOME):
        values |= {f"{name}_l": left.get(name), f"{name}_r": right.get(name)}
    values |= {f"{part}_key_phone_{side}": "1" for part in ("first", "mailbox") for side in ("l", "r")}
    row = ", ".join(f"${name}::VARCHAR AS {name}" for name in values)
    row += ", NULL::VARCHAR[] AS several_key_phone_l, NULL::VARCHAR[] AS several_key_phone_r"
    cases = " ".join(f"WHEN {each.sql} THEN '{each.label}'" for each in phone.levels[:-1])
    assert duckdb.execute(f"SELECT CASE {cases} END FROM (SELECT {row})", values).fetchall() == [(level,)]
