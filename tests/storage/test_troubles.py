"""What people were told of is remembered until it is over."""

import datetime as dt
from dataclasses import replace
from pathlib import Path

import pytest

from cx_orchestration.storage.alerts import Trouble, Troubles
from cx_orchestration.storage.registry import Registry

NOW = dt.datetime(2026, 7, 1, 3, tzinfo=dt.UTC)
TROUBLE = Trouble("stripe", "transient", NOW, "run1", "2026-06-30", "HTTP 503")


@pytest.fixture
def troubles(tmp_path: Path) -> Troubles:
    return Registry(f"sqlite:///{tmp_path}/registry.db").troubles


def test_a_trouble_begins_once_until_it_is_over(troubles: Troubles) -> None:
    assert troubles.begin(TROUBLE)
    assert not troubles.begin(replace(TROUBLE, run_id="run2", reason="HTTP 500"))
    assert troubles.standing() == [TROUBLE]
    troubles.over(TROUBLE)
    assert troubles.standing() == []
    assert troubles.begin(TROUBLE)


def test_another_class_of_failure_of_the_same_service_is_another_trouble(troubles: Troubles) -> None:
    later = replace(TROUBLE, family="permanent", since=NOW + dt.timedelta(hours=1))
    assert troubles.begin(later)
    assert troubles.begin(TROUBLE)
    assert troubles.standing() == [TROUBLE, later]


def test_when_people_were_told_is_remembered(troubles: Troubles) -> None:
    troubles.begin(TROUBLE)
    troubles.told(TROUBLE, NOW)
    assert troubles.standing() == [replace(TROUBLE, told_at=NOW)]
