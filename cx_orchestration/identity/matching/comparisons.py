"""What a model compares: derived from the fields that the profiles have, the same for every company.

Belongs here: the levels of agreement of each field, as SQL over a pair's two sides (``family_l``, ``family_r``), and
what is expected of them before any data are seen. Does not belong here: what training makes of them.

A family shares its surname, its address and often a phone. Taken as independent, they would outweigh another given
name and birth date, and glue families together. So they are one comparison in two or three parts: the surname, then
the address *given whether the surname agrees*, then keys that a household shares given the same. Each part has a
weight of its own, so that a missing address is no evidence, and their sum is the weight of the joint comparison.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

#: A field that fewer entities have is left out: too few pairs have it on both sides to learn from.
LEAST_COVERAGE = 0.02

#: The fields of ``fields.sql`` whose coverage decides what is compared.
FIELDS = ("given", "middle", "family", "birth", "street", "postcode", "city")

_FAMILY_AGREES = (
    "(family_l = family_r"
    " OR (left(family_l, 1) = left(family_r, 1) AND jaro_winkler_similarity(family_l, family_r) >= 0.9))"
)


@dataclass(frozen=True)
class Level:
    """One grade of agreement.

    ``expected`` is its share among the pairs of one person, before training; ``rare_in`` names the column whose rare
    values agree less often by chance. Probabilities of the levels of one ``given`` add up to one.
    """

    label: str
    sql: str
    expected: float
    rare_in: str | None = None
    given: int = 0


@dataclass(frozen=True)
class Comparison:
    """A field's levels, the strongest agreement first; ``missing`` is when one side has nothing to compare."""

    name: str
    missing: str
    levels: tuple[Level, ...]

    @property
    def column(self) -> str:
        """Where Splink puts the level of a pair: 0 for the last one, -1 for missing."""
        return f"gamma_{self.name}"


def key_column(namespace: str) -> str:
    """The column with an entity's values of a key namespace, as a list."""
    return f"key_{namespace}"


def derive_comparisons(coverage: Mapping[str, float], household_keys: frozenset[str]) -> tuple[Comparison, ...]:
    """The comparisons for profiles of this coverage: the share of entities that have a field or ``key_<namespace>``.

    ``household_keys`` are the columns of keys that a household shares. Without a name, a birth date or two fields of
    any kind there is nothing to weigh against each other: then there are none, and exact keys alone link.
    """
    there = {name for name, share in coverage.items() if share >= LEAST_COVERAGE}
    found = [build() for field, build in _BUILDERS.items() if field in there]
    if "street" in there:
        found.append(_address())
    if there & {"postcode", "city"}:
        found.append(_area(beside_street="street" in there))
    keys = sorted(name for name in there if name.startswith("key_"))
    found += [_key(name, in_household=name in household_keys and "family" in there) for name in keys]
    personal = there & {"given", "family", "birth"}
    return tuple(found) if personal and len(found) >= 2 else ()


def splink_comparison(comparison: Comparison, m: tuple[float, ...], u: tuple[float, ...]) -> dict[str, Any]:
    """The comparison as Splink's settings have it, with the probabilities of its levels in their order."""
    missing = {"sql_condition": comparison.missing, "label_for_charts": "missing", "is_null_level": True}
    levels: list[dict[str, Any]] = [missing]
    for position, level in enumerate(comparison.levels):
        last = position == len(comparison.levels) - 1
        entry: dict[str, Any] = {
            "sql_condition": "ELSE" if last else level.sql,
            "label_for_charts": level.label,
            "m_probability": m[position],
            "u_probability": u[position],
        }
        if level.rare_in:
            entry |= {"tf_adjustment_column": level.rare_in, "disable_tf_exact_match_detection": True}
        levels.append(entry)
    return {"output_column_name": comparison.name, "comparison_levels": levels}


def _close(field: str, similarity: float = 0.92) -> str:
    """One slip of the pen, or much alike."""
    left, right = f"{field}_l", f"{field}_r"
    return (
        f"(jaro_winkler_similarity({left}, {right}) >= {similarity} OR"
        f" ({one_slip(left, right)} AND jaro_winkler_similarity({left}, {right}) >= 0.75))"
    )


def one_slip(left: str, right: str) -> str:
    """At most one letter lost, added or replaced, or two neighbours swapped.

    The edit distance takes some microseconds, so it is asked of those only whose first or last letters agree, up to the
    middle less one: one slip leaves one of the two as it is.
    """
    half = f"greatest(least(length({left}), length({right})) // 2 - 1, 0)"
    return (
        f"(abs(length({left}) - length({right})) <= 1"
        f" AND (left({left}, {half}) = left({right}, {half}) OR right({left}, {half}) = right({right}, {half}))"
        f" AND damerau_levenshtein({left}, {right}) <= 1)"
    )


def _found(field: str, other: str, side: str, across: str, similarity: float = 0.9) -> str:
    """One side's name stands in another place of the other side's name, or is much like its ``other`` name."""
    return (
        f"(list_contains(tokens_{across}, {field}_{side}) OR (left({field}_{side}, 1) = left({other}_{across}, 1)"
        f" AND jaro_winkler_similarity({field}_{side}, {other}_{across}) >= {similarity}))"
    )


def _given_elsewhere() -> str:
    """Given and family name swapped, or a second given name in place of the first.

    Where one side's given name is nothing but the other's family name, the surnames agree, which the family's own
    comparison weighs: siblings of whom one is written with names swapped agree in no given name.
    """
    # Both have to be found, so that each may be less like.
    swapped = f"{_found('given', 'family', 'l', 'r', 0.8)} AND {_found('given', 'family', 'r', 'l', 0.8)}"
    second = " OR ".join(
        f"(list_contains(tokens_{across}, given_{side})"
        f" AND NOT coalesce(list_contains(string_split(family_{across}, ' '), given_{side}), false))"
        for side, across in (("l", "r"), ("r", "l"))
    )
    return f"({swapped}) OR {second}"


def _family_elsewhere() -> str:
    """The surname in the place of the other's given name, or one of two surnames."""
    return f"{_found('family', 'given', 'l', 'r')} OR {_found('family', 'given', 'r', 'l')}"


def _given() -> Comparison:
    initial = "(length(given_l) = 1 OR length(given_r) = 1) AND left(given_l, 1) = left(given_r, 1)"
    part = (
        "starts_with(given_l, given_r) OR starts_with(given_r, given_l)"
        " OR jaro_winkler_similarity(given_l, given_r) >= 0.8"
    )
    return Comparison(
        "given",
        "given_l IS NULL OR given_r IS NULL",
        (
            Level("same", "given_l = given_r", 0.86, "given"),
            Level("initial", initial, 0.02),
            Level("similar", _close("given"), 0.05),
            Level("elsewhere in the name", _given_elsewhere(), 0.02),
            Level("part", part, 0.02),
            Level("different", "", 0.03),
        ),
    )


def _middle() -> Comparison:
    return Comparison(
        "middle",
        "middle_l IS NULL OR middle_r IS NULL",
        (
            Level("same", "middle_l = middle_r AND length(middle_l) > 1", 0.6, "middle"),
            Level("initial", "left(middle_l, 1) = left(middle_r, 1)", 0.3),
            Level("different", "", 0.1),
        ),
    )


def _family() -> Comparison:
    return Comparison(
        "family",
        "family_l IS NULL OR family_r IS NULL",
        (
            Level("same", "family_l = family_r", 0.88, "family"),
            Level("similar", _close("family", 0.9), 0.05),
            Level("elsewhere in the name", _family_elsewhere(), 0.03),
            Level("different", "", 0.04),
        ),
    )


def _birth() -> Comparison:
    one = f"jaro_winkler_similarity(birth_l, birth_r) >= 0.8 AND {one_slip('birth_l', 'birth_r')}"
    two = "jaro_winkler_similarity(birth_l, birth_r) >= 0.8 AND damerau_levenshtein(birth_l, birth_r) <= 2"
    swapped = (
        "(left(birth_l, 4) = left(birth_r, 4) AND substr(birth_l, 5, 2) = substr(birth_r, 7, 2)"
        " AND substr(birth_l, 7, 2) = substr(birth_r, 5, 2))"
    )
    parts = " + ".join(
        f"CAST(substr(birth_l, {start}, {length}) = substr(birth_r, {start}, {length}) AS INTEGER)"
        for start, length in ((1, 4), (5, 2), (7, 2))
    )
    return Comparison(
        "birth",
        "birth_l IS NULL OR birth_r IS NULL",
        (
            Level("same", "birth_l = birth_r AND length(birth_l) > 4", 0.9, "birth"),
            Level("one slip", f"length(birth_l) > 4 AND (({one}) OR {swapped})", 0.05),
            Level("two parts", f"length(birth_l) > 4 AND (({parts}) >= 2 OR ({two}))", 0.02),
            Level("same year", "left(birth_l, 4) = left(birth_r, 4)", 0.01),
            Level("different", "", 0.02),
        ),
    )


def _address() -> Comparison:
    similar = (
        "((numbers_l = numbers_r AND jaro_winkler_similarity(street_l, street_r) >= 0.8)"
        " OR jaro_winkler_similarity(street_l, street_r) >= 0.92)"
    )
    grades = (
        ("same", "street_l = street_r", 0.7),
        ("similar", similar, 0.15),
        ("same area", "(postcode_l = postcode_r OR city_l = city_r)", 0.05),
        ("different", "TRUE", 0.1),
    )
    return Comparison("address", "street_l IS NULL OR street_r IS NULL", _in_household(grades))


def _area(*, beside_street: bool) -> Comparison:
    """Postcode and town, which alone tell where somebody lives when a side has no street; else the address has them."""
    missing = "(postcode_l IS NULL OR postcode_r IS NULL) AND (city_l IS NULL OR city_r IS NULL)"
    if beside_street:
        missing = f"({missing}) OR (street_l IS NOT NULL AND street_r IS NOT NULL)"
    return Comparison(
        "area",
        missing,
        (
            Level("same postcode", "postcode_l = postcode_r", 0.7, "postcode"),
            Level("same city", "city_l = city_r", 0.15, "city"),
            Level("different", "", 0.15),
        ),
    )


def _key(column: str, *, in_household: bool) -> Comparison:
    first = (f"{column}_l[1]", f"{column}_r[1]")
    similar = (
        f"(length({first[0]}) >= 6 AND {one_slip(*first)}"
        f" AND jaro_winkler_similarity({first[0]}, {first[1]}) >= 0.75)"
        f" OR (contains({first[0]}, '@') AND split_part({first[0]}, '@', 1) = split_part({first[1]}, '@', 1))"
    )
    # Most have one value, and lists take ten times as long to compare as texts.
    several = f"(len({column}_l) > 1 OR len({column}_r) > 1)"
    same = f"({first[0]} = {first[1]} OR ({several} AND list_has_any({column}_l, {column}_r)))"
    grades = (
        ("same", same, 0.8),
        ("similar", f"({similar})", 0.05),
        ("different", "TRUE", 0.15),
    )
    missing = f"{column}_l IS NULL OR {column}_r IS NULL"
    if in_household:
        return Comparison(column, missing, _in_household(grades))
    return Comparison(column, missing, tuple(Level(label, sql, expected) for label, sql, expected in grades))


def _in_household(grades: tuple[tuple[str, str, float], ...]) -> tuple[Level, ...]:
    """The grades twice: for pairs whose surnames agree, then for the others."""
    agreeing = [Level(label, f"{sql} AND {_FAMILY_AGREES}", expected) for label, sql, expected in grades]
    others = [Level(f"{label}, other surname", sql, expected, given=1) for label, sql, expected in grades]
    return (*agreeing, *others)


_BUILDERS = {"given": _given, "middle": _middle, "family": _family, "birth": _birth}
