"""What two values are asked before their edit distance is computed gives the same answer as computing it."""

from typing import Any

import duckdb
import pytest

from cx_orchestration.identity.matching.comparisons import derive_comparisons, one_slip

COMPARED = derive_comparisons(
    dict.fromkeys(("given", "family", "birth", "street", "postcode", "city", "key_email", "key_phone"), 0.9),
    frozenset({"key_phone"}),
    frozenset({"key_email", "key_phone"}),
)
ONE = {
    "given": "anna",
    "given_share": 0.1,
    "tokens": ["anna", "berg"],
    "family": "berg",
    "birth": "19900317",
    "street": "1 elm",
    "numbers": "1",
    "postcode": "10115",
    "city": "berlin",
}
TWIN = ONE | {"given": "tom", "tokens": ["berg", "tom"]}


def levels(left: dict[str, Any], right: dict[str, Any]) -> dict[str, str]:
    """The label of the level at which two records are, by comparison."""
    values = {}
    for side, record in (("l", left), ("r", right)):
        values |= {f"{name}_{side}": value for name, value in record.items() if not name.startswith("key_")}
        for key in ("key_email", "key_phone"):
            value = record.get(key)
            values |= {f"first_{key}_{side}": value, f"several_{key}_{side}": None}
            values[f"mailbox_{key}_{side}"] = value.split("@")[0] if value and "@" in value else None
    lists = [f"{name}_{key}_{side}" for name in ("several",) for key in ("key_email", "key_phone") for side in "lr"]
    row = ", ".join(f"${name}{'::VARCHAR[]' if name in lists else ''} AS {name}" for name in values)
    found = {}
    for comparison in COMPARED:
        cases = " ".join(f"WHEN {level.sql} THEN '{level.label}'" for level in comparison.levels[:-1])
        query = f"SELECT CASE WHEN {comparison.missing} THEN 'missing' {cases} ELSE '{comparison.levels[-1].label}' END"
        found[comparison.name] = duckdb.execute(f"{query} FROM (SELECT {row})", values).fetchall()[0][0]
    return found


def test_a_mailbox_and_a_phone_of_two_given_names_are_no_evidence() -> None:
    keys = {"key_email": "berg@example.com", "key_phone": "+41442223300"}
    couple, same = levels(ONE | keys, TWIN | keys), levels(ONE | keys, ONE | keys)
    assert (couple["key_email"], couple["key_phone"]) == ("missing", "missing")
    assert (same["key_email"], same["key_phone"]) == ("same", "same, one home")


def test_the_birth_date_of_twins_is_told_from_that_of_one_person() -> None:
    assert levels(ONE, TWIN)["birth"] == "same, others of one home"
    assert levels(ONE, ONE | {"given": "ana", "given_share": None})["birth"] == "same"


@pytest.mark.parametrize(
    ("name", "share", "level"),
    [
        ("ana", None, "similar"),
        ("ana", 0.001, "similar"),
        ("annas", 0.1, "similar names"),
        ("tom", 0.1, "other name"),
        ("tom", None, "different"),
        ("анна", 0.1, "missing"),
    ],
)
def test_a_slip_makes_a_name_that_hardly_anybody_bears(name: str, share: float | None, level: str) -> None:
    assert levels(ONE, ONE | {"given": name, "given_share": share, "tokens": [name]})["given"] == level


def test_jan_and_jana_are_two_names_where_both_are_borne() -> None:
    jan, jana = (ONE | {"given": name, "tokens": [name]} for name in ("jan", "jana"))
    assert levels(jan, jana)["given"] == "other name"


def test_the_next_house_and_the_next_number_are_no_slips() -> None:
    here, next_door = (ONE | {"street": f"{number} elmwood road", "numbers": number} for number in ("1", "2"))
    assert levels(here, next_door)["address"] != "similar"
    one, other, swapped = (ONE | {"key_phone": number} for number in ("+41442223301", "+41442223302", "+41442223310"))
    assert levels(one, other)["key_phone"] == "different, one home"
    assert levels(one, swapped)["key_phone"] == "similar, one home"


@pytest.mark.parametrize(
    ("other", "level"),
    [
        ("anna.berg2@example.com", "different"),
        ("ana.berg@example.com", "similar"),
        ("anna.berg@example.net", "similar"),
    ],
)
def test_the_number_behind_a_name_that_was_taken_is_no_slip(other: str, level: str) -> None:
    keys = {"key_email": "anna.berg@example.com"}, {"key_email": other}
    assert levels(ONE | keys[0], ONE | keys[1])["key_email"] == level


def test_one_slip_is_an_edit_distance_of_at_most_one() -> None:
    words = (
        "SELECT DISTINCT left(translate(hash(i)::VARCHAR, '3456789', '12é12é1'), i % 8) AS w FROM range(600) AS r(i)"
    )
    asked = f"SELECT {one_slip('l.w', 'r.w')} AS found, damerau_levenshtein(l.w, r.w) <= 1 AS true_of"
    with duckdb.connect() as connection:
        rows = connection.sql(f"{asked} FROM ({words}) AS l, ({words}) AS r").fetchall()
    assert {found for found, _ in rows} == {True, False}
    assert all(found == true_of for found, true_of in rows)
