"""A small company and its servers, made once for all tests of an area."""

from collections.abc import Iterator

import pytest

from cx_orchestration.demo.company import Company, generate
from cx_orchestration.demo.serve import running_company


@pytest.fixture(scope="session")
def small_company() -> Company:
    return generate(seed=7, customers=200, days=30)


@pytest.fixture(scope="session")
def served(small_company: Company) -> Iterator[dict[str, str]]:
    """The environment of the small company's servers, whose pages hold seven records."""
    with running_company(small_company, page_size=7) as environment:
        yield environment
