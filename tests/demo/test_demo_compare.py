"""Judging results against the truth, on cases small enough to count by hand."""

import pandas as pd
import pytest

from cx_orchestration.demo.causes import PLANTED
from cx_orchestration.demo.compare import compare_findings
from cx_orchestration.demo.truth import Truth
from cx_orchestration.model.failures import PermanentFailure

# Person 0 has three entities, person 1 two, person 2 one: four pairs of one person.
WHO = pd.DataFrame(
    [("crm", "a", 0), ("crm", "b", 1), ("desk", "a", 0), ("desk", "b", 1), ("shop", "a", 0), ("shop", "c", 2)],
    columns=["service", "entity", "person"],
)
TRUTH = Truth(who=WHO, planted=PLANTED, people=3, seed=1, null=False)
NULL = Truth(who=WHO, planted=(), people=3, seed=1, null=True)


def findings(*rows: tuple[str, str | None, str, str]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["analysis", "step", "segment", "segment_value"])


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
