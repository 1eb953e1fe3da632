"""Days of a stream into the lake: what can be landed lands, and each day that cannot has its failure.

Belongs here: which days are asked for in which order, what a failure costs, the commits. Does not belong here: asking
(``source.py``).

A record without a readable time lands in each day whose own query returns it. Asking for a range cannot tell which
days those are, so such a range is asked again day by day. That way what a day holds depends on the day alone, never on
the range it was asked with, and nothing is lost; its events have one id wherever they turn up.
"""

import datetime as dt
from dataclasses import dataclass, field

import pyarrow as pa

from cx_orchestration.integration.answers import CredentialsRefused
from cx_orchestration.integration.extraction import Extracted
from cx_orchestration.integration.records import Record
from cx_orchestration.integration.source import RecordSource
from cx_orchestration.model.days import DayRange
from cx_orchestration.model.failures import Failure, PermanentFailure, TransientFailure
from cx_orchestration.model.tables import Table, landed
from cx_orchestration.storage.lake import Lake

_Day = dict[str, Record]


@dataclass
class Landing:
    """What became of each day: its number of records in ``records``, or why it did not land in ``failures``.

    ``outside`` counts records that the service sent although they lie outside what was asked for, ``without_time``
    those whose time cannot be read, ``requests`` what the service was asked.
    """

    records: dict[dt.date, int] = field(default_factory=dict)
    failures: dict[dt.date, Failure] = field(default_factory=dict)
    outside: int = 0
    without_time: int = 0
    requests: int = 0


def land(lake: Lake, source: RecordSource, stream: str, days: DayRange, *, run_id: str, now: dt.datetime) -> Landing:
    """Land a range of days of one stream; a failure of one day does not keep the others from landing.

    Neighbouring days that landed share a commit; a day without records is emptied. ``now`` becomes ``extracted_at``.
    """
    before = source.requests
    landing = Landing()
    good = _extract_all(source, stream, days, landing)
    table = landed(source.service, stream)
    for run in DayRange.contiguous(good):
        lake.replace(table, _rows(table, good, run, now), where={"day": (run.first, run.last)}, run_id=run_id)
    landing.records = {day: len(good[day]) for day in sorted(good)}
    landing.failures = {day: landing.failures[day] for day in sorted(landing.failures)}
    landing.requests = source.requests - before
    return landing


def _extract_all(source: RecordSource, stream: str, days: DayRange, landing: Landing) -> dict[dt.date, _Day]:
    good: dict[dt.date, _Day] = {}
    pending = list(reversed(source.chunks(stream, days)))
    while pending:
        chunk = pending.pop()
        try:
            found = source.extract(stream, chunk)
        except (CredentialsRefused, TransientFailure) as failure:
            # The service is down, asks to be left alone or refuses us: asking for the other days makes it worse.
            for left in [chunk, *pending]:
                landing.failures.update(dict.fromkeys(left, failure))
            return good
        except PermanentFailure as failure:
            if len(chunk) > 1 and source.divisible(stream):
                pending.extend(reversed(list(chunk.chunks(1))))
            else:
                landing.failures.update(dict.fromkeys(chunk, failure))
            continue
        if found.timeless and len(chunk) > 1 and source.divisible(stream):
            pending.extend(reversed(list(chunk.chunks(1))))
            continue
        landing.outside += found.outside
        landing.without_time += len(found.timeless)
        good.update(_with_timeless(found))
    return good


def _with_timeless(found: Extracted) -> dict[dt.date, _Day]:
    for records in found.by_day.values():
        for record in found.timeless:
            records.setdefault(record.record_id, record)
    return found.by_day


def _rows(table: Table, good: dict[dt.date, _Day], days: DayRange, now: dt.datetime) -> pa.Table:
    records = [record for day in days for record in good[day].values()]
    count = len(records)
    columns = {
        "record_id": pa.array([record.record_id for record in records], pa.string()),
        "updated_at": pa.array([record.updated_at for record in records], table.schema.field("updated_at").type),
        "extracted_at": pa.repeat(pa.scalar(now, table.schema.field("extracted_at").type), count),
        "payload": pa.array([record.payload for record in records], pa.string()),
        "day": pa.array([day for day in days for _ in good[day]], pa.date32()),
    }
    return pa.table(columns)
