"""Nights that look at what changed end where a rebuild from nothing does."""

import datetime as dt
import json
from typing import Any

import numpy as np
import pyarrow as pa

from cx_orchestration.identity.clusters import Linkage
from cx_orchestration.identity.ledger import WANTED, update_ledger
from cx_orchestration.identity.resolve import resolve
from cx_orchestration.identity.vetoes import UNIQUE, UniqueKeys
from cx_orchestration.model.persons import NOBODY
from cx_orchestration.model.tables import CUSTOMER_ALIASES, CUSTOMER_HISTORY, IDENTITY_MAP, PROFILES, RESOLVED, Table

LINKAGE = Linkage(threshold=2.0, absent=-4.0)
NAMES = [f"crm/{n:02}" for n in range(24)]


def walked(seed: int, nights: int) -> list[tuple[set[str], dict[tuple[str, str, str], float]]]:
    """Night by night who has a profile and what is linked: some come and go, some links are made, some taken back."""
    random = np.random.default_rng(seed)
    present, links, walk = set(NAMES[:16]), {}, []
    rules = ["exact:login", "model", "model", "model", "decided:always", "decided:never"]
    for night in range(nights):
        for _ in range(14 if night == 0 else 5):
            left, right = sorted(random.choice(NAMES, 2, replace=False).tolist())
            links[left, right, str(random.choice(rules))] = float(random.integers(-8, 12))
        for pair in list(links):
            if random.random() < 0.15:
                del links[pair]
        if night:
            present ^= set(random.choice(NAMES, 2, replace=False).tolist())
        walk.append((set(present), dict(links)))
    return walk


def live(company, present: set[str], links: dict[tuple[str, str, str], float], profiles, unique=None, named=()) -> Any:
    names = {name: {"given_name": "Ana"} for name in named}
    company.lake.replace(PROFILES, profiles({name: {} for name in present}, names), run_id="night")
    ends = [
        (*left.split("/"), *right.split("/"), rule, weight, "{}", None) for (left, right, rule), weight in links.items()
    ]
    for family in ("exact", "model", "decided"):
        rows = [dict(zip(WANTED.names, row, strict=True)) for row in ends if row[4].split(":")[0] == family]
        wanted = pa.Table.from_pylist(rows, schema=WANTED)
        update_ledger(company.lake, company.engine, wanted, family=family, scope=None, now=company.now, run_id="night")
    return resolve(company.lake, company.engine, linkage=LINKAGE, unique=unique, now=company.now, run_id="night")


def test_nights_end_where_looking_at_everything_each_night_does(new_company, profiles) -> None:
    by_night, anew = new_company(), new_company()
    merged = split = 0
    for night, (present, links) in enumerate(walked(seed=3, nights=6)):
        named = np.random.default_rng(night // 2).choice(NAMES, 8)
        for company in (by_night, anew):
            company.now += dt.timedelta(days=1)
        anew.lake.replace(RESOLVED, RESOLVED.empty(), run_id="forget")
        change = live(by_night, present, links, profiles, named=named)
        assert live(anew, present, links, profiles, named=named) == change
        for table in (IDENTITY_MAP, CUSTOMER_ALIASES):
            assert by_night.lake.content_hash(table) == anew.lake.content_hash(table)
        assert sorted(by_night.history()) == sorted(anew.history())
        merged, split = merged + change.merged, split + change.split
    assert min(merged, split) >= 2, "or the walk shows nothing"


def test_who_belongs_together_is_what_a_new_lake_says(new_company, profiles) -> None:
    company, fresh = new_company(), new_company()
    for present, links in walked(seed=4, nights=4):
        company.now += dt.timedelta(days=1)
        live(company, present, links, profiles)
    live(fresh, present, links, profiles)
    assert company.groups() == fresh.groups()


def test_a_night_without_changes_writes_nothing(company, profiles) -> None:
    ((present, links),) = walked(seed=3, nights=1)
    live(company, present, links, profiles)
    tables = (IDENTITY_MAP, CUSTOMER_ALIASES, RESOLVED)
    versions = [company.lake.version(table) for table in tables]
    company.now += dt.timedelta(days=1)
    change = resolve(company.lake, company.engine, linkage=LINKAGE, now=company.now, run_id="night")
    assert [company.lake.version(table) for table in tables] == versions
    assert (change.unchanged, change.renumbered) == (change.customers, 0)


def test_other_settings_look_at_everybody_again(company, profiles) -> None:
    live(company, {"crm/00", "crm/01"}, {("crm/00", "crm/01", "model"): 3.0}, profiles)
    assert len(company.groups()) == 1
    resolve(company.lake, company.engine, linkage=Linkage(threshold=4.0), now=company.now, run_id="night")
    assert len(company.groups()) == 2


def test_a_first_name_is_looked_at_as_its_record_counts_from_then_on(company, profiles) -> None:
    present = {"crm/00", "crm/01", "crm/02"}
    links = {("crm/00", "crm/01", "model"): 5.0, ("crm/01", "crm/02", "exact:login"): 20.0}
    for named, customers in ((["crm/00", "crm/01"], 1), (present, 2), (["crm/00", "crm/01"], 1)):
        live(company, present, links, profiles, named=named)
        assert len(company.groups()) == customers


def test_every_event_has_one_customer_through_merges_and_splits(company, profiles) -> None:
    for present, links in walked(seed=5, nights=3):
        company.now += dt.timedelta(days=1)
        live(company, present, links, profiles)
        assert sorted(company.who()) == sorted(present)
        assert company.lake.read(IDENTITY_MAP).num_rows == len(present)


def test_a_link_that_waited_for_a_profile_joins_when_it_comes(company, profiles) -> None:
    waiting = {("crm/00", "crm/01", "model"): 5.0}
    live(company, {"crm/00"}, waiting, profiles)
    live(company, {"crm/00", "crm/01"}, waiting, profiles)
    assert company.groups() == {frozenset({"crm/00", "crm/01"})}


def test_a_birth_date_that_is_corrected_parts_two_customers_and_the_history_says_so(company, profiles) -> None:
    table = Table("identity/born", "one birth date", UNIQUE, NOBODY)
    unique = UniqueKeys(table, ("birth_date",), lambda version: company.lake.read(table, version=version))
    present, links = {"crm/00", "crm/01"}, {("crm/00", "crm/01", "exact:login"): 20.0}
    for other in ("a", "b"):
        rows = [("crm", "00", "birth_date", "a"), ("crm", "01", "birth_date", other)]
        dates = pa.Table.from_pylist([dict(zip(UNIQUE.names, row, strict=True)) for row in rows], schema=UNIQUE)
        company.lake.replace(table, dates, run_id="night")
        company.now += dt.timedelta(days=1)
        live(company, present, links, profiles, unique)
    assert len(company.groups()) == 2
    (split,) = [row for row in company.lake.read(CUSTOMER_HISTORY).to_pylist() if row["event"] == "split"]
    assert json.loads(split["evidence"])["reasons"] == ["different values of birth_date"]
    components = company.lake.read(IDENTITY_MAP)["component"].to_pylist()
    assert len(set(components)) == 1 and components[0] is not None, "a link still holds the two together"
