"""Decisions of people as links of the ledger."""

import datetime as dt
import json

from cx_orchestration.identity.overrides import of_no_effect, unknown_records, update_decisions
from cx_orchestration.model.identity_overrides import Override

TOGETHER = Override(
    left="desk/a/1", right="crm/7", decision="always", by="data steward", on=dt.date(2026, 2, 1), why="both receipts"
)
APART = TOGETHER.model_copy(update={"left": "crm/1", "right": "crm/2", "decision": "never"})


def decided(company, *overrides: Override):
    company.now += dt.timedelta(hours=1)
    return update_decisions(company.lake, company.engine, overrides, now=company.now, run_id="night")


def test_a_decision_is_a_link_that_says_who_decided_when_and_why(company) -> None:
    assert decided(company, TOGETHER, APART).made == 2
    never, always = sorted(company.ledger(), key=lambda row: row["match_weight"])
    ends = ("left_service", "left_entity", "right_service", "right_entity")
    assert [always[name] for name in ends] == ["crm", "7", "desk", "a/1"]
    assert (always["rule"], never["rule"]) == ("decided:always", "decided:never")
    assert json.loads(always["evidence"]) == {"by": "data steward", "on": "2026-02-01", "why": "both receipts"}


def test_a_decision_taken_out_of_the_file_is_retracted_and_the_same_ones_add_nothing(company) -> None:
    decided(company, TOGETHER, APART)
    again = decided(company, TOGETHER, APART)
    assert (again.made, again.retracted) == (0, 0)
    change = decided(company, APART)
    assert (change.made, change.retracted, company.standing()) == (0, 1, 1)


def test_links_of_shared_keys_leave_decisions_alone(company) -> None:
    company.night({"crm/7": {"login": "u"}, "desk/a/1": {"login": "u"}})
    decided(company, TOGETHER)
    ledger, _ = company.night({"crm/7": {}, "desk/a/1": {}})
    assert (ledger.retracted, company.standing()) == (1, 1)
    assert company.groups() == {frozenset({"crm/7", "desk/a/1"})}


def test_never_is_no_link(company) -> None:
    decided(company, APART)
    company.night({"crm/1": {}, "crm/2": {}})
    assert len(company.groups()) == 2


def test_decisions_about_records_that_there_are_not_are_named_by_their_place_until_the_records_come(company) -> None:
    company.show({"crm/7": {}, "crm/1": {}})
    unknown = unknown_records(company.lake, company.engine, [TOGETHER, APART])
    assert [str(each) for each in unknown] == ["overrides[0].left", "overrides[1].right"]
    assert of_no_effect(unknown * 6).endswith("overrides[0].left, overrides[1].right and 2 more")
    company.show({"crm/7": {}, "crm/1": {}, "desk/a/1": {}, "crm/2": {}})
    assert unknown_records(company.lake, company.engine, [TOGETHER, APART]) == []
