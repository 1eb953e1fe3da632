"""What the registry remembers of attempts."""

import datetime as dt
from pathlib import Path

import pytest

from cx_orchestration.storage.registry import Attempt, Registry

NOW = dt.datetime(2026, 7, 1, 3, tzinfo=dt.UTC)
DAY = dt.date(2026, 6, 30)


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return Registry(f"sqlite:///{tmp_path}/deep/registry.db")


def attempt(stream: str, outcome: str, run_id: str = "run", **more: object) -> Attempt:
    return Attempt("stripe", stream, DAY, run_id, NOW, outcome, **more)  # type: ignore[arg-type]


def test_a_partition_is_failed_until_a_later_attempt_lands(registry: Registry) -> None:
    registry.record([attempt("charges", "failed", failure="PermanentFailure", message="why")])
    assert [(found.stream, found.message) for found in registry.failed()] == [("charges", "why")]
    registry.record([attempt("charges", "landed", records=3)])
    assert registry.failed() == []


def test_attempts_are_counted_by_the_stream_that_was_tried_most(registry: Registry) -> None:
    registry.record([attempt("charges", "failed"), attempt("charges", "failed"), attempt("refunds", "landed")])
    assert registry.attempts_of("stripe", DAY) == 2
    assert registry.attempts_of("zendesk", DAY) == 0


def test_what_was_recorded_comes_back_as_it_was(registry: Registry) -> None:
    given = attempt("charges", "landed", records=7)
    registry.record([given])
    assert registry.latest("stripe") == [given]
    assert registry.latest("zendesk") == []


def test_migrations_go_down_and_up_again(registry: Registry) -> None:
    registry.downgrade()
    registry.upgrade()
    assert registry.latest() == []
