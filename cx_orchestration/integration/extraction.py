"""The records of a range of days, each in its day: from a declared endpoint or from files.

Belongs here: windows, the re-filter on our side, duplicates within a day. Does not belong here: how pages are fetched
(``paging.py``) or files are read (``files.py``), and where records land (``landing.py``).
"""

import datetime as dt
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from zoneinfo import ZoneInfo

from cx_orchestration.integration.http import ServiceSession
from cx_orchestration.integration.paging import Listing, Page
from cx_orchestration.integration.records import Record, record_reader
from cx_orchestration.integration.times import micros, zone_of
from cx_orchestration.integration.windows import query
from cx_orchestration.model.days import DayRange
from cx_orchestration.model.endpoint import Endpoint
from cx_orchestration.model.service import Stream


@dataclass
class Extracted:
    """What a query for a range of days gave.

    ``by_day`` has every day of the range, and per day the newest version of each record. ``outside`` counts records
    that the service sent although they lie outside the range; many of them show a filter that is not heeded.
    ``timeless`` are records without a readable time: which day they belong to the query for a range cannot tell.
    """

    by_day: dict[dt.date, dict[str, Record]]
    outside: int = 0
    timeless: list[Record] = field(default_factory=list)


def listing(session: ServiceSession, name: str, stream: Stream, start: dt.datetime, end: dt.datetime) -> Listing:
    """The listing of a stream's endpoint for the instants in ``[start, end)``."""
    endpoint = _endpoint(stream)
    asked = query(endpoint, start, end, zone_of(stream.updated_at))
    return Listing(session, name, asked.path, asked.params, endpoint.data_selector, endpoint.paginator)


def extract(session: ServiceSession, name: str, stream: Stream, days: DayRange, zone: ZoneInfo) -> Extracted:
    """All records of a range of days in one listing; ``zone`` says when the company's days begin.

    Raises as ``ServiceSession.ask`` does, and ``PermanentFailure`` for a page that is not what was declared.
    """
    start, end = days.bounds(zone)
    if start == end:  # Samoa had no 30 December 2011: nothing to ask for, and a window without length is often an error
        return Extracted({day: {} for day in days})
    return sort_into_days(_records(stream, listing(session, name, stream, start, end).pages()), days, zone)


def sort_into_days(records: Iterable[Record], days: DayRange, zone: ZoneInfo) -> Extracted:
    """Records by the day of their time. Of several versions of one record in a day the newest stays; of versions with
    the same time the one listed later."""
    dates = list(days)
    starts = [micros(DayRange(day, day).bounds(zone)[0]) for day in dates]
    end = micros(days.bounds(zone)[1])
    found = Extracted({day: {} for day in dates})
    for record in records:
        if record.updated_at is None:
            found.timeless.append(record)
        elif not starts[0] <= record.updated_at < end:
            found.outside += 1
        else:
            day = dates[bisect_right(starts, record.updated_at) - 1]
            keep_newest(found.by_day[day], record)
    return found


def keep_newest(day: dict[str, Record], record: Record) -> None:
    """Add a record to a day unless the day has a newer version of it."""
    known = day.get(record.record_id)
    if known is None or _rank(known) <= _rank(record):
        day[record.record_id] = record


def has_record_between(
    session: ServiceSession, name: str, stream: Stream, start: dt.datetime, end: dt.datetime
) -> bool:
    """Whether the first page of ``[start, end)`` shows a record of that time, or one without a time.

    Where the service cannot be asked for a window and there are more pages, none of them can be ruled out: true.
    """
    first = next(listing(session, name, stream, start, end).pages())
    since, until = micros(start), micros(end)
    for record in _records(stream, iter([first])):
        if record.updated_at is None or since <= record.updated_at < until:
            return True
    return not first.last


def _records(stream: Stream, pages: Iterator[Page]) -> Iterator[Record]:
    read = record_reader(stream)
    for page in pages:
        for record in page.records:
            yield read(record, page.exact)


def _endpoint(stream: Stream) -> Endpoint:
    if stream.endpoint is None:
        raise ValueError("this stream is read from files")
    return stream.endpoint


def _rank(record: Record) -> tuple[bool, int]:
    return record.updated_at is not None, record.updated_at or 0
