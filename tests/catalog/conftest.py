"""Rows of an inventory to change in one place."""

import datetime as dt
from collections.abc import Callable

import pytest

from cx_orchestration.model.inventory import InventoryRow

RowOf = Callable[..., InventoryRow]


@pytest.fixture
def row_of() -> RowOf:
    def row_of(system: str, **changes: object) -> InventoryRow:
        fields: dict[str, object] = {
            "system": system,
            "business_leader": "Eve Moss",
            "technical_leader": "Finn Lau",
            "business_function": "Support",
            "business_impact": "Critical",
            "customer_impact": "Some",
            "customers_per_year": 1000,
            "implementation_profile": "Licensed Service",
            "integration_profile": "Fully-Accessible",
            "product_dependency": "Uncoupled",
            "team": "Support",
            "observed_by": "Iris Vo",
            "observed_on": dt.date(2026, 10, 1),
        }
        return InventoryRow.model_validate(fields | changes)

    return row_of
