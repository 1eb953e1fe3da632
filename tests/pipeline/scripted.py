"""A service that answers as a test tells it to, in place of a federated service."""

import datetime as dt
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Self

from cx_orchestration.integration.landing import Landing
from cx_orchestration.model.days import DayRange
from cx_orchestration.model.failures import Failure
from cx_orchestration.project import CXProject
from cx_orchestration.storage.lake import Lake


class ScriptedService:
    """Each landing takes the next outcome: a failure of all days, an error of ours, or, with none left, no records.

    ``asked`` has an entry for each landing and each question; services that share it show in which order.
    """

    def __init__(self, *outcomes: Exception, name: str = "service", asked: list[str] | None = None) -> None:
        self._outcomes = iter(outcomes)
        self._name = name
        self.asked: list[str] = [] if asked is None else asked

    def land(self, lake: Lake, stream: str, days: DayRange, *, run_id: str, now: dt.datetime, **more: Any) -> Landing:
        self.asked.append(self._name)
        outcome = next(self._outcomes, None)
        if isinstance(outcome, Failure):
            return Landing(failures=dict.fromkeys(days, outcome))
        if outcome is not None:
            raise outcome
        return Landing(records=dict.fromkeys(days, 0))

    @contextmanager
    def apart(self, project: CXProject) -> Iterator[Self]:
        yield self

    def has_new(self, stream: str, start: dt.datetime, end: dt.datetime) -> bool:
        self.asked.append(f"{self._name}?")
        outcome = next(self._outcomes, None)
        if outcome is not None:
            raise outcome
        return True

    def dropped_since(self, stream: str, landed_at: Mapping[dt.date, dt.datetime]) -> list[dt.date]:
        return []
