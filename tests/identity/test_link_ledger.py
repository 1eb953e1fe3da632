import datetime as dt
import json
import uuid

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from cx_orchestration.identity.ledger import WANTED, standing_links, update_ledger
from cx_orchestration.identity.links import EXACT_WEIGHT, update_links
from cx_orchestration.model.tables import LINKS
from cx_orchestration.storage.lake import Lake

TWO = {"crm/1": {"email": "jane@example.com"}, "desk/9": {"email": "Jane@Example.com"}}


def test_entities_with_one_address_in_two_spellings_are_linked_once(company) -> None:
    change, _ = company.night(TWO)
    assert (change.made, change.retracted, company.standing()) == (1, 0, 1)
    (link,) = company.ledger()
    assert (link["left_service"], link["left_entity"]) == ("crm", "1")
    assert (link["right_service"], link["right_entity"]) == ("desk", "9")
    assert (link["rule"], link["match_weight"]) == ("exact:email", EXACT_WEIGHT)
    assert link["made_at"] == company.now
    assert link["retracted_at"] is None


def test_the_evidence_of_a_link_does_not_hold_the_value(company) -> None:
    company.night(TWO)
    evidence = json.loads(company.ledger()[0]["evidence"])
    assert evidence["namespace"] == "email"
    assert [len(digest) for digest in evidence["digests"]] == [32]
    assert "jane" not in company.ledger()[0]["evidence"]


def test_typos_do_not_link(company) -> None:
    company.night({"crm/1": {"email": "jane@example.com"}, "desk/9": {"email": "jnae@example.com"}})
    assert company.standing() == 0


def test_weak_and_undeclared_keys_do_not_link(company) -> None:
    shared = {"phone": "212 555 0123", "card": "4242"}
    company.night({"crm/1": shared, "desk/9": shared})
    assert company.standing() == 0


def test_equal_values_of_different_namespaces_do_not_link(company) -> None:
    company.night({"crm/1": {"login": "jane"}, "desk/9": {"account": "jane"}})
    assert company.standing() == 0


def test_a_rerun_appends_nothing(company) -> None:
    company.night(TWO)
    before = company.lake.content_hash(LINKS), company.lake.version(LINKS)
    change, _ = company.night(TWO)
    assert (change.made, change.retracted, company.standing()) == (0, 0, 1)
    assert (company.lake.content_hash(LINKS), company.lake.version(LINKS)) == before


def test_a_link_without_support_is_retracted_by_a_further_row(company) -> None:
    company.night(TWO)
    change, _ = company.night(TWO | {"desk/9": {"email": "jane@example.org"}})
    assert (change.made, change.retracted, company.standing()) == (0, 1, 0)
    made, retracted = sorted(company.ledger(), key=lambda row: row["retracted_at"] is not None)
    assert retracted["link_id"] == made["link_id"]
    assert retracted["made_at"] == made["made_at"]
    assert retracted["retracted_at"] == company.now
    assert retracted["retracted_why"] == "no longer supported by exact:email"


def test_a_link_can_be_made_again_under_the_same_id(company) -> None:
    company.night(TWO)
    company.night({"crm/1": {}, "desk/9": {}})
    change, _ = company.night(TWO)
    assert (change.made, change.retracted, company.standing()) == (1, 0, 1)
    assert len(company.ledger()) == 3
    assert len({row["link_id"] for row in company.ledger()}) == 1
    assert standing_links(company.lake, company.engine)["made_at"].to_pylist() == [company.now]


def test_what_stands_does_not_depend_on_the_clocks_of_the_runs(company) -> None:
    start = company.now
    for entities in (TWO, {"crm/1": {}, "desk/9": {}}, TWO, {}, TWO):
        company.now = start
        company.night(entities)
    assert company.standing() == 1
    assert standing_links(company.lake, company.engine).num_rows == 1


def test_a_link_by_several_values_is_one_link_and_follows_its_evidence(company) -> None:
    both = {"email": ["jane@example.com", "j@example.org"]}
    company.night({"crm/1": both, "desk/9": both})
    change, _ = company.night({"crm/1": both, "desk/9": {"email": "j@example.org"}})
    assert (change.made, change.retracted, company.standing()) == (1, 1, 1)
    whys = [row["retracted_why"] for row in company.ledger() if row["retracted_at"]]
    assert whys == ["made again with other evidence"]
    (standing,) = standing_links(company.lake, company.engine).to_pylist()
    assert len(json.loads(standing["evidence"])["digests"]) == 1


def test_links_of_other_rules_are_left_alone(company) -> None:
    company.night(TWO)
    other = company.lake.read(LINKS)
    names = {"link_id": "11111111-1111-5111-8111-111111111111", "rule": "model:1", "right_entity": "10"}
    for column, value in names.items():
        other = other.set_column(other.column_names.index(column), column, [[value]])
    company.lake.append(LINKS, other, run_id="model")
    change, _ = company.night({"crm/1": {}, "desk/9": {}, "desk/10": {}})
    assert (change.retracted, company.standing()) == (1, 1)
    assert company.groups() == {frozenset({"crm/1", "desk/10"}), frozenset({"desk/9"})}


class TwoRunsAtOnce(Lake):
    """A lake in which a second run brings the ledger up to date just before the first one appends to it."""

    def __init__(self, company, *, later: dt.timedelta) -> None:
        super().__init__(company.lake.root)
        self.company, self.later = company, later

    def append(self, table, rows, *, run_id):
        company = self.company
        update_links(company.lake, company.engine, company.config, now=company.now + self.later, run_id="second")
        return super().append(table, rows, run_id=run_id)


def two_runs_at_once(company, entities, *, later: dt.timedelta) -> None:
    company.now += dt.timedelta(days=1)
    company.show(entities)
    both = TwoRunsAtOnce(company, later=later)
    update_links(both, company.engine, company.config, now=company.now, run_id="first")


@pytest.mark.parametrize("later", [dt.timedelta(0), dt.timedelta(seconds=5)])
def test_a_link_that_two_runs_made_at_once_is_one_link_and_goes_as_one(company, later) -> None:
    two_runs_at_once(company, TWO, later=later)
    assert [row["retracted_at"] for row in company.ledger()] == [None, None], "both runs made it"
    assert standing_links(company.lake, company.engine).num_rows == 1
    change, _ = company.night(TWO)
    assert (change.made, change.retracted, company.standing()) == (0, 0, 1)
    change, _ = company.night({"crm/1": {}, "desk/9": {}})
    assert (change.made, change.retracted, company.standing()) == (0, 2, 0)
    assert company.groups() == {frozenset({"crm/1"}), frozenset({"desk/9"})}
    change, _ = company.night(TWO)
    assert (change.made, change.retracted, company.standing()) == (1, 0, 1)


@pytest.mark.parametrize("later", [dt.timedelta(0), dt.timedelta(seconds=5)])
def test_a_link_that_two_runs_retracted_at_once_can_be_made_again(company, later) -> None:
    company.night(TWO)
    two_runs_at_once(company, {"crm/1": {}, "desk/9": {}}, later=later)
    assert standing_links(company.lake, company.engine).num_rows == 0
    change, _ = company.night(TWO)
    assert (change.made, change.retracted, company.standing()) == (1, 0, 1)


@pytest.mark.parametrize("later", [dt.timedelta(0), dt.timedelta(seconds=5)])
def test_new_evidence_replaces_all_entries_that_two_runs_made_at_once(company, later) -> None:
    both = {"email": ["jane@example.com", "j@example.org"]}
    two_runs_at_once(company, {"crm/1": both, "desk/9": both}, later=later)
    change, _ = company.night({"crm/1": both, "desk/9": {"email": "j@example.org"}})
    assert (change.made, change.retracted, company.standing()) == (1, 2, 1)
    (standing,) = standing_links(company.lake, company.engine).to_pylist()
    assert len(json.loads(standing["evidence"])["digests"]) == 1


def test_link_ids_are_the_same_in_every_lake(new_company) -> None:
    tables = []
    for _ in range(2):
        company = new_company()
        company.night(TWO)
        tables.append(company.lake.read(LINKS))
    assert tables[0].equals(tables[1])
    assert pc.all(pc.equal(tables[0]["link_id"], tables[1]["link_id"])).as_py()


def wanted(*pairs: tuple[str, str, float]) -> pa.Table:
    rows = [
        {
            "left_service": "crm",
            "left_entity": left,
            "right_service": "ü",
            "right_entity": right,
            "rule": "model",
            "match_weight": weight,
            "evidence": "{}",
            "model_version": "m1",
        }
        for left, right, weight in pairs
    ]
    return pa.Table.from_pylist(rows, schema=WANTED)


def entities(*names: tuple[str, str]) -> pa.Table:
    return pa.table({"service": [service for service, _ in names], "entity": [entity for _, entity in names]})


def test_only_links_with_an_end_in_the_scope_are_judged(company) -> None:
    lake, engine = company.lake, company.engine
    all_of_them = wanted(("1", "\N{SNOWMAN}", 3.0), ("2", "b", -2.5), ("3", "b", 4.0))
    run = {"family": "model", "now": company.now, "run_id": "r"}
    update_ledger(lake, engine, all_of_them, scope=None, **run)
    change = update_ledger(lake, engine, wanted(("1", "c", 1.0)), scope=entities(("crm", "1"), ("crm", "3")), **run)
    assert (change.made, change.retracted, company.standing()) == (1, 2, 2)
    pairs = {(row["left_entity"], row["right_entity"]) for row in standing_links(lake, engine).to_pylist()}
    assert pairs == {("1", "c"), ("2", "b")}
    assert standing_links(lake, engine, entities(("ü", "b"))).num_rows == 1


def test_another_weight_or_model_makes_a_link_again(company) -> None:
    run = {"family": "model", "scope": None, "now": company.now, "run_id": "r"}
    first = wanted(("1", "a", 3.0))
    update_ledger(company.lake, company.engine, first, **run)
    retrained = first.set_column(first.column_names.index("model_version"), "model_version", [["m2"]])
    change = update_ledger(company.lake, company.engine, retrained, **run)
    assert (change.made, change.retracted, company.standing()) == (1, 1, 1)
    assert update_ledger(company.lake, company.engine, retrained, **run).made == 0


def test_a_link_is_named_by_the_uuid_of_its_pair_and_rule(company) -> None:
    rows = wanted(("1", "\N{SNOWMAN}", 3.0), ("2", "b", 1.0))
    update_ledger(company.lake, company.engine, rows, family="model", scope=None, now=company.now, run_id="r")
    namespace = uuid.UUID("6a3f6d0e-3a0f-5c55-9f0b-0c2f8a6b7d11")
    expected = [
        str(uuid.uuid5(namespace, "\x1f".join(["crm", e, "ü", o, "model"]))) for e, o in (("1", "☃"), ("2", "b"))
    ]
    assert standing_links(company.lake, company.engine)["link_id"].to_pylist() == expected
