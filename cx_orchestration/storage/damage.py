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

from cx_orchestration.model import tables
from cx_orchestration.model.failures import PermanentFailure
from cx_orchestration.model.tables import Table
from cx_orchestration.storage.scan import Scan

#: Ids that were given out, decisions and what was observed once.
_NEVER_AGAIN = frozenset(
    table.path
    for table in (
        tables.INVENTORY,
        tables.LOAD_TESTS,
        tables.PROGRESS_HISTORY,
        tables.LINKS,
        tables.MATCHING_MODELS,
        tables.TERM_FREQUENCIES,
        tables.IDENTITY_MAP,
        tables.CUSTOMER_ALIASES,
        tables.CUSTOMER_HISTORY,
        tables.JOURNEY_MAPS,
    )
)
#: What the mapping of a service's days replaces.
_MAPPED = frozenset({tables.EVENTS.path, tables.REJECTED_RECORDS.path})
#: Tables that are made again only together with what refers to them.
_TOGETHER = {tables.EVENT_TYPES.path: tables.SEQUENCES.path, tables.KEY_VALUES.path: tables.LINKED.path}
_ACROSS_SERVICES = "integration/customer_events,integration/integration_progress"

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
            f"{_way_out(table, folder)}"
        ) from None


def damaged(error: duckdb.Error, scans: Collection[Scan]) -> PermanentFailure | None:
    """The failure for an error of a query, if a file of what it reads is damaged or gone; else ``None``."""
    if isinstance(error, duckdb.InvalidInputException | duckdb.IOException):
        found = ((scan, file) for scan in scans for file in scan.files if file in str(error))
        scan, file = next(found, (None, ""))
        return None if scan is None else damaged_file(scan.table, file)
    if type(error) is duckdb.Error:  # what a library within DuckDB says of a file, without its name
        ways = {
            scan.table.path: _way_out(scan.table, _folder_of(scan.table, scan.files[0])) for scan in scans if scan.files
        }
        told = " ".join(f"{path}: {way}." if len(ways) > 1 else way for path, way in ways.items())
        return PermanentFailure(f"a file of {', '.join(ways)} is damaged. {told}")
    return None


def damaged_file(table: Table, file: str) -> PermanentFailure:
    """What to say of one file that cannot be read."""
    found = _DAY.search(file)
    day = found.group(1) if found else ""
    what = "damaged" if Path(file).exists() else "gone"
    return PermanentFailure(
        f"{f'{table.path} {day}' if day else table.path}: the file {file} is {what}. "
        f"{_way_out(table, _folder_of(table, file), day)}"
    )


def _folder_of(table: Table, file: str) -> Path:
    return Path(file.partition(f"/{table.path}/")[0], table.path)


def _way_out(table: Table, folder: Path, day: str = "") -> str:
    """What makes a table, or a day of it, whole again. A day is replaced without a look at what is there; other tables
    may be gone on from, so that has to be out of the way."""
    backup = "Restore it from the backup"
    if table.path in _NEVER_AGAIN:
        return f"{backup}: it holds what cannot be made again"
    group = table.path.partition("/")[0]
    days = f" --since {day} --until {day}" if day else ""
    if group == "landing":
        how = f"land it again: cx run --select {table.path}{days}"
    elif table.path in _MAPPED:
        how = f"map it again: cx run --select 'integration/*/events'{days}"
    else:
        assets = _ACROSS_SERVICES if group == "integration" else f"group:{group}"
        how = f"make the table again: cx run --select {assets}"
    if day:
        return f"{backup}, or {how}"
    other = _TOGETHER.get(table.path)
    what = f"{folder} and {folder.with_name(Path(other).name)}" if other else f"{folder}"
    return f"{backup}, or move {what} away and {how}"
