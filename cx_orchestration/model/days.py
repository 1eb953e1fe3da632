"""Days of a company: a range of calendar days and the instants at which they begin and end."""

import datetime as dt
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Self
from zoneinfo import ZoneInfo

MICROSECONDS_A_DAY = 86_400_000_000


@dataclass(frozen=True)
class DayRange:
    """The calendar days from ``first`` to ``last``, both included."""

    first: dt.date
    last: dt.date

    def __post_init__(self) -> None:
        if self.last < self.first:
            raise ValueError(f"the range ends on {self.last}, before it starts on {self.first}")

    def __iter__(self) -> Iterator[dt.date]:
        return (self.first + dt.timedelta(days=n) for n in range(len(self)))

    def __len__(self) -> int:
        return (self.last - self.first).days + 1

    def __contains__(self, day: dt.date) -> bool:
        return self.first <= day <= self.last

    def __str__(self) -> str:
        return str(self.first) if self.first == self.last else f"{self.first}..{self.last}"

    def chunks(self, max_days: int) -> Iterator[Self]:
        """The same days in ranges of at most ``max_days``, in order."""
        for start in range(0, len(self), max_days):
            end = min(start + max_days, len(self)) - 1
            yield type(self)(self.first + dt.timedelta(days=start), self.first + dt.timedelta(days=end))

    @classmethod
    def contiguous(cls, days: Iterable[dt.date]) -> list[Self]:
        """Days, in any order, as the fewest ranges that hold them and nothing else."""
        ranges: list[Self] = []
        for day in sorted(set(days)):
            if ranges and day - ranges[-1].last == dt.timedelta(days=1):
                ranges[-1] = cls(ranges[-1].first, day)
            else:
                ranges.append(cls(day, day))
        return ranges

    def bounds(self, zone: ZoneInfo) -> tuple[dt.datetime, dt.datetime]:
        """The half-open range of instants ``[start, end)`` in UTC; a day of a clock change has 23 or 25 hours."""
        start = dt.datetime.combine(self.first, dt.time(), zone)
        end = dt.datetime.combine(self.last + dt.timedelta(days=1), dt.time(), zone)
        return start.astimezone(dt.UTC), end.astimezone(dt.UTC)


def settles_at(day: dt.date, settle_hours: int, zone: ZoneInfo) -> dt.datetime:
    """When a day cannot gain records any more, in UTC: so many hours after its end. Read before that, it stays open."""
    return DayRange(day, day).bounds(zone)[1] + dt.timedelta(hours=settle_hours)
