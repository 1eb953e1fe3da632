"""Who is otherwise than last night is told once, and what is kept of it is what a comparison of all would find."""

import shutil

import pyarrow as pa

from cx_orchestration.identity.changed import changed_since
from cx_orchestration.identity.keys import keys_of_profiles
from cx_orchestration.identity.profiles import update_profiles
from cx_orchestration.model.tables import KEYS_SEEN, PROFILES, PROFILES_CHANGED
from cx_orchestration.storage.scan import Scan

BEFORE = {"crm/1": {"email": "a@x.com"}, "crm/2": {"email": "b@x.com"}, "crm/3": {}, "desk/1": {"login": "u"}}
AFTER = {"crm/1": {"email": "a@x.com"}, "crm/2": {"email": "c@x.com"}, "desk/1": {"login": "u"}, "desk/2": {}}


def states(company, since: int) -> list:
    changed = company.engine.query(
        "SELECT * FROM changed", {"changed": changed_since(company.lake, company.engine, since)}
    )
    return sorted(changed.to_pylist(), key=lambda row: (row["service"], row["entity"], row["is_there"]))


def test_the_change_that_is_kept_is_what_a_comparison_finds(company) -> None:
    company.show(BEFORE)
    since = company.lake.version(PROFILES)
    company.show(AFTER, {"desk/1": {"name": "Ana"}})
    assert isinstance(changed_since(company.lake, company.engine, since), Scan)
    kept = states(company, since)
    assert [(row["service"], row["entity"], row["is_there"], row["is_bare"]) for row in kept] == [
        ("crm", "2", False, None),
        ("crm", "2", True, True),
        ("crm", "3", False, None),
        ("desk", "1", False, None),
        ("desk", "1", True, False),
        ("desk", "2", True, True),
    ]
    assert [key["value"] for row in kept[:2] for key in row["keys"]] == ["b@x.com", "c@x.com"]
    company.lake.replace(PROFILES_CHANGED, PROFILES_CHANGED.empty(), run_id="erasure")
    assert states(company, since) == kept


def test_who_missed_a_night_gets_the_changes_of_both(company) -> None:
    company.show(BEFORE)
    since = company.lake.version(PROFILES)
    company.show(AFTER)
    company.show(BEFORE | {"crm/9": {}})
    assert [(row["entity"], row["is_there"]) for row in states(company, since)] == [("9", True)]


def test_what_came_in_another_order_is_what_was_there(company, profiles) -> None:
    company.show(BEFORE)
    before = company.lake.version(PROFILES)
    received = profiles(BEFORE).take(pa.array([2, 0, 3, 1]))
    seen = keys_of_profiles(company.engine, received).take(pa.array([1, 2, 0]))
    update = update_profiles(company.lake, company.engine, received, seen, company.config, run_id="night")
    assert (update.changed, update.gone, company.lake.version(PROFILES)) == (0, 0, before)


def test_where_a_customer_comes_twice_all_are_read_anew(company, profiles) -> None:
    company.show(BEFORE)
    received = pa.concat_tables([profiles(BEFORE), profiles({"crm/1": {"email": "d@x.com"}})])
    seen = keys_of_profiles(company.engine, received)
    update = update_profiles(company.lake, company.engine, received, seen, company.config, run_id="night")
    assert (update.profiles, update.changed) == (5, 5)


def test_who_came_twice_keeps_all_keys_on_the_night_after(company, profiles) -> None:
    company.show(BEFORE)
    twice = pa.concat_tables([profiles(BEFORE), profiles(BEFORE).slice(0, 1)])
    seen = keys_of_profiles(company.engine, profiles(BEFORE))
    for received in (twice, profiles(BEFORE)):
        update_profiles(company.lake, company.engine, received, seen, company.config, run_id="night")
    kept = company.lake.read(KEYS_SEEN).to_pylist()
    assert sorted((row["entity"], row["value"]) for row in kept) == [("1", "a@x.com"), ("1", "u"), ("2", "b@x.com")]


def test_profiles_that_were_moved_away_and_made_again_are_looked_at_anew(company) -> None:
    company.night(BEFORE)
    company.night(AFTER)
    shutil.rmtree(company.lake.folder_of(PROFILES))
    company.night(BEFORE)
    assert sorted(company.who()) == sorted(BEFORE)
