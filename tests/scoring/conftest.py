"""Rows, declarations and decisions to change in one place."""

import datetime as dt
from collections.abc import Callable
from importlib.resources import files
from typing import Any

import pytest
import yaml

from cx_orchestration.model.inventory import InventoryRow
from cx_orchestration.model.scoring import Decision, Decisions, ScoringConfig
from cx_orchestration.model.service import ServiceDeclaration


@pytest.fixture(scope="session")
def default_config() -> ScoringConfig:
    text = files("cx_orchestration.scoring").joinpath("default_scoring.yaml").read_text(encoding="utf-8")
    return ScoringConfig.model_validate(yaml.safe_load(text))


@pytest.fixture(scope="session")
def row_of() -> Callable[..., InventoryRow]:
    def row_of(system: str, **changes: object) -> InventoryRow:
        fields: dict[str, object] = {
            "system": system,
            "business_leader": "Eve Moss",
            "technical_leader": "Finn Lau",
            "business_function": system,
            "business_impact": "Critical",
            "customer_impact": "All",
            "customers_per_year": 1_000_000,
            "implementation_profile": "Licensed Service",
            "integration_profile": "Fully-Accessible",
            "product_dependency": "Uncoupled",
            "team": "Support",
            "observed_by": "Iris Vo",
            "observed_on": dt.date(2026, 10, 1),
        }
        return InventoryRow.model_validate(fields | changes)

    return row_of


@pytest.fixture(scope="session")
def declaration_of() -> Callable[..., ServiceDeclaration]:
    def declaration_of(service: str, kind: str = "rest") -> ServiceDeclaration:
        stream: dict[str, Any] = {"record_id": "id", "updated_at": "at"}
        declared: dict[str, Any] = {"service": service, "kind": kind, "streams": {"s": stream}}
        if kind == "files":
            stream["files"] = {"pattern": "*.csv", "format": "csv"}
        else:
            stream["endpoint"] = {"path": "/s", "data_selector": "$", "paginator": {"type": "single_page"}}
            declared["client"] = {"base_url": "https://api.example"}
        return ServiceDeclaration.model_validate(declared)

    return declaration_of


@pytest.fixture(scope="session")
def decisions_of() -> Callable[..., Decisions]:
    def decisions_of(*decided: tuple[str, str] | tuple[str, str, str]) -> Decisions:
        return Decisions(
            decisions=[
                Decision.model_validate(
                    {
                        "service": each[0],
                        "disposition": each[1],
                        "decided_by": "Ada Marsh",
                        "role": "architect",
                        "decided_on": each[2] if len(each) == 3 else "2026-10-20",
                        "reason": "It carries the customer's first question.",
                    }
                )
                for each in decided
            ]
        )

    return decisions_of
