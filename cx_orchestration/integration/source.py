"""One federated service as the rest of the system sees it: days of a stream in, records out.

Belongs here: the declaration, the session and the project folder put together. Does not belong here: Dagster
(``resources/service.py``), and where records land (``landing.py``).
"""

import datetime as dt
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol
from zoneinfo import ZoneInfo

from cx_orchestration.integration.answers import NotFound
from cx_orchestration.integration.conditions import all_hold
from cx_orchestration.integration.extraction import EndpointReader, listing_reader, stream_reader, tombstone_reader
from cx_orchestration.integration.files import batched, drop_files, file_records, names_a_day
from cx_orchestration.integration.http import Asks, ServiceSession, Shared, shares
from cx_orchestration.integration.paths import parse_path
from cx_orchestration.integration.records import Batch, Record, parse_json, text_of
from cx_orchestration.integration.times import micros
from cx_orchestration.integration.variables import with_paths_filled
from cx_orchestration.integration.windows import parent_paths
from cx_orchestration.model.days import DayRange
from cx_orchestration.model.endpoint import FeedTombstones, SnapshotTombstones
from cx_orchestration.model.failures import PermanentFailure
from cx_orchestration.model.service import FileDrop, ServiceDeclaration, Stream


class RecordSource(Protocol):
    """What landing needs of a service; tests give it a fake."""

    @property
    def service(self) -> str: ...

    @property
    def requests(self) -> int:
        """How many requests were sent so far."""

    @property
    def zone(self) -> ZoneInfo:
        """The company's time zone: when its days begin."""

    def stream(self, name: str) -> Stream:
        """The declaration of a stream. Raises ``PermanentFailure`` when there is none."""

    def chunks(self, stream: str, days: DayRange) -> list[DayRange]:
        """The ranges that one query each is made for; days in none of them keep what they hold."""

    def divisible(self, stream: str) -> bool:
        """Whether asking for a single day is a smaller question than asking for a range."""

    def read(self, stream: str, days: DayRange) -> Iterator[Batch]:
        """The records of one chunk, as they come. Raises ``PermanentFailure`` or ``TransientFailure``."""

    def read_children(self, stream: str, day: dt.date, parent: str) -> Iterator[list[Record]]:
        """The records that belong to one record, given as it landed, of the parent stream on a day."""

    def existing(self, stream: str) -> Iterator[list[str]] | None:
        """The ids of all records there are, where a listing of its own says them."""


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
        declared = self.stream(stream)
        if declared.sweep is not None:
            return [DayRange(days.last, days.last)]
        if declared.files is not None:
            return list(days.chunks(1)) if names_a_day(declared.files) else [days]
        if declared.parent is not None:
            return list(days.chunks(1))
        if declared.endpoint is None or declared.endpoint.window is None:
            return [days]
        return list(days.chunks(declared.endpoint.window.max_days))

    def divisible(self, stream: str) -> bool:
        endpoint = self.stream(stream).endpoint
        return endpoint is not None and endpoint.window is not None

    def read(self, stream: str, days: DayRange) -> Iterator[Batch]:
        declared = self.stream(stream)
        if declared.files is not None:
            yield from self._from_files(declared, declared.files, days)
            return
        start, end = days.bounds(self.zone)
        if start == end:  # Samoa had no 30 December 2011: nothing to ask for, and a window without length is an error
            return
        for records in stream_reader(self.session, stream, declared).records(start, end):
            yield records, None
        if isinstance(declared.tombstones, FeedTombstones):
            for records in tombstone_reader(self.session, stream, declared.tombstones).records(start, end):
                yield records, None

    def read_children(self, stream: str, day: dt.date, parent: str) -> Iterator[list[Record]]:
        declared = self.stream(stream)
        if declared.parent is None or declared.endpoint is None:
            raise ValueError(f"{stream} has no parent")
        asked = self.child_reader(self.session, stream, parent)
        if asked is None:
            return
        reader, names = asked
        start, end = DayRange(day, day).bounds(self.zone)
        try:
            yield from reader.records(start, end, names)
        except NotFound:
            if declared.parent.gone == "fail":
                raise

    def child_reader(self, session: Asks, stream: str, parent: str) -> tuple[EndpointReader, dict[str, str]] | None:
        """What reads the children of one parent record, given as it landed, and the placeholders that the record fills
        in; ``None`` for a parent that is not asked for."""
        declared = self.stream(stream)
        if declared.parent is None:
            raise ValueError(f"{stream} has no parent")
        record, _ = parse_json(parent.encode()) or (None, False)
        if not all_hold(declared.parent.when)(record):
            return None
        around = {name: record.get(name) for name in declared.parent.include_from_parent if isinstance(record, dict)}
        return stream_reader(session, stream, declared, around or None), self._parent_names(stream, declared, record)

    def existing(self, stream: str) -> Iterator[list[str]] | None:
        declared = self.stream(stream)
        if not isinstance(declared.tombstones, SnapshotTombstones) or declared.tombstones.endpoint is None:
            return None
        reader = replace(listing_reader(self.session, stream, declared, declared.tombstones.endpoint), whole=True)
        at_any_time = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
        everything = reader.records(at_any_time, at_any_time)
        return ([record.record_id for record in records] for records in everything)

    def has_new(self, stream: str, start: dt.datetime, end: dt.datetime) -> bool:
        """Whether there may be records of ``[start, end)``, at the cost of one page.

        A listing without a window whose first page shows none counts as maybe. Files are not read: one named after a
        day of that time counts, and without days in the names one that was changed since ``start``.
        """
        declared = self.stream(stream)
        if declared.parent is not None:
            return True
        if declared.files is None:
            records, is_last = stream_reader(self.session, stream, declared).first_page(start, end)
            since, until = micros(start), micros(end)
            times = [record.updated_at for record in records]
            return not is_last or any(time is None or since <= time < until for time in times)
        if names_a_day(declared.files):
            last = end - dt.timedelta(microseconds=1)
            days = DayRange(start.astimezone(self.zone).date(), last.astimezone(self.zone).date())
            return any(drop_files(self.service, declared.files, self.folder, day) for day in days)
        files = drop_files(self.service, declared.files, self.folder)
        return any(path.stat().st_mtime >= start.timestamp() for path in files)

    def dropped_since(self, stream: str, looked_at: Mapping[dt.date, dt.datetime]) -> list[dt.date]:
        """The days whose file was placed or changed after that; none for a service that is asked over HTTP.

        Files without a day in their name count for every day that was looked at before the newest of them.
        """
        drop = self.stream(stream).files
        if drop is None:
            return []
        if names_a_day(drop):
            placed = {day: drop_files(self.service, drop, self.folder, day) for day in looked_at}
        else:
            placed = dict.fromkeys(looked_at, drop_files(self.service, drop, self.folder))
        return [
            day for day, at in looked_at.items() if any(path.stat().st_mtime > at.timestamp() for path in placed[day])
        ]

    def close(self) -> None:
        if "session" in self.__dict__:
            self.session.close()

    def _parent_names(self, stream: str, declared: Stream, record: Any) -> dict[str, str]:
        """The placeholders that a parent record fills in. Raises ``PermanentFailure`` where it has no value for one."""
        names = {}
        for name, path in parent_paths(declared).items():
            value = text_of(parse_path(path).of(record))
            if not value:
                raise PermanentFailure(
                    f"{self.service}/{stream}: a record of its parent stream has nothing at '{path}', which the "
                    "endpoint needs; leave such parents out with parent.when"
                )
            names[name] = value
        return names

    def _from_files(self, stream: Stream, drop: FileDrop, days: DayRange) -> Iterator[Batch]:
        if not names_a_day(drop):
            for path in drop_files(self.service, drop, self.folder):
                for records in batched(file_records(self.service, stream, drop, path, self.folder)):
                    yield records, None
            return
        for day in days:
            for path in drop_files(self.service, drop, self.folder, day):
                for records in batched(file_records(self.service, stream, drop, path, self.folder)):
                    yield records, day

    def stream(self, name: str) -> Stream:
        if name not in self.declaration.streams:
            known = ", ".join(self.declaration.streams)
            raise PermanentFailure(f"{self.service} declares no stream '{name}'; it has {known}")
        return with_paths_filled(self.service, self.declaration.streams[name], self._environ)
