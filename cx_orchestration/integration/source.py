"""One federated service as the rest of the system sees it: days of a stream in, records out.

Belongs here: the declaration, the session and the project folder put together. Does not belong here: Dagster
(``resources/service.py``), and where records land (``landing.py``).
"""

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol
from zoneinfo import ZoneInfo

from cx_orchestration.integration.extraction import (
    Extracted,
    extract,
    has_record_between,
    keep_newest,
    sort_into_days,
)
from cx_orchestration.integration.files import drop_files, file_records, names_a_day
from cx_orchestration.integration.http import ServiceSession, Shared, shares
from cx_orchestration.integration.variables import with_paths_filled
from cx_orchestration.model.days import DayRange
from cx_orchestration.model.failures import Failure, PermanentFailure
from cx_orchestration.model.service import FileDrop, ServiceDeclaration, Stream


class RecordSource(Protocol):
    """What landing needs of a service; tests give it a fake."""

    @property
    def service(self) -> str: ...

    @property
    def requests(self) -> int:
        """How many requests were sent so far."""

    def chunks(self, stream: str, days: DayRange) -> list[DayRange]:
        """The ranges that one query each is made for."""

    def divisible(self, stream: str) -> bool:
        """Whether asking for a single day is a smaller question than asking for a range."""

    def extract(self, stream: str, days: DayRange) -> Extracted:
        """The records of one chunk. Raises ``PermanentFailure`` or ``TransientFailure``."""


@dataclass(frozen=True)
class StreamProbe:
    """What a first look at a stream showed: whether there are records, or the failure."""

    stream: str
    has_records: bool
    failure: Failure | None = None


class ServiceSource:
    """A declared service. ``zone`` says when the company's days begin, ``folder`` is where file drops lie, and
    ``environ`` holds the variables that the declaration names. ``shared`` opens what all processes have in common; it
    is called for a service that needs it."""

    def __init__(
        self,
        declaration: ServiceDeclaration,
        *,
        zone: ZoneInfo,
        folder: Path,
        environ: Mapping[str, str],
        shared: Callable[[], Shared] = Shared,
    ) -> None:
        self.declaration = declaration
        self.zone = zone
        self.folder = folder
        self._environ = dict(environ)
        self._shared = shared

    @property
    def service(self) -> str:
        return self.declaration.service

    @property
    def requests(self) -> int:
        return self.session.requests if "session" in self.__dict__ else 0

    @cached_property
    def session(self) -> ServiceSession:
        """The connection, made when it is first needed: a missing variable fails what needs it, nothing else."""
        client = self.declaration.client
        if client is None:
            raise PermanentFailure(f"{self.service} is read from files and has no connection")
        shared = self._shared() if shares(client) else Shared()
        return ServiceSession(self.service, client, self._environ, shared=shared)

    def chunks(self, stream: str, days: DayRange) -> list[DayRange]:
        declared = self._stream(stream)
        if declared.files is not None:
            return list(days.chunks(1)) if names_a_day(declared.files) else [days]
        if declared.endpoint is None or declared.endpoint.window is None:
            return [days]
        return list(days.chunks(declared.endpoint.window.max_days))

    def divisible(self, stream: str) -> bool:
        endpoint = self._stream(stream).endpoint
        return endpoint is not None and endpoint.window is not None

    def extract(self, stream: str, days: DayRange) -> Extracted:
        declared = self._stream(stream)
        if declared.files is not None:
            return self._from_files(declared, declared.files, days)
        return extract(self.session, stream, declared, days, self.zone)

    def has_new(self, stream: str, start: dt.datetime, end: dt.datetime) -> bool:
        """Whether there may be records of ``[start, end)``, at the cost of one page.

        A listing without a window whose first page shows none counts as maybe. Files are not read: one named after a
        day of that time counts, and without days in the names one that was changed since ``start``.
        """
        declared = self._stream(stream)
        if declared.files is None:
            return has_record_between(self.session, stream, declared, start, end)
        if names_a_day(declared.files):
            last = end - dt.timedelta(microseconds=1)
            days = DayRange(start.astimezone(self.zone).date(), last.astimezone(self.zone).date())
            return any(drop_files(self.service, declared.files, self.folder, day) for day in days)
        files = drop_files(self.service, declared.files, self.folder)
        return any(path.stat().st_mtime >= start.timestamp() for path in files)

    def dropped_since(self, stream: str, landed_at: Mapping[dt.date, dt.datetime]) -> list[dt.date]:
        """The days whose file was placed or changed after they landed; none for a service that is asked over HTTP.

        Files without a day in their name count for every day that landed before the newest of them.
        """
        drop = self._stream(stream).files
        if drop is None:
            return []
        if names_a_day(drop):
            placed = {day: drop_files(self.service, drop, self.folder, day) for day in landed_at}
        else:
            placed = dict.fromkeys(landed_at, drop_files(self.service, drop, self.folder))
        return [
            day for day, at in landed_at.items() if any(path.stat().st_mtime > at.timestamp() for path in placed[day])
        ]

    def probe(self, now: dt.datetime) -> list[StreamProbe]:
        """One look at each stream: are the credentials accepted, and is the first page of the last day as declared?"""
        return [self._probe(stream, now) for stream in self.declaration.streams]

    def close(self) -> None:
        if "session" in self.__dict__:
            self.session.close()

    def _probe(self, stream: str, now: dt.datetime) -> StreamProbe:
        try:
            return StreamProbe(stream, self.has_new(stream, now - dt.timedelta(days=1), now))
        except Failure as failure:
            return StreamProbe(stream, False, failure)

    def _from_files(self, stream: Stream, drop: FileDrop, days: DayRange) -> Extracted:
        if not names_a_day(drop):
            files = drop_files(self.service, drop, self.folder)
            rows = (row for path in files for row in file_records(self.service, stream, drop, path, self.folder))
            return sort_into_days(rows, days, self.zone)
        found = Extracted({day: {} for day in days})
        for day, records in found.by_day.items():
            for path in drop_files(self.service, drop, self.folder, day):
                for record in file_records(self.service, stream, drop, path, self.folder):
                    keep_newest(records, record)
        return found

    def _stream(self, name: str) -> Stream:
        if name not in self.declaration.streams:
            known = ", ".join(self.declaration.streams)
            raise PermanentFailure(f"{self.service} declares no stream '{name}'; it has {known}")
        return with_paths_filled(self.service, self.declaration.streams[name], self._environ)
