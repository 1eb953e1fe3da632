"""Names, dates and addresses in one spelling."""

from typing import Any

import pyarrow as pa
import pytest
from town import CONFIG, NOW, profile_rows

from cx_orchestration.identity.hygiene import judge_values
from cx_orchestration.identity.matching.fields import find_habits, matching_fields
from cx_orchestration.model.identity import IdentityConfig
from cx_orchestration.model.tables import KEY_VALUES, MATCHING_FIELDS
from cx_orchestration.storage.engine import Engine


def fields_of(engine: Engine, *rows: dict[str, Any]) -> list[dict[str, Any]]:
    profiles = profile_rows([{"service": "s", "entity": f"{i:02d}", **row} for i, row in enumerate(rows)])
    habits = find_habits(engine, profiles)
    found: list[dict[str, Any]] = matching_fields(engine, profiles, CONFIG, habits, today=NOW.date()).rows.to_pylist()
    return found


@pytest.mark.parametrize(
    ("profile", "given", "middle", "family"),
    [
        ({"given_name": "José", "family_name": "Núñez-Łoś"}, "jose", None, "nunez los"),
        ({"given_name": "Anna B.", "family_name": "O'Brien"}, "anna", "b", "obrien"),
        ({"name": "Dr. Anna Maria van der Berg"}, "anna", "maria", "van der berg"),
        ({"name": "Berg, Anna Maria"}, "anna", "maria", "berg"),
        ({"name": "Groß"}, "gross", None, None),
        ({"name": "Acme Holding GmbH"}, None, None, "acme holding"),
        ({"given_name": "  ", "family_name": None}, None, None, None),
    ],
)
def test_a_name_is_split_and_spelt_alike(
    engine: Engine, profile: dict[str, str], given: str | None, middle: str | None, family: str | None
) -> None:
    # Somebody with a family name: the service has these, so a given name alone is one.
    found = fields_of(engine, profile, {"given_name": "Zoe", "family_name": "Zed"})[0]
    assert (found["given"], found["middle"], found["family"]) == (given, middle, family)


def test_a_service_without_family_names_puts_whole_names_in_its_other_field(engine: Engine) -> None:
    found = fields_of(engine, {"given_name": "Anna Berg"})[0]
    assert (found["given"], found["family"]) == ("anna", "berg")


def test_in_a_service_of_organisations_a_name_without_legal_form_is_one_too(engine: Engine) -> None:
    found = fields_of(engine, {"name": "Acme Holding"}, {"name": "Beta Metall AG"})
    assert [(row["given"], row["family"]) for row in found] == [(None, "acme holding"), (None, "beta metall")]


@pytest.mark.parametrize(
    "dates",
    [
        ["1990-05-06", "1990-05-06T00:00:00Z", "1990/5/6", "6 May 1990", "May 6, 1990", "06-mai-1990"],
        ["06/05/1990", "6.5.90", "06-05-199O", "31/12/1980"],
        ["05/06/1990", "5/6/90", "12/31/1980"],
        ["19900506", "1990o506"],
        ["06051990", "31121980"],
    ],
    ids=["self-evident", "day first", "month first", "digits", "digits, day first"],
)
def test_a_birth_date_is_read_as_its_service_writes_dates(engine: Engine, dates: list[str]) -> None:
    found = [row["birth"] for row in fields_of(engine, *({"birth_date": date} for date in dates))]
    assert {birth for birth in found if birth != "19801231"} == {"19900506"}


def test_dates_that_do_not_tell_are_read_as_the_region_writes_them(engine: Engine) -> None:
    assert fields_of(engine, {"birth_date": "05/06/1990"})[0]["birth"] == "19900506"


def test_a_date_with_a_slip_stays_comparable(engine: Engine) -> None:
    assert fields_of(engine, {"birth_date": "19k90506"}, {"birth_date": "1984"})[1]["birth"] == "1984"


@pytest.mark.parametrize(
    ("street", "expected"),
    [
        ("12 Main Street", "12 main st"),
        ("Main St. 12", "12 main st"),
        ("Bahnhofstraße 12 a", "12a bahnhof st"),
        ("Apt 4, 12 Main Street", "12 4 main st"),
        ("Rosenweg", "rosenweg"),
    ],
)
def test_a_street_is_its_numbers_then_its_words(engine: Engine, street: str, expected: str) -> None:
    found = fields_of(engine, {"street": street})[0]["street"]
    assert found == expected


def test_a_key_that_too_many_hold_is_compared_with_nobody(engine: Engine) -> None:
    shared = [{"keys": {"email": "info@example.com"}} for _ in range(11)]
    found = fields_of(engine, *shared, {"keys": {"email": "anna@example.com"}})
    assert [row["keys"] for row in found[:11]] == [None] * 11
    assert found[11]["keys"] == [{"namespace": "email", "value": "anna@example.com"}]


def test_what_hygiene_judged_decides_which_keys_are_compared(engine: Engine) -> None:
    config = IdentityConfig.model_validate(
        {
            "namespaces": {
                "email": {"normalise": "email", "max_entities": 2},
                "phone": {"strength": "household"},
                "device": {"links_when": "authenticated"},
            }
        }
    )
    guest = [{"name": "Anna Moor", "keys": {"email": "anna@x.com"}} for _ in range(3)]
    office = [{"name": name, "keys": {"email": "info@x.com", "phone": "1"}} for name in ("Bo Li", "Cy Li")]
    kiosk = [{"name": "Di Roe", "keys": {"device": "d"}} for _ in range(2)]
    rows = [row | {"service": "s", "entity": f"{n}"} for n, row in enumerate([*guest, *office, *kiosk])]
    profiles = profile_rows(rows)
    seen = engine.query(
        "SELECT service, entity, k.namespace, k.value, NULL::TIMESTAMPTZ AS first_seen, NULL::TIMESTAMPTZ AS last_seen,"
        " 'authenticated' AS state FROM (SELECT service, entity, unnest(keys) AS k FROM profiles)",
        {"profiles": profiles},
    )
    with engine.session({"profiles": profiles, "keys": seen, "previous": KEY_VALUES.empty()}) as session:
        judge_values(session, config)
        verdicts = session.query("SELECT * FROM key_values")
    habits = find_habits(engine, profiles)
    found = matching_fields(engine, profiles, config, habits, today=NOW.date(), key_values=verdicts).rows.to_pylist()
    kept = [{(key["namespace"], key["value"]) for key in row["keys"] or ()} for row in found]
    assert kept[:3] == [{("email", "anna@x.com")}] * 3, "a guest who comes often is a person"
    assert kept[3:5] == [{("phone", "1")}] * 2, "a household's phone is weighed, a function's mailbox is not"
    assert kept[5:] == [set(), set()], "two accounts of one service on one device"


@pytest.mark.parametrize(
    ("others", "rule", "expected"),
    [
        (("Rolf Zimmer", "Karin Zimmer"), {}, []),
        (("Jana Kolb", "Jon Kolb"), {}, []),
        (("Jana Kolb", "Jana Kolb-Roth"), {}, ["fam@x.com"]),
        (("Jana Kolb",), {}, ["fam@x.com"]),
        (("Jana Kolb",), {"valid_for_days": 20}, []),
        (("Rolf Zimmer", "Karin Zimmer"), {"names": False}, ["fam@x.com"]),
        (("Rolf Zimmer", "Karin Zimmer"), {"strength": "household"}, ["fam@x.com"]),
    ],
    ids=["a couple's", "one initial", "one person's", "of one", "passes on", "names are not asked", "a household's"],
)
def test_what_a_key_says_of_who_gives_no_name(
    engine: Engine, others: tuple[str, ...], rule: dict[str, Any], expected: list[str]
) -> None:
    config = IdentityConfig.model_validate({"namespaces": {"email": {"normalise": "email"} | rule}})
    names = [*({"name": name} for name in others), {}]
    rows = [row | {"service": "s", "entity": f"{n}", "keys": {"email": "fam@x.com"}} for n, row in enumerate(names)]
    profiles = profile_rows(rows)
    found = matching_fields(engine, profiles, config, find_habits(engine, profiles), today=NOW.date()).rows.to_pylist()
    *named, nameless = ([key["value"] for key in row["keys"] or ()] for row in found)
    assert nameless == expected
    assert named == [["fam@x.com"]] * len(others)


def as_kept(rows: pa.Table) -> pa.Table:
    """As the lake keeps them, but for what pairs are found by."""
    kept = rows.rename_columns({"unique_id": "number"}).append_column("is_there", pa.repeat(True, rows.num_rows))
    return pa.concat_tables([MATCHING_FIELDS.empty(), kept], promote_options="default")


def test_only_what_differs_from_what_was_kept_counts_as_changed(engine: Engine) -> None:
    profiles = profile_rows([{"service": "s", "entity": name, "name": f"Anna {name}"} for name in ("a", "b", "c")])
    habits = find_habits(engine, profiles)
    first = matching_fields(engine, profiles, CONFIG, habits, today=NOW.date()).rows
    kept = as_kept(first)
    now = profile_rows(
        [
            {"service": "s", "entity": "a", "name": "Anna a", "attributes": '{"visits":8}'},
            {"service": "s", "entity": "b", "name": "Anna b", "keys": {"email": "b@example.com"}},
            {"service": "s", "entity": "d", "name": "Anna d"},
        ]
    )
    found = matching_fields(engine, now, CONFIG, habits, today=NOW.date(), kept=kept)
    changed = {row["entity"]: (row["changed"], row["replaces"]) for row in found.rows.to_pylist()}
    assert changed == {"a": (False, 0), "b": (True, 1), "d": (True, None)}
    assert sorted(found.former["entity"].to_pylist()) == ["a", "b", "c"]
    assert min(found.rows["unique_id"].to_pylist()) > max(kept["number"].to_pylist())


def test_a_profile_that_stays_is_read_again_when_a_key_of_it_turns_out_to_be_nobodys(engine: Engine) -> None:
    def held_by(number: int) -> pa.Table:
        keys = {"phone": "+12025550100", "email": "anna@example.com"}
        return profile_rows([{"service": "s", "entity": f"{i:02d}", "keys": keys} for i in range(number)])

    few, many = held_by(10), held_by(11)
    habits = find_habits(engine, few)
    kept = matching_fields(engine, few, CONFIG, habits, today=NOW.date()).rows
    kept = as_kept(kept)
    now = matching_fields(engine, many, CONFIG, habits, today=NOW.date(), kept=kept).rows
    assert now["changed"].to_pylist() == [True] * 11
    assert now["keys"].to_pylist() == [None] * 11
    again = as_kept(now.set_column(now.schema.get_field_index("replaces"), "replaces", pa.nulls(11, pa.int64())))
    assert not matching_fields(engine, many, CONFIG, habits, today=NOW.date(), kept=again).rows.num_rows
    back = matching_fields(engine, few, CONFIG, habits, today=NOW.date(), kept=again).rows
    assert back["keys"].to_pylist() == kept["keys"].to_pylist()
