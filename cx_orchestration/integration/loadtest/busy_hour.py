"""How many records an hour a service brings when it is busiest, from what it has landed.

Belongs here: counting history, and taking its busiest hour's records. Does not belong here: by how much the busy season
exceeds that hour; ``project.yaml`` says so.
"""

import datetime as dt
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from cx_orchestration.model.failures import PermanentFailure
from cx_orchestration.model.tables import landed
from cx_orchestration.storage.engine import Engine, sql_text
from cx_orchestration.storage.lake import Lake

#: So many different records of a stream are replayed; a longer replay takes them in turns.
MOST_PAYLOADS = 1_000

_A_YEAR = dt.timedelta(days=365)


@dataclass(frozen=True)
class History:
    """The busiest hour of the last year that a service has landed.

    ``per_hour`` is how many records all streams had together in it. ``records`` is by stream, those of its day (of
    UTC): one hour alone is too short to tell in which proportion the streams bring records. ``days`` is the length of
    the history: from the first to the last day with a record, at most 366.
    """

    began: dt.datetime
    per_hour: int
    records: dict[str, int]
    days: int


@dataclass(frozen=True)
class Peak:
    """Records an hour at the busiest, and where that number is from: ``history``, ``given``, ``like SERVICE``."""

    per_hour: float
    source: str
    note: str = ""


def peak_of(
    service: str,
    history: History | None,
    *,
    min_days: int,
    given: float | None = None,
    like: str | None = None,
    history_of_like: History | None = None,
    customers_per_year: int = 0,
) -> Peak:
    """The busiest hour to test for: the one given, that of a comparable service, else the service's own.

    Raises ``PermanentFailure``, with what to do, when that history is shorter than ``min_days``. Nothing is guessed:
    ``customers_per_year`` of the inventory is only mentioned.
    """
    if given is not None and like is not None:
        raise PermanentFailure("--peak-per-hour and --like exclude each other: both say how busy the busiest hour is")
    if given is not None:
        return Peak(given, "given")
    whose, known = (service, history) if like is None else (like, history_of_like)
    days = 0 if known is None else known.days
    if known is None or days < min_days:
        customers = f" (inventory.csv: some {customers_per_year:,} customers a year)" if customers_per_year else ""
        raise PermanentFailure(
            f"{whose} has {_records_of(days)}, and load_test.min_history_days in project.yaml asks for "
            f"{min_days} days from the first to the last record before its busiest hour says anything "
            f"about a busy season. Name the busiest hour's records with "
            f"--peak-per-hour{customers}, or a comparable service with --like SERVICE"
        )
    note = "" if days >= 365 else f"{whose} has {_records_of(days)}: the year's busiest hour may not be among them"
    return Peak(known.per_hour, "history" if like is None else f"like {like}", note)


def _records_of(days: int) -> str:
    """Not what has landed: days without any record, before the first and after the last, are no history."""
    return f"records of {days} {'day' if days == 1 else 'days'}" if days else "no landed records"


def history_of(lake: Lake, engine: Engine, service: str, streams: Iterable[str]) -> History | None:
    """The busiest hour of a service, all its streams together; ``None`` when nothing with a time has landed.

    Of equally busy hours the latest counts. A record counts in each landed day that holds it: each is work.
    """
    days = {stream: lake.days_of(landed(service, stream)) for stream in streams}
    known = [day for found in days.values() for day in found]
    if not known:
        return None
    last = max(known)
    first = max(min(known), last - _A_YEAR)
    by_hour: dict[dt.datetime, Counter[str]] = {}
    for stream, found in days.items():
        if not found:
            continue
        scan = lake.scan(landed(service, stream), {"day": (first, last)})
        for row in engine.query(sql_text(__package__, "landed_by_hour.sql"), {"landed": scan}).to_pylist():
            by_hour.setdefault(row["hour_began"], Counter())[stream] += row["records"]
    if not by_hour:
        return None
    began = max(by_hour, key=lambda hour: (by_hour[hour].total(), hour))
    records = Counter[str]()
    for hour, counted in by_hour.items():
        if hour.date() == began.date():
            records += counted
    return History(began, by_hour[began].total(), dict(records), (last - first).days + 1)


def payloads_of(lake: Lake, engine: Engine, service: str, history: History) -> dict[str, list[str]]:
    """What landed of the busiest hour's day, by stream: the payloads, at most ``MOST_PAYLOADS`` each, oldest first."""
    start = history.began.replace(hour=0)
    asked = {"start": start, "until": start + dt.timedelta(days=1), "most": MOST_PAYLOADS}
    return {
        stream: engine.query(
            sql_text(__package__, "payloads_of_day.sql"), {"landed": lake.scan(landed(service, stream))}, asked
        )["payload"].to_pylist()
        for stream in history.records
    }
