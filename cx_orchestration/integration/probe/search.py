"""A window that is known to hold data: found by itself, in few requests, from now back to the project's first day.

Belongs here: which windows are asked for, and the first pages of the one that holds records. Does not belong here: what
else is asked of them.
"""

import datetime as dt
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TypeAlias

from cx_orchestration.integration.page import Page
from cx_orchestration.integration.probe.asking import Question, Seen
from cx_orchestration.integration.records import Record
from cx_orchestration.integration.times import micros
from cx_orchestration.integration.windows import smallest_step

Span: TypeAlias = tuple[dt.datetime, dt.datetime]

#: How many pages of the known window are looked at.
PAGES = 3

#: So many records of different times show which of them a shorter window leaves out.
_SEVERAL = 3

_LENGTHS = (1, 7, 31, 366)
_DAY, _MICROSECOND = dt.timedelta(days=1), dt.timedelta(microseconds=1)


@dataclass(frozen=True)
class Known:
    """A window and its first page, and how many windows were asked for until it was found. Without data it is the one
    that was asked for last."""

    start: dt.datetime
    end: dt.datetime
    seen: Seen
    rest: Iterator[tuple[Page, list[Record]]]
    asked: int
    has_data: bool

    def read_on(self) -> None:
        """Add the following pages to ``seen``, up to ``PAGES`` in all. Raises as reading a page does."""
        self.seen.add(islice(self.rest, PAGES - len(self.seen.pages)))


def windows_back(first: dt.datetime, end: dt.datetime, max_days: int) -> Iterator[Span]:
    """Half-open windows that reach further and further back, none longer than ``max_days``.

    The last day, week, month, year, and everything since ``first``; where a window would be too long, single ones of
    the longest length, each at twice the distance of the one before.
    """
    longest = max_days * _DAY
    for days in _LENGTHS:
        if days < max_days and end - days * _DAY > first:
            yield end - days * _DAY, end
    if end - first <= longest:
        yield first, end
        return
    yield end - longest, end
    back = longest
    while end - back - longest > first:
        yield end - back - longest, end - back
        back *= 2
    yield first, first + longest


def spans_within(since: dt.datetime, until: dt.datetime, max_days: int) -> Iterator[Span]:
    """The whole of a range in windows none longer than ``max_days``, the newest first."""
    end = until
    while end > since:
        start = max(since, end - max_days * _DAY)
        yield start, end
        end = start


def find(question: Question, spans: Iterable[Span], *, windowed: bool) -> Known:
    """The first window that holds records of several times, with its first page; else the one with most of them.

    Times count as different that a window can tell apart.

    Where the service can be asked for a window, a record outside of it counts for nothing: the service may not heed
    its filter. Raises as reading a page does.
    """
    window = question.reader.endpoint.window
    step = smallest_step(window) // _MICROSECOND if window else 1
    most: tuple[int, Known] | None = None
    for asked, (start, end) in enumerate(spans, 1):
        pages, seen = question.pages(start, end), Seen()
        seen.add(islice(pages, 1))
        since, until = micros(start), micros(end)
        times = [record.updated_at for record in seen.records]
        inside = [time for time in times if time is None or not windowed or since <= time < until]
        distinct = len({None if time is None else time // step for time in inside})
        known = Known(start, end, seen, pages, asked, bool(inside))
        if distinct >= _SEVERAL or (inside and not windowed):
            return known
        if most is None or distinct > most[0] or not most[0]:
            most = distinct, known
    if most is None:
        raise ValueError("there is no window to ask for")
    return most[1]
