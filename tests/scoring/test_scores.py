"""From inventory cells to values, from values to scores."""

import math

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from cx_orchestration.model.failures import PermanentFailure
from cx_orchestration.model.scoring import Combine, Scale, ScoringConfig
from cx_orchestration.scoring.scores import (
    on_scale,
    score,
    scoring_errors,
    weighted_geometric_mean,
    weighted_mean,
)

VALUES = st.lists(st.tuples(st.just(0.0) | st.floats(1e-6, 100), st.floats(0, 50)), min_size=1, max_size=6).filter(
    lambda pairs: sum(weight for _, weight in pairs) > 0.001
)


def config(**changes: object) -> ScoringConfig:
    declared = {
        "dimensions": {
            "size": {"score": "impact", "column": "customers_per_year", "weight": 1, "scale": {"highest": 1000}},
            "reach": {
                "score": "impact",
                "column": "customer_impact",
                "weight": 3,
                "values": {"all": 100, "most": 80, "some": 40, "few": 20},
            },
            "access": {
                "score": "complexity",
                "column": "integration_profile",
                "weight": 1,
                "values": {"fully accessible": 0, "partially accessible": 50, "inaccessible": 100},
            },
        },
        "bands": [{"disposition": "integrate"}],
    }
    return ScoringConfig.model_validate(declared | changes)


def one(frame: pd.DataFrame) -> dict[str, object]:
    (record,) = frame.to_dict("records")
    return record


def test_values_shares_and_scores_of_a_service(row_of) -> None:
    assert one(score([row_of("A", customers_per_year=500, customer_impact="Some")], config())) == {
        "service": "a",
        "impact_score": (50 + 3 * 40) / 4,
        "complexity_score": 0.0,
        "size_value": 50.0,
        "size_share": 12.5,
        "reach_value": 40.0,
        "reach_share": 30.0,
        "access_value": 0.0,
        "access_share": 0.0,
        "customers_per_year": 500,
    }


def test_rows_combine_to_the_strongest_impact_and_the_hardest_complexity(row_of) -> None:
    rows = [
        row_of("A", customers_per_year=1000, customer_impact="Few", integration_profile="Fully-Accessible"),
        row_of("A", customers_per_year=0, customer_impact="All", integration_profile="Partially-Accessible"),
    ]
    record = one(score(rows, config()))
    assert (record["size_value"], record["reach_value"], record["access_value"]) == (100, 100, 50)
    mean = one(score(rows, config(combine=Combine(impact="mean", complexity="mean").model_dump())))
    assert (mean["size_value"], mean["reach_value"], mean["access_value"]) == (50, 60, 25)
    assert record["customers_per_year"] == mean["customers_per_year"] == 1000


def test_services_come_in_alphabetical_order_whatever_the_order_of_rows(row_of) -> None:
    rows = [row_of("Zendesk"), row_of("Mailchimp"), row_of("Zendesk", team="Sales"), row_of("Airtable")]
    pd.testing.assert_frame_equal(score(rows, config()), score(rows[::-1], config()))
    assert score(rows, config())["service"].tolist() == ["airtable", "mailchimp", "zendesk"]


@pytest.mark.parametrize(
    ("scale", "number", "value"),
    [
        (Scale(lowest=0, highest=200), 50, 25),
        (Scale(lowest=100, highest=200), 50, 0),
        (Scale(lowest=100, highest=200), 500, 100),
        (Scale(lowest=-100, highest=100), 0, 50),
        (Scale(kind="log", highest=999_999), 0, 0),
        (Scale(kind="log", highest=999_999), 999, 50),
        (Scale(kind="log", highest=999_999), 99_999, 500 / 6),
        (Scale(kind="log", lowest=9, highest=999), 99, 50),
        (Scale(kind="log", lowest=9, highest=999), 2, 0),
        (Scale(kind="log", lowest=9, highest=999), 10**9, 100),
    ],
)
def test_a_scale_maps_numbers_to_0_to_100(scale: Scale, number: float, value: float) -> None:
    assert on_scale(number, scale) == pytest.approx(value)


def split(pairs: list[tuple[float, float]]) -> tuple[dict[str, float], dict[str, float]]:
    return {str(n): v for n, (v, _) in enumerate(pairs)}, {str(n): w for n, (_, w) in enumerate(pairs)}


@settings(deadline=None)
@given(VALUES)
def test_shares_of_a_mean_add_up_to_it(pairs) -> None:
    values, weights = split(pairs)
    total, shares = weighted_mean(values, weights)
    assert math.fsum(shares.values()) == pytest.approx(total, abs=1e-9)
    assert min(values.values()) - 1e-9 <= total <= max(values.values()) + 1e-9


@settings(deadline=None)
@given(VALUES)
def test_shares_of_a_geometric_mean_add_up_to_it(pairs) -> None:
    values, weights = split(pairs)
    total, shares = weighted_geometric_mean(values, weights)
    assert math.fsum(shares.values()) == pytest.approx(total, abs=1e-6)
    assert total <= weighted_mean(values, weights)[0] + 1e-6
    whole = sum(weights.values())
    assert total == pytest.approx(100 * math.prod((values[n] / 100) ** (weights[n] / whole) for n in values), abs=1e-6)


def test_a_value_of_zero_makes_a_geometric_mean_zero_and_bears_the_loss() -> None:
    total, shares = weighted_geometric_mean({"a": 0, "b": 100, "c": 50}, {"a": 1, "b": 1, "c": 2})
    assert total == 0
    assert shares == {"a": -75, "b": 25, "c": 50}
    assert weighted_geometric_mean({"a": 0, "b": 100}, {"a": 0, "b": 1}) == (100, {"a": 0, "b": 100})


def test_a_share_of_a_geometric_mean_below_zero_is_a_dimension_that_costs_more_than_its_weight() -> None:
    total, shares = weighted_geometric_mean({"low": 1, "full": 100}, {"low": 1, "full": 1})
    assert total == pytest.approx(10)
    assert shares == pytest.approx({"low": -40, "full": 50})


def test_the_formula_is_the_companys_choice(row_of) -> None:
    rows = [row_of("A", customers_per_year=250, customer_impact="All")]
    assert one(score(rows, config()))["impact_score"] == pytest.approx((25 + 300) / 4)
    geometric = one(score(rows, config(formula="weighted_geometric_mean")))
    assert geometric["impact_score"] == pytest.approx(100 * 0.25**0.25, abs=1e-6)


def with_cost(**dimension: object) -> ScoringConfig:
    cost = {"score": "complexity", "column": "annual_cost", "weight": 1, "scale": {"highest": 1000}}
    return config(dimensions=config().model_dump()["dimensions"] | {"cost": cost | dimension})


def test_a_further_dimension_reads_a_further_column(row_of) -> None:
    rows = [row_of("A", extras={"annual_cost": "500.50"}), row_of("A", extras={"annual_cost": "1,000"})]
    record = one(score(rows, with_cost()))
    assert (record["cost_value"], record["cost_share"], record["complexity_score"]) == (100, 50, 50)


def test_a_cell_without_a_number_is_an_error_that_names_the_service(row_of) -> None:
    rows = [
        row_of("A", extras={"annual_cost": ""}),
        row_of("B", extras={"annual_cost": "much"}),
        row_of("C", extras={"annual_cost": "5"}),
        row_of("D"),
    ]
    expected = "expected a number such as 1200 or 1,200.50, for dimension 'cost' of scoring.yaml"
    assert [str(error) for error in scoring_errors(rows, with_cost())] == [
        f"inventory.csv: service a, column annual_cost: {expected} (found an empty cell)",
        f"inventory.csv: service b, column annual_cost: {expected} (found much)",
        f"inventory.csv: service d, column annual_cost: {expected} (found an empty cell)",
    ]
    with pytest.raises(PermanentFailure, match="service b, column annual_cost"):
        score(rows, with_cost())


def test_an_unknown_label_is_an_error_with_the_allowed_ones(row_of) -> None:
    rows = [row_of("A", extras={"risk": "medium"}), row_of("B", extras={"risk": "HIGH "})]
    (error,) = scoring_errors(rows, with_cost(column="risk", scale=None, values={"Low": 0, "High": 100}))
    assert str(error) == (
        "inventory.csv: service a, column risk: expected one of Low, High, for dimension 'cost' of scoring.yaml "
        "(found medium)"
    )


def test_a_label_of_c1_that_scoring_does_not_name_is_an_error(row_of) -> None:
    (error,) = scoring_errors([row_of("A")], with_cost(column="product_dependency", scale=None, values={"X": 1}))
    assert str(error).startswith("inventory.csv: service a, column Product Dependency: expected one of X")


def test_an_absent_column_is_one_error_that_lists_the_columns(row_of) -> None:
    rows = [row_of("A", extras={"yearly_cost": "1"}), row_of("B")]
    (error,) = scoring_errors(rows, with_cost())
    assert str(error).startswith("scoring.yaml: dimensions.cost.column: expected a column of the inventory: system, ")
    assert str(error).endswith(", yearly_cost (found annual_cost)")


def test_a_column_can_be_named_by_the_slug_of_its_header(row_of) -> None:
    named = with_cost(column="approx_number_of_customers_impacted_annually")
    assert one(score([row_of("A", customers_per_year=300)], named))["cost_value"] == 30


@pytest.mark.parametrize(
    ("bands", "message"),
    [
        ([{"disposition": "integrate", "min_impact": 50}], "no band holds impact 0 to 50 with complexity 0 to 100"),
        (
            [
                {"disposition": "integrate", "max_complexity": 49.9},
                {"disposition": "retire", "min_complexity": 50},
            ],
            "no band holds impact 0 to 100 with complexity 49.9 to 50",
        ),
        ([{"disposition": "keep_as_is", "min_impact": 60, "max_impact": 40}], "max_impact 40 lies below min_impact 60"),
    ],
)
def test_bands_must_cover_the_plane(bands, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        config(bands=bands)


def test_bands_that_meet_at_their_bounds_cover_the_plane() -> None:
    corners = [
        {"disposition": "integrate", "min_impact": 50, "max_complexity": 50},
        {"disposition": "retire", "max_impact": 50, "min_complexity": 50},
        {"disposition": "replace", "min_impact": 50, "min_complexity": 50},
        {"disposition": "keep_as_is", "max_impact": 50, "max_complexity": 50},
    ]
    assert len(config(bands=corners).bands) == 4
    with pytest.raises(ValidationError, match="impact 0 to 50 with complexity 0 to 50"):
        config(bands=corners[:3])


def test_two_spellings_of_one_label_are_refused() -> None:
    with pytest.raises(ValidationError, match="the same but for case"):
        with_cost(scale=None, values={"Very High": 1, "very-high": 2})
