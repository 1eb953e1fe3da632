"""Which holders of a value are linked, and that a night's work gives what a rebuild would."""

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cx_orchestration.identity.keys import keys_of_profiles
from cx_orchestration.identity.ledger import standing_links
from cx_orchestration.identity.links import update_links
from cx_orchestration.identity.profiles import update_profiles
from cx_orchestration.identity.vetoes import unique_keys
from cx_orchestration.model.identity import IdentityConfig
from cx_orchestration.model.tables import KEY_VALUES, KEYS_DROPPED, KEYS_SEEN, LINKED, LINKS, PROFILES, Table
from cx_orchestration.storage.lake import Lake

CONFIG = IdentityConfig.model_validate(
    {
        "namespaces": {
            "email": {"normalise": "email", "max_entities": 4},
            "phone": {"normalise": "phone", "valid_for_days": 90, "max_entities": 50},
            "login": {"normalise": "lower", "max_entities": 50},
            "loyalty": {"normalise": "number", "unique": True},
            "birth_date": {"normalise": "date", "strength": "weak", "unique": True},
            "device": {"normalise": "device", "links_when": "authenticated"},
        }
    }
)
START = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


def pairs(company) -> set[tuple[str, str]]:
    rows = standing_links(company.lake, company.engine).to_pylist()
    return {
        (f"{row['left_service']}/{row['left_entity']}", f"{row['right_service']}/{row['right_entity']}") for row in rows
    }


def show(company, profiles, seen: dict[str, tuple[str, str, str, float, float]]) -> None:
    """Entities with one key each: namespace, value, state, first and last day seen."""
    rows = [
        {
            "service": name.split("/")[0],
            "entity": name.split("/")[1],
            "namespace": namespace,
            "value": value,
            "first_seen": START + dt.timedelta(days=first),
            "last_seen": START + dt.timedelta(days=last),
            "state": state,
        }
        for name, (namespace, value, state, first, last) in seen.items()
    ]
    table = pa.Table.from_pylist(rows, schema=KEYS_SEEN.schema)
    received = profiles({name: {} for name in seen})
    update_profiles(company.lake, company.engine, received, table, company.config, run_id="night")
    update_links(company.lake, company.engine, company.config, now=company.now, run_id="night")


@pytest.fixture
def shop(new_company):
    return new_company(CONFIG)


def named(names: dict[str, str]) -> dict[str, dict[str, str]]:
    return {entity: {"given_name": name} for entity, name in names.items() if name}


def test_up_to_twelve_holders_are_linked_all_with_all_and_more_to_one_of_them(shop) -> None:
    shop.night({f"crm/{n}": {"login": "jane"} for n in range(12)})
    assert len(pairs(shop)) == 66
    shop.night({f"crm/{n}": {"login": "jane"} for n in range(13)})
    assert len(pairs(shop)) == 12


def test_without_the_holder_whom_the_others_were_linked_to_they_stay_together(shop) -> None:
    holders = {f"crm/{n:02}": {"login": "jane"} for n in range(20)}
    shop.night(holders)
    hub = {left for left, _ in pairs(shop)}
    assert len(hub) == 1
    shop.night({name: {} if name in hub else keys for name, keys in holders.items()})
    assert sorted(map(len, shop.groups())) == [1, 19]


def test_holders_whose_given_names_begin_differently_are_not_linked(shop) -> None:
    names = {"crm/1": "Jane", "crm/2": "JANET", "desk/1": "Tom"}
    shop.night({name: {"email": "the.does@example.com"} for name in names}, named(names))
    assert pairs(shop) == {("crm/1", "crm/2")}


def test_who_gives_no_name_is_linked_while_the_holders_names_agree(shop) -> None:
    names = {"crm/1": "Jane", "crm/2": "J.", "survey/1": ""}
    keys = {name: {"email": "does@example.com"} for name in names}
    shop.night(keys, named(names))
    assert len(pairs(shop)) == 3
    names["desk/1"] = "Tom"
    shop.night(keys | {"desk/1": {"email": "does@example.com"}}, named(names))
    assert pairs(shop) == {("crm/1", "crm/2")}, "the survey's may be Jane's or Tom's"


def test_a_couple_with_one_initial_is_two_persons_and_an_initial_of_both_is_neither(shop) -> None:
    names = {"crm/1": "Anna", "crm/2": "Anton", "desk/1": "Ana", "desk/2": "A."}
    keys = {name: {"email": "webers@example.com"} for name in names}
    shop.night(keys, named(names))
    assert pairs(shop) == {("crm/1", "desk/1")}
    del keys["crm/2"]
    shop.night(keys, named(names))
    assert len(pairs(shop)) == 3, "without Anton the initial is Anna's"


def test_spellings_are_one_name_over_others_of_the_same_value(shop) -> None:
    names = {"crm/1": "Katharina", "crm/2": "Katarina", "desk/1": "Katrina", "desk/2": "Karl"}
    shop.night({name: {"email": "k@example.com"} for name in names}, named(names))
    assert pairs(shop) == {("crm/1", "crm/2"), ("crm/1", "desk/1"), ("crm/2", "desk/1")}


def test_a_value_of_very_many_spellings_under_one_letter_is_generic(shop) -> None:
    names = {f"crm/{n}": f"j{chr(97 + n // 26)}{chr(97 + n % 26)}x" for n in range(60)}
    shop.night({name: {"email": "j@example.com"} for name in names}, named(names))
    assert pairs(shop) == set()
    names = dict.fromkeys(names, "Jane")
    shop.night({name: {"email": "j@example.com"} for name in names}, named(names))
    assert len(pairs(shop)) == 59


@pytest.mark.parametrize(
    ("one", "other", "linked"),
    [
        ({"name": "Doe, Jane"}, {"name": "Dr. Jane Doe"}, True),
        ({"name": "Øystein Dahl"}, {"given_name": "oystein"}, True),
        ({"name": "Élodie Petit"}, {"given_name": "ELODI"}, True),
        ({"name": "Weber, Anna"}, {"name": "Dr. Ana Weber"}, True),
        ({"given_name": "Jürgen"}, {"given_name": "Juergen"}, True),
        ({"given_name": "Sergei"}, {"given_name": "Sergey"}, True),
        ({"given_name": "A."}, {"given_name": "Anton"}, True),
        ({"given_name": "Kathy"}, {"given_name": "Kat"}, True),
        ({"given_name": "J.R."}, {"given_name": "John"}, True),
        ({"given_name": "Anna"}, {"given_name": "Anton"}, False),
        ({"name": "Élodie Petit"}, {"given_name": "Emma"}, False),
        ({"name": "Tim Doe"}, {"name": "Tom Doe"}, False),
        ({"name": "Jane Doe"}, {"name": "Tom Doe"}, False),
        ({"name": "Doe"}, {"name": "Tom Doe"}, True),
        ({"given_name": "Юрий"}, {"given_name": "Yuri"}, True),
    ],
)
def test_given_names_are_read_from_whole_names_without_titles_and_accents(shop, one, other, linked) -> None:
    shop.night({name: {"email": "a@example.com"} for name in ("crm/1", "desk/1")}, {"crm/1": one, "desk/1": other})
    assert bool(pairs(shop)) == linked


def test_ids_issued_to_one_account_link_whatever_the_names_say(shop) -> None:
    shop.night({name: {"login": "jd"} for name in ("crm/1", "desk/1")}, named({"crm/1": "Jane", "desk/1": "Tom"}))
    assert len(pairs(shop)) == 1


def test_a_number_that_passed_on_does_not_link_its_holders(shop, profiles) -> None:
    number = ("phone", "212 555 0123", "ambiguous")
    show(shop, profiles, {"crm/1": (*number, 0, 10), "crm/2": (*number, 60, 80), "crm/3": (*number, 200, 210)})
    assert pairs(shop) == {("crm/1", "crm/2")}


def test_of_many_holders_of_a_number_each_is_linked_to_one_seen_not_long_before(shop, profiles) -> None:
    days = [*range(0, 300, 15), *range(600, 700, 20)]
    show(shop, profiles, {f"crm/{n}": ("phone", "212 555 0123", "ambiguous", day, day) for n, day in enumerate(days)})
    assert len(pairs(shop)) == len(days) - 2, "two chains"


def test_a_device_links_to_whom_was_signed_in_on_it(shop, profiles) -> None:
    show(
        shop,
        profiles,
        {
            "web/anonymous": ("device", "{ABC}", "ambiguous", 0, 1),
            "app/anonymous": ("device", "abc", "ambiguous", 0, 1),
            "web/jane": ("device", "abc", "authenticated", 0, 1),
            "web/x": ("device", "def", "ambiguous", 0, 1),
            "app/x": ("device", "def", "logged_out", 0, 1),
        },
    )
    assert pairs(shop) == {("web/anonymous", "web/jane"), ("app/anonymous", "web/jane")}


def test_a_device_on_which_two_accounts_signed_in_links_nobody(shop, profiles) -> None:
    device = ("device", "abc", "authenticated", 0, 1)
    show(shop, profiles, {"web/jane": device, "web/tom": device, "web/anonymous": ("device", "abc", "ambiguous", 0, 1)})
    assert pairs(shop) == set()


def test_entities_with_equal_unique_values_have_a_hub_of_their_own(shop) -> None:
    twins = {f"crm/{n:02}": {"login": "doe", "loyalty": f"L-{n % 2}"} for n in range(16)}
    shop.night(twins)
    by_login = [row for row in standing_links(shop.lake, shop.engine).to_pylist() if row["rule"] == "exact:login"]
    of_one = [row for row in by_login if int(row["left_entity"]) % 2 == int(row["right_entity"]) % 2]
    assert (len(by_login), len(of_one)) == (15, 14), "seven a twin, and one between the two hubs"


def test_unique_values_are_vetoes_and_an_entity_with_two_forbids_nothing(shop) -> None:
    shop.night(
        {
            "crm/1": {"loyalty": "a 1", "birth_date": "4/3/1990"},
            "crm/2": {"loyalty": ["A-1", "A/2"], "birth_date": "1990-04-03"},
            "desk/1": {"login": "jane"},
        }
    )
    unique = unique_keys(shop.lake, shop.engine, shop.config)
    vetoes = unique.values(shop.lake.version(KEYS_SEEN)).to_pylist()
    digests = {(row["service"], row["entity"], row["namespace"]): row["digest"] for row in vetoes}
    assert set(digests) == {("crm", "1", "loyalty"), ("crm", "1", "birth_date"), ("crm", "2", "birth_date")}
    assert digests["crm", "1", "birth_date"] == digests["crm", "2", "birth_date"], "the region writes the month first"


def test_a_night_without_changes_writes_nothing(shop) -> None:
    entities = {f"crm/{n}": {"login": f"p{n // 2}"} for n in range(6)}
    shop.night(entities)
    before = [shop.lake.version(table) for table in (LINKS,)]
    shop.night(entities)
    assert [shop.lake.version(table) for table in (LINKS,)] == before


def test_a_namespace_that_is_weak_now_takes_its_links_back(new_company) -> None:
    company = new_company(CONFIG)
    entities = {"crm/1": {"login": "u"}, "desk/1": {"login": "u"}}
    company.night(entities)
    company.config = IdentityConfig.model_validate(
        {"namespaces": {"login": {"strength": "weak", "normalise": "lower"}}}
    )
    change, _ = company.night(entities)
    assert (change.retracted, company.standing()) == (1, 0)


_values = st.fixed_dictionaries(
    {},
    optional={
        "email": st.sampled_from(["a@x.com", "b@x.com", "info@x.com"]),
        "login": st.sampled_from(["u", "v"]),
        "loyalty": st.sampled_from(["1", "2"]),
    },
)
_people = st.fixed_dictionaries(
    {"keys": _values, "name": st.sampled_from(["", "Jane", "Tom", "J.", "James", "Jan", "Zoe"])}
)
_nights = st.lists(
    st.dictionaries(st.sampled_from([f"{s}/{n}" for s in ("crm", "desk") for n in range(9)]), _people, max_size=16),
    min_size=2,
    max_size=4,
)


def _shared_by(names: list[str], *, also: dict[str, Any] | None = None) -> dict[str, Any]:
    """Entities with one mailbox, one a name."""
    return {f"crm/{n}": {"keys": {"email": "a@x.com"}, "name": name} for n, name in enumerate(names)} | (also or {})


_TWO = {f"{service}/8": {"keys": {"email": "b@x.com", "login": "u"}, "name": "Jane"} for service in ("crm", "desk")}


@settings(deadline=None, max_examples=6)
@given(nights=_nights)
@example(nights=[_shared_by(["Jane", "Jane"], also=_TWO), _shared_by(["Jane", "Jane", "Tom", "Uma", "Zoe"], also=_TWO)])
@example(nights=[_shared_by(["Jane", "J.", ""], also=_TWO), _shared_by(["Jane", "J.", "", "James"], also=_TWO)])
@example(nights=[_shared_by(["Jane"] * 6), _shared_by(["Jane"] * 2)])
@example(nights=[_shared_by(["", "", ""], also=_TWO), _TWO])
def test_what_nights_left_is_what_a_rebuild_would_make(new_company, nights) -> None:
    company, rebuilt = new_company(CONFIG), new_company(CONFIG)
    for night in nights:
        company.links({e: p["keys"] for e, p in night.items()}, named({e: p["name"] for e, p in night.items()}))
    rebuilt.links({e: p["keys"] for e, p in nights[-1].items()}, named({e: p["name"] for e, p in nights[-1].items()}))

    def standing(of):
        rows = standing_links(of.lake, of.engine).drop_columns(["made_at"]).to_pylist()
        return sorted(json.dumps(row, sort_keys=True) for row in rows)

    assert standing(company) == standing(rebuilt)
    for table in (PROFILES, KEYS_SEEN, KEYS_DROPPED, KEY_VALUES):
        assert company.lake.content_hash(table) == rebuilt.lake.content_hash(table), table.path


def test_a_night_normalises_and_judges_what_differs_only(shop, profiles) -> None:
    people = {f"crm/{n}": {"email": f"p{n // 2}@x.com", "login": "N/A"} for n in range(8)}
    shop.night(people)
    tables = (PROFILES, KEYS_SEEN, KEY_VALUES, LINKED, LINKS)
    before = {table: shop.lake.version(table) for table in tables}
    received = profiles(people | {"crm/1": {"email": "p9@x.com"}})
    seen = keys_of_profiles(shop.engine, received)
    update = update_profiles(shop.lake, shop.engine, received, seen, shop.config, run_id="night")
    assert (update.profiles, update.changed, update.gone) == (8, 1, 0)
    update = update_profiles(shop.lake, shop.engine, received.slice(0, 7), seen, shop.config, run_id="night")
    assert (update.profiles, update.changed, update.gone) == (7, 0, 1)
    shop.night(people)
    kept = {table: shop.lake.version(table) for table in tables}
    assert kept[KEY_VALUES] == before[KEY_VALUES], "in the end all is as it was"
    shop.night(people)
    assert {table: shop.lake.version(table) for table in tables} == kept


def test_other_rules_of_a_namespace_read_everything_anew(new_company) -> None:
    company = new_company(CONFIG)
    people = {"crm/1": {"login": "u"}, "desk/1": {"login": " U "}}
    company.night(people)
    assert company.standing() == 1
    company.config = IdentityConfig.model_validate({"namespaces": {"login": {"normalise": "exact"}}})
    company.night(people)
    assert company.standing() == 0
    company.config = IdentityConfig.model_validate({"namespaces": {"login": {"normalise": "lower", "ignore": ["u"]}}})
    company.night(people)
    assert company.lake.read(KEYS_DROPPED)["reason"].to_pylist() == ["placeholder"] * 2


@pytest.mark.parametrize("killed_before", [PROFILES, KEY_VALUES, LINKED])
def test_after_a_killed_night_the_next_one_ends_as_if_it_had_not_been(new_company, killed_before) -> None:
    company, rebuilt = new_company(CONFIG), new_company(CONFIG)
    alone = {"crm/1": {"email": "a@x.com"}} | {f"{service}/2": {"email": "b@x.com"} for service in ("crm", "desk")}
    company.links({"crm/1": {"email": "a@x.com"}, "desk/1": {"email": "a@x.com"}})
    with pytest.raises(Killed):
        company.lake = KilledLake(company.lake.root, killed_before)
        company.links(alone)
    company.lake = Lake(company.lake.root)
    company.links({"crm/1": {"email": "a@x.com"}, "desk/1": {"email": "a@x.com"}})
    rebuilt.links({"crm/1": {"email": "a@x.com"}, "desk/1": {"email": "a@x.com"}})
    assert pairs(company) == pairs(rebuilt) == {("crm/1", "desk/1")}
    for table in (PROFILES, KEYS_SEEN, KEYS_DROPPED, KEY_VALUES):
        assert company.lake.content_hash(table) == rebuilt.lake.content_hash(table), table.path


class Killed(Exception):
    """Stands for a process that is no more."""


class KilledLake(Lake):
    """Whoever writes rows to one table is killed before."""

    def __init__(self, root: Path, table: Table) -> None:
        super().__init__(root)
        self._table = table

    def replace(self, table: Table, rows: pa.Table, **more: Any) -> int:
        if table == self._table and rows.num_rows:
            raise Killed
        return super().replace(table, rows, **more)
