"""Which disposition the scores and the hard rules propose, and the reason given."""

import pytest

from cx_orchestration.model.scoring import ScoringConfig
from cx_orchestration.scoring.dispositions import propose
from cx_orchestration.scoring.scores import score


@pytest.fixture
def config() -> ScoringConfig:
    """Impact and complexity are two further columns of the inventory, taken as they are."""
    return ScoringConfig.model_validate(
        {
            "dimensions": {
                name: {"score": name, "column": name, "weight": 1, "scale": {"highest": 100}}
                for name in ("impact", "complexity")
            },
            "bands": [
                {"disposition": "integrate", "min_impact": 60, "max_complexity": 40},
                {"disposition": "integrate_later", "min_impact": 60},
                {"disposition": "keep_as_is"},
            ],
        }
    )


@pytest.fixture
def proposed(config, row_of):
    def proposed(*rows, declared=None):
        proposals = propose(rows, score(rows, config), config, declared or {})
        return {proposal.service: (proposal.disposition.value, proposal.why) for proposal in proposals}

    return proposed


@pytest.fixture
def tool(row_of):
    def tool(system: str, impact: float = 90, complexity: float = 10, **changes):
        return row_of(system, extras={"impact": str(impact), "complexity": str(complexity)}, **changes)

    return tool


@pytest.mark.parametrize(
    ("impact", "complexity", "disposition", "band"),
    [
        (60, 40, "integrate", "Impact 60.0 and complexity 40.0 lie in band 1 (impact 60 to 100, complexity 0 to 40)."),
        (100, 0, "integrate", "band 1"),
        (60, 40.5, "integrate_later", "band 2"),
        (100, 100, "integrate_later", "band 2"),
        (59.5, 40, "keep_as_is", "band 3"),
        (0, 100, "keep_as_is", "band 3"),
    ],
)
def test_the_first_band_that_holds_both_scores_counts(proposed, tool, impact, complexity, disposition, band) -> None:
    found, why = proposed(tool("A", impact, complexity))["a"]
    assert found == disposition
    assert band in why


def test_redundant_and_overlapped_is_retired_when_nothing_depends_on_it(proposed, tool) -> None:
    found = proposed(
        tool("Old", business_function="campaigns", business_impact="Redundant"),
        tool("New", business_function="Campaigns"),
    )
    assert found["old"] == (
        "retire",
        "Redundant, and the same function is served by New for Campaigns. "
        "Retire: nothing of the product depends on it.",
    )
    assert found["new"][0] == "integrate"


def test_redundant_and_overlapped_is_consolidated_when_the_product_depends_on_it(proposed, tool) -> None:
    disposition, why = proposed(
        tool("Old", business_function="X", business_impact="Redundant", product_dependency="Loosely-Coupled"),
        tool("Old", business_function="X", business_impact="Redundant", team="Sales"),
        tool("New", business_function="X"),
    )["old"]
    assert disposition == "consolidate"
    assert why.endswith("the product depends on it (Loosely-Coupled), and that has to move first.")


def test_redundant_is_consolidated_when_only_redundant_services_would_be_left(proposed, tool) -> None:
    both = [tool(name, business_function="X", business_impact="Redundant") for name in ("A", "B")]
    assert [disposition for disposition, _ in proposed(*both).values()] == ["consolidate", "consolidate"]


def test_redundant_is_consolidated_when_one_of_its_functions_would_be_left_alone(proposed, tool) -> None:
    disposition, why = proposed(
        tool("Old", business_function="X", business_impact="Redundant"),
        tool("Old", business_function="Y", business_impact="Redundant"),
        tool("New", business_function="X"),
    )["old"]
    assert disposition == "consolidate"
    assert "would be left for Y" in why


def test_redundant_without_overlap_goes_by_its_band(proposed, tool) -> None:
    assert proposed(tool("Old", business_impact="Redundant"), tool("New"))["old"][0] == "integrate"


def test_a_service_that_one_row_needs_is_not_redundant(proposed, tool) -> None:
    found = proposed(
        tool("Old", business_function="X", business_impact="Redundant"),
        tool("Old", business_function="X", business_impact="Supportive", team="Sales"),
        tool("New", business_function="X"),
    )
    assert found["old"][0] == "integrate"


def test_an_inaccessible_service_is_integrated_later_and_told_the_way_in(proposed, tool) -> None:
    rows = [tool("Log"), tool("Log", integration_profile="Inaccessible", team="Sales")]
    disposition, why = proposed(*rows)["log"]
    assert disposition == "integrate_later"
    assert why.endswith("A file drop is the way in: declare services/log.yaml with kind: files.")


def test_an_inaccessible_service_with_a_file_drop_may_be_integrated(proposed, tool, declaration_of) -> None:
    row = tool("Log", integration_profile="Inaccessible")
    assert proposed(row, declared={"log": declaration_of("log", "files")})["log"][0] == "integrate"
    assert proposed(row, declared={"log": declaration_of("log", "rest")})["log"][0] == "integrate_later"


def test_inaccessibility_changes_no_other_disposition(proposed, tool) -> None:
    assert proposed(tool("Log", 10, integration_profile="Inaccessible"))["log"][0] == "keep_as_is"
