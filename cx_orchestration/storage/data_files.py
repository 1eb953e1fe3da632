"""Data files of a table, written ahead of the commit that makes them count.

Belongs here: rows to Parquet files, one a partition, in bounded memory. Does not belong here: the commit (``lake.py``).
A file that no commit names is never read; ``cx prune`` removes it.
"""

import json
import re
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from functools import reduce
from itertools import pairwise
from pathlib import Path
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from deltalake.transaction import AddAction, RemoveAction

from cx_orchestration.model.failures import PermanentFailure
from cx_orchestration.model.tables import Table
from cx_orchestration.model.words import quoted
from cx_orchestration.storage.full_disk import write_failure

#: What is the same in a path, in a URL and in a Delta log.
_PLAIN = re.compile(r"[A-Za-z0-9_.-]+")


@dataclass(frozen=True)
class DataFile:
    """A finished file: its path under the table's folder, its partition's values, its rows and bytes."""

    path: str
    partition: tuple[Any, ...]
    rows: int
    size: int
    modified_ms: int

    def action(self, table: Table) -> AddAction:
        """What a commit says to make the file part of the table."""
        stats = json.dumps({"numRecords": self.rows})
        return AddAction(self.path, self.size, self._values(table), self.modified_ms, data_change=True, stats=stats)

    def removal(self, table: Table) -> RemoveAction:
        """What a commit says to take the file out of the table."""
        now = time.time_ns() // 1_000_000
        return RemoveAction(self.path, True, now, size=self.size, partition_values=self._values(table))

    def _values(self, table: Table) -> dict[str, str | None]:
        return {name: str(value) for name, value in zip(table.partition_by, self.partition, strict=True)}


class DataFileWriter:
    """Writes rows of one table to one new file a partition; leaving the block without ``finish`` removes them.

    Raises ``PermanentFailure`` when the disk is full, and for a row without a value to partition by.
    """

    def __init__(self, table: Table, folder: Path) -> None:
        self._table = table
        self._folder = folder
        self._open: dict[tuple[Any, ...], _OpenFile] = {}
        self._finished = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if not self._finished:
            self.discard()

    def write(self, rows: pa.Table) -> None:
        """Add rows, whatever partitions they belong to; each call makes a row group in every partition's file."""
        if not self._table.partition_by:
            self.write_partition((), rows)
            return
        columns = [rows[name] for name in self._table.partition_by]
        for name, column in zip(self._table.partition_by, columns, strict=True):
            if column.null_count:
                raise PermanentFailure(
                    f"{self._table.path}: {column.null_count} of {rows.num_rows} rows have no {name}, by which the "
                    "table is partitioned"
                )
        kinds = rows.select(list(self._table.partition_by)).group_by(list(self._table.partition_by)).aggregate([])
        starts = _starts_of_runs(columns)
        if len(starts) == kinds.num_rows:
            # Rows that come partition by partition, as they usually do, need not be copied.
            for start, end in pairwise([*starts, rows.num_rows]):
                partition = tuple(column[start].as_py() for column in columns)
                self.write_partition(partition, rows.slice(start, end - start))
            return
        for row in kinds.to_pylist():
            partition = tuple(row[name] for name in self._table.partition_by)
            inside = pc.equal(columns[0], pa.scalar(partition[0], columns[0].type))
            for column, value in zip(columns[1:], partition[1:], strict=True):
                inside = pc.and_(inside, pc.equal(column, pa.scalar(value, column.type)))
            self.write_partition(partition, rows.filter(inside))

    def write_partition(self, partition: tuple[Any, ...], rows: pa.Table) -> None:
        """Add rows that all belong to one partition."""
        self._write_content(
            partition, rows.drop_columns([name for name in self._table.partition_by if name in rows.column_names])
        )

    def _write_content(self, partition: tuple[Any, ...], content: pa.Table) -> None:
        try:
            if partition not in self._open:
                self._open[partition] = _OpenFile.create(self._table, self._folder, partition, content.schema)
            self._open[partition].write(content)
        except OSError as error:
            raise write_failure(self._table.path, self._folder, error) from error

    def finish(self) -> list[DataFile]:
        """Close the files; from now on they stay."""
        try:
            files = [file.close() for file in self._open.values()]
        except OSError as error:
            raise write_failure(self._table.path, self._folder, error) from error
        self._finished = True
        return files

    def batches(self, file: DataFile, columns: list[str] | None = None) -> Iterator[pa.RecordBatch]:
        """The rows of a finished file, without the columns that its partition says."""
        with pq.ParquetFile(self._folder / file.path) as content:
            yield from content.iter_batches(columns=columns)

    def rewrite(self, file: DataFile, keep: np.ndarray) -> DataFile:
        """A new file with the rows for which ``keep``, one boolean a row, is true; the old one is removed."""
        position = 0
        with DataFileWriter(self._table, self._folder) as writer:
            for batch in self.batches(file):
                kept = pa.Table.from_batches([batch]).filter(pa.array(keep[position : position + batch.num_rows]))
                writer._write_content(file.partition, kept)
                position += batch.num_rows
            (new,) = writer.finish()
        (self._folder / file.path).unlink()
        return new

    def discard(self) -> None:
        """Remove what was written."""
        for file in self._open.values():
            file.remove()
        self._open.clear()


def _starts_of_runs(columns: list[pa.ChunkedArray]) -> list[int]:
    """The rows that differ from the one before them in one of the columns, the first row among them."""
    count = len(columns[0])
    if count < 2:
        return list(range(count))
    differs = [pc.fill_null(pc.not_equal(column.slice(1), column.slice(0, count - 1)), True) for column in columns]
    return [0, *(place + 1 for place in pc.indices_nonzero(reduce(pc.or_, differs)).to_pylist())]


def _plain(table: Table, value: Any) -> str:
    if not _PLAIN.fullmatch(text := str(value)):
        raise PermanentFailure(f"{table.path}: {quoted(text)} cannot name a partition: only letters, digits, _ . - can")
    return text


def _leaves(field: pa.Field, prefix: str = "") -> Iterator[tuple[str, pa.DataType]]:
    """The columns that Parquet makes of a field, as it names them, and their types."""
    path = prefix + field.name
    if pa.types.is_list(field.type):
        yield from _leaves(field.type.value_field.with_name("element"), f"{path}.list.")
    elif pa.types.is_struct(field.type):
        for inner in field.type:
            yield from _leaves(inner, f"{path}.")
    else:
        yield path, field.type


def _encoding(table: Table, schema: pa.Schema) -> dict[str, Any]:
    """How the writer is to lay the columns out.

    A dictionary of values that do not repeat costs a third of the writing and saves nothing. Packing such numbers costs
    more than half of reading them, and saves a twelfth of the files. Such texts are packed, but where each night reads
    them all: there packing costs half of reading and writing, and saves two fifths of the files. Of a table that is
    written whole, ranges of values would leave out nothing.
    """
    leaves = {leaf: kind for field in schema for leaf, kind in _leaves(field)}
    distinct = {leaf for leaf in leaves if leaf in table.distinct or leaf.split(".")[0] in table.distinct}
    bare = {leaf for leaf in distinct if table.nightly or pa.types.is_integer(leaves[leaf])}
    repeated = [leaf for leaf in leaves if leaf not in distinct]
    return {
        "use_dictionary": repeated,
        "write_statistics": False if table.nightly == "rewritten" else repeated,
        "compression": {leaf: "NONE" if leaf in bare else "SNAPPY" for leaf in leaves},
    }


class _OpenFile:
    def __init__(self, path: str, place: Path, partition: tuple[Any, ...], writer: pq.ParquetWriter) -> None:
        self._path = path
        self._place = place
        self._partition = partition
        self._writer = writer
        self._rows = 0

    @classmethod
    def create(cls, table: Table, folder: Path, partition: tuple[Any, ...], schema: pa.Schema) -> Self:
        parts = [f"{name}={_plain(table, value)}" for name, value in zip(table.partition_by, partition, strict=True)]
        path = "/".join([*parts, f"part-{uuid.uuid4()}.parquet"])
        place = folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        writer = pq.ParquetWriter(place, schema, **_encoding(table, schema))
        return cls(path, place, partition, writer)

    def write(self, rows: pa.Table) -> None:
        self._writer.write_table(rows)
        self._rows += rows.num_rows

    def close(self) -> DataFile:
        self._writer.close()
        status = self._place.stat()
        return DataFile(self._path, self._partition, self._rows, status.st_size, status.st_mtime_ns // 1_000_000)

    def remove(self) -> None:
        try:
            self._writer.close()
        except OSError:
            # The disk that could not take the rows cannot take the end of the file either.
            pass
        finally:
            self._place.unlink(missing_ok=True)
