"""Partitions that are left failed, as an on-call engineer wants them: in ranges, with the command that reruns them.

Belongs here: grouping, words, the command. Does not belong here: which partitions failed (``storage/registry.py``), and
where the list is shown (``cx failed``, the standing check, alerts).
"""

import datetime as dt
import shlex
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from cx_orchestration.model.days import DayRange
from cx_orchestration.storage.registry import MAPPING, LeftFailed
from cx_orchestration.storage.waits import Wait

_FAMILIES = {"TransientFailure": "transient", "Bug": "bug"}


@dataclass(frozen=True)
class Folders:
    """Where a command finds the project, and its lake if that is another than the project's own."""

    project: Path
    lake: Path | None = None

    @classmethod
    def of(cls, project: Path, lake: Path | str, usual_lake: Path) -> Self:
        """Of a project whose lake is ``lake`` where it is ``usual_lake`` if nobody says otherwise."""
        return cls(project, None if Path(lake).resolve() == usual_lake.resolve() else Path(lake))

    @property
    def options(self) -> list[str]:
        """As options of ``cx``."""
        return ["--project", str(self.project), *(["--lake", str(self.lake)] if self.lake else [])]

    @property
    def customers(self) -> str:
        """The command that makes everything anew that spans services, to be pasted into a shell."""
        return shlex.join(["cx", "run", *self.options, "--select", 'key:"integration/customer_events"+'])

    @property
    def failed(self) -> str:
        """The command that lists what is left failed, to be pasted into a shell."""
        return shlex.join(["cx", "failed", *self.options])


@dataclass(frozen=True)
class FailedRange:
    """Neighbouring days of one stream, or of a service's mapping, that are left failed for the same reason.

    ``times`` is how often the most tried day failed since it last succeeded, ``since`` when the first of them did.
    """

    service: str
    stream: str
    days: DayRange
    family: str
    message: str
    since: dt.datetime
    times: int

    @classmethod
    def of(cls, days: DayRange, group: Collection[LeftFailed]) -> Self:
        """The range for what failed on these days."""
        some = next(iter(group))
        here = [left for left in group if left.attempt.day in days]
        return cls(
            service=some.attempt.service,
            stream=some.attempt.stream,
            days=days,
            family=_FAMILIES.get(some.attempt.failure, "permanent"),
            message=some.attempt.message,
            since=min(left.since for left in here),
            times=max(left.times for left in here),
        )

    @property
    def assets(self) -> list[str]:
        """What failed, followed by what is made from it and must be made anew."""
        events = f"integration/{self.service}/events"
        return [events] if self.stream == MAPPING else [f"landing/{self.service}/{self.stream}", events]

    def not_before(self, waits: Mapping[str, Wait], now: dt.datetime) -> dt.datetime | None:
        """Until when rerunning is refused: the service asked to be left alone. Days are mapped without asking it."""
        wait = waits.get(self.service)
        asked_until = None if wait is None or self.stream == MAPPING else wait.asked_until
        return asked_until if asked_until is not None and asked_until > now else None

    def rerun(self, folders: Folders) -> str:
        """The command that reruns these partitions, to be pasted into a shell."""
        days = ["--since", str(self.days.first), "--until", str(self.days.last)]
        return shlex.join(["cx", "run", *folders.options, *days, "--select", ",".join(self.assets)])

    def as_row(self, folders: Folders) -> dict[str, Any]:
        """All of it in plain values, for JSON and for tables."""
        return {
            "asset": self.assets[0],
            "service": self.service,
            "stream": self.stream,
            "since_day": str(self.days.first),
            "until_day": str(self.days.last),
            "class": self.family,
            "reason": self.message,
            "failed_since": self.since.isoformat(),
            "times": self.times,
            "rerun": self.rerun(folders),
        }


def failed_ranges(left: Iterable[LeftFailed], wanted: Mapping[str, Collection[str]] | None) -> list[FailedRange]:
    """What is left failed, by service, stream, reason and day.

    ``wanted`` has the streams that are integrated, by service: partitions of others wait for nobody. Where that is not
    known (``None``) it is all that is left failed.
    """
    groups: dict[tuple[str, str, str, bool], list[LeftFailed]] = {}
    for each in left:
        service, stream = each.attempt.service, each.attempt.stream
        known = () if wanted is None else wanted.get(service, ())
        if wanted is None or stream in known or (stream == MAPPING and known):
            groups.setdefault((service, stream, each.attempt.message, each.is_transient), []).append(each)
    return [
        FailedRange.of(days, group)
        for group in groups.values()
        for days in DayRange.contiguous(left.attempt.day for left in group)
    ]
