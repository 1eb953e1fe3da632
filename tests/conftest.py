"""Fixtures that several areas share."""

from pathlib import Path

import pytest

from cx_orchestration.storage.engine import Engine
from cx_orchestration.storage.lake import Lake


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path / "lake")


@pytest.fixture
def engine() -> Engine:
    return Engine()
