"""What the town teaches: its habits, its fields and a model trained on them."""

from typing import Any

import pyarrow as pa
import pytest
from town import CONFIG, NOW, town, without_person

from cx_orchestration.identity.matching.fields import Fields, find_habits, matching_fields
from cx_orchestration.identity.matching.model import MatchingModel
from cx_orchestration.identity.matching.training import train
from cx_orchestration.storage.engine import Engine


@pytest.fixture(scope="session")
def engine() -> Engine:
    return Engine()


@pytest.fixture(scope="session")
def rows() -> list[dict[str, Any]]:
    return town()


@pytest.fixture(scope="session")
def habits(engine: Engine, rows: list[dict[str, Any]]) -> pa.Table:
    return find_habits(engine, without_person(rows))


@pytest.fixture(scope="session")
def fields(engine: Engine, rows: list[dict[str, Any]], habits: pa.Table) -> Fields:
    return matching_fields(engine, without_person(rows), CONFIG, habits, today=NOW.date())


@pytest.fixture(scope="session")
def model(engine: Engine, fields: Fields, habits: pa.Table) -> MatchingModel:
    trained = train(engine, fields.rows, habits, CONFIG, now=NOW)
    assert trained is not None
    return trained
