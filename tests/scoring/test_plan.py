"""Decisions over proposals, statuses, refusals, and the order of both strategies."""

import datetime as dt

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cx_orchestration.model import tables
from cx_orchestration.model.failures import PermanentFailure
from cx_orchestration.model.scoring import Decisions, ScoringConfig, Strategy
from cx_orchestration.scoring.plan import build_plan, validate_decisions
from cx_orchestration.storage.lake import Lake

FIRST, LAST = Strategy.HIGHEST_IMPACT_FIRST, Strategy.LOWEST_IMPACT_FIRST


def plane(**dimensions: dict[str, object]) -> ScoringConfig:
    """Impact and complexity are two further columns of the inventory, taken as they are."""
    both = {
        name: {"score": name, "column": name, "weight": 1, "scale": {"highest": 100}}
        for name in ("impact", "complexity")
    }
    return ScoringConfig.model_validate({"dimensions": both | dimensions, "bands": [{"disposition": "integrate"}]})


@pytest.fixture(scope="module")
def tool(row_of):
    def tool(system: str, impact: float, complexity: float, **changes):
        extras = {"impact": str(impact), "complexity": str(complexity), **changes.pop("extras", {})}
        return row_of(system, extras=extras, **changes)

    return tool


def order(plan) -> list[str]:
    return [row.service for row in plan.rows]


# --- order ----------------------------------------------------------------------------------------------------------


def test_both_strategies_order_by_impact_less_complexity(tool) -> None:
    rows = [tool("A", 90, 70), tool("B", 60, 10), tool("C", 20, 90), tool("D", 80, 20)]
    assert order(build_plan(rows, plane(), Decisions(), {}, FIRST)) == ["d", "b", "a", "c"]
    assert order(build_plan(rows, plane(), Decisions(), {}, LAST)) == ["c", "a", "b", "d"]
    priorities = [row.priority for row in build_plan(rows, plane(), Decisions(), {}, FIRST).rows]
    assert priorities == [80, 75, 60, 15]


def test_ties_are_broken_by_impact_then_customers_then_name_and_say_so(tool) -> None:
    rows = [
        tool("Zeta", 50, 50, customers_per_year=5),
        tool("Eta", 50, 50, customers_per_year=5),
        tool("Theta", 50, 50, customers_per_year=9),
        tool("Iota", 70, 70, customers_per_year=1),
        tool("Kappa", 40, 60),
    ]
    first = build_plan(rows, plane(), Decisions(), {}, FIRST)
    assert [(row.service, row.tie_break) for row in first.rows] == [
        ("iota", ""),
        ("theta", "same priority 50 as iota, which has the higher impact"),
        ("eta", "same priority 50 as theta, which has more customers a year"),
        ("zeta", "same priority 50 as eta, by name, as all else is equal"),
        ("kappa", ""),
    ]
    last = build_plan(rows, plane(), Decisions(), {}, LAST)
    assert [(row.service, row.tie_break) for row in last.rows] == [
        ("kappa", ""),
        ("eta", ""),
        ("zeta", "same priority 50 as eta, by name, as all else is equal"),
        ("theta", "same priority 50 as zeta, which has fewer customers a year"),
        ("iota", "same priority 50 as theta, which has the lower impact"),
    ]


def test_rounding_noise_of_sums_is_a_tie(row_of) -> None:
    thirds = {
        name: {"score": "impact", "column": name, "weight": weight, "scale": {"highest": 100}}
        for name, weight in (("x", 0.1), ("y", 0.2), ("z", 0.3))
    }
    config = plane(**thirds, impact={"score": "impact", "column": "x", "weight": 0, "scale": {"highest": 100}})
    values = {"x": "10", "y": "20", "z": "30", "complexity": "0"}
    rows = [row_of("B", extras=values), row_of("A", extras=values | {"x": "70", "y": "0", "z": "23.3333333333"})]
    plan = build_plan(rows, config, Decisions(), {}, FIRST)
    assert order(plan) == ["a", "b"]
    assert plan.rows[1].tie_break.endswith("by name, as all else is equal")


def test_what_is_integrated_comes_before_what_comes_later_and_what_stays(tool, decisions_of) -> None:
    rows = [tool("A", 90, 0), tool("B", 80, 0), tool("C", 10, 90), tool("D", 20, 90)]
    decisions = decisions_of(("a", "retire"), ("b", "integrate_later"), ("c", "integrate"))
    assert order(build_plan(rows, plane(), decisions, {}, FIRST)) == ["d", "c", "b", "a"]
    assert order(build_plan(rows, plane(), decisions, {}, LAST)) == ["c", "d", "b", "a"]


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 100), st.integers(0, 100)), min_size=1, max_size=8),
    st.randoms(use_true_random=False),
)
def test_the_order_does_not_hang_on_the_order_of_rows_and_reverses_with_the_strategy(row_of, pairs, random) -> None:
    rows = [
        row_of(f"S{n}", customers_per_year=n, extras={"impact": str(i), "complexity": str(c)})
        for n, (i, c) in enumerate(pairs)
    ]
    plan = build_plan(rows, plane(), Decisions(), {}, FIRST)
    random.shuffle(rows)
    assert build_plan(rows, plane(), Decisions(), {}, FIRST).rows == plan.rows
    assert order(build_plan(rows, plane(), Decisions(), {}, LAST)) == order(plan)[::-1]


def test_cost_changes_the_plan_by_declaration_alone(tool) -> None:
    rows = [
        tool("Dear", 90, 20, extras={"annual_cost": "500,000"}),
        tool("Cheap", 80, 20, extras={"annual_cost": "5,000"}),
    ]
    cost = {
        "score": "complexity",
        "column": "annual_cost",
        "weight": 1,
        "scale": {"kind": "log", "lowest": 1000, "highest": 1_000_000},
    }
    assert order(build_plan(rows, plane(), Decisions(), {}, FIRST)) == ["dear", "cheap"]
    assert order(build_plan(rows, plane(cost=cost), Decisions(), {}, FIRST)) == ["cheap", "dear"]


# --- decisions and status -------------------------------------------------------------------------------------------


@pytest.fixture
def plan(tool, decisions_of, declaration_of):
    rows = [
        tool("Approved", 90, 10),
        tool("Second", 80, 10),
        tool("Undecided", 70, 10),
        tool("Undeclared", 60, 10),
        tool("Waiting", 50, 10),
        tool("Retired", 40, 10),
        tool("Sealed", 30, 10, integration_profile="Inaccessible"),
        tool("Dropped", 20, 10, integration_profile="Inaccessible"),
        tool("Walled", 10, 10, integration_profile="Inaccessible"),
    ]
    decisions = decisions_of(
        ("second", "integrate"),
        ("approved", "integrate"),
        ("undeclared", "integrate"),
        ("waiting", "integrate_later"),
        ("retired", "retire"),
        ("sealed", "integrate"),
        ("dropped", "integrate"),
        ("walled", "integrate"),
    )
    declared = {name: declaration_of(name) for name in ("approved", "second", "undecided", "walled", "stray")}
    declared["dropped"] = declaration_of("dropped", "files")
    return build_plan(rows, plane(), decisions, declared, FIRST)


def test_each_service_has_the_status_that_its_decision_and_declaration_give(plan) -> None:
    assert {row.service: row.status for row in plan.rows} == {
        "approved": "approved",
        "second": "approved",
        "undecided": "proposed",
        "undeclared": "undeclared",
        "waiting": "later",
        "retired": "not_integrated",
        "sealed": "undeclared",
        "dropped": "approved",
        "walled": "undeclared",
    }


def test_approved_services_come_in_rank_order(plan) -> None:
    assert plan.approved() == ["approved", "second", "dropped"]
    assert plan.to_integrate() == ["approved", "second", "undeclared", "sealed", "dropped", "walled"]


@pytest.mark.parametrize(
    ("service", "refusal"),
    [
        ("approved", None),
        ("dropped", None),
        (
            "undecided",
            "undecided is not integrated. Proposed is integrate, and nobody has decided: not integrated until somebody "
            "decides; add a decision about undecided to decisions.yaml.",
        ),
        (
            "undeclared",
            "undeclared is not integrated. Decided on 2026-10-20: integrate, but services/undeclared.yaml is missing: "
            "declare the service.",
        ),
        (
            "waiting",
            "waiting is not integrated. Decided on 2026-10-20: integrate_later. A newer decision in decisions.yaml "
            "brings it forward.",
        ),
        (
            "retired",
            "retired is not integrated. Decided on 2026-10-20: retire. A newer decision in decisions.yaml would change "
            "that.",
        ),
        (
            "sealed",
            "sealed is not integrated. Decided on 2026-10-20: integrate, but services/sealed.yaml is missing: declare "
            "the service with kind: files, as the system is inaccessible.",
        ),
        (
            "walled",
            "walled is not integrated. Decided on 2026-10-20: integrate, but inventory.csv calls the system "
            "Inaccessible and services/walled.yaml is of kind rest: declare a file drop (kind: files), or correct the "
            "inventory.",
        ),
        (
            "stray",
            "stray is not integrated: inventory.csv has no system of that name. Add its row, then decide.",
        ),
    ],
)
def test_a_refusal_says_why_and_what_to_do(plan, service: str, refusal: str | None) -> None:
    assert plan.refusal(service) == refusal


def test_no_refusal_names_a_person(plan) -> None:
    assert all("Marsh" not in (plan.refusal(row.service) or "") for row in plan.rows)


def test_the_latest_decision_counts_wherever_it_stands(tool, decisions_of) -> None:
    decisions = decisions_of(
        ("a", "integrate_later", "2026-03-01"), ("a", "retire", "2026-09-01"), ("a", "integrate", "2026-01-01")
    )
    (row,) = build_plan([tool("A", 1, 1)], plane(), decisions, {}, FIRST).rows
    assert (row.disposition, row.decided_on) == ("retire", dt.date(2026, 9, 1))


def test_the_disposition_plan_keeps_the_proposal_beside_the_decision(plan) -> None:
    rows = plan.disposition_plan().set_index("service")
    assert rows.loc["retired", ["proposed", "disposition", "status"]].tolist() == ["integrate", "retire", "decided"]
    assert rows.loc["retired", "reason"] == "It carries the customer's first question."
    assert rows.loc["undecided", ["proposed", "disposition", "status"]].tolist() == [
        "integrate",
        "integrate",
        "proposed",
    ]
    assert rows.loc["undecided", "reason"].startswith("Impact 70.0 and complexity 10.0 lie in band 1")
    assert rows.loc["undecided", ["decided_by", "role", "decided_on"]].isna().all()


@pytest.mark.parametrize("decided", [True, False])
def test_rows_fit_the_tables(lake: Lake, tool, decisions_of, decided: bool) -> None:
    decisions = decisions_of(("a", "integrate")) if decided else Decisions()
    plan = build_plan([tool("A", 1, 1)], plane(), decisions, {}, FIRST)
    for table, rows in (
        (tables.SERVICE_SCORES, plan.service_scores()),
        (tables.DISPOSITION_PLAN, plan.disposition_plan()),
        (tables.INTEGRATION_PLAN, plan.integration_plan()),
    ):
        lake.replace(table, pa.Table.from_pandas(rows, preserve_index=False), run_id="r")
        (kept,) = lake.read(table).to_pylist()
        assert set(table.schema.names) <= set(kept)
        assert kept["service"] == "a"
    assert {"impact_share", "complexity_share"} <= set(lake.read(tables.SERVICE_SCORES).column_names)


# --- what is wrong with decisions -----------------------------------------------------------------------------------

TODAY = dt.date(2026, 11, 5)


def test_everything_wrong_with_decisions_is_reported_at_once(tool, decisions_of) -> None:
    decisions = decisions_of(
        ("a", "integrate", "2026-10-01"),
        ("b", "retire", "2026-10-01"),
        ("a", "retire", "2026-10-01"),
        ("a", "retire", "2026-11-06"),
    )
    assert [str(error) for error in validate_decisions(decisions, [tool("A", 1, 1)], today=TODAY)] == [
        "decisions.yaml: decisions[1].service: expected a service of the inventory: a (found b)",
        "decisions.yaml: decisions[2].decided_on: expected one decision a day about a; decisions[0] has the same date, "
        "so neither is the newer: delete the one that does not hold (found 2026-10-01)",
        "decisions.yaml: decisions[3].decided_on: expected a day up to today, 2026-11-05: what nobody has decided yet "
        "is left out (found 2026-11-06)",
    ]


def test_a_decision_of_today_is_fine(tool, decisions_of) -> None:
    assert validate_decisions(decisions_of(("a", "integrate", "2026-11-05")), [tool("A", 1, 1)], today=TODAY) == []


@pytest.mark.parametrize(
    "decided",
    [[("b", "retire", "2026-10-01")], [("a", "retire", "2026-10-01"), ("a", "integrate", "2026-10-01")]],
)
def test_a_plan_is_not_built_on_decisions_that_cannot_be_applied(tool, decisions_of, decided) -> None:
    with pytest.raises(PermanentFailure, match="decisions cannot be applied"):
        build_plan([tool("A", 1, 1)], plane(), decisions_of(*decided), {}, FIRST)
