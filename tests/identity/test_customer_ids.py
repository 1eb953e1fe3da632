import datetime as dt
import uuid

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cx_orchestration.identity.customer_ids import assign_customers, find_components
from cx_orchestration.identity.links import find_links, update_links
from cx_orchestration.identity.resolve import resolve
from cx_orchestration.model.failures import PermanentFailure, TransientFailure
from cx_orchestration.model.tables import CUSTOMER_ALIASES, IDENTITY_MAP, PROFILES
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


def test_ids_are_never_reused_after_merge_and_split(company) -> None:
    apart = {"crm/1": A, "crm/2": A, "desk/1": B}
    company.night(apart)
    first = company.who()
    company.night(apart | {"shop/1": BOTH})
    company.night(apart)
    after = company.who()
    kept = after["crm/1"]
    assert kept in (first["crm/1"], first["desk/1"])
    gone = {first["crm/1"], first["desk/1"]} - {kept}
    assert after["desk/1"] not in {*gone, kept}, "what split off bears an id that nobody bore before"
    assert company.aliases() == {gone.pop(): kept}
    seen = set(first.values()) | set(after.values())
    company.night(apart | {"shop/1": BOTH})
    company.night(apart)
    assert company.who()["desk/1"] not in seen


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
    """A lake whose second write of a run does not come about, whichever table that is."""

    writes = 0

    def replace(self, *arguments, **named) -> int:
        self.writes += 1
        if self.writes == 2:
            raise TransientFailure("the disk is full")
        return super().replace(*arguments, **named)


def killed_merge(company) -> dict[str, str]:
    """Two customers, and a run that dies half way through making them one."""
    company.night({"desk/5": A})
    company.night({"desk/5": A, "crm/1": B})
    before = company.who()
    company.lake.replace(PROFILES, company.normalised({"desk/5": A, "crm/1": B, "shop/1": BOTH}), run_id="killed")
    update_links(company.lake, company.engine, company.config, now=company.now, run_id="killed")
    with pytest.raises(TransientFailure):
        resolve(LakeThatFailsAt(company.lake.root), company.engine, now=company.now, run_id="killed")
    return before


def test_a_run_killed_between_its_two_tables_loses_no_former_id(company) -> None:
    before = killed_merge(company)
    company.night({"desk/5": A, "crm/1": B, "shop/1": BOTH})
    assert set(company.who().values()) == {before["desk/5"]}
    assert company.aliases() == {before["crm/1"]: before["desk/5"]}


def test_an_alias_written_by_a_killed_run_does_not_outlive_its_reason(company) -> None:
    before = killed_merge(company)
    company.night({"desk/5": A, "crm/1": B})
    assert company.who() == before
    assert company.aliases() == {}


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


_values = st.lists(st.sampled_from(["a", "b", "c", "d", "e", "f"]), max_size=3)
_entities = st.dictionaries(
    st.sampled_from([f"{service}/{n}" for service in ("crm", "desk", "shop") for n in range(4)]),
    st.fixed_dictionaries({}, optional={"login": _values, "account": _values}),
    max_size=10,
)


@settings(deadline=None, max_examples=25)
@given(entities=_entities, data=st.data())
def test_who_belongs_together_does_not_depend_on_the_order_of_arrival(company_parts, entities, data) -> None:
    engine, config, profiles = company_parts
    at_once = profiles(entities)
    expected = find_components(engine, at_once, find_links(engine, at_once, config).links)
    order = data.draw(st.permutations(list(entities)))
    cuts = [*sorted(data.draw(st.lists(st.integers(0, len(order)), max_size=2))), len(order)]
    standing = None
    for cut in cuts:
        arrived = profiles({name: entities[name] for name in order[:cut]})
        standing = find_links(engine, arrived, config, standing=standing).links
    pd.testing.assert_frame_equal(find_components(engine, arrived, standing), expected)


_partitions = st.lists(st.lists(st.integers(0, 3), min_size=6, max_size=6), min_size=1, max_size=5)


@settings(deadline=None, max_examples=100)
@given(nights=_partitions)
def test_ids_follow_the_rules_through_any_merges_and_splits(nights) -> None:
    """Six entities, divided anew each night: the number of an entity says with whom it is."""
    identity_map = pd.DataFrame({"service": [], "entity": [], "customer_id": [], "since": []}, dtype="str")
    identity_map["since"] = pd.to_datetime(identity_map["since"], utc=True)
    aliases = pd.DataFrame({"old_customer_id": [], "customer_id": [], "why": [], "since": []}, dtype="str")
    aliases["since"] = identity_map["since"]
    now, ever = dt.datetime(2026, 1, 1, tzinfo=dt.UTC), set()
    for division in nights:
        now += dt.timedelta(days=1)
        names = [str(n) for n in range(6)]
        components = pd.DataFrame(
            {"service": "crm", "entity": names, "component": [division.index(d) for d in division]}
        )
        before = set(identity_map["customer_id"])
        identity_map, aliases, change = assign_customers(identity_map, components, aliases, now=now)
        current = set(identity_map["customer_id"])
        together = identity_map.groupby("customer_id")["entity"].agg(frozenset)
        expected = components.groupby("component")["entity"].agg(frozenset)
        assert set(together) == set(expected), "customers are the components"
        assert not (current - before) & ever, "an id that is new was never handed out"
        assert change.new == len(current - before)
        assert change.merged + change.retired == len(before - current)
        ever |= current
        resolved = dict(zip(aliases["old_customer_id"], aliases["customer_id"], strict=True))
        assert set(resolved) == ever - current, "every former id resolves"
        assert set(resolved.values()) <= current, "in one step, to a customer of today"
        assert len(current) - len(before) == change.new - change.merged
