"""The lake: Delta tables under one root, a partition replaced in one commit, readers on the live file list.

Belongs here: writing, listing, reading and comparing tables. Does not belong here: SQL (``engine.py``).
"""

import datetime as dt
import random
import re
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import CommitProperties, DeltaTable, write_deltalake
from deltalake.exceptions import CommitFailedError, TableNotFoundError

from cx_orchestration.model.failures import PermanentFailure, TransientFailure
from cx_orchestration.model.tables import Table
from cx_orchestration.storage.engine import Engine
from cx_orchestration.storage.scan import Scan

#: What a slice of a partitioned table may name: one value, or an inclusive range of days or numbers.
Bound = str | int | dt.date | tuple[dt.date, dt.date] | tuple[int, int]

_COMMIT_ATTEMPTS = 8

# Delta forgets versions after 30 days unless it is told to keep them; here they are the history.
_KEEP_VERSIONS = "interval 36500 days"
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

    def replace(self, table: Table, rows: pa.Table, *, where: Mapping[str, Bound] | None = None, run_id: str) -> int:
        """Replace a table, or the slice of it that ``where`` names, in one commit.

        Readers see the old rows or the new ones, never both and never neither. An empty ``rows`` clears the slice.
        Returns the new version of the table. A partitioned table is replaced by slice only, and a row outside the
        slice is refused: both would lose other partitions' rows.
        """
        if table.partition_by and not where:
            raise PermanentFailure(
                f"{table.path} is partitioned by {', '.join(table.partition_by)}: name the slice to replace"
            )
        if unknown := set(where or ()) - set(table.partition_by):
            raise PermanentFailure(f"{table.path} is not partitioned by {', '.join(sorted(unknown))}")
        rows = conform(table, rows)
        _refuse_rows_outside(table, rows, where or {})
        return self._commit(table, rows, {"mode": "overwrite", "predicate": _predicate(where or {})}, run_id)

    def append(self, table: Table, rows: pa.Table, *, run_id: str) -> int:
        """Add rows to a table that only ever grows; without rows nothing is committed. Returns the table's version."""
        rows = conform(table, rows)
        if rows.num_rows == 0:
            return self._open(table).version()
        return self._commit(table, rows, {"mode": "append"}, run_id)

    def scan(self, table: Table, where: Mapping[str, Bound] | None = None, *, version: int | None = None) -> Scan:
        """The files that hold the table, or the slice of it, now or at an earlier version."""
        if not self.exists(table):
            return Scan(table, ())
        delta = DeltaTable(str(self._path(table)), version=version)
        if bad := _UNREADABLE_FEATURES & set(delta.protocol().reader_features or ()):
            raise PermanentFailure(f"{table.path} uses {', '.join(sorted(bad))}, which a file list cannot show")
        uris = delta.file_uris(file_pruning_predicate=_predicate(where or {}))
        return Scan(table, tuple(sorted(unquote(uri.removeprefix("file://")) for uri in uris)))

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
        partitions = DeltaTable(str(self._path(table))).partitions()
        return sorted({partition[column] for partition in partitions})

    def exists(self, table: Table) -> bool:
        return DeltaTable.is_deltatable(str(self._path(table)))

    def version(self, table: Table) -> int | None:
        """The current version of a table, or ``None`` when it was never written."""
        return DeltaTable(str(self._path(table))).version() if self.exists(table) else None

    def state(self, table: Table) -> str | None:
        """What tells a table's content from every other that it had, or has elsewhere: its id and version."""
        if not self.exists(table):
            return None
        delta = DeltaTable(str(self._path(table)))
        return f"{delta.metadata().id}-{delta.version()}"

    def history(self, table: Table) -> list[dict[str, Any]]:
        """The commits of a table, newest first, each with its ``run_id``."""
        return DeltaTable(str(self._path(table))).history() if self.exists(table) else []

    def paths(self) -> list[str]:
        """The paths of all tables in the lake."""
        logs = self.root.rglob("_delta_log")
        return sorted(log.parent.relative_to(self.root).as_posix() for log in logs)

    def content_hash(self, table: Table) -> str:
        """A digest of the rows, whatever their order, without the table's volatile columns."""
        scan = self.scan(table)
        names = Engine().query("SELECT * FROM rows LIMIT 0", {"rows": scan}).column_names
        stable = ", ".join(f'"{name}"' for name in sorted(names) if name not in table.volatile)
        digest = f"SELECT count(*) AS n, coalesce(sum(hash({stable})::HUGEINT), 0)::VARCHAR AS total FROM rows"
        row = Engine().query(digest, {"rows": scan}).to_pylist()[0]
        return f"{row['n']}:{row['total']}"

    def _path(self, table: Table) -> Path:
        return self.root / table.path

    def _open(self, table: Table) -> DeltaTable:
        try:
            return DeltaTable(str(self._path(table)))
        except TableNotFoundError:
            self._path(table).mkdir(parents=True, exist_ok=True)
            return DeltaTable.create(
                str(self._path(table)),
                schema=table.schema,
                partition_by=list(table.partition_by) or None,
                description=table.grain,
                configuration={"delta.logRetentionDuration": _KEEP_VERSIONS},
                mode="ignore",
            )

    def _commit(self, table: Table, rows: pa.Table, how: dict[str, Any], run_id: str) -> int:
        for attempt in range(_COMMIT_ATTEMPTS):
            delta = self._open(table)
            known = {field.name for field in delta.schema().fields}
            try:
                write_deltalake(
                    delta,
                    rows,
                    schema_mode="merge" if set(rows.column_names) - known else None,
                    commit_properties=CommitProperties(custom_metadata={"run_id": run_id}),
                    **how,
                )
            except CommitFailedError:
                time.sleep(random.uniform(0, 0.05 * 2**attempt))  # noqa: S311
                continue
            return DeltaTable(str(self._path(table))).version()
        raise TransientFailure(
            f"{table.path}: {_COMMIT_ATTEMPTS} commits in a row met another writer of the same partition; rerun it"
        )


def conform(table: Table, rows: pa.Table) -> pa.Table:
    """The rows with the table's columns in their order and types; further columns follow, a missing one is refused."""
    if missing := [name for name in table.schema.names if name not in rows.column_names]:
        raise PermanentFailure(f"{table.path}: rows lack the columns {', '.join(missing)}")
    extra = [rows.schema.field(name) for name in rows.column_names if name not in table.schema.names]
    return rows.select([*table.schema.names, *[field.name for field in extra]]).cast(
        pa.schema([*table.schema, *extra]), safe=True
    )


def _refuse_rows_outside(table: Table, rows: pa.Table, where: Mapping[str, Bound]) -> None:
    for column, bound in where.items():
        values = rows.column(column)
        low, high = bound if isinstance(bound, tuple) else (bound, bound)
        kind = table.schema.field(column).type
        inside = pc.and_(pc.greater_equal(values, pa.scalar(low, kind)), pc.less_equal(values, pa.scalar(high, kind)))
        outside = rows.num_rows - (pc.sum(pc.fill_null(inside, False)).as_py() or 0)
        if outside:
            raise PermanentFailure(
                f"{table.path}: {outside} of {rows.num_rows} rows lie outside the slice {column} = {bound}"
            )


def _predicate(where: Mapping[str, Bound]) -> str | None:
    parts = []
    for column, bound in where.items():
        if isinstance(bound, tuple):
            parts += [f"{column} >= {_literal(bound[0])}", f"{column} <= {_literal(bound[1])}"]
        else:
            parts.append(f"{column} = {_literal(bound)}")
    return " AND ".join(parts) or None


def _literal(value: str | int | dt.date) -> str:
    if isinstance(value, dt.date):
        return f"CAST('{value.isoformat()}' AS DATE)"
    if isinstance(value, int):
        return str(value)
    return "'" + value.replace("'", "''") + "'"
