"""The fence round a lake: while persons are erased nobody else commits, and what was read before an erasure is not
committed after it.

Belongs here: the lock, the epoch, and what is said to those who have to wait. Does not belong here: what is erased
(``privacy``).

Every commit holds a shared lock on the lake's folder, an erasure the exclusive one. A run reads rows, works on them and
commits; if an erasure happened in between, the rows that it read may still have held the person. So a lake remembers
the epoch, the number of erasures, from when it was opened, and refuses a commit in another one: once, since whoever
tries again reads again. A killed erasure loses its lock but leaves its mark: until it is completed nothing is
committed.
"""

import datetime as dt
import fcntl
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from cx_orchestration.model.failures import TransientFailure

#: The file in the lake's folder that says how many erasures there were, and whether one is not finished.
MARK = ".erasure.json"

T = TypeVar("T")

_WAIT_SECONDS = 60.0
_POLL_SECONDS = 0.05


class ErasureMeanwhile(TransientFailure):
    """A commit met an erasure: its rows may hold somebody who must not come back."""


@dataclass(frozen=True)
class _Mark:
    epoch: int = 0
    begun_at: str | None = None


class Fence:
    """The fence of the lake in a folder, as one reader and writer sees it."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._epoch = self._read().epoch
        self._erasing = False

    @contextmanager
    def writing(self, what: str) -> Iterator[None]:
        """A short write to the lake, from its last look at the lake to the end of its commit.

        Raises ``ErasureMeanwhile`` when an erasure is under way or not finished, or was made since this lake was opened
        or last refused.
        """
        if self._erasing:
            yield
            return
        with _locked(self._root, fcntl.LOCK_SH | fcntl.LOCK_NB) as held:
            mark = self._read()
            if not held:
                raise ErasureMeanwhile(f"{what}: persons are being erased from the lake; nothing was written, rerun it")
            if mark.begun_at:
                raise ErasureMeanwhile(
                    f"{what}: the erasure that began at {mark.begun_at} was interrupted, and until it is completed "
                    "nothing is written; run 'cx erase --again', then rerun this"
                )
            if mark.epoch != self._epoch:
                self._epoch = mark.epoch
                raise ErasureMeanwhile(
                    f"{what}: persons were erased since this run began, and what it had read may hold them; nothing "
                    "was written, rerun it"
                )
            yield

    @contextmanager
    def erasing(self, now: dt.datetime, begin: Callable[[], T]) -> Iterator[T]:
        """The lake for an erasure alone; gives what ``begin`` returns.

        Where ``begin`` raises, nothing was begun. A block that is left with an exception leaves the erasure unfinished.
        Raises ``TransientFailure`` when another one holds the lake.
        """
        deadline = time.monotonic() + _WAIT_SECONDS
        while True:
            with _locked(self._root, fcntl.LOCK_EX | fcntl.LOCK_NB) as held:
                if held:
                    before = self._read()
                    self._write(_Mark(before.epoch, before.begun_at or now.isoformat(timespec="seconds")))
                    with ExitStack() as unless_begun:
                        unless_begun.callback(self._write, before)
                        begun = begin()
                        unless_begun.pop_all()
                    self._erasing = True
                    try:
                        yield begun
                    finally:
                        self._erasing = False
                    self._epoch = self._read().epoch + 1
                    self._write(_Mark(self._epoch))
                    return
            if time.monotonic() > deadline:
                raise TransientFailure(
                    f"{self._root}: somebody else has held the lake for {_WAIT_SECONDS:.0f} seconds; if another "
                    "erasure is under way, wait for its end"
                )
            time.sleep(_POLL_SECONDS)

    def _read(self) -> _Mark:
        try:
            return _Mark(**json.loads((self._root / MARK).read_bytes()))
        except (FileNotFoundError, NotADirectoryError):
            return _Mark()

    def _write(self, mark: _Mark) -> None:
        unfinished = self._root / f"{MARK}.tmp"
        with unfinished.open("w", encoding="utf-8") as file:
            json.dump(vars(mark), file)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(self._root / MARK)


@contextmanager
def _locked(folder: Path, kind: int) -> Iterator[bool]:
    """A lock on a folder while the block runs; gives whether it could be had. It ends with the process in any case."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, kind)
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(handle)
