"""Which services serve the same business function."""

from collections.abc import Callable

import pandas as pd
import pyarrow as pa

from cx_orchestration.catalog.overlap import overlap
from cx_orchestration.model import tables
from cx_orchestration.model.inventory import InventoryRow
from cx_orchestration.storage.lake import Lake

RowOf = Callable[..., InventoryRow]


def scored(**impacts: float) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {"service": service, "impact_score": impact, "complexity_score": 30.0, "disposition": "integrate"}
            for service, impact in impacts.items()
        ]
    )


def test_services_of_one_function_stand_side_by_side_highest_impact_first(row_of: RowOf) -> None:
    rows = [row_of("Call Log"), row_of("Zendesk"), row_of("Stripe", business_function="Billing")]
    found = overlap(rows, scored(call_log=40.0, zendesk=80.0, stripe=90.0))
    assert found["service"].tolist() == ["zendesk", "call_log"]
    assert set(found["business_function"]) == {"Support"}


def test_case_and_punctuation_of_a_function_do_not_count(row_of: RowOf) -> None:
    rows = [row_of("A", business_function="Customer-Support"), row_of("B", business_function="customer support")]
    found = overlap(rows, scored(a=1.0, b=2.0))
    assert found["business_function"].tolist() == ["Customer-Support", "Customer-Support"]


def test_one_service_used_by_two_teams_overlaps_with_nobody(row_of: RowOf) -> None:
    assert overlap([row_of("A"), row_of("A", team="Sales")], scored(a=1.0)).empty


def test_teams_are_listed_and_the_strongest_claim_for_the_function_counts(row_of: RowOf) -> None:
    rows = [
        row_of("A", team="Sales", business_impact="Redundant", customers_per_year=5),
        row_of("A", team="Care", business_impact="Supportive", customers_per_year=50),
        row_of("A", team="Legal", business_function="Contracts", business_impact="Critical", customers_per_year=500),
        row_of("B"),
    ]
    found = overlap(rows, scored(a=9.0, b=2.0)).iloc[0]
    assert (found["teams"], found["business_impact"], found["customers_per_year"]) == ("Care, Sales", "Supportive", 50)


def test_rows_fit_the_table_with_and_without_overlap(lake: Lake, row_of: RowOf) -> None:
    for rows in ([row_of("A"), row_of("B")], [row_of("A")]):
        found = overlap(rows, scored(a=1.0, b=2.0))
        lake.replace(tables.OVERLAP, pa.Table.from_pandas(found, preserve_index=False), run_id="r")
        assert lake.read(tables.OVERLAP).num_rows == len(found)
