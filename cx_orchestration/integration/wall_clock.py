"""Local times without an offset, which a clock change makes mean two instants, or none.

Belongs here: what a local time may mean, and bounds that hold whichever meaning a service takes. Does not belong here:
how times are written (``windows.py``) or read (``times.py``).

When the clocks of Zurich go back, 02:30 is 00:30 UTC and, an hour later, 01:30 UTC. A service that is asked for what
changed since 02:30 takes one of the two; were it the later and the earlier was meant, an hour of records would be lost.
"""

import datetime as dt
from zoneinfo import ZoneInfo

#: Clock changes begin and end on quarters of an hour, and none since 1970 puts clocks back by more than this.
_QUARTER = dt.timedelta(minutes=15)
_LONGEST_CHANGE = dt.timedelta(hours=3)


def never_after(moment: dt.datetime, local: dt.datetime) -> dt.datetime:
    """A local time, or one somewhat earlier, which nobody can read as later than ``moment``."""
    while max(_readings(local)) > moment:
        local -= _QUARTER
    return local


def never_before(moment: dt.datetime, local: dt.datetime) -> dt.datetime:
    """A local time, or one somewhat later, which nobody can read as earlier than ``moment``."""
    while min(_readings(local)) < moment:
        local += _QUARTER
    return local


def _readings(local: dt.datetime) -> list[dt.datetime]:
    return [local.replace(fold=fold).astimezone(dt.UTC) for fold in (0, 1)]


def earliest_written_as(moment: dt.datetime, zone: ZoneInfo) -> dt.datetime:
    """The earliest instant whose local time is read as ``moment`` or later.

    We read a time that means two instants as the later one. A record of the earlier one then counts as changed an hour
    later than it was, and the service, which knows better, has it an hour before.
    """
    before, after = ((moment + way * _LONGEST_CHANGE).astimezone(zone).utcoffset() for way in (-1, 1))
    if before is None or after is None or before <= after:
        return moment
    return moment - (before - after)
