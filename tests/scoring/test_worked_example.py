"""The worked example of docs/scoring.md: every number and both orders in it are what the code gives."""

import math
from pathlib import Path

import pytest

from cx_orchestration.model.inventory import InventoryRow
from cx_orchestration.model.scoring import Decisions, ScoringConfig, Strategy
from cx_orchestration.scoring.plan import Plan, build_plan

PAGE = Path(__file__).parents[2] / "docs" / "scoring.md"
SHARES = {
    "business impact": "business_impact_share",
    "customer impact": "customer_impact_share",
    "customers": "customers_share",
    "impact": "impact_score",
    "implementation": "implementation_profile_share",
    "integration": "integration_profile_share",
    "dependency": "product_dependency_share",
    "complexity": "complexity_score",
}


def tables() -> list[list[dict[str, str]]]:
    """The tables of the worked example, as rows by column name."""
    found: list[list[list[str]]] = [[]]
    for line in PAGE.read_text(encoding="utf-8").partition("## Worked example")[2].splitlines():
        if line.startswith("|"):
            found[-1].append([cell.strip().strip("`") for cell in line.strip("|").split("|")])
        elif found[-1]:
            found.append([])
    return [[dict(zip(rows[0], row, strict=True)) for row in rows[2:]] for rows in found if rows]


@pytest.fixture(scope="module")
def rows(row_of) -> list[InventoryRow]:
    return [
        row_of(
            row["System/Service Name"],
            business_function=row["Business Function"],
            business_impact=row["Business Impact"],
            customer_impact=row["Customer Impact"],
            customers_per_year=int(row["Customers a year"].replace(",", "")),
            implementation_profile=row["Implementation Profile"],
            integration_profile=row["Integration Profile"],
            product_dependency=row["Product Dependency"],
        )
        for row in tables()[0]
    ]


def plan(rows: list[InventoryRow], config: ScoringConfig, strategy: Strategy) -> Plan:
    return build_plan(rows, config, Decisions(), {}, strategy)


def test_the_table_of_scores_is_what_the_code_gives(rows, default_config) -> None:
    made = plan(rows, default_config, Strategy.HIGHEST_IMPACT_FIRST)
    scores = made.service_scores().set_index("service")
    ranked = {row.service: row for row in made.rows}
    documented = tables()[1]
    assert {row["service"] for row in documented} == set(scores.index)
    for row in documented:
        service = row["service"]
        assert {name: f"{scores.loc[service, column]:.2f}" for name, column in SHARES.items()} == {
            name: row[name] for name in SHARES
        }, service
        assert f"{ranked[service].priority:.2f}" == row["priority"]
        assert scores.loc[service, "disposition"] == row["proposed"]


@pytest.mark.parametrize("strategy", list(Strategy))
def test_the_table_of_orders_is_what_the_code_gives(rows, default_config, strategy: Strategy) -> None:
    made = plan(rows, default_config, strategy)
    assert [row.service for row in made.rows] == [row[strategy.value] for row in tables()[2]]
    assert [row.rank for row in made.rows] == [int(row["rank"]) for row in tables()[2]]


def test_scores_agree_with_a_calculation_by_hand(rows, default_config) -> None:
    def customers(number: int) -> float:
        return 100 * math.log((1 + number) / 101) / math.log(1_000_001 / 101)

    by_hand = {
        "stripe_billing": (0.5 * 100 + 0.3 * 100 + 0.2 * customers(500_000), 0.25 * 20 + 0.45 * 10 + 0.3 * 90),
        "zendesk_support": (0.5 * 100 + 0.3 * 40 + 0.2 * customers(90_000), 0.25 * 20 + 0.45 * 50 + 0.3 * 40),
        "mailchimp": (0.5 * 50 + 0.3 * 75 + 0.2 * customers(400_000), 0.25 * 20 + 0.45 * 10 + 0.3 * 10),
        "sendblaster": (0.5 * 10 + 0.3 * 10 + 0.2 * customers(9_000), 0.25 * 50 + 0.45 * 50 + 0.3 * 10),
        "legacy_call_log": (0.5 * 100 + 0.3 * 75 + 0.2 * customers(120_000), 0.25 * 90 + 0.45 * 100 + 0.3 * 90),
        "clinic_kiosk": (0.5 * 100 + 0.3 * 75 + 0.2 * customers(120_000), 0.25 * 20 + 0.45 * 100 + 0.3 * 10),
        "discourse_forum": (0.5 * 50 + 0.3 * 10 + 0.2 * customers(12_000), 0.25 * 50 + 0.45 * 10 + 0.3 * 40),
    }
    made = plan(rows, default_config, Strategy.HIGHEST_IMPACT_FIRST)
    scored = {row.service: (row.impact_score, row.complexity_score) for row in made.rows}
    assert scored == {service: pytest.approx(scores, abs=1e-6) for service, scores in by_hand.items()}
