"""KPIs by hour and day against the same hour of earlier weeks, and how far the data behind each one reaches.

Belongs here: the numbers and what may be said of them. Does not belong here: which services feed a KPI
(``project.feeds``), when this runs.
"""

import datetime as dt
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy import stats

from cx_orchestration.model import tables
from cx_orchestration.model.days import DayRange
from cx_orchestration.storage.engine import Engine, sql_text
from cx_orchestration.storage.lake import Lake

#: Earlier weeks that a period is compared with, and the fewest of them that say what to expect.
WEEKS, LEAST_WEEKS = 8, 4

#: So many days are told by the hour, and so many by the day.
DAYS_BY_HOUR, DAYS_BY_DAY = 7, 28

#: What grows only, as data come in: it may be called more than expected before all are there.
_GROWING = frozenset({"contacts", "answers", "started", "completed"})

#: Named among what a KPI waits for: its instances are of a fold that does not know the newest events.
JOURNEYS = "journeys"

_QUARTER = dt.timedelta(minutes=15)
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_LEVEL = 0.95

Reals = NDArray[np.float64]


@dataclass(frozen=True)
class Feed:
    """A KPI, of one journey or of all (``None``), and by name the services whose events it is made of.

    A service is true where a day's events may come with the next landed day: those of records that are changed again.
    """

    kpi: str
    journey: str | None
    services: Mapping[str, bool]


@dataclass(frozen=True)
class Landed:
    """By service the days that are there for good; ``folded`` says whether journeys know all their events."""

    days: Mapping[str, Collection[dt.date]]
    folded: bool

    def lacking(self, feed: Feed, day: dt.date) -> list[str]:
        """What of a day a KPI still waits for."""
        absent = []
        for service, comes_late in sorted(feed.services.items()):
            if day not in self.days[service]:
                absent.append(service)
            elif comes_late and day + dt.timedelta(days=1) not in self.days[service]:
                absent.append(f"{service} (its next day)")
        return absent if feed.journey is None or self.folded else [*absent, JOURNEYS]

    def reaches(self, feed: Feed, zone: ZoneInfo) -> dt.datetime | None:
        """The end of the newest day of which nothing is lacking."""
        (first, *others) = feed.services
        whole = [
            day
            for day in self.days[first]
            if all(day in self.days[one] for one in others) and not self.lacking(feed, day)
        ]
        return DayRange(max(whole), max(whole)).bounds(zone)[1] if whole else None


@dataclass(frozen=True)
class Expected:
    """The mean of earlier weeks, and the interval in which 95% of such values lie; none where they do not vary."""

    weeks: int
    mean: float | None = None
    low: float | None = None
    high: float | None = None


def expected(earlier: Sequence[float], *, is_count: bool) -> Expected:
    """What the values of earlier weeks let expect of the next one.

    Student's t prediction interval, ``mean +- t s sqrt(1 + 1/n)``. Counts vary at least as a Poisson variable does, so
    their variance is never taken to be less than their mean, and the interval does not reach below 0.
    """
    n = len(earlier)
    if n < LEAST_WEEKS:
        return Expected(n)
    mean, variance = float(np.mean(earlier)), float(np.var(earlier, ddof=1))
    variance = max(variance, mean) if is_count else variance
    if variance == 0:
        return Expected(n, mean)
    margin = float(stats.t.isf((1 - _LEVEL) / 2, n - 1)) * sqrt(variance * (1 + 1 / n))
    return Expected(n, mean, max(0.0, mean - margin) if is_count else mean - margin, mean + margin)


def kpis(
    lake: Lake,
    engine: Engine,
    feeds: Sequence[Feed],
    support_types: Collection[str],
    landed: Landed,
    *,
    zone: ZoneInfo,
    currency: str,
) -> pa.Table:
    """Rows of ``tables.KPIS``, up to the newest day that any service has; hours and days are those of ``zone``."""
    newest = max((day for days in landed.days.values() for day in days), default=None)
    if newest is None or not feeds:
        return tables.KPIS.empty()
    calendar = _Calendar(newest, zone)
    found = _sums(lake, engine, support_types, calendar, currency)
    nothing = np.zeros(calendar.quarters)
    rows = [
        row for feed in feeds for row in _rows(feed, found.get((feed.journey, feed.kpi), nothing), calendar, landed)
    ]
    return pa.Table.from_pylist(rows, tables.KPIS.schema)


@dataclass(frozen=True)
class _Period:
    """A local day, or one of its hours by the clock (where clocks are set back, the first of that name)."""

    day: dt.date
    hour: int | None
    begins_at: dt.datetime
    first: int
    end: int


class _Calendar:
    """The days that are told and those that they are compared with, in quarters of an hour."""

    def __init__(self, newest: dt.date, zone: ZoneInfo) -> None:
        self.zone = zone
        first = newest - dt.timedelta(days=DAYS_BY_DAY - 1 + 7 * WEEKS)
        self.days = DayRange(first, newest)
        self.begin, self._end = self.days.bounds(zone)
        self.by_day = [self._period(day, None, *DayRange(day, day).bounds(zone)) for day in self.days]
        self.by_hour = [hour for day in self.days for hour in self._hours(day)]

    @property
    def quarters(self) -> int:
        return (self._end - self.begin) // _QUARTER

    @property
    def first_quarter(self) -> int:
        return (self.begin - _EPOCH) // _QUARTER

    def is_told(self, period: _Period) -> bool:
        told = DAYS_BY_DAY if period.hour is None else DAYS_BY_HOUR
        return (self.days.last - period.day).days < told

    def _hours(self, day: dt.date) -> Iterator[_Period]:
        begin, end = DayRange(day, day).bounds(self.zone)
        while begin < end:
            after = begin + dt.timedelta(hours=1)
            yield self._period(day, begin.astimezone(self.zone).hour, begin, after)
            begin = after

    def _period(self, day: dt.date, hour: int | None, begin: dt.datetime, end: dt.datetime) -> _Period:
        return _Period(day, hour, begin, (begin - self.begin) // _QUARTER, (end - self.begin) // _QUARTER)


def _sums(
    lake: Lake, engine: Engine, support_types: Collection[str], calendar: _Calendar, currency: str
) -> dict[tuple[str | None, str], Reals]:
    """By journey and KPI, the value of each quarter of an hour of the calendar."""
    days = (calendar.days.first, calendar.days.last)
    types = pa.table({"type": pa.array(sorted(support_types), pa.string())})
    inputs = {"events": lake.scan(tables.EVENTS, {"day": days}), "support_types": types}
    of_events = engine.query(sql_text(__package__, "kpi_events.sql"), inputs, {"currency": currency}).to_pylist()
    instances = {"instances": lake.scan(tables.INSTANCES)}
    of_instances = engine.query(sql_text(__package__, "kpi_instances.sql"), instances).to_pylist()
    found: dict[tuple[str | None, str], Reals] = {}
    for row in (*of_events, *of_instances):
        place = row["quarter"] - calendar.first_quarter
        if 0 <= place < calendar.quarters:
            key = (row.get("journey"), row["kpi"])
            found.setdefault(key, np.zeros(calendar.quarters))[place] += row["value"]
    return found


def _rows(feed: Feed, sums: Reals, calendar: _Calendar, landed: Landed) -> Iterator[dict[str, Any]]:
    lacking = {day: landed.lacking(feed, day) for day in calendar.days}
    there = {day: any(day in landed.days[service] for service in feed.services) for day in calendar.days}
    reaches = landed.reaches(feed, calendar.zone)
    # A fold that lacks the newest events is no reason to leave out earlier weeks, which it knows.
    earlier_days = {day for day in calendar.days if not set(lacking[day]) - {JOURNEYS}}
    for name, periods in (("hour", calendar.by_hour), ("day", calendar.by_day)):
        value_of = {(one.day, one.hour): float(sums[one.first : one.end].sum()) for one in reversed(periods)}
        for one in periods:
            if not calendar.is_told(one):
                continue
            before = [(one.day - dt.timedelta(weeks=week), one.hour) for week in range(1, WEEKS + 1)]
            earlier = [value_of[key] for key in before if key[0] in earlier_days and key in value_of]
            awaited = expected(earlier, is_count=feed.kpi != "revenue")
            value = float(sums[one.first : one.end].sum()) if there[one.day] else None
            yield {
                "period": name,
                "begins_at": one.begins_at,
                "journey": feed.journey,
                "kpi": feed.kpi,
                "value": value,
                "expected": awaited.mean,
                "expected_low": awaited.low,
                "expected_high": awaited.high,
                "weeks": awaited.weeks,
                "verdict": _verdict(feed.kpi, value, awaited, complete=not lacking[one.day]),
                "complete": not lacking[one.day],
                "waits_for": ", ".join(lacking[one.day]) or None,
                "reaches": reaches,
            }


def _verdict(kpi: str, value: float | None, awaited: Expected, *, complete: bool) -> str | None:
    """``above``, ``below`` or ``as expected``; nothing is called less than it should be while data are on their way."""
    if value is None or awaited.low is None or awaited.high is None:
        return None
    if value > awaited.high and (complete or kpi in _GROWING):
        return "above"
    if not complete:
        return None
    return "below" if value < awaited.low else "as expected"
