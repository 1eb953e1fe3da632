"""A project folder to break: the one that ``cx init`` writes."""

from pathlib import Path

import pytest

from cx_orchestration.project.template import write_template


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    written = tmp_path / "company"
    write_template(written)
    return written
