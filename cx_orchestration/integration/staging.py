"""Records on their way into the lake: each into its day's file as it comes, duplicates taken out at the end.

Belongs here: bounded memory, the filter by day, which of several versions of a record stays. Does not belong here:
where records come from (``source.py``), and the commit (``landing.py``).
"""

import datetime as dt
from array import array
from collections.abc import Sequence
from typing import Self
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa

from cx_orchestration.integration.records import Record
from cx_orchestration.integration.times import micros
from cx_orchestration.model.days import DayRange
from cx_orchestration.model.tables import Table
from cx_orchestration.storage.data_files import DataFile
from cx_orchestration.storage.lake import Lake

_BUFFERED_ROWS, _BUFFERED_BYTES = 50_000, 32 * 2**20

#: Where a record without a time stands in an array of times.
_NO_TIME = np.iinfo(np.int64).min

#: Spreads the numbers of days over all bits of a mark.
_ODD = np.int64(0x1E3779B97F4A7C15)


class TimelessRecord(Exception):
    """A range holds a record without a time: which of its days that belongs to only the days' own queries can tell."""


class DayIndex:
    """Finds the day of an instant among the days of a range, in a company's time zone."""

    def __init__(self, days: DayRange, zone: ZoneInfo) -> None:
        self._starts = np.array([micros(DayRange(day, day).bounds(zone)[0]) for day in days], np.int64)
        self._end = micros(days.bounds(zone)[1])

    def places(self, times: np.ndarray) -> np.ndarray:
        """For each time, in microseconds since 1970, the position of its day in the range; -1 outside of it."""
        places: np.ndarray = np.searchsorted(self._starts, times, side="right") - 1
        places[times >= self._end] = -1
        return places


class Staging:
    """Takes the records of a range of days and writes them to the lake's files, one a day, before any commit.

    Memory holds a few ten thousand records, and eight bytes for every one that was staged. ``outside`` counts records
    that lie outside of the range, ``without_time`` those whose time cannot be read. With ``divisible`` days a timeless
    record in a longer range raises ``TimelessRecord``; else it goes to every day.
    """

    def __init__(
        self, lake: Lake, table: Table, days: DayRange, zone: ZoneInfo, *, now: dt.datetime, divisible: bool
    ) -> None:
        self.outside = 0
        self.without_time = 0
        self._lake = lake
        self._table = table
        self._writer = lake.writer(table)
        self._days = list(days)
        self._index = DayIndex(days, zone)
        self._now = now
        self._splits = divisible and len(days) > 1
        self._records: list[list[Record]] = []
        self._places: list[np.ndarray] = []
        self._rows = self._bytes = 0
        self._marks: list[np.ndarray] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: object) -> None:
        self._writer.__exit__(*failure)

    def add(self, records: list[Record], day: dt.date | None = None) -> None:
        """Take records; ``day`` is the one they belong to whatever their time says."""
        if not records:
            return
        if day is None:
            places = self._places_of(records)
            if (inside := places >= 0).all():
                kept = records
            else:
                kept = [record for record, stays in zip(records, inside, strict=True) if stays]
                places = places[inside]
        else:
            kept, places = records, np.full(len(records), self._days.index(day))
        self._take(kept, places)

    def finish(self) -> dict[dt.date, tuple[int, list[DataFile]]]:
        """Every day of the range with its number of records and its files; nothing counts before they are committed.

        Of several versions of a record in a day the newest stays; of versions with the same time the one that came
        later, and any with a time before one without.
        """
        self._flush()
        files = self._writer.finish()
        if len(repeated := self._repeated()):
            files = [self._without_duplicates(file, repeated) for file in files]
        found: dict[dt.date, tuple[int, list[DataFile]]] = {day: (0, []) for day in self._days}
        for file in files:
            found[file.partition[0]] = (file.rows, [file])
        return found

    def _places_of(self, records: list[Record]) -> np.ndarray:
        """For each record the index of its day, -1 outside of the range; those without a time are taken care of."""
        times = np.array([_NO_TIME if record.updated_at is None else record.updated_at for record in records], np.int64)
        timeless = times == _NO_TIME
        places = self._index.places(times)
        self.outside += int(np.count_nonzero((places < 0) & ~timeless))
        if timeless.any():
            if self._splits:
                raise TimelessRecord
            without = [record for record, is_so in zip(records, timeless, strict=True) if is_so]
            self.without_time += len(without)
            for place in range(len(self._days)):
                self._take(without, np.full(len(without), place))
        return places

    def _take(self, records: list[Record], places: np.ndarray) -> None:
        if not records:
            return
        self._records.append(records)
        self._places.append(places)
        self._rows += len(records)
        self._bytes += sum([len(record.payload) for record in records])
        self._marks.append(_marks([record.record_id for record in records], places))
        if self._rows >= _BUFFERED_ROWS or self._bytes >= _BUFFERED_BYTES:
            self._flush()

    def _flush(self) -> None:
        if not self._rows:
            return
        records = [record for page in self._records for record in page]
        places = np.concatenate(self._places)
        rows = self._table_of(records)
        for place in np.unique(places):
            day = self._days[place]
            inside = rows if (places == place).all() else rows.filter(pa.array(places == place))
            self._writer.write_partition((day,), inside)
        self._records, self._places, self._rows, self._bytes = [], [], 0, 0

    def _table_of(self, records: list[Record]) -> pa.Table:
        """Rows of the landing table but for the day, which the file's partition says."""
        ids, times, payloads, deleted = zip(*records, strict=True)
        schema = self._table.schema
        columns = {
            "record_id": pa.array(ids, pa.string()),
            "updated_at": pa.array(times, schema.field("updated_at").type),
            "extracted_at": pa.repeat(pa.scalar(self._now, schema.field("extracted_at").type), len(ids)),
            "payload": pa.array(payloads, pa.string()),
            "deleted": pa.array(deleted, pa.bool_()),
        }
        return pa.table(columns)

    def _repeated(self) -> np.ndarray:
        """The marks that more than one staged record bears, in ascending order."""
        marks = np.sort(np.concatenate(self._marks)) if self._marks else np.empty(0, np.int64)
        return np.unique(marks[1:][marks[1:] == marks[:-1]])

    def _without_duplicates(self, file: DataFile, repeated: np.ndarray) -> DataFile:
        """The file with one version of each record; two records that merely share a mark both stay."""
        place = self._days.index(file.partition[0])
        newest: dict[str, tuple[int, int]] = {}
        superfluous: list[int] = []
        position = 0
        for batch in self._writer.batches(file, ["record_id", "updated_at"]):
            ids = batch["record_id"].to_pylist()
            suspects = np.flatnonzero(np.isin(_marks(ids, np.full(len(ids), place)), repeated))
            times = batch["updated_at"].cast(pa.int64())
            for at in suspects.tolist():
                time = times[at].as_py()
                rank = (_NO_TIME if time is None else time, position + at)
                known = newest.setdefault(ids[at], rank)
                if known != rank:
                    superfluous.append(min(known, rank)[1])
                    newest[ids[at]] = max(known, rank)
            position += len(ids)
        if not superfluous:
            return file
        keep = np.ones(position, bool)
        keep[superfluous] = False
        return self._writer.rewrite(file, keep)


def _marks(record_ids: Sequence[str], places: np.ndarray) -> np.ndarray:
    """A number for each record that is the same for the same id in the same day, and hardly ever else."""
    hashes = np.frombuffer(array("q", map(hash, record_ids)), np.int64)
    return hashes ^ (places.astype(np.int64) * _ODD)
