"""Judging results against the truth, on cases small enough to count by hand."""

import pandas as pd
import pyarrow as pa
import pytest

from cx_orchestration.demo.causes import PLANTED
from cx_orchestration.demo.compare import compare_findings, compare_identity
from cx_orchestration.demo.truth import Truth
from cx_orchestration.model import tables
from cx_orchestration.model.failures import PermanentFailure

# Person 0 has three entities, person 1 two, person 2 one: four pairs of one person.
WHO = pd.DataFrame(
    [("crm", "a", 0), ("crm", "b", 1), ("desk", "a", 0), ("desk", "b", 1), ("shop", "a", 0), ("shop", "c", 2)],
    columns=["service", "entity", "person"],
)
TRUTH = Truth(who=WHO, planted=PLANTED, people=3, seed=1, null=False)
NULL = Truth(who=WHO, planted=(), people=3, seed=1, null=True)


def resolved(customers: list[str]) -> pd.DataFrame:
    return WHO[["service", "entity"]].assign(customer_id=customers)


def findings(*rows: tuple[str, str | None, str, str]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["analysis", "step", "segment", "segment_value"])


def test_the_right_map_is_perfect() -> None:
    result = compare_identity(resolved(["x", "y", "x", "y", "x", "z"]), TRUTH)
    assert (result.precision, result.recall, result.f1) == (1, 1, 1)
    assert (result.entities, result.customers, result.people) == (6, 3, 3)


def test_a_split_person_costs_recall_only() -> None:
    result = compare_identity(resolved(["x", "y", "x", "y", "w", "z"]), TRUTH)
    assert (result.precision, result.recall) == (1, 0.5)
    assert result.f1 == pytest.approx(2 / 3)


def test_two_people_in_one_customer_cost_precision_only() -> None:
    result = compare_identity(resolved(["x", "x", "x", "x", "x", "z"]), TRUTH)
    assert (result.precision, result.recall) == (0.4, 1)


def test_absent_entities_cost_recall_and_strangers_are_counted() -> None:
    partial = pd.concat(
        [
            resolved(["x", "y", "x", "y", "x", "z"]).iloc[:4],
            pd.DataFrame([("fax", "1", "x")], columns=["service", "entity", "customer_id"]),
        ]
    )
    result = compare_identity(pa.Table.from_pandas(partial, preserve_index=False), TRUTH)
    assert (result.precision, result.recall) == (1, 0.5)
    assert (result.absent, result.unknown) == (2, 1)


def test_an_empty_map_has_nothing_wrong_and_nothing_right() -> None:
    result = compare_identity(tables.IDENTITY_MAP.empty(), TRUTH)
    assert (result.precision, result.recall, result.f1) == (1, 0, 0)


def test_planted_findings_are_found_missed_or_followed_by_their_consequences() -> None:
    result = compare_findings(
        findings(
            ("abandonment_hotspots", "checkout", "device", "android"),
            ("abandonment_hotspots", "registered", "device", "ios"),
            ("profitable_paths", None, "acquisition", "community"),
            ("support_shifts", "setup", "region", "west"),
            ("change_priorities", "purchased", "friction", "app.error"),
        ),
        TRUTH,
    )
    assert [planted.id for planted in result.found] == ["E1", "E3"]
    assert [planted.id for planted in result.missed] == ["E2", "E4"]
    assert result.consequences["segment_value"].tolist() == ["ios"]
    assert result.unplanted["segment_value"].tolist() == ["west", "app.error"]


def test_candidates_that_are_no_findings_do_not_count() -> None:
    rows = findings(("change_priorities", "purchased", "friction", "delivery.delayed")).assign(is_finding=False)
    assert len(compare_findings(rows, TRUTH).found) == 0
    assert [p.id for p in compare_findings(rows.assign(is_finding=True), TRUTH).found] == ["E4"]


def test_in_a_null_company_every_finding_is_unplanted() -> None:
    result = compare_findings(findings(("abandonment_hotspots", "checkout", "device", "android")), NULL)
    assert (len(result.found), len(result.missed), len(result.unplanted)) == (0, 0, 1)


def test_no_findings_at_all_can_be_compared() -> None:
    result = compare_findings(findings(), TRUTH)
    assert len(result.missed) == 4
    assert result.unplanted.empty


def test_a_folder_without_truth_is_named(tmp_path) -> None:
    with pytest.raises(PermanentFailure, match=r"no truth\.json"):
        Truth.read(tmp_path)
