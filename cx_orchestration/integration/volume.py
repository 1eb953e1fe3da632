"""Is a day's number of records what is usual for that weekday?

Belongs here: judging a day against the same weekdays before it. Does not belong here: where the numbers come from.
"""

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import median

from cx_orchestration.model.quality import UsualVolume

#: The median absolute deviation of a normal distribution times this is its standard deviation.
_MAD_TO_SIGMA = 1.4826

#: Streams of many records vary by more than chance alone would make them: less than this is never a deviation.
_LEAST_SPREAD = 0.05


@dataclass(frozen=True)
class UnusualDay:
    """A day whose number of records lies below ``low`` or above ``high``; ``usual`` is the median of ``weeks`` days."""

    day: dt.date
    records: int
    usual: float
    low: float
    high: float
    weeks: int


@dataclass(frozen=True)
class Volumes:
    """How many days could be judged, how many lack the history for it, and those that are unusual, by day."""

    judged: int
    without_history: int
    unusual: tuple[UnusualDay, ...]


def judge_volumes(records: Mapping[dt.date, int], days: Iterable[dt.date], rule: UsualVolume) -> Volumes:
    """Judge ``days`` by ``records``, the number of records of every landed day of the stream, theirs included.

    A day is compared with landed days of its weekday *before* it, so a rerun of an old day judges it as it was judged
    then. Robust, so that a past outage does not widen what is usual: median and median absolute deviation, with the
    spread of pure chance (the square root of the median) and a twentieth of the median as its least values.
    """
    unusual, judged, without = [], 0, 0
    for day in sorted(set(days) & records.keys()):
        before = sorted((each for each in records if each < day and each.weekday() == day.weekday()), reverse=True)
        history = [records[each] for each in before[: rule.weeks]]
        if len(history) < rule.min_weeks:
            without += 1
            continue
        judged += 1
        usual = median(history)
        spread = _MAD_TO_SIGMA * median(abs(count - usual) for count in history)
        reach = rule.tolerance * max(spread, max(usual, 1) ** 0.5, _LEAST_SPREAD * usual)
        if abs(records[day] - usual) > reach:
            low, high = max(usual - reach, 0), usual + reach
            unusual.append(UnusualDay(day, records[day], usual, low, high, len(history)))
    return Volumes(judged, without, tuple(unusual))
