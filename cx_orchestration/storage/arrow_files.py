"""Columns of the lake's files as they lie there, file by file: the cheapest way to read, without any SQL.

Belongs here: reading whole columns, and whole rows. Does not belong here: choosing or joining rows (``engine.py``).
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from cx_orchestration.model.tables import Table
from cx_orchestration.storage.damage import damaged_file
from cx_orchestration.storage.data_files import DataFile


def read_columns(table: Table, folder: Path, file: DataFile, columns: Sequence[str]) -> pa.Table:
    """These columns of one file of a table, which lies in ``folder``, its rows in the order they were written in.

    One thread reads, from the system's own cache: a third of what a query over the file costs. Raises
    ``PermanentFailure`` when the file is damaged or gone.
    """
    try:
        return pq.ParquetFile(folder / file.path, memory_map=True).read(list(columns), use_threads=False)
    except (pa.ArrowException, OSError):
        raise damaged_file(table, str(folder / file.path)) from None


def read_rows(table: Table, folder: Path, file: DataFile, columns: Sequence[str] | None = None) -> pa.Table:
    """All rows of one file as ``read_columns`` gives them, with all of the table's columns, or these; null
    are those that came after the file was written."""
    partition = table.partition_by
    schema = table.schema if columns is None else pa.schema([table.schema.field(name) for name in columns])
    rows = read_columns(table, folder, file, [name for name in schema.names if name not in partition])
    for field in schema:
        if field.name not in rows.column_names and field.name not in partition:
            rows = rows.append_column(field, pa.nulls(rows.num_rows, field.type))
    for name, value in zip(partition, file.partition, strict=True):
        rows = rows.append_column(name, pa.repeat(pa.scalar(value, table.schema.field(name).type), rows.num_rows))
    return rows.select(schema.names).cast(schema)


def read_files(table: Table, folder: Path, files: Iterable[DataFile], columns: Sequence[str] | None = None) -> pa.Table:
    """The rows of several files as ``read_rows`` gives them, one file after the other."""
    empty = table.empty() if columns is None else table.empty().select(columns)
    return pa.concat_tables([empty, *(read_rows(table, folder, file, columns) for file in files)])
