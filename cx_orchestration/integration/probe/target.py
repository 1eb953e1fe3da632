"""One record to ask for by its time, and what else came.

Belongs here: times, units and what they are a part of. Does not belong here: asking (``filters.py``).
"""

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass

EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
MICROSECOND, SECOND = dt.timedelta(microseconds=1), dt.timedelta(seconds=1)
HOUR, DAY = dt.timedelta(hours=1), dt.timedelta(days=1)
#: Units that a service may look at in place of the instants that it is asked for.
COARSER = {"minute": dt.timedelta(minutes=1), "hour": HOUR, "day": DAY}


@dataclass(frozen=True)
class Target:
    """One record, in microseconds since 1970, and the shortest window that can be asked for around it.

    ``exact`` is true when a bound can name the very time of the record.
    """

    record_id: str
    time: int
    at: dt.datetime
    length: dt.timedelta
    exact: bool


@dataclass(frozen=True)
class Outside:
    """Records that came although they lie outside of what was asked for."""

    start: dt.datetime
    end: dt.datetime
    before: int
    after: int
    times: list[int]

    @property
    def any(self) -> bool:
        return bool(self.before or self.after)

    @property
    def asked(self) -> dt.timedelta:
        return self.end - self.start


def precision(times: Iterable[int]) -> dt.timedelta:
    """The coarsest unit that all times are whole ones of; a record may have happened anywhere within it."""
    distinct = set(times)
    for length in (DAY, dt.timedelta(minutes=1)):
        if len(distinct) > 2 and all(time % (length // MICROSECOND) == 0 for time in distinct):
            return length
    return SECOND


def floor(moment: dt.datetime, length: dt.timedelta, zone: dt.tzinfo = dt.UTC) -> dt.datetime:
    """Where the unit of a zone's wall clock that holds an instant begins."""
    local = moment.astimezone(zone)
    return local - (local.replace(tzinfo=None) - EPOCH.replace(tzinfo=None)) % length
