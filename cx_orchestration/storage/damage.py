"""Files of the lake that cannot be read any more: what is said about them, wherever they are met.

Belongs here: how such errors of Delta and DuckDB are recognised, and the words. Does not belong here: a disk that is
full (``full_disk.py``). The libraries' own words are left out: they may quote what the file holds.
"""

import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError

from cx_orchestration.model.failures import PermanentFailure
from cx_orchestration.model.tables import Table
from cx_orchestration.storage.scan import Scan

_DAY = re.compile(r"/day=(\d{4}-\d\d-\d\d)/")


@contextmanager
def opening(table: Table, folder: Path) -> Iterator[None]:
    """Turn an error of the log of a table, which lies in ``folder``, into a ``PermanentFailure``."""
    try:
        yield
    except (TableNotFoundError, CommitFailedError):
        raise
    except DeltaError:
        raise PermanentFailure(
            f"{table.path}: its log {folder / '_delta_log'} is damaged, so nobody knows which files count. "
            f"Restore {folder} from the backup; without one move it away and {_again(table)}"
        ) from None


def damaged(error: duckdb.Error, scans: Collection[Scan]) -> PermanentFailure | None:
    """The failure for an error of a query, if a file of what it reads is damaged or gone; else ``None``."""
    if isinstance(error, duckdb.InvalidInputException | duckdb.IOException):
        found = ((scan, file) for scan in scans for file in scan.files if file in str(error))
        scan, file = next(found, (None, ""))
        return None if scan is None else damaged_file(scan.table, file)
    if type(error) is duckdb.Error:  # what a library within DuckDB says of a file, without its name
        read = ", ".join(dict.fromkeys(scan.table.path for scan in scans if scan.files))
        return PermanentFailure(f"a file of {read} is damaged. Restore it from the backup, or make the table again")
    return None


def damaged_file(table: Table, file: str) -> PermanentFailure:
    """What to say of one file that cannot be read."""
    day = _DAY.search(file)
    where = f"{table.path} {day.group(1)}" if day else table.path
    again = _again(table, day.group(1) if day else "")
    what = "damaged" if Path(file).exists() else "gone"
    return PermanentFailure(f"{where}: the file {file} is {what}. Restore it from the backup, or {again}")


def _again(table: Table, day: str = "") -> str:
    if not table.path.startswith("landing/"):
        return f"make {day or 'the table'} again by the asset that writes {table.path}"
    days = f" --since {day} --until {day}" if day else ""
    return f"land it again: cx run --select {table.path}{days}"
