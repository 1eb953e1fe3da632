"""The files of ``journeys/threads``: a base and what later folds have put on top of it, merged when read.

Belongs here: which rows count, and when files are merged. Does not belong here: what a row says (``carrying``).

A fold writes a customer's rows of a journey together, or one that says that there is none any more; those of the newest
fold count. A night writes only customers whose threads moved, so the base is read but not written anew.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from cx_orchestration.journeys.kernel import NEVER, Ints
from cx_orchestration.model import tables
from cx_orchestration.storage.arrow_files import read_columns, read_rows
from cx_orchestration.storage.data_files import DataFile

_KEY, _FOLD, _DUE = "customer_key", "fold", "due"
_READ = [name for name in tables.THREADS.schema.names if name not in tables.THREADS.partition_by]

# What is asked of threads without an active instance: the rest is null, and whose they are, their events say.
_AT_REST = [_KEY, "correlation", "status", "seen", "part", "steps", "since", "memory"]

#: Every so many folds the files of a bucket are merged, another bucket's each time.
FOLDS_PER_MERGE = 16


def is_merged(bucket: int, fold: int) -> bool:
    """Whether this fold merges the files of a bucket."""
    return (bucket + fold) % FOLDS_PER_MERGE == 0


def due_customers(folder: Path, files: Sequence[DataFile], until: int) -> Ints:
    """The keys of customers who may have rested too long by then; rows that count no more may name some others."""
    found = [np.empty(0, np.int64)]
    for file in filter(_is_open, files):
        rows = read_columns(tables.THREADS, folder, file, [_KEY, _DUE])
        found.append(rows.filter(pc.less(rows[_DUE], until))[_KEY].to_numpy())
    return np.concatenate(found)


def carried(folder: Path, files: Sequence[DataFile], keys: Ints) -> pa.Table:
    """The rows that count of these customers, in the order in which the instances that are active began; of threads
    without one, what the next fold asks."""
    parts = [tables.THREADS.empty().select(_READ)]
    for file, places in _counting(folder, files, pa.array(keys)):
        rows = read_columns(tables.THREADS, folder, file, _READ if _is_open(file) else _AT_REST).take(pa.array(places))
        missing = [field for field in parts[0].schema if field.name not in rows.column_names]
        for field in missing:
            rows = rows.append_column(field, pa.nulls(rows.num_rows, field.type))
        parts.append(rows.select(_READ).cast(parts[0].schema))
    rows = pa.concat_tables(parts)
    return rows.filter(pc.not_equal(rows["status"], NEVER))


def merged(folder: Path, files: Sequence[DataFile], new: pa.Table) -> pa.Table:
    """All rows that count once those of a fold are added, of one journey and bucket."""
    parts = []
    for file, places in _counting(folder, files, None):
        rows = read_rows(tables.THREADS, folder, file).take(pa.array(places))
        parts.append(rows.filter(pc.invert(pc.is_in(rows[_KEY], new[_KEY].combine_chunks()))))
    rows = pa.concat_tables([*parts, new])
    return rows.filter(pc.not_equal(rows["status"], NEVER))


def _counting(
    folder: Path, files: Sequence[DataFile], wanted: pa.Array | None
) -> Iterator[tuple[DataFile, NDArray[np.int64]]]:
    """The files that have rows that count, and which these are: of each wanted customer those of the newest fold."""
    found = []
    for file in files:
        rows = read_columns(tables.THREADS, folder, file, [_KEY, _FOLD])
        key, fold = (rows[name].to_numpy() for name in (_KEY, _FOLD))
        here = np.ones(len(key), np.bool_)
        if wanted is not None:
            here = pc.is_in(rows[_KEY], wanted).to_numpy()
        places = np.flatnonzero(here)
        found.append((file, places, key[places], fold[places]))
    customers, number = np.unique(
        np.concatenate([np.empty(0, np.int64), *(one[2] for one in found)]), return_inverse=True
    )
    folds = np.concatenate([np.empty(0, np.int64), *(one[3] for one in found)])
    newest = np.zeros(len(customers), np.int64)
    np.maximum.at(newest, number, folds)
    counts = folds == newest[number]
    before = 0
    for file, places, _, _ in found:
        chosen = places[counts[before : before + len(places)]]
        before += len(places)
        if len(chosen):
            yield file, chosen


def _is_open(file: DataFile) -> bool:
    return bool(file.partition[2])
