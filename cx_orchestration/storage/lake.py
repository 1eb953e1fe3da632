"""The lake: Delta tables under one root, a partition replaced in one commit, readers on the live file list.

Belongs here: writing, listing, reading and comparing tables. Does not belong here: SQL (``engine.py``).
"""

import datetime as dt
import random
import re
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, write_deltalake
from deltalake import Schema as DeltaSchema
from deltalake.exceptions import CommitFailedError
from deltalake.transaction import AddAction, RemoveAction

from cx_orchestration.model.failures import PermanentFailure, TransientFailure
from cx_orchestration.model.tables import Table
from cx_orchestration.storage.damage import opening
from cx_orchestration.storage.data_files import DataFile, DataFileWriter
from cx_orchestration.storage.engine import Engine
from cx_orchestration.storage.fence import ErasureMeanwhile, Fence
from cx_orchestration.storage.full_disk import write_failure, writing
from cx_orchestration.storage.scan import Scan
from cx_orchestration.storage.slices import (
    Bound,
    is_within,
    partition_filters,
    predicate,
    refuse_no_slice,
    refuse_rows_outside,
)
from cx_orchestration.storage.table_logs import TableLogs

_COMMIT_ATTEMPTS = 20

#: What keys of a note begin with among the metadata of a commit.
_NOTED = "note_"

# Delta forgets versions after 30 days unless it is told to keep them; here they are the history.
_KEEP_VERSIONS = "interval 36500 days"
_LOGS = TableLogs()

_UNREADABLE_FEATURES = {"deletionVectors", "columnMapping"}

# In a path, delta-rs decodes percent-encodings and reads ``?`` and ``#`` as parts of a URL; it panics on brackets,
# ``^`` and ``|``, takes a backslash for a slash and refuses control characters. DuckDB expands ``*`` to whatever
# matches, and takes a folder ``name=value`` for a partition column, silently in place of the table's own.
_MISREAD = re.compile(r"%[0-9A-Fa-f]{2}|[\[\]*?#^|\\=\x00-\x1f\x7f]")


class Lake:
    """All tables of one company under ``root``, a local folder."""

    def __init__(self, root: Path | str) -> None:
        """Raises ``PermanentFailure`` for a path that the table format or the engine would read as another."""
        self.root = Path(root).resolve()
        if found := _MISREAD.search(str(self.root)):
            raise PermanentFailure(
                f"the lake cannot lie in {str(self.root)!r}: {found.group()!r} in a path stands for something else "
                f"where tables are stored and read; name another folder (stores.lake in project.yaml, or --lake)"
            )
        self.fence = Fence(self.root)

    def require_writable(self) -> None:
        """Make the lake's folder if there is none. Raises ``PermanentFailure`` when nothing can be written there."""
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.root) as probe:
                probe.write(b"writable")
        except OSError as error:
            raise PermanentFailure(
                f"the lake {self.root} cannot be written: {error.strerror}; name another folder (stores.lake in "
                f"project.yaml, or --lake)"
            ) from error

    def replace(
        self,
        table: Table,
        rows: pa.Table,
        *,
        where: Mapping[str, Bound] | None = None,
        run_id: str,
        note: Mapping[str, str] | None = None,
    ) -> int:
        """Replace a table, or the slice of it that ``where`` names, in one commit.

        Readers see the old rows or the new ones, never both and never neither. An empty ``rows`` clears the slice.
        Returns the new version of the table. A partitioned table is replaced by slice only, and a row outside the
        slice is refused: both would lose other partitions' rows. ``note`` is kept with the commit, see ``note``.
        """
        refuse_no_slice(table, where or {})
        rows = conform(table, rows)
        refuse_rows_outside(table, rows, where or {})
        files, _ = self._written(table, [rows])
        return self._commit(table, files, rows.schema, where or {}, run_id, mode="overwrite", note=note)

    def append(
        self,
        table: Table,
        rows: pa.Table | Iterable[pa.Table],
        *,
        run_id: str,
        note: Mapping[str, str] | None = None,
    ) -> int:
        """Add rows to a table that only ever grows, in one commit; without rows nothing is committed.

        ``rows`` may come in parts, of which one at a time is held in memory. Returns the table's version. ``note`` is
        kept with the commit, see ``note``.
        """
        parts = [rows] if isinstance(rows, pa.Table) else rows
        files, schema = self._written(table, (conform(table, part) for part in parts))
        if not files:
            return self._at(table).version()
        return self._commit(table, files, schema, {}, run_id, mode="append", note=note)

    def writer(self, table: Table) -> DataFileWriter:
        """Writes files ahead of the commit that ``replace_by_files`` makes of them: for more rows than memory holds."""
        self._to_write(table)
        return DataFileWriter(table, self._path(table))

    def replace_by_files(
        self,
        table: Table,
        files: Sequence[DataFile],
        *,
        where: Mapping[str, Bound],
        run_id: str,
        note: Mapping[str, str] | None = None,
    ) -> int:
        """As ``replace``, with rows that a ``writer`` of the table has written. Returns the new version."""
        refuse_no_slice(table, where)
        for column, bound in where.items():
            at = table.partition_by.index(column)
            if outside := [file.path for file in files if not is_within(file.partition[at], bound)]:
                raise PermanentFailure(f"{table.path}: {outside[0]} lies outside the slice {column} = {bound}")
        return self._commit(table, files, None, where, run_id, mode="overwrite", note=note)

    def live_files(self, table: Table, *, version: int | None = None) -> list[DataFile]:
        """The files that hold the table now, or held it at an earlier version; those may be gone."""
        if not self.exists(table):
            return []
        delta = self._at(table, version)
        rows = pa.table(delta.get_add_actions(flatten=True)).to_pylist()
        return [
            DataFile(
                path=unquote(row["path"]),
                partition=tuple(row[f"partition.{name}"] for name in table.partition_by),
                rows=row["num_records"],
                size=row["size_bytes"],
                modified_ms=_milliseconds(row["modification_time"]),
            )
            for row in rows
        ]

    def swap(
        self,
        table: Table,
        old: Sequence[DataFile],
        new: Sequence[DataFile],
        *,
        run_id: str,
        note: Mapping[str, str] | None = None,
    ) -> int:
        """Put files that a ``writer`` of the table has written in the place of live ones; returns the new version.

        ``note`` is kept with the commit, see ``note``.
        """
        removed = [file.removal(table) for file in old]
        return self._commit(table, new, None, {}, run_id, mode="append", removed=removed, note=note)

    def note(self, table: Table) -> Mapping[str, str]:
        """What was noted with the newest commit of a table; nothing, when whoever made it noted nothing."""
        (newest,) = self._at(table).history(limit=1) if self.exists(table) else [{}]
        return _noted(newest)

    def notes(self, table: Table) -> list[tuple[int, Mapping[str, str]]]:
        """What was noted with each version of a table, newest first."""
        return [(commit["version"], _noted(commit)) for commit in self.history(table)]

    def changes_since_note(self, table: Table) -> list["Change"] | None:
        """What each commit did that was made after the newest one with a note; ``None`` when none has one."""
        noted = next((version for version, note in self.notes(table) if note), None)
        return None if noted is None else self.changes_since(table, noted)

    def changes_since(self, table: Table, version: int) -> list["Change"]:
        """What each commit after a version took out of the table and put in, oldest first."""
        newest = self._at(table).version()
        notes = {one["version"]: _noted(one) for one in self._at(table).history(limit=newest - version)}
        before = {file.path: file for file in self.live_files(table, version=version)}
        changes = []
        for number in range(version + 1, newest + 1):
            after = {file.path: file for file in self.live_files(table, version=number)}
            gone = tuple(before[path] for path in sorted(before.keys() - after.keys()))
            come = tuple(after[path] for path in sorted(after.keys() - before.keys()))
            changes.append(Change(notes[number], gone, come))
            before = after
        return changes

    @contextmanager
    def staged(self, table: Table) -> Iterator[list[DataFile]]:
        """Collects files written ahead of a commit in the same block; when the block fails, they are removed."""
        files: list[DataFile] = []
        try:
            yield files
        except BaseException:
            self.remove_unused(table, files)
            raise

    def remove_unused(self, table: Table, files: Iterable[DataFile]) -> None:
        """Remove files that no commit has made part of the table."""
        live = {file.path for file in self.live_files(table)}
        for file in files:
            if file.path not in live:
                (self._path(table) / file.path).unlink(missing_ok=True)

    def folder_of(self, table: Table) -> Path:
        """Where the files of a table lie."""
        return self.root / table.path

    def scan(self, table: Table, where: Mapping[str, Bound] | None = None, *, version: int | None = None) -> Scan:
        """The files that hold the table, or the slice of it, now or at an earlier version."""
        if not self.exists(table):
            return Scan(table, (), table.schema)
        delta = self._at(table, version)
        if bad := _UNREADABLE_FEATURES & set(delta.protocol().reader_features or ()):
            raise PermanentFailure(f"{table.path} uses {', '.join(sorted(bad))}, which a file list cannot show")
        laid = tuple(delta.metadata().partition_columns)
        if laid != table.partition_by:
            raise PermanentFailure(
                f"{table.path} lies by {', '.join(laid) or 'nothing'}, as an earlier version of this software wrote "
                f"it, not by {', '.join(table.partition_by) or 'nothing'}; materialize its asset, which writes it anew"
            )
        uris = delta.file_uris(file_pruning_predicate=predicate(where or {}))
        files = tuple(sorted(unquote(uri.removeprefix("file://")) for uri in uris))
        if version is not None and not all(Path(file).exists() for file in files):
            raise PermanentFailure(
                f"{table.path}: version {version} cannot be read any more: an erasure of persons removed its files"
            )
        return Scan(table, files, _with_all_columns(table.schema, pa.schema(delta.schema().to_arrow())))

    def read(
        self,
        table: Table,
        where: Mapping[str, Bound] | None = None,
        *,
        columns: list[str] | None = None,
        version: int | None = None,
    ) -> pa.Table:
        """The rows of a table or slice, in no particular order; an absent table has no rows."""
        chosen = ", ".join(f'"{name}"' for name in columns) if columns else "*"
        return Engine().query(f"SELECT {chosen} FROM rows", {"rows": self.scan(table, where, version=version)})

    def partition_values(self, table: Table, column: str) -> list[str]:
        """The values of a partition column that have rows, as text in ascending order; no file is opened."""
        if not self.exists(table):
            return []
        partitions = self._at(table).partitions()
        return sorted({partition[column] for partition in partitions})

    def days_of(self, table: Table) -> list[dt.date]:
        """The days of a table partitioned by ``day`` that have rows, in order; no file is opened."""
        return [dt.date.fromisoformat(day) for day in self.partition_values(table, "day") if day is not None]

    def stored(self, table: Table, *, version: int | None = None) -> tuple[pa.Schema, tuple[str, ...]] | None:
        """The columns that the table has in the lake, now or at an earlier version, and those it is partitioned by;
        ``None`` when it has none yet."""
        if not self.exists(table):
            return None
        delta = self._at(table, version)
        return pa.schema(delta.schema().to_arrow()), tuple(delta.metadata().partition_columns)

    def rows(self, table: Table) -> int:
        """How many rows a table has; no file is opened."""
        return sum(file.rows for file in self.live_files(table))

    def exists(self, table: Table) -> bool:
        return _LOGS.has(self._path(table))

    def holds(self, table: Table, version: int) -> bool:
        """Whether a version can be read: an erasure of persons removes the files of earlier ones, and a table that was
        moved away and made again begins anew."""
        newest = self.version(table)
        if newest is None or version > newest:
            return False
        uris = self._at(table, version).file_uris()
        return all(Path(unquote(uri.removeprefix("file://"))).exists() for uri in uris)

    def version(self, table: Table) -> int | None:
        """The current version of a table, or ``None`` when it was never written."""
        return self._at(table).version() if self.exists(table) else None

    def state(self, table: Table) -> str | None:
        """What tells a table's content from every other that it had, or has elsewhere: its id and version."""
        if not self.exists(table):
            return None
        delta = self._at(table)
        return f"{delta.metadata().id}-{delta.version()}"

    def history(self, table: Table) -> list[dict[str, Any]]:
        """The commits of a table, newest first, each with its ``run_id``."""
        return self._at(table).history() if self.exists(table) else []

    def paths(self) -> list[str]:
        """The paths of all tables in the lake."""
        logs = self.root.rglob("_delta_log")
        return sorted(log.parent.relative_to(self.root).as_posix() for log in logs)

    def content_hash(self, table: Table) -> str:
        """A digest of the rows, whatever their order, without the table's volatile columns."""
        scan = self.scan(table)
        stable = ", ".join(f'"{name}"' for name in sorted(scan.schema.names) if name not in table.volatile)
        digest = f"SELECT count(*) AS n, coalesce(sum(hash({stable})::HUGEINT), 0)::VARCHAR AS total FROM rows"
        row = Engine().query(digest, {"rows": scan}).to_pylist()[0]
        return f"{row['n']}:{row['total']}"

    def empty_for_layout(self, table: Table, *, run_id: str) -> None:
        """Empty a table that the lake has with another partitioning than is declared now, which Delta cannot change.

        For tables that are made anew from others: whoever calls it writes all rows next. Nothing happens to a table
        that has its declared partitioning, or is not there.
        """
        stored = self.stored(table)
        if stored is not None and stored[1] != table.partition_by:
            write_deltalake(
                str(self._path(table)),
                table.empty(),
                mode="overwrite",
                schema_mode="overwrite",
                partition_by=list(table.partition_by),
                commit_properties=CommitProperties(custom_metadata={"run_id": run_id}),
            )

    def _path(self, table: Table) -> Path:
        return self.root / table.path

    def _at(self, table: Table, version: int | None = None) -> DeltaTable:
        with opening(table, self._path(table)):
            return _LOGS.open(self._path(table), version)

    def _to_write(self, table: Table) -> DeltaTable:
        """The table, made if there is none; nobody else has it, as writing changes what it says."""
        if not self.exists(table):
            self._create(table)
        with opening(table, self._path(table)):
            return DeltaTable(str(self._path(table)))

    def _create(self, table: Table) -> None:
        with writing(table.path, self._path(table)):
            self._path(table).mkdir(parents=True, exist_ok=True)
            # A writer that made the table meanwhile has the first version; tried again, ours would follow as a second.
            with suppress(CommitFailedError):
                DeltaTable.create(
                    str(self._path(table)),
                    schema=table.schema,
                    partition_by=list(table.partition_by) or None,
                    description=table.grain,
                    configuration={"delta.logRetentionDuration": _KEEP_VERSIONS},
                    mode="ignore",
                    commit_properties=CommitProperties(max_commit_retries=0),
                )

    def _written(self, table: Table, parts: Iterable[pa.Table]) -> tuple[list[DataFile], pa.Schema | None]:
        self._to_write(table)
        schema = None
        with DataFileWriter(table, self._path(table)) as writer:
            for rows in parts:
                if rows.num_rows:
                    writer.write(rows)
                    schema = rows.schema
            return writer.finish(), schema

    def _commit(
        self,
        table: Table,
        files: Sequence[DataFile],
        schema: pa.Schema | None,
        where: Mapping[str, Bound],
        run_id: str,
        *,
        mode: str,
        removed: Sequence[RemoveAction] = (),
        note: Mapping[str, str] | None = None,
    ) -> int:
        """Make files part of the table, in place of the slice's; strictly one commit after the other.

        Delta itself would let two writers fill the same empty slice at once, and both would count.
        """
        actions: list[AddAction | RemoveAction] = [*removed, *[file.action(table) for file in files]]
        about = {"run_id": run_id} | {f"slice_{name}": str(bound) for name, bound in where.items()}
        about |= {_NOTED + key: value for key, value in (note or {}).items()}
        once = CommitProperties(custom_metadata=about, max_commit_retries=0)
        for attempt in range(_COMMIT_ATTEMPTS):
            try:
                with self.fence.writing(table.path):
                    delta = self._to_write(table)
                    _add_columns(delta, schema)
                    delta.create_write_transaction(
                        actions,
                        mode,
                        delta.schema(),
                        partition_by=list(table.partition_by) or None,
                        partition_filters=partition_filters(where) or None,
                        commit_properties=once,
                    )
            except ErasureMeanwhile:
                self.remove_unused(table, files)
                raise
            except OSError as error:
                raise write_failure(table.path, self._path(table), error) from None
            except CommitFailedError:
                time.sleep(random.uniform(0, 0.02 * 2 ** min(attempt, 6)))  # noqa: S311
                continue
            return delta.version() + 1  # where the one attempt went: the object stays at what it read
        raise TransientFailure(
            f"{table.path}: {_COMMIT_ATTEMPTS} commits in a row met another writer of the table; rerun it"
        )


@dataclass(frozen=True)
class Change:
    """One commit: what was noted with it, and the files that it took out and put in."""

    note: Mapping[str, str]
    gone: tuple[DataFile, ...]
    come: tuple[DataFile, ...]


def _noted(commit: Mapping[str, Any]) -> dict[str, str]:
    return {key.removeprefix(_NOTED): str(value) for key, value in commit.items() if key.startswith(_NOTED)}


def _milliseconds(at: int | dt.datetime) -> int:
    return at if isinstance(at, int) else round(at.timestamp() * 1000)


def _with_all_columns(declared: pa.Schema, stored: pa.Schema) -> pa.Schema:
    return pa.schema([*declared, *[field for field in stored if field.name not in declared.names]])


def _add_columns(delta: DeltaTable, schema: pa.Schema | None) -> None:
    known = {field.name for field in delta.schema().fields}
    missing = [field for field in schema or () if field.name not in known]
    if missing:
        delta.alter.add_columns(DeltaSchema.from_arrow(pa.schema(missing)).fields)


def conform(table: Table, rows: pa.Table) -> pa.Table:
    """The rows with the table's columns in their order and types; further columns follow, a missing one is refused."""
    missing = [name for name in table.schema.names if name not in rows.column_names]
    for name in [name for name in missing if name in table.optional]:
        rows = rows.append_column(name, pa.nulls(rows.num_rows, table.schema.field(name).type))
        missing.remove(name)
    if missing:
        raise PermanentFailure(f"{table.path}: rows lack the columns {', '.join(missing)}")
    extra = [rows.schema.field(name) for name in rows.column_names if name not in table.schema.names]
    return rows.select([*table.schema.names, *[field.name for field in extra]]).cast(
        pa.schema([*table.schema, *extra]), safe=True
    )
