"""What landed before, as far as landing needs it: parents, the state a sweep is compared with, what has vanished.

Belongs here: reading landing tables. Does not belong here: writing them (``landing.py``).
"""

import datetime as dt
import hashlib
from collections.abc import Collection, Iterable, Iterator
from zoneinfo import ZoneInfo

from cx_orchestration.integration.records import Batch, Record
from cx_orchestration.integration.times import micros
from cx_orchestration.model.days import DayRange
from cx_orchestration.model.failures import PermanentFailure
from cx_orchestration.model.tables import Table
from cx_orchestration.storage.engine import Engine, sql_text
from cx_orchestration.storage.lake import Lake

#: So few records may all be gone at once; an empty listing where there were more is taken for a mistake.
_MOST_ALL_GONE = 10


def newest_day_with_rows(lake: Lake, table: Table) -> dt.date | None:
    """The newest day of a landing table that has rows."""
    return max(lake.days_of(table), default=None)


def rows_by_day(lake: Lake, table: Table, days: Collection[dt.date], *, version: int | None) -> dict[dt.date, int]:
    """How many rows each of the days holds in a version of the table; in the newest without one."""
    return {day: lake.read(table, {"day": day}, columns=["day"], version=version).num_rows for day in sorted(days)}


def landed_payloads(lake: Lake, table: Table, day: dt.date) -> Iterator[str]:
    """The payloads of one day, deleted records left out, by record id."""
    sql = "SELECT payload FROM landed WHERE deleted IS NOT TRUE ORDER BY record_id"
    yield from Engine().query(sql, {"landed": lake.scan(table, {"day": day})})["payload"].to_pylist()


def only_changed(pages: Iterable[Batch], lake: Lake, table: Table, days: DayRange) -> Iterator[Batch]:
    """Of a full listing what is new, or differs from what landed before the first of the days; all of the last day.

    Memory holds the id and a digest of each record that ever landed.
    """
    known = _latest(lake, table, days.first)
    for records, _ in pages:
        changed = [
            record for record in records if record.deleted or known.get(record.record_id) != _digest(record.payload)
        ]
        yield changed, days.last


def with_vanished(
    pages: Iterable[Batch],
    existing: Iterable[list[str]] | None,
    lake: Lake,
    table: Table,
    days: DayRange,
    zone: ZoneInfo,
    *,
    newest: bool,
) -> Iterator[Batch]:
    """The pages, and a tombstone for each record that landed before the days and is not listed any more.

    ``existing`` lists the ids of all records there are; without it the pages do. A tombstone that the days hold stays
    where it is: when a record was first missed does not change by looking again. A new one belongs to the last of the
    days and bears its last microsecond; there are new ones for the ``newest`` days alone, since a listing of now says
    nothing about days before one that has landed or is asked for as well.

    Raises ``PermanentFailure`` for a listing without any record where there were many: that is hardly ever the truth.
    """
    listed: set[str] = set()
    for records, day in pages:
        if existing is None:
            listed.update(record.record_id for record in records)
        yield records, day
    for ids in existing or ():
        listed.update(ids)
    known = _tombstones(lake, table, days)
    for day, record in known:
        if record.record_id not in listed:
            yield [record], day
    if newest:
        at = micros(days.bounds(zone)[1]) - 1
        buried = {record.record_id for _, record in known}
        gone = sorted(set(_latest(lake, table, days.first)) - listed - buried)
        if len(gone) > _MOST_ALL_GONE and not listed:
            raise PermanentFailure(
                f"{table.path}: a listing without a single record would mean that all {len(gone)} were deleted; look "
                "at what the service answers"
            )
        yield [Record(record_id, at, "{}", deleted=True) for record_id in gone], days.last


def _tombstones(lake: Lake, table: Table, days: DayRange) -> list[tuple[dt.date, Record]]:
    """The tombstones that the days hold: of a record that has several the first."""
    sql = (
        "SELECT min(day) AS day, record_id, epoch_us(min(updated_at)) AS at, min_by(payload, day) AS payload "
        "FROM landed WHERE deleted GROUP BY record_id ORDER BY day, record_id"
    )
    rows = Engine().query(sql, {"landed": lake.scan(table, {"day": (days.first, days.last)})}).to_pylist()
    return [(row["day"], Record(row["record_id"], row["at"], row["payload"], deleted=True)) for row in rows]


def _latest(lake: Lake, table: Table, before: dt.date) -> dict[str, str]:
    """The newest payload of each record that landed before a day and was not deleted, as a digest, by record id."""
    if before == dt.date.min:
        return {}
    days = (dt.date.min, before - dt.timedelta(days=1))
    scan = lake.scan(table, {"day": days})
    rows = Engine().query(sql_text(__package__, "landed_latest.sql"), {"landed": scan}, {"before": before})
    return dict(zip(rows["record_id"].to_pylist(), rows["digest"].to_pylist(), strict=True))


def _digest(payload: str) -> str:
    return hashlib.md5(payload.encode(), usedforsecurity=False).hexdigest()
