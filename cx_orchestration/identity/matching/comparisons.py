"""What a model compares: derived from the fields that the profiles have, the same for every company.

Belongs here: the levels of agreement of each field, as SQL over a pair's two sides (``family_l``, ``family_r``), and
what is expected of them before any data are seen. Does not belong here: what training makes of them.

A family shares its surname, its address and often a phone. Taken as independent, they would outweigh another given
name and birth date, and glue families together. So they are one comparison in two or three parts: the surname, then
the address *given whether the surname agrees*, then keys that a household shares given the same. Each part has a
weight of its own, so that a missing address is no evidence, and their sum is the weight of the joint comparison. Keys
that a household shares are weighed given whether two live in one home: what a family's phone adds to its address and
surname is next to nothing. Where that is not known it is as likely as among others of their surname.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from cx_orchestration.identity.hygiene import ALIKE

#: A field that fewer entities have is left out: too few pairs have it on both sides to learn from.
LEAST_COVERAGE = 0.02

#: The fields of ``fields.sql`` whose coverage decides what is compared.
FIELDS = ("given", "middle", "family", "birth", "street", "postcode", "city")

#: Whose pairs tell how often a level agrees by chance: random ones, those of one surname, those of one home, and those
#: of one surname who may live together or not.
STRANGERS, NEIGHBOURS, HOUSEMATES, HOME_UNKNOWN = "strangers", "neighbours", "housemates", "home unknown"


def _alike(field: str) -> str:
    return f"jaro_winkler_similarity({field}_l, {field}_r)"


#: Questions that all pairs are asked are each a CASE, which asks no more than it has to: an OR asks all of its parts.
#: What is neither TRUE nor FALSE stays unknown.
_SURNAMES_AGREE = (
    f"(CASE WHEN family_l = family_r THEN TRUE WHEN {_alike('family')} >= 0.9"
    f" THEN left(family_l, 1) = left(family_r, 1) ELSE {_alike('family')} >= 0.9 END)"
)
#: House numbers of one length that are not each other's digits swapped.
_OTHER_NUMBER = "(length(numbers_l) = length(numbers_r) AND numbers_l <> numbers_r AND numbers_l <> reverse(numbers_r))"
_STREETS_ALIKE = f"((numbers_l = numbers_r AND {_alike('street')} >= 0.8) OR {_alike('street')} >= 0.92)"
#: The next house is another one, so a number with another digit in it is not taken for a slip.
_STREETS_SIMILAR = f"({_STREETS_ALIKE} AND NOT coalesce({_OTHER_NUMBER}, FALSE))"
#: One address or, where a side has no street, one surname in one postcode.
_ONE_HOME = (
    f"(CASE WHEN street_l IS NULL OR street_r IS NULL THEN postcode_l = postcode_r AND {_SURNAMES_AGREE}"
    f" WHEN street_l = street_r THEN TRUE WHEN {_STREETS_ALIKE} THEN NOT coalesce({_OTHER_NUMBER}, FALSE)"
    f" ELSE {_STREETS_ALIKE} END)"
)


@dataclass(frozen=True)
class Level:
    """One grade of agreement.

    ``expected`` is its share among the pairs of one person, before training; ``rare_in`` names the column whose rare
    values agree less often by chance. Probabilities of the levels of one condition (``given``) add up to one, and
    ``by_chance`` names the pairs of different persons in which that condition is found; ``chance`` is its share among
    them before any are seen.
    """

    label: str
    sql: str
    expected: float
    rare_in: str | None = None
    given: int = 0
    by_chance: str = STRANGERS
    chance: float | None = None


@dataclass(frozen=True)
class Comparison:
    """A field's levels, the strongest agreement first; ``missing`` is when one side has nothing to compare.

    The last ones of each condition, as many as are ``disagreeing``, say that two values are different.
    """

    name: str
    missing: str
    levels: tuple[Level, ...]
    disagreeing: int = 1

    @property
    def of_household(self) -> bool:
        """Whether those who live together agree in it, so that it does not tell them apart."""
        conditional = any(level.by_chance != STRANGERS for level in self.levels)
        return (conditional and self.name != "birth") or self.name in ("family", "area")

    @property
    def tells_homes(self) -> bool:
        """Whether it says how near to each other two live: in levels for one surname, and the same ones for others."""
        return self.name == "address"

    @property
    def column(self) -> str:
        """Where Splink puts the level of a pair: 0 for the last one, -1 for missing."""
        return f"gamma_{self.name}"


def key_column(namespace: str) -> str:
    """The column with an entity's values of a key namespace, as a list."""
    return f"key_{namespace}"


def derive_comparisons(
    coverage: Mapping[str, float], household_keys: frozenset[str], guarded_keys: frozenset[str] = frozenset()
) -> tuple[Comparison, ...]:
    """The comparisons for profiles of this coverage: the share of entities that have a field or ``key_<namespace>``.

    ``household_keys`` are the columns of keys that a household shares. Without a name, a birth date or two fields of
    any kind there is nothing to weigh against each other: then there are none, and exact keys alone link.
    """
    there = {name for name, share in coverage.items() if share >= LEAST_COVERAGE}
    found = [build() for field, build in _BUILDERS.items() if field in there]
    if "birth" in there:
        found.append(_birth(in_household={"given", "family", "street"} <= there))
    if "street" in there:
        found.append(_address())
    if there & {"postcode", "city"}:
        found.append(_area(beside_street="street" in there))
    keys = sorted(name for name in there if name.startswith("key_"))
    found += [
        _key(
            name,
            in_household=name in household_keys and "family" in there,
            guarded=name in guarded_keys and "given" in there,
        )
        for name in keys
    ]
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


def _other_script(field: str) -> str:
    """One in Latin letters and the other not: spellings of one name, or of two."""
    return f"({field}_l BETWEEN 'a' AND '{{') <> ({field}_r BETWEEN 'a' AND '{{')"


def _close(field: str, similarity: float = 0.92) -> str:
    """One slip of the pen, or much alike."""
    slip = one_slip(f"{field}_l", f"{field}_r")
    return f"({_alike(field)} >= {similarity} OR ({_alike(field)} >= 0.75 AND {slip}))"


def one_slip(left: str, right: str) -> str:
    """At most one letter lost, added or replaced, or two neighbours swapped.

    Damerau's distance takes some microseconds, so it is asked of those only that differ in two places of one length.
    Where one is longer by one, Levenshtein's is the same and takes a fifth; it is asked of those whose first or last
    letters agree, up to the middle less one: one slip leaves one of the two as it is. A CASE, as it asks no more than
    it has to; ``strlen`` counts bytes, as the distances do.
    """
    half = f"greatest(least(length({left}), length({right})) // 2 - 1, 0)"
    places = f"CASE hamming({left}, {right}) WHEN 1 THEN TRUE WHEN 2 THEN damerau_levenshtein({left}, {right}) = 1"
    return (
        f"(CASE WHEN {left} = {right} THEN TRUE WHEN strlen({left}) = strlen({right}) THEN {places} ELSE FALSE END"
        f" WHEN abs(strlen({left}) - strlen({right})) = 1 AND (left({left}, {half}) = left({right}, {half})"
        f" OR right({left}, {half}) = right({right}, {half})) THEN levenshtein({left}, {right}) = 1 ELSE FALSE END)"
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


_GIVEN_PART = f"(starts_with(given_l, given_r) OR starts_with(given_r, given_l) OR {_alike('given')} >= 0.8)"
#: As for exact links (``hygiene.ALIKE``); Tim and Tom are less alike.
_GIVEN_SPELLINGS = f"(starts_with(given_l, given_r) OR starts_with(given_r, given_l) OR {_alike('given')} >= {ALIKE})"
#: A vowel at the end makes another name: Jan and Jana, Martin and Martina, Carl and Carlo.
_GIVEN_ENDING = (
    "(abs(length(given_l) - length(given_r)) = 1 AND (starts_with(given_l, given_r) OR starts_with(given_r, given_l))"
    " AND right(greatest(given_l, given_r), 1) IN ('a', 'e', 'i', 'o'))"
)
#: A slip makes a name that hardly anybody bears, and two names that are borne are likelier those of two.
_BOTH_NAMES = "(given_share_l IS NOT NULL AND given_share_r IS NOT NULL)"
_TWO_NAMES = "coalesce(given_share_l < 8 * given_share_r AND given_share_r < 8 * given_share_l, FALSE)"


def _given() -> Comparison:
    initial = "(length(given_l) = 1 OR length(given_r) = 1) AND left(given_l, 1) = left(given_r, 1)"
    return Comparison(
        "given",
        f"given_l IS NULL OR given_r IS NULL OR {_other_script('given')}",
        (
            Level("same", "given_l = given_r", 0.86, "given"),
            Level("initial", initial, 0.02),
            Level("similar", f"{_close('given')} AND NOT {_TWO_NAMES}", 0.045),
            Level("elsewhere in the name", _given_elsewhere(), 0.02),
            Level("part", f"{_GIVEN_PART} AND NOT {_TWO_NAMES}", 0.02),
            Level("similar names", f"{_GIVEN_SPELLINGS} AND NOT {_GIVEN_ENDING}", 0.005),
            Level("different", f"NOT {_BOTH_NAMES}", 0.02),
            Level("other name", "", 0.01),
        ),
        disagreeing=2,
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
        f"family_l IS NULL OR family_r IS NULL OR {_other_script('family')}",
        (
            Level("same", "family_l = family_r", 0.88, "family"),
            Level("similar", _close("family", 0.9), 0.05),
            Level("elsewhere in the name", _family_elsewhere(), 0.03),
            Level("different", "", 0.04),
        ),
    )


#: Of those who live together some are twins: one child in thirty or forty is.
_TWINS = (0.03, 0.005, 0.015, 0.05, 0.9)


def _birth(*, in_household: bool) -> Comparison:
    one = f"{_alike('birth')} >= 0.8 AND {one_slip('birth_l', 'birth_r')}"
    two = f"{_alike('birth')} >= 0.8 AND damerau_levenshtein(birth_l, birth_r) <= 2"
    swapped = (
        "(left(birth_l, 4) = left(birth_r, 4) AND substr(birth_l, 5, 2) = substr(birth_r, 7, 2)"
        " AND substr(birth_l, 7, 2) = substr(birth_r, 5, 2))"
    )
    parts = " + ".join(
        f"CAST(substr(birth_l, {start}, {length}) = substr(birth_r, {start}, {length}) AS INTEGER)"
        for start, length in ((1, 4), (5, 2), (7, 2))
    )
    grades = (
        ("same", "birth_l = birth_r AND length(birth_l) > 4", 0.9),
        ("one slip", f"length(birth_l) > 4 AND (({one}) OR {swapped})", 0.05),
        ("two parts", f"length(birth_l) > 4 AND (({parts}) >= 2 OR ({two}))", 0.02),
        ("same year", "left(birth_l, 4) = left(birth_r, 4)", 0.01),
        ("different", "TRUE", 0.02),
    )
    missing = "birth_l IS NULL OR birth_r IS NULL"
    conditions: tuple[tuple[str, str, str], ...] = ((STRANGERS, "", ""),)
    if in_household:
        conditions = ((HOUSEMATES, _OTHER_AT_HOME, ", others of one home"), (STRANGERS, "", ""))
    levels = list(_under(conditions, grades))
    if in_household:
        levels[: len(_TWINS)] = [replace(level, chance=share) for level, share in zip(levels, _TWINS, strict=False)]
    same = len(levels) - len(grades)
    levels[same] = replace(levels[same], rare_in="birth")
    return Comparison("birth", missing, tuple(levels))


def _address() -> Comparison:
    # Streets of one name are in many towns; where a side has neither postcode nor town the street stands for all.
    there = "coalesce(postcode_l = postcode_r OR city_l = city_r, TRUE)"
    grades = (
        ("same", f"street_l = street_r AND {there}", 0.65),
        ("similar", f"{_STREETS_SIMILAR} AND {there}", 0.12),
        ("other number", f"{_STREETS_ALIKE} AND {there}", 0.03),
        ("same street", f"(street_l = street_r OR {_STREETS_ALIKE})", 0.05),
        ("same postcode and town", "postcode_l = postcode_r AND city_l = city_r", 0.03),
        ("same area", "(postcode_l = postcode_r OR city_l = city_r)", 0.02),
        ("different", "TRUE", 0.1),
    )
    conditions = ((NEIGHBOURS, _SURNAMES_AGREE, ""), (STRANGERS, "", ", other surname"))
    return Comparison("address", "street_l IS NULL OR street_r IS NULL", _under(conditions, grades))


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


def _key(column: str, *, in_household: bool, guarded: bool) -> Comparison:
    first, several, mailbox = (
        tuple(f"{part}_{column}_{side}" for side in ("l", "r")) for part in ("first", "several", "mailbox")
    )
    slip = f"length({first[0]}) >= 6 AND {one_slip(*first)} AND jaro_winkler_similarity({first[0]}, {first[1]}) >= 0.75"
    if guarded or in_household:
        ends = (f"coalesce({box}, {one})" for box, one in zip(mailbox, first, strict=True))
        slip += f" AND NOT {_next_number(*ends)} AND NOT coalesce({_numbered(*mailbox)}, FALSE)"
    similar = f"({mailbox[0]} = {mailbox[1]} OR ({slip}))"
    if guarded:
        similar = f"(CASE WHEN {similar} THEN NOT {_other_given()} ELSE FALSE END)"
    lists = ", ".join(f"coalesce({more}, [{one}])" for more, one in zip(several, first, strict=True))
    same = (
        f"({first[0]} = {first[1]}"
        f" OR (({several[0]} IS NOT NULL OR {several[1]} IS NOT NULL) AND list_has_any({lists})))"
    )
    grades = (
        ("same", same, 0.8),
        ("similar", similar, 0.05),
        ("different", "TRUE", 0.15),
    )
    missing = f"{first[0]} IS NULL OR {first[1]} IS NULL"
    if guarded:
        missing += f" OR ({same} AND {_other_given()})"
    conditions: tuple[tuple[str, str, str], ...] = ((STRANGERS, "", ""),)
    if in_household:
        conditions = (
            (HOUSEMATES, _ONE_HOME, ", one home"),
            (HOME_UNKNOWN, f"({_ONE_HOME} IS NULL AND {_SURNAMES_AGREE})", ", home unknown"),
            (NEIGHBOURS, _SURNAMES_AGREE, ""),
            (STRANGERS, "", ", other surname"),
        )
    return Comparison(column, missing, _under(conditions, grades))


def _next_number(left: str, right: str) -> str:
    """Texts of one length that end in digits and differ in one of the last two: numbers are given out one after the
    other, so it is as likely a neighbour's as a slip."""
    return (
        f"(length({left}) = length({right}) AND left({left}, length({left}) - 2) = left({right}, length({right}) - 2)"
        f" AND right({left}, 1) BETWEEN '0' AND '9' AND right({right}, 1) BETWEEN '0' AND '9'"
        f" AND right({left}, 2) <> reverse(right({right}, 2)))"
    )


def _numbered(left: str, right: str) -> str:
    """Mailboxes that differ by the number behind them: who finds a name taken gets it with the next number."""
    stems = (f"rtrim({box}, '0123456789')" for box in (left, right))
    return f"({left} <> {right} AND {' = '.join(stems)})"


def _other_given() -> str:
    """Neither given name can be the other's; a CASE, as it asks no more once one of them can."""
    given = _given()
    may_be_one = [given.missing, *(level.sql for level in given.levels if level.label in _ONE_NAME)]
    return f"(CASE{''.join(f' WHEN {sql} THEN FALSE' for sql in may_be_one)} ELSE TRUE END)"


#: Levels of given names that may be those of one person.
_ONE_NAME = frozenset({"same", "initial", "similar", "elsewhere in the name", "part"})


def _under(
    conditions: tuple[tuple[str, str, str], ...], grades: tuple[tuple[str, str, float], ...]
) -> tuple[Level, ...]:
    """The grades once for each condition: its pairs of chance, its SQL, what it adds to a label. The first counts."""
    return tuple(
        Level(f"{label}{suffix}", f"{condition} AND {sql}" if condition else sql, expected, None, place, by_chance)
        for place, (by_chance, condition, suffix) in enumerate(conditions)
        for label, sql, expected in grades
    )


_BUILDERS = {"given": _given, "middle": _middle, "family": _family}

#: Names are asked only of those who live together and have birth dates to compare: most pairs do not.
_OTHER_AT_HOME = (
    f"(CASE WHEN birth_l IS NULL OR birth_r IS NULL THEN FALSE WHEN {_ONE_HOME} THEN {_other_given()} ELSE FALSE END)"
)

#: Questions that several levels ask, under the name by which their answer is kept; the longest first.
SHARED: Mapping[str, str] = {
    "other_at_home": _OTHER_AT_HOME,
    "one_home": _ONE_HOME,
    "surnames_agree": _SURNAMES_AGREE,
    **{f"alike_{field}": _alike(field) for field in ("given", "family", "birth", "street")},
}
