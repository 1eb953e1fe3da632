"""Does the service's clock run as ours does, and does it write times that have not come yet?

Belongs here: clocks. Does not belong here: reading headers (``asking.py``).
"""

import datetime as dt
from collections.abc import Iterator, Sequence

from cx_orchestration.integration.probe.findings import Finding, not_applicable, ok, spelled, warning
from cx_orchestration.integration.times import micros
from cx_orchestration.model.service import Stream

_MUCH = dt.timedelta(seconds=5)
_SECOND, _HOUR = dt.timedelta(seconds=1), dt.timedelta(hours=1)


def clock_findings(
    stream: Stream, skews: Sequence[dt.timedelta], times: Sequence[int], now: dt.datetime
) -> Iterator[Finding]:
    """``skews`` is how far the service's clock is ahead by each answer; ``times`` are those of records."""
    if not skews:
        yield not_applicable("clock", "the answers carry no date")
    else:
        yield _clock(stream, min(skews, key=abs))
    if times and (ahead := dt.timedelta(microseconds=max(times) - micros(now))) > _MUCH:
        yield warning(
            "newest record",
            f"its time lies {spelled(_seconds(ahead))} after now",
            "check format and time_zone of 'updated_at': a local time that is read as UTC lands in the wrong day",
        )


def _clock(stream: Stream, skew: dt.timedelta) -> Finding:
    if abs(skew) <= _MUCH:
        return ok("clock", f"within {_MUCH.seconds} s of ours")
    off = spelled(_seconds(abs(skew)))
    if skew > dt.timedelta():
        return warning(
            "clock",
            f"{off} ahead of ours: the last records of a day bear the next day's date and land there",
            "set both clocks by NTP; nothing is lost",
        )
    hours = -(-abs(skew) // _HOUR)
    told = f"{off} behind ours: for so long after midnight it still writes records of the day before"
    if stream.settle_hours * _HOUR >= abs(skew):
        return ok("clock", f"{told}; settle_hours: {stream.settle_hours} waits for them")
    return warning("clock", told, f"declare settle_hours: {hours}, so that a day stays open until these are there")


def _seconds(length: dt.timedelta) -> dt.timedelta:
    return length // _SECOND * _SECOND
