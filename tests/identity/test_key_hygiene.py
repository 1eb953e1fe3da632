"""Which values tell who somebody is, and what happens when that turns."""

import pyarrow as pa
import pytest
from pydantic import ValidationError

from cx_orchestration.identity.hygiene import judge_values
from cx_orchestration.identity.keys import count_dropped, normalise_profiles, normalise_values
from cx_orchestration.identity.links import find_links
from cx_orchestration.model.identity import IdentityConfig
from cx_orchestration.model.tables import KEY_VALUES
from cx_orchestration.storage.engine import Engine


def verdicts(company) -> dict[tuple[str, int], tuple[str, str]]:
    rows = company.lake.read(KEY_VALUES).to_pylist()
    return {(row["namespace"], row["entities"]): (row["verdict"], row["why"]) for row in rows}


def test_a_mailbox_of_a_function_links_nobody(company) -> None:
    company.night({"crm/1": {"email": "Info@acme.com"}, "desk/1": {"email": "info@acme.com"}})
    assert verdicts(company) == {("email", 2): ("generic", "a mailbox of a function")}
    assert len(company.groups()) == 2


def test_a_value_turns_generic_and_back(company) -> None:
    names = ["Ann", "Bob", "Cid", "Dan"]
    keys = {f"crm/{n}": {"email": "us@acme.com"} for n in range(4)}
    fields = {f"crm/{n}": {"given_name": name} for n, name in enumerate(names)}
    twice = {"desk/1": {"email": "us@acme.com"}}, {"desk/1": {"given_name": "Ann"}}
    company.night({"crm/0": keys["crm/0"]} | twice[0], fields | twice[1])
    assert company.groups() == {frozenset({"crm/0", "desk/1"})}
    company.night(keys | twice[0], fields | twice[1])
    assert verdicts(company) == {("email", 5): ("generic", "used by people of more than 3 names")}
    (retracted,) = [row for row in company.ledger() if row["retracted_at"]]
    assert retracted["retracted_why"] == "a value turned out to be used by people of more than 3 names"
    company.night({"crm/0": keys["crm/0"]} | twice[0], fields | twice[1])
    assert verdicts(company) == {("email", 2): ("links", "")}
    assert company.groups() == {frozenset({"crm/0", "desk/1"})}


def test_the_verdict_says_since_when(company) -> None:
    pair = {"crm/1": {"email": "a@acme.com"}, "desk/1": {"email": "a@acme.com"}}
    company.night(pair)
    first = company.now
    company.night(pair | {"crm/2": {"email": "a@acme.com"}})
    assert [row["since"] for row in company.lake.read(KEY_VALUES).to_pylist()] == [first]


def test_a_loyal_guest_with_two_hundred_entities_under_one_name_is_one_customer(company) -> None:
    keys = {f"till/{n}": {"email": "guest@acme.com"} for n in range(200)}
    fields = {f"till/{n}": {"name": "Guest, Mary" if n % 2 else "Mary Guest"} for n in range(150)}
    company.night(keys, fields)
    assert company.standing() == 199
    assert len(company.groups()) == 1
    company.night(keys, {name: {"name": f"{name[-1]} Person"} for name in fields})
    assert company.standing() == 0, "under a hundred names it is nobody's"


def test_a_value_of_ten_thousand_entities_links_nobody_and_makes_no_pairs(company, profiles, config) -> None:
    entities = {f"crm/{n}": {"email": ["us@example.com", f"p{n}@example.com"]} for n in range(10_000)}
    entities |= {f"desk/{n}": {"email": f"p{n}@example.com"} for n in range(100)}
    found = normalise_profiles(profiles(entities), config)
    inputs = {"profiles": found.profiles, "keys": found.keys, "previous": KEY_VALUES.empty()}
    with company.engine.session(inputs) as session:
        judge_values(session, config)
        assert find_links(session, scope=False).num_rows == 100
        refused = session.query("SELECT * FROM key_values WHERE verdict = 'generic'").to_pylist()
    assert [(row["namespace"], row["entities"]) for row in refused] == [("email", 10_000)]


def test_a_key_of_a_household_is_judged_and_links_nobody(new_company) -> None:
    company = new_company(
        IdentityConfig.model_validate({"namespaces": {"phone": {"normalise": "phone", "strength": "household"}}})
    )
    company.night({"crm/1": {"phone": "212 555 0123"}, "desk/1": {"phone": "+1 212 555 0123"}})
    assert verdicts(company) == {("phone", 2): ("shared", "shared by a household")}
    assert len(company.groups()) == 2


def test_strong_is_an_older_word_for_a_key_of_a_person() -> None:
    config = IdentityConfig.model_validate({"namespaces": {"login": {"strength": "strong"}, "x": {"strength": "weak"}}})
    assert [rule.strength for rule in config.namespaces.values()] == ["person", "weak"]


@pytest.mark.parametrize(
    ("kind", "written", "normal"),
    [
        ("email", "Jane.Doe+news@GMail.com", "janedoe@gmail.com"),
        ("email", "jane.doe@googlemail.com", "janedoe@gmail.com"),
        ("email", "+x@gmail.com", "+x@gmail.com"),
        ("email", "jane.doe+news@acme.com", "jane.doe+news@acme.com"),
        ("email", "jane.doe+news@shop.example", "jane.doe@shop.example"),
        ("email", "jane.doe+x@outlook.com", "jane.doe+x@outlook.com"),
        ("number", " ab-12 3.4/5 ", "AB12345"),
        ("device", "{0F0E-A}", "0f0e-a"),
        ("card", "4242 4242 4242 4242", None),
        ("card", "fp_Xy", "fp_Xy"),
        ("date", "31/12/1990", "1990-12-31"),
        ("date", "3/4/1990", "1990-03-04"),
        ("date", "1990-6-31", None),
        ("date", "19900402", "1990-04-02"),
        ("date", "2/3/90", None),
    ],
)
def test_each_kind_of_key_has_one_spelling(kind, written, normal) -> None:
    providers = {"shop.example": {}, "outlook.com": None}
    config = IdentityConfig.model_validate({"namespaces": {}, "email_providers": providers})
    assert normalise_values(pa.array([written]), kind, config).to_pylist() == [normal]


@pytest.mark.parametrize(
    ("providers", "message"),
    [
        ({"shop": {}}, "String should match pattern"),
        ({"Shop.example": {}}, "String should match pattern"),
        ({"shop.example": {"same_as": ["mail"]}}, "String should match pattern"),
        ({"shop.example": {"sub_address": "++"}}, "String should match pattern"),
        ({"shop.example": {"sub_address": ""}}, "String should match pattern"),
        ({"a.example": {"same_as": ["a.example"]}}, "'a.example' is under a.example itself"),
        (
            {"a.example": {"same_as": ["b.example"]}, "b.example": {"same_as": ["a.example"]}},
            "'b.example' is under a.example and b.example",
        ),
        ({"googlemail.com": {}}, "'googlemail.com' is under gmail.com and googlemail.com .*null takes one away"),
    ],
)
def test_rubbish_about_providers_is_refused(providers, message) -> None:
    with pytest.raises(ValidationError, match=message):
        IdentityConfig.model_validate({"namespaces": {}, "email_providers": providers})


def test_a_domain_of_a_well_known_provider_can_be_given_to_another() -> None:
    own = {"gmail.com": None, "googlemail.com": {"same_as": ["gmail.com"]}, "mühle.example": {}}
    config = IdentityConfig.model_validate({"namespaces": {}, "email_providers": own})
    assert {"googlemail.com", "mühle.example"} <= config.mailbox_rules.keys()


@pytest.mark.parametrize(
    ("kind", "written"),
    [
        ("email", "noreply@acme.com"),
        ("phone", "(212) 222-2222"),
        ("number", "0000000"),
        ("device", "00000000-0000-0000-0000-000000000000"),
        ("lower", "N/A"),
        ("exact", " undefined "),
    ],
)
def test_what_stands_for_no_value_is_a_placeholder(profiles, kind, written) -> None:
    config = IdentityConfig.model_validate({"namespaces": {"key": {"normalise": kind}}})
    found = normalise_profiles(profiles({"crm/1": {"key": written}}), config)
    assert found.keys.num_rows == 0
    reasons = count_dropped(Engine(), found.profiles)["reason"].to_pylist()
    assert reasons in (["placeholder"], ["invalid"] if kind == "phone" else [])
