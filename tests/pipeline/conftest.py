"""A small demo company, served once, and projects of it that each test may run and spoil."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from demo_site import Site

from cx_orchestration.demo.company import Company, generate
from cx_orchestration.demo.project_folder import write_project
from cx_orchestration.demo.serve import running_company


@pytest.fixture(scope="session")
def company() -> Company:
    return generate(seed=7, customers=200, days=12)


@pytest.fixture(scope="session")
def served(company: Company) -> Iterator[dict[str, str]]:
    with running_company(company) as environ:
        yield environ


@pytest.fixture
def site(tmp_path: Path, company: Company, served: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Site:
    """A fresh project that nothing was run in."""
    for name, value in served.items():
        monkeypatch.setenv(name, value)
    return Site(write_project(tmp_path / "project", company), served)


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory, company: Company, served: dict[str, str]) -> Site:
    """A project that was run to its end once; tests read it only."""
    site = Site(write_project(tmp_path_factory.mktemp("finished") / "project", company), served)
    with pytest.MonkeyPatch.context() as environment:
        for name, value in served.items():
            environment.setenv(name, value)
        assert site.run().failures == []
    return site
