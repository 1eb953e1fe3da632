"""Rows taken out of tables, in the current version and in all earlier ones.

Belongs here: files read, judged, written anew and removed. Does not belong here: which rows those are (``privacy``).
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from cx_orchestration.model.tables import Table
from cx_orchestration.storage.data_files import DataFile, DataFileWriter
from cx_orchestration.storage.lake import Lake

#: So many rows are judged at a time: it bounds memory.
_ROWS = 20_000


@dataclass(frozen=True)
class Edits:
    """What becomes of a batch of rows: ``goes`` is true for those to be removed; ``texts`` has new values of text
    columns, by the number of the row and the column."""

    goes: np.ndarray
    texts: Mapping[int, Mapping[str, str | None]] = field(default_factory=dict)


#: Looks at a batch of rows; the first argument has the values of the columns that the table is partitioned by.
Judge = Callable[[Mapping[str, Any], pa.RecordBatch], Edits]


@dataclass(frozen=True)
class Rewritten:
    """How many rows of a table were removed, and how many others changed."""

    removed: int = 0
    changed: int = 0


def rewrite(lake: Lake, table: Table, columns: list[str], judge: Judge, *, run_id: str) -> Rewritten:
    """Write those files of a table anew in which a row goes or changes, in one commit; without such rows none is made.

    ``judge`` is given the ``columns`` that a file has.
    """
    old: list[DataFile] = []
    removed = changed = 0
    with lake.staged(table) as new:
        for file in lake.live_files(table):
            edits = _edits(lake, table, file, columns, judge)
            count, others = int(edits.goes.sum()), len(edits.texts)
            if count or others:
                old.append(file)
                if count < file.rows:
                    new.append(_written_anew(lake, table, file, edits))
                removed, changed = removed + count, changed + others
        if old:
            lake.swap(table, old, new, run_id=run_id)
    return Rewritten(removed, changed)


def judged(lake: Lake, table: Table, columns: list[str], judge: Judge) -> Rewritten:
    """What ``rewrite`` would do; nothing is written."""
    edits = [_edits(lake, table, file, columns, judge) for file in lake.live_files(table)]
    return Rewritten(sum(int(each.goes.sum()) for each in edits), sum(len(each.texts) for each in edits))


def chosen(lake: Lake, table: Table, columns: list[str], judge: Judge) -> Iterator[dict[str, Any]]:
    """The rows that ``rewrite`` would remove, with all their columns."""
    for file in lake.live_files(table):
        goes = _edits(lake, table, file, columns, judge).goes
        if goes.any():
            partition = _partition(table, file)
            for start, batch in _batches(lake, table, file, None):
                for row in batch.filter(pa.array(goes[start : start + batch.num_rows])).to_pylist():
                    yield {**row, **partition}


def remove_history(lake: Lake, table: Table) -> int:
    """Remove every file of a table that its current version does not name: its earlier versions, which cannot be read
    after that, and what killed writes left. Returns how many files there were.

    Nobody else may write to the lake meanwhile, or files that are about to be committed would go too.
    """
    folder = lake.folder_of(table)
    live = {folder / file.path for file in lake.live_files(table)}
    gone = [path for path in folder.rglob("*") if path.is_file() and not _is_log(path, folder) and path not in live]
    for path in gone:
        path.unlink()
    return len(gone)


def _is_log(path: Path, folder: Path) -> bool:
    return folder / "_delta_log" in path.parents


def _partition(table: Table, file: DataFile) -> dict[str, Any]:
    return dict(zip(table.partition_by, file.partition, strict=True))


def _edits(lake: Lake, table: Table, file: DataFile, columns: list[str], judge: Judge) -> Edits:
    """What becomes of a file's rows, numbered through."""
    partition = _partition(table, file)
    goes: list[np.ndarray] = []
    texts: dict[int, Mapping[str, str | None]] = {}
    for start, batch in _batches(lake, table, file, columns):
        found = judge(partition, batch)
        goes.append(found.goes)
        texts |= {start + row: new for row, new in found.texts.items()}
    return Edits(np.concatenate(goes) if goes else np.zeros(0, bool), texts)


def _batches(
    lake: Lake, table: Table, file: DataFile, columns: list[str] | None
) -> Iterator[tuple[int, pa.RecordBatch]]:
    """The rows of a file, each batch with the number of its first one."""
    start = 0
    with pq.ParquetFile(lake.folder_of(table) / file.path) as content:
        there = columns and [name for name in columns if name in content.schema_arrow.names]
        for batch in content.iter_batches(batch_size=_ROWS, columns=there):
            yield start, batch
            start += batch.num_rows


def _written_anew(lake: Lake, table: Table, file: DataFile, edits: Edits) -> DataFile:
    with DataFileWriter(table, lake.folder_of(table)) as writer:
        for start, batch in _batches(lake, table, file, None):
            end = start + batch.num_rows
            inside = {row - start: new for row, new in edits.texts.items() if start <= row < end}
            kept = pa.array(~edits.goes[start:end])
            writer.write_partition(file.partition, pa.Table.from_batches([_with(batch, inside)]).filter(kept))
        (written,) = writer.finish()
    return written


def _with(batch: pa.RecordBatch, texts: Mapping[int, Mapping[str, str | None]]) -> pa.RecordBatch:
    for column in {name for new in texts.values() for name in new}:
        values = batch[column].to_pylist()
        for row, new in texts.items():
            if column in new:
                values[row] = new[column]
        at = batch.schema.get_field_index(column)
        batch = batch.set_column(at, batch.schema.field(column), pa.array(values, batch.schema.field(column).type))
    return batch
