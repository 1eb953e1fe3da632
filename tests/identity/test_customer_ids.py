import json
import uuid

import pytest

from cx_orchestration.identity.explain import find_customer
from cx_orchestration.identity.links import update_links
from cx_orchestration.identity.resolve import resolve
from cx_orchestration.model.failures import PermanentFailure, TransientFailure
from cx_orchestration.model.tables import CUSTOMER_ALIASES, CUSTOMER_HISTORY, IDENTITY_MAP, PROFILES
from cx_orchestration.storage.lake import Lake

A, B = {"email": "a@example.com"}, {"email": "b@example.com"}
BOTH = {"email": ["a@example.com", "b@example.com"]}


def test_linked_entities_are_one_customer_and_others_are_not(company) -> None:
    _, change = company.night({"crm/1": A, "desk/1": A, "crm/2": B, "shop/7": {}})
    assert company.groups() == {frozenset({"crm/1", "desk/1"}), frozenset({"crm/2"}), frozenset({"shop/7"})}
    assert (change.new, change.merged, change.split, change.unchanged) == (3, 0, 0, 0)


def test_a_rerun_changes_nothing_and_keeps_since(company) -> None:
    company.night({"crm/1": A, "desk/1": A, "crm/2": B})
    before = company.lake.read(IDENTITY_MAP).to_pylist(), company.lake.version(IDENTITY_MAP)
    _, change = company.night({"crm/1": A, "desk/1": A, "crm/2": B})
    assert (company.lake.read(IDENTITY_MAP).to_pylist(), company.lake.version(IDENTITY_MAP)) == before
    assert (change.new, change.merged, change.split, change.unchanged, change.renumbered) == (0, 0, 0, 2, 0)


def test_unrelated_additions_move_no_customer_id(company) -> None:
    company.night({"crm/5": A, "desk/5": A, "crm/6": B})
    before = company.who()
    company.night({"crm/5": A, "desk/5": A, "crm/6": B, "a_first/0": {"login": "x"}, "crm/0": {"login": "y"}})
    assert before.items() <= company.who().items()


def test_a_record_that_joins_takes_the_customer_id_that_is_there(company) -> None:
    company.night({"desk/5": A})
    before = company.who()["desk/5"]
    _, change = company.night({"desk/5": A, "crm/1": A})
    assert company.who() == {"desk/5": before, "crm/1": before}
    assert (change.new, change.merged, change.unchanged) == (0, 0, 0)


def test_a_merge_keeps_the_older_id_and_the_younger_one_resolves_to_it(company) -> None:
    company.night({"desk/5": A})
    company.night({"desk/5": A, "crm/1": B})
    older, younger = company.who()["desk/5"], company.who()["crm/1"]
    _, change = company.night({"desk/5": A, "crm/1": B, "shop/1": BOTH})
    assert set(company.who().values()) == {older}
    assert company.aliases() == {younger: older}
    assert (change.merged, change.renumbered) == (1, 1)


def test_a_split_into_equal_parts_leaves_the_id_with_the_first_entity(company) -> None:
    company.night({"crm/1": BOTH, "crm/2": B, "desk/1": A, "desk/2": A})
    (old,) = set(company.who().values())
    _, change = company.night({"crm/1": B, "crm/2": B, "desk/1": A, "desk/2": A, "desk/3": A, "shop/1": A})
    who = company.who()
    assert who["crm/1"] == who["crm/2"] == old, "records that are new do not count"
    assert who["desk/1"] == who["desk/2"] == who["desk/3"] == who["shop/1"] != old
    assert (change.new, change.split, change.merged, change.renumbered) == (1, 1, 0, 2)


def test_the_larger_part_of_a_split_keeps_the_id_wherever_it_sorts(company) -> None:
    company.night({"crm/1": BOTH, "desk/1": A, "desk/2": A})
    (old,) = set(company.who().values())
    company.night({"crm/1": B, "desk/1": A, "desk/2": A})
    assert company.who()["desk/1"] == old != company.who()["crm/1"]


def test_a_merge_that_is_undone_gives_both_customers_back_with_their_former_ids(company) -> None:
    apart = {"crm/1": A, "desk/1": B, "desk/2": B, "desk/3": B}
    company.night(apart)
    before = company.who()
    _, merge = company.night(apart | {"shop/1": BOTH})
    assert (merge.merged, merge.new) == (1, 0)
    _, undone = company.night(apart)
    assert company.who() == before
    assert company.aliases() == {}
    assert (undone.restored, undone.split, undone.new) == (1, 1, 0)


def test_records_that_came_after_a_merge_do_not_take_an_id_from_those_that_brought_it(company) -> None:
    company.night({"crm/1": A})
    company.night({"crm/1": A, "desk/1": B})
    before = company.who()
    company.night({"crm/1": A, "desk/1": B, "shop/1": BOTH})
    late = {f"desk/{n}": B for n in range(2, 6)}
    company.night({"crm/1": A, "desk/1": B, "shop/1": BOTH} | late)
    company.night({"crm/1": A, "desk/1": B} | late)
    assert company.who() == before | dict.fromkeys(late, before["desk/1"])


def test_merges_of_merges_are_undone_one_by_one(company) -> None:
    one, two, three = ({"login": name} for name in ("u", "v", "w"))
    apart = {"crm/1": one, "crm/2": two, "crm/3": three}
    for night in ({"crm/1": one}, {"crm/1": one, "crm/2": two}, apart):
        company.night(night)
    before = company.who()
    low, high = {"shop/1": {"login": ["v", "w"]}}, {"shop/2": {"login": ["u", "v"]}}
    company.night(apart | low)
    pair = company.who()
    company.night(apart | low | high)
    company.night(apart | low)
    assert company.who() == pair
    company.night(apart)
    assert company.who() == before


def test_an_id_is_never_given_to_somebody_else(company) -> None:
    company.night({"crm/1": A, "desk/1": A})
    (old,) = set(company.who().values())
    company.night({"desk/1": A})
    assert company.who() == {"desk/1": old}
    company.night({"desk/1": A, "crm/1": B})
    assert company.who()["crm/1"] != old, "whose first record bears the name that the id was made of"


def test_chains_of_aliases_end_at_the_customer_of_today(company) -> None:
    one, two, three = ({"login": name} for name in ("u", "v", "w"))
    company.night({"crm/1": one})
    company.night({"crm/1": one, "crm/2": two})
    company.night({"crm/1": one, "crm/2": two, "crm/3": three})
    first, second, third = (company.who()[f"crm/{n}"] for n in (1, 2, 3))
    apart = {"crm/1": one, "crm/2": two, "crm/3": three}
    company.night(apart | {"shop/1": {"login": ["v", "w"]}})
    assert company.aliases() == {third: second}
    company.night(apart | {"shop/1": {"login": ["v", "w"]}, "shop/2": {"login": ["u", "v"]}})
    assert company.aliases() == {third: first, second: first}


def test_an_id_without_records_still_says_what_became_of_it(company) -> None:
    company.night({"crm/1": A, "crm/2": B})
    gone = company.who()["crm/2"]
    _, change = company.night({"crm/1": A})
    assert company.aliases() == {gone: None}
    assert change.retired == 1
    company.night({"crm/1": A, "crm/2": B})
    assert company.who()["crm/2"] != gone
    assert company.aliases() == {gone: None}


def test_an_entity_that_moves_takes_no_id_with_it(company) -> None:
    company.night({"crm/1": A, "crm/2": A, "desk/1": B, "desk/2": B})
    before = company.who()
    company.night({"crm/1": A, "crm/2": B, "desk/1": B, "desk/2": B})
    assert company.who() == before | {"crm/2": before["desk/1"]}


class LakeThatFailsAt(Lake):
    """A lake whose n-th write of a run does not come about, whichever table that is."""

    def __init__(self, root, write: int) -> None:
        super().__init__(root)
        self.left = write

    def replace(self, *arguments, **named) -> int:
        self.left -= 1
        if self.left == 0:
            raise TransientFailure("the disk is full")
        return super().replace(*arguments, **named)


TABLES = ("customer_history", "customer_aliases", "identity_map", "resolved")


def killed_merge(company, write: int) -> dict[str, str]:
    """Two customers, and a run that dies at one of its writes while it makes them one."""
    company.night({"desk/5": A})
    company.night({"desk/5": A, "crm/1": B})
    before = company.who()
    killed_night(company, {"desk/5": A, "crm/1": B, "shop/1": BOTH}, write)
    return before


def killed_night(company, entities, write: int) -> None:
    company.links(entities)
    with pytest.raises(TransientFailure):
        resolve(LakeThatFailsAt(company.lake.root, write), company.engine, now=company.now, run_id="killed")


@pytest.mark.parametrize("write", range(1, 5), ids=TABLES)
def test_a_run_killed_at_any_of_its_writes_is_repeated_without_loss(company, write) -> None:
    before = killed_merge(company, write)
    company.night({"desk/5": A, "crm/1": B, "shop/1": BOTH})
    assert set(company.who().values()) == {before["desk/5"]}
    assert company.aliases() == {before["crm/1"]: before["desk/5"]}
    assert [(event, who) for event, who, _ in company.history()] == [
        ("born", before["desk/5"]),
        ("born", before["crm/1"]),
        ("merged", before["desk/5"]),
    ]


@pytest.mark.parametrize("write", range(1, 5), ids=TABLES)
def test_what_a_killed_run_wrote_does_not_outlive_its_reason(company, write) -> None:
    before = killed_merge(company, write)
    company.night({"desk/5": A, "crm/1": B})
    assert company.who() == before
    assert company.aliases() == {}
    merged = [event for event, _, _ in company.history() if event in ("merged", "restored")]
    assert merged == (["merged", "restored"] if write == 4 else [])


@pytest.mark.parametrize("writes", [(1,), (2,), (3,), (4,), (3, 3)], ids=[*TABLES, "identity_map_twice"])
def test_who_came_back_in_a_run_that_was_killed_is_told_as_restored(company, writes) -> None:
    apart = {"desk/5": A, "crm/1": B}
    company.night({"desk/5": A})
    company.night(apart)
    older, younger = company.who()["desk/5"], company.who()["crm/1"]
    born = {row["entity"]: row["born_at"] for row in company.lake.read(IDENTITY_MAP).to_pylist()}
    company.night(apart | {"shop/1": BOTH})
    for write in writes:
        killed_night(company, apart, write)
    company.night(apart)
    assert (company.who(), company.aliases()) == ({"desk/5": older, "crm/1": younger}, {})
    assert company.history()[2:] == [("merged", older, younger), ("restored", younger, older)]
    assert {row["entity"]: row["born_at"] for row in company.lake.read(IDENTITY_MAP).to_pylist()} == born


def test_former_ids_of_a_killed_run_send_nobody_to_another_customer(company) -> None:
    before = killed_merge(company, TABLES.index("identity_map") + 1)
    assert company.aliases() == {before["crm/1"]: before["desk/5"]}
    assert find_customer(company.lake, company.engine, before["crm/1"]) == before["crm/1"]


def test_the_history_says_what_happened_and_from_what_evidence(company) -> None:
    company.night({"desk/5": A})
    company.night({"desk/5": A, "crm/1": B})
    older, younger = company.who()["desk/5"], company.who()["crm/1"]
    company.night({"desk/5": A, "crm/1": B, "shop/1": BOTH})
    company.night({"desk/5": A, "crm/1": B})
    company.night({"crm/1": B})
    assert company.history() == [
        ("born", older, None),
        ("born", younger, None),
        ("merged", older, younger),
        ("restored", younger, older),
        ("retired", older, None),
    ]
    told = {row["event"]: row["evidence"] for row in company.lake.read(CUSTOMER_HISTORY).to_pylist()}
    assert told["born"] is None
    links = {row["link_id"] for row in company.ledger()}
    merged, restored = json.loads(told["merged"]), json.loads(told["restored"])
    assert (merged["rules"], set(merged["links"]) <= links, len(merged["links"])) == (["exact:email"], True, 1)
    assert "example.com" not in "".join(filter(None, told.values()))
    assert restored["reasons"], "a customer who is split is told why"


def test_a_customer_split_by_a_corrected_key_names_the_link_that_went(company) -> None:
    company.night({"crm/1": A, "desk/1": A, "shop/1": A})
    company.night({"crm/1": A, "desk/1": A, "shop/1": B})
    (split,) = [row for row in company.lake.read(CUSTOMER_HISTORY).to_pylist() if row["event"] == "split"]
    assert split["other_customer_id"] == company.who()["shop/1"]
    assert json.loads(split["evidence"])["reasons"] == ["no longer supported by exact:email"]


def test_the_same_history_gives_the_same_tables_in_every_lake(new_company) -> None:
    hashes = []
    for _ in range(2):
        company = new_company()
        for night in ({"crm/1": A, "crm/2": B}, {"crm/1": A, "crm/2": B, "shop/1": BOTH}, {"crm/1": A, "crm/2": B}):
            company.night(night)
        hashes.append([company.lake.content_hash(table) for table in (IDENTITY_MAP, CUSTOMER_ALIASES)])
    assert hashes[0] == hashes[1]


def test_customer_ids_are_uuids_of_version_5(company) -> None:
    company.night({"crm/1": A, "crm/2": B})
    assert {uuid.UUID(value).version for value in company.who().values()} == {5}


def test_profiles_that_repeat_an_entity_are_refused(company, profiles) -> None:
    company.lake.replace(PROFILES, profiles({"crm/1": A}), run_id="night")
    company.lake.append(PROFILES, profiles({"crm/1": B}), run_id="night")
    with pytest.raises(PermanentFailure, match="1 rows repeat an entity of crm"):
        resolve(company.lake, company.engine, now=company.now, run_id="night")


def test_an_empty_lake_resolves_to_nobody(company) -> None:
    update_links(company.lake, company.engine, company.config, now=company.now, run_id="night")
    change = resolve(company.lake, company.engine, now=company.now, run_id="night")
    assert (change.new, change.unchanged) == (0, 0)
    assert company.lake.exists(IDENTITY_MAP)
