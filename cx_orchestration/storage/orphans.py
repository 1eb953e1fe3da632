"""Files that a killed or failed write left in the lake: no version of any table names them, so nobody reads them.

Belongs here: which files those are, and their removal. Does not belong here: files of earlier versions, which are the
tables' history and stay. Delta's own ``vacuum`` removes those, overlooks files that were half written, and makes a new
version of a table whose content did not change.
"""

import datetime as dt
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

import orjson

#: The folder of the lake that queries spill to when they need more than memory.
SPILL = ".spill"

#: A write names its files to the table within the run that makes them, and no run lasts so long.
SAFE_AGE = dt.timedelta(days=1)

# What is being written has '#1' or '.tmp' behind its name until it is whole.
_DATA = re.compile(r".*\.parquet(#\d+)?")
_UNFINISHED_LOG = re.compile(r".*(#\d+|\.tmp)")


@dataclass(frozen=True)
class Orphan:
    """A file that no version names, and its size in bytes."""

    path: Path
    size: int


def find_orphans(lake: Path, *, before: dt.datetime) -> list[Orphan]:
    """The orphans that were last written before a point in time, by table; a folder without tables has none.

    A table whose log lacks commits has no orphans among its data files: those commits may name them.
    """
    spilled = (path for path in (lake / SPILL).glob("*") if path.is_file())
    unnamed = (path for log in sorted(lake.rglob("_delta_log")) for path in _unnamed(log))
    return [
        orphan for path in (*unnamed, *spilled) if (orphan := _written_before(path, before.timestamp())) is not None
    ]


def remove_orphans(orphans: list[Orphan]) -> None:
    """Delete the files; those that are gone by now are no error."""
    for orphan in orphans:
        orphan.path.unlink(missing_ok=True)


def _unnamed(log: Path) -> Iterator[Path]:
    """Files are listed before the log is read: what a commit names in between is then known to be named."""
    table = log.parent
    data = [path for path in table.rglob("*") if log not in path.parents and _DATA.fullmatch(path.name)]
    yield from (path for path in log.iterdir() if _UNFINISHED_LOG.fullmatch(path.name))
    if data and (named := _named_ever(log)) is not None:
        yield from (path for path in data if path.relative_to(table).as_posix() not in named)


def _named_ever(log: Path) -> set[str] | None:
    """The files of all versions; ``None`` where somebody has thinned out the log, of which the lake keeps all."""
    commits = sorted(log.glob(f"{'[0-9]' * 20}.json"))
    if [int(commit.stem) for commit in commits] != list(range(len(commits))):
        return None
    actions = (orjson.loads(line) for commit in commits for line in commit.read_bytes().splitlines() if line.strip())
    return {unquote(action["add"]["path"]) for action in actions if "add" in action}


def _written_before(path: Path, moment: float) -> Orphan | None:
    try:
        found = path.stat()
    except FileNotFoundError:  # a write that has ended meanwhile renamed it
        return None
    return Orphan(path, found.st_size) if found.st_mtime < moment else None
