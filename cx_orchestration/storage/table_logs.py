"""Logs of the lake's tables that were opened before: to read one anew takes milliseconds, more with every commit, and
an asset asks the same few tables dozens of times.

Belongs here: opening a log to read it, and when one that was opened before still counts. Does not belong here: what is
asked of it, and writing (``lake.py``), which opens the log anew.
"""

import threading
from collections import OrderedDict
from pathlib import Path
from typing import TypeAlias

from deltalake import DeltaTable

# A commit's file is written once and under its final name, so whoever finds the same file finds the same commit.
_Commit: TypeAlias = tuple[int, int]


class TableLogs:
    """The latest tables that were opened, ``most`` of them, by folder and version."""

    def __init__(self, most: int = 64) -> None:
        self._most = most
        self._opened: OrderedDict[tuple[str, int], tuple[DeltaTable, _Commit]] = OrderedDict()
        self._newest: dict[str, int] = {}
        self._lock = threading.Lock()

    def open(self, folder: Path, version: int | None = None) -> DeltaTable:
        """The table as of now, or of a version, to be read only: it may be in others' hands, too."""
        place = str(folder)
        with self._lock:
            wanted = self._newest.get(place) if version is None else version
            known = None if wanted is None else self._known(place, wanted)
            if known is not None and (version is not None or _commit(place, known.version() + 1) is None):
                return known
        opened = DeltaTable(place, version=version)
        with self._lock:
            self._keep(place, opened, newest=version is None)
        return opened

    def has(self, folder: Path) -> bool:
        """Whether there is a table."""
        with self._lock:
            newest = self._newest.get(str(folder))
            if newest is not None and _commit(str(folder), newest) is not None:
                return True
        return DeltaTable.is_deltatable(str(folder))

    def _known(self, place: str, version: int) -> DeltaTable | None:
        opened, commit = self._opened.get((place, version), (None, None))
        if opened is None or commit != _commit(place, version):
            return None
        self._opened.move_to_end((place, version))
        return opened

    def _keep(self, place: str, opened: DeltaTable, *, newest: bool) -> None:
        number = opened.version()
        if newest:
            self._newest[place] = number
        if (commit := _commit(place, number)) is not None:
            self._opened[place, number] = opened, commit
        while len(self._opened) > self._most:
            (dropped, number), _ = self._opened.popitem(last=False)
            if self._newest.get(dropped) == number:
                del self._newest[dropped]


def _commit(place: str, version: int) -> _Commit | None:
    """What tells the file of a commit from any other that was there under its name; ``None`` without one."""
    try:
        found = Path(place, "_delta_log", f"{version:020}.json").stat()
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_mtime_ns
