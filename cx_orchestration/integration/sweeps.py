"""Readings of a list that may move while it is read: what one gave that none before gave, and whether two agree.

Belongs here: remembering what a reading gave, at eight bytes a record. Does not belong here: reading
(``extraction.py``).
"""

from collections.abc import Sequence
from typing import Self

import numpy as np

from cx_orchestration.integration.records import Record


class Sweep:
    """One reading. It agrees with another when both gave the same records: the same versions of those whose time lies
    in ``[start, end)``, in microseconds, or is unknown; with ``whole`` the same ids at any time.

    What is told apart are 64-bit hashes: two of a million records share one once in forty million readings.
    """

    def __init__(self, start: int, end: int, *, whole: bool, before: Self | None = None) -> None:
        self.pages = 0
        self._start, self._end, self._whole = start, end, whole
        self._given: list[np.ndarray] = []
        self._counting: list[np.ndarray] = []
        self._known: np.ndarray = np.empty(0, np.int64)
        if before is not None:
            self._known = np.union1d(before._known, _together(before._given))

    def add(self, records: list[Record]) -> list[Record]:
        """Take the records of a page; those that no reading before gave."""
        marks = np.array([hash((record.record_id, record.updated_at)) for record in records], np.int64)
        counting = np.array([self._counts(record) for record in records], bool)
        ids = np.array([hash(record.record_id) for record in records], np.int64) if self._whole else marks
        self.pages += 1
        self._given.append(marks)
        self._counting.append(ids[counting])
        if not len(self._known):
            return records
        return [record for record, known in zip(records, np.isin(marks, self._known), strict=True) if not known]

    def agrees(self, other: "Sweep") -> bool:
        return np.array_equal(np.unique(_together(self._counting)), np.unique(_together(other._counting)))

    def begin(self) -> None:
        """The list begins, perhaps again."""
        self.pages = 0
        self._counting = []

    def _counts(self, record: Record) -> bool:
        return self._whole or record.updated_at is None or self._start <= record.updated_at < self._end


def _together(marks: Sequence[np.ndarray]) -> np.ndarray:
    return np.concatenate(marks) if marks else np.empty(0, np.int64)
