"""Days of a stream into the lake: what can be landed lands, and each day that cannot has its failure.

Belongs here: which days are asked for in which order, what a failure costs, the commits. Does not belong here: asking
(``source.py``), and files (``staging.py``).

A record without a readable time lands in each day whose own query returns it. Asking for a range cannot tell which
days those are, so such a range is asked again day by day. That way what a day holds depends on the day alone, never on
the range it was asked with, and nothing is lost; its events have one id wherever they turn up.
"""

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Self

from cx_orchestration.integration.answers import CredentialsRefused
from cx_orchestration.integration.erased import ErasedKeptOut
from cx_orchestration.integration.landed_before import (
    landed_payloads,
    newest_day_with_rows,
    only_changed,
    rows_by_day,
    with_vanished,
)
from cx_orchestration.integration.records import Batch
from cx_orchestration.integration.source import RecordSource
from cx_orchestration.integration.staging import Staging, TimelessRecord
from cx_orchestration.model.days import DayRange
from cx_orchestration.model.endpoint import SnapshotTombstones
from cx_orchestration.model.failures import Failure, PermanentFailure, TransientFailure
from cx_orchestration.model.tables import landed
from cx_orchestration.model.tombstones import NO_TOMBSTONES, Tombstones
from cx_orchestration.storage.data_files import DataFile
from cx_orchestration.storage.lake import Lake

_Staged = dict[dt.date, tuple[int, list[DataFile]]]


@dataclass
class Landing:
    """What became of each day: its number of records in ``records``, or why it did not land in ``failures``.

    ``versions`` says for each day of ``records`` which version of the table holds them, as a later one may be another
    run's; ``None`` stands for a table that was never written. ``kept`` are days of a sweep that hold what an earlier
    sweep saw. ``outside`` counts records that the service sent although they lie outside what was asked for,
    ``without_time`` those whose time cannot be read, ``requests`` what the service was asked.
    """

    records: dict[dt.date, int] = field(default_factory=dict)
    versions: dict[dt.date, int | None] = field(default_factory=dict)
    failures: dict[dt.date, Failure] = field(default_factory=dict)
    kept: list[dt.date] = field(default_factory=list)
    outside: int = 0
    without_time: int = 0
    erased: int = 0
    requests: int = 0

    def add(self, other: Self) -> None:
        """Take what became of further days."""
        self.records |= other.records
        self.versions |= other.versions
        self.failures |= other.failures
        self.kept += other.kept
        self.outside += other.outside
        self.without_time += other.without_time
        self.erased += other.erased
        self.requests += other.requests


def land(
    lake: Lake,
    source: RecordSource,
    stream: str,
    days: DayRange,
    *,
    run_id: str,
    now: dt.datetime,
    landed_until: dt.date | None = None,
    tombstones: Tombstones = NO_TOMBSTONES,
) -> Landing:
    """Land a range of days of one stream; a failure of one day does not keep the others from landing.

    Pages go to files of the lake as they come. Neighbouring days that landed share a commit; a day without records is
    emptied. ``now`` becomes ``extracted_at``. ``landed_until`` is the newest day of the stream that ever landed, where
    that is known: days without records leave no trace in the lake. Persons whose ``tombstones`` are given do not land.
    """
    before = source.requests
    table = landed(source.service, stream)
    landing = Landing()
    newest = max(filter(None, (newest_day_with_rows(lake, table), landed_until)), default=days.first)
    # A listing of now says nothing about days before one that has landed.
    is_newest = newest <= days.last
    swept = source.stream(stream).sweep is not None and not is_newest
    chunks = [] if swept else source.chunks(stream, days)
    staged = _stage_all(lake, source, stream, days, chunks, landing, now, tombstones, is_newest=is_newest)
    with lake.staged(table) as written:
        # What was staged before an erasure may hold the person, and nobody else knows of these files.
        written += [file for _, files in staged.values() for file in files]
        for run in DayRange.contiguous(staged):
            files = [file for day in run for file in staged[day][1]]
            version = lake.replace_by_files(table, files, where={"day": (run.first, run.last)}, run_id=run_id)
            landing.versions |= dict.fromkeys(run, version)
    landing.records = {day: staged[day][0] for day in sorted(staged)}
    landing.failures = {day: landing.failures[day] for day in sorted(landing.failures)}
    asked = {day for chunk in chunks for day in chunk}
    if kept := [day for day in days if day not in asked]:
        now_there = lake.version(table)
        landing.kept = kept
        landing.records |= rows_by_day(lake, table, kept, version=now_there)
        landing.versions |= dict.fromkeys(kept, now_there)
    landing.requests = source.requests - before
    return landing


def _stage_all(
    lake: Lake,
    source: RecordSource,
    stream: str,
    asked_for: DayRange,
    chunks: list[DayRange],
    landing: Landing,
    now: dt.datetime,
    tombstones: Tombstones,
    *,
    is_newest: bool,
) -> _Staged:
    staged: _Staged = {}
    pending = list(reversed(chunks))
    while pending:
        chunk = pending.pop()
        try:
            newest = is_newest and chunk.last == asked_for.last
            staged |= _stage(lake, source, stream, chunk, landing, now, tombstones, newest=newest)
        except (CredentialsRefused, TransientFailure) as failure:
            # The service is down, asks to be left alone or refuses us: asking for the other days makes it worse.
            for left in [chunk, *pending]:
                landing.failures.update(dict.fromkeys(left, failure))
            return staged
        except TimelessRecord:
            pending.extend(reversed(list(chunk.chunks(1))))
        except PermanentFailure as failure:
            if len(chunk) > 1 and source.divisible(stream):
                pending.extend(reversed(list(chunk.chunks(1))))
            else:
                landing.failures.update(dict.fromkeys(chunk, failure))
    return staged


def _stage(
    lake: Lake,
    source: RecordSource,
    stream: str,
    days: DayRange,
    landing: Landing,
    now: dt.datetime,
    tombstones: Tombstones,
    *,
    newest: bool,
) -> _Staged:
    table = landed(source.service, stream)
    declared = source.stream(stream)
    kept_out = ErasedKeptOut(tombstones, source.service, stream, declared)
    with Staging(lake, table, days, source.zone, now=now, divisible=source.divisible(stream)) as staging:
        pages = kept_out.of(_pages(lake, source, stream, days))
        if isinstance(declared.tombstones, SnapshotTombstones):
            pages = with_vanished(pages, source.existing(stream), lake, table, days, source.zone, newest=newest)
        if declared.sweep is not None:
            pages = only_changed(pages, lake, table, days)
        for records, day in pages:
            staging.add(records, day)
        staged = staging.finish()
    landing.outside += staging.outside
    landing.without_time += staging.without_time
    landing.erased += kept_out.dropped
    return staged


def _pages(lake: Lake, source: RecordSource, stream: str, days: DayRange) -> Iterator[Batch]:
    parent = source.stream(stream).parent
    if parent is None:
        yield from source.read(stream, days)
        return
    for day in days:
        for payload in landed_payloads(lake, landed(source.service, parent.stream), day):
            for records in source.read_children(stream, day, payload):
                yield records, day
