"""The small company after a night: made once, copied for each test."""

import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from small_company import ANNA, BOB, Company, ticket, write_company


@pytest.fixture(scope="session")
def first_night(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The company after a night; tests work on copies."""
    folder = tmp_path_factory.mktemp("first_night") / "company"
    write_company(folder)
    made = Company(folder)
    with closing(made.registry):
        made.drop("store_till", ANNA, BOB)
        followers = [{"mail": "ANNA.Q@example.net", "who": ANNA["name"]}, {"mail": "eve@example.net"}]
        made.drop(
            "help_desk",
            ticket("T-1", "U-77", "anna.q@example.net"),
            ticket("T-2", "U-78", "bob@example.net", "Please ask anna.q@example.net.", followers=followers),
        )
        made.night()
    return folder


@pytest.fixture
def company(first_night: Path, tmp_path: Path) -> Iterator[Company]:
    made = Company(Path(shutil.copytree(first_night, tmp_path / "company")))
    with closing(made.registry):
        yield made
