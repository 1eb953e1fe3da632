"""A bucket of ``journeys/sequences`` in total order, as integers.

Belongs here: putting the files of a bucket together. Does not belong here: what is computed from them.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numba
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from cx_orchestration.model import tables
from cx_orchestration.storage.arrow_files import read_columns
from cx_orchestration.storage.data_files import DataFile
from cx_orchestration.storage.lake import Lake

KEY, CODE, AT = "customer_key", "type_code", "occurred_us"

_ORDER = (KEY, AT, "event_id")


@dataclass(frozen=True, eq=False)
class Bucket:
    """The events of one bucket by customer key, time and event id: all events of some customers.

    ``customer`` numbers the customers from 0 in the order of their keys, ``key`` has the key by that number; ``kind``
    is the code of the event's type, ``at`` its time in microseconds since 1970. ``more`` has further columns of the
    same rows.
    """

    number: int
    customer: NDArray[np.int32]
    kind: NDArray[np.int32]
    at: NDArray[np.int64]
    key: NDArray[np.int64]
    more: pa.Table


def read_buckets(lake: Lake, columns: Sequence[str] = ()) -> Iterator[Bucket]:
    """The buckets of ``journeys/sequences`` one after the other, all of one version of the table.

    Each file is sorted by customer, and weeks follow each other, so a stable counting sort by customer is all that is
    left to do; see ``order_by_key``. ``columns`` are further columns, each of which costs more than the integers.
    """
    for bucket in bucket_files(lake):
        yield read_bucket(bucket, columns)


@dataclass(frozen=True)
class BucketFiles:
    """Where the rows of a bucket lie, at one version of the table: files by week, under ``folder``."""

    number: int
    folder: Path
    files: tuple[DataFile, ...]


def bucket_files(lake: Lake) -> list[BucketFiles]:
    """All buckets, of one version of the table."""
    by_bucket: dict[int, list[DataFile]] = defaultdict(list)
    for file in lake.live_files(tables.SEQUENCES):
        by_bucket[file.partition[0]].append(file)
    folder = lake.folder_of(tables.SEQUENCES)
    return [
        BucketFiles(number, folder, tuple(sorted(files, key=lambda file: file.partition[1])))
        for number, files in sorted(by_bucket.items())
    ]


def rows_of(bucket: BucketFiles, columns: Sequence[str]) -> pa.Table:
    """The rows of a bucket week after week, each week sorted by customer, time and event id.

    A week has one file, which is sorted, and more while nights bring events.
    """
    columns = list(dict.fromkeys(columns))
    parts = [tables.SEQUENCES.empty().select(columns)]
    for _, of_week in groupby(bucket.files, key=lambda file: file.partition[1]):
        files = list(of_week)
        if len(files) == 1:
            parts.append(read_columns(tables.SEQUENCES, bucket.folder, files[0], columns))
            continue
        wanted = [*columns, *(name for name in _ORDER if name not in columns)]
        rows = pa.concat_tables([read_columns(tables.SEQUENCES, bucket.folder, file, wanted) for file in files])
        parts.append(rows.sort_by([(name, "ascending") for name in _ORDER]).select(columns))
    return pa.concat_tables(parts)


def read_bucket(bucket: BucketFiles, columns: Sequence[str] = ()) -> Bucket:
    """One bucket, as ``read_buckets`` gives it."""
    rows = rows_of(bucket, [KEY, CODE, AT, *columns])
    key, kind, at = (rows[name].to_numpy() for name in (KEY, CODE, AT))
    order = order_by_key(key)
    more = rows.select(columns)
    customer, kind, at, keys = in_order(order, key, kind, at)
    return Bucket(bucket.number, customer, kind, at, keys, more.take(order) if columns else more)


@numba.njit(cache=True)  # type: ignore[untyped-decorator]  # numba has no type stubs
def order_by_key(key: NDArray[np.int64]) -> NDArray[np.int32]:
    """The rows by customer key, those of the same key in the order they have: a stable sort of keys below 2**60.

    Keys are digits of a digest, so their first bits alone part most customers: rows are counted and put into slots of
    equal first bits, and only slots with several customers are sorted further.
    """
    n = len(key)
    bits = 1
    while bits < 28 and (1 << (bits + 2)) < n:
        bits += 1
    shift = 60 - bits
    start = np.zeros((1 << bits) + 1, np.int64)
    for i in range(n):
        start[(key[i] >> shift) + 1] += 1
    for slot in range(1 << bits):
        start[slot + 1] += start[slot]
    order = np.empty(n, np.int32)
    free = start.copy()
    for i in range(n):
        slot = key[i] >> shift
        order[free[slot]] = i
        free[slot] += 1
    for slot in range(1 << bits):
        low, high = start[slot], start[slot + 1]
        if high - low > 32:
            inside = order[low:high].copy()
            order[low:high] = inside[np.argsort(key[inside], kind="mergesort")]
            continue
        for i in range(low + 1, high):
            row, place = order[i], i
            while place > low and key[order[place - 1]] > key[row]:
                order[place] = order[place - 1]
                place -= 1
            order[place] = row
    return order


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def in_order(
    order: NDArray[np.int32], key: NDArray[np.int64], kind: NDArray[np.int32], at: NDArray[np.int64]
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int64], NDArray[np.int64]]:
    """The rows in an order by key: the customers numbered through, types, times; and the key of each number."""
    n = len(order)
    customer, kinds, times = np.empty(n, np.int32), np.empty(n, np.int32), np.empty(n, np.int64)
    keys = np.empty(n, np.int64)
    number = -1
    for i in range(n):
        row = order[i]
        if number < 0 or key[row] != keys[number]:
            number += 1
            keys[number] = key[row]
        customer[i], kinds[i], times[i] = number, kind[row], at[row]
    return customer, kinds, times, keys[: number + 1].copy()
