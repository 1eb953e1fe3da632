"""A night's fold of one bucket: customers to whom something happened go on from where they stood.

Belongs here: which customers go on, which are folded anew from their first event, and doing so. Does not belong here:
what a map makes of events (``placing``), writing what comes of it (``refolded``).

A customer's rows follow from that customer's events in their order, the maps, and the instant of judging. So those go
on who have events from the last instant of judging on, or have rested too long since. Those of whom an event from
before that instant came, went or changed are folded anew, and of their rows those from that event on can differ.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cx_orchestration.journeys.carrying import gone
from cx_orchestration.journeys.charts import CompiledMap
from cx_orchestration.journeys.coding import code_events, sequence_columns
from cx_orchestration.journeys.kernel import Ints
from cx_orchestration.journeys.placed import microseconds, week_of
from cx_orchestration.journeys.placing import Folded, fold_bucket
from cx_orchestration.journeys.reading import AT, KEY, BucketFiles, rows_of
from cx_orchestration.journeys.standing import carried, due_customers, is_merged, merged
from cx_orchestration.model import tables
from cx_orchestration.storage.arrow_files import read_columns
from cx_orchestration.storage.data_files import DataFile
from cx_orchestration.storage.engine import Engine, sql_text
from cx_orchestration.storage.lake import Change

_ID = "customer_id"
_CHANGED = [KEY, _ID, AT]
_COMPARED = [name for name in tables.SEQUENCES.schema.names if name not in tables.SEQUENCES.partition_by]


@dataclass(frozen=True)
class BucketNight:
    """Where a bucket lies, what each commit since the last fold changed in it, and the files of its threads by map."""

    bucket: BucketFiles
    changes: tuple[Change, ...]
    threads: tuple[tuple[DataFile, ...], ...]


@dataclass(frozen=True)
class Night:
    """What a fold that goes on from another is given; ``since`` and ``as_of`` are the instants of judging of both."""

    charts: Sequence[CompiledMap]
    types: Sequence[str]
    since: dt.datetime
    as_of: dt.datetime
    currency: str
    support_contact_cost: float
    fold: int


@dataclass(frozen=True, eq=False)
class BucketFolded:
    """What a night made of one bucket, map by map.

    ``on`` are the customers who went on, ``stood_open`` the ids of those of them who had an open instance; ``anew``
    those folded anew, with the ids ``again``, whose rows can differ from ``first_change`` on. ``merged`` are files of
    threads whose rows are among the new ones.
    """

    events: int
    in_other_currency: int
    on: list[Folded]
    anew: list[Folded]
    stood_open: pa.ChunkedArray
    again: pa.ChunkedArray
    first_change: int
    threads: list[pa.Table]
    merged: list[DataFile]


def fold_night(work: BucketNight, *, night: Night) -> BucketFolded:
    """One bucket, wherever its files can be read."""
    charts, since, until = night.charts, microseconds(night.since), microseconds(night.as_of)
    changed = _changed_before(work, since)
    again = np.unique(changed[KEY].to_numpy())
    columns = sequence_columns(charts)
    new = _rows_from(work.bucket, columns, since, until)
    new = new.filter(pa.array(~np.isin(new.column(KEY).to_numpy(), again)))
    folder = work.bucket.folder.parent / "threads"
    due = [due_customers(folder, files, until) for files in work.threads]
    went_on = np.unique(np.concatenate([new.column(KEY).to_numpy(), *due]))
    went_on = went_on[~np.isin(went_on, again)]
    stood = [carried(folder, files, went_on) for files in work.threads]
    on = _folded(new, work, night, stood)
    anew = _folded(_rows_of_customers(work.bucket, columns, again), work, night, []) if len(again) else (0, 0, [])
    threads: list[pa.Table] = []
    old: list[DataFile] = []
    for place, (chart, files) in enumerate(zip(charts, work.threads, strict=True)):
        rows = [one.threads for one in (on[2][place], *anew[2][place : place + 1])]
        there = np.concatenate([np.empty(0, np.int64), *(part[KEY].to_numpy() for part in rows)])
        lost = np.setdiff1d(again, there)
        rows.append(gone(lost, chart.journey, bucket=work.bucket.number, fold=night.fold))
        table = pa.concat_tables(rows)
        if is_merged(work.bucket.number, night.fold) and files:
            old += files
            table = merged(folder, files, table)
        threads.append(table)
    events, others = on[0] + anew[0], on[1] + anew[1]
    return BucketFolded(
        events=events,
        in_other_currency=others,
        on=on[2],
        anew=anew[2],
        stood_open=pa.chunked_array([*(chunk for one in stood for chunk in one[_ID].drop_null().chunks)], pa.string()),
        again=changed[_ID],
        first_change=pc.min(changed[AT]).as_py() if changed.num_rows else until,
        threads=threads,
        merged=old,
    )


def _folded(
    rows: pa.Table, work: BucketNight, night: Night, stood: Sequence[pa.Table]
) -> tuple[int, int, list[Folded]]:
    events = code_events(
        rows, night.charts, types=night.types, as_of=night.as_of, currency=night.currency, carried=stood
    )
    folded = fold_bucket(
        events,
        night.charts,
        as_of=night.as_of,
        support_contact_cost=night.support_contact_cost,
        carried=stood,
        bucket=work.bucket.number,
        fold=night.fold,
    )
    return len(events), events.in_other_currency, folded


def _changed_before(work: BucketNight, instant: int) -> pa.Table:
    """The customers' keys and ids of events from before an instant that came, went or changed, and when they were."""
    found = [tables.SEQUENCES.empty().select(_CHANGED)]
    folder = work.bucket.folder
    for change in work.changes:
        went, came = (_by_partition(files) for files in (change.gone, change.come))
        for partition in went.keys() | came.keys():
            if partition[1] > week_of(instant):
                continue
            if partition in went:
                rows = {
                    name: pa.concat_tables(
                        [
                            tables.SEQUENCES.empty().select(_COMPARED),
                            *(read_columns(tables.SEQUENCES, folder, file, _COMPARED) for file in files[partition]),
                        ]
                    )
                    for name, files in (("before", went), ("after", came))
                }
                found.append(Engine().query(sql_text(__package__, "refold_changes.sql"), rows))
            else:
                found += [read_columns(tables.SEQUENCES, folder, file, _CHANGED) for file in came[partition]]
    rows = pa.concat_tables(found)
    return rows.filter(pc.less(rows[AT], instant))


def _rows_from(bucket: BucketFiles, columns: Sequence[str], since: int, until: int) -> pa.Table:
    """The rows of a bucket from one instant on and before another, as a bucket's rows are ordered."""
    held = []
    for file in bucket.files:
        if week_of(since) <= file.partition[1] <= week_of(until):
            at = read_columns(tables.SEQUENCES, bucket.folder, file, [AT])[AT].to_numpy()
            if ((at >= since) & (at < until)).any():
                held.append(file)
    rows = rows_of(BucketFiles(bucket.number, bucket.folder, tuple(held)), columns)
    at = rows[AT].to_numpy()
    return rows.filter(pa.array((at >= since) & (at < until)))


def _rows_of_customers(bucket: BucketFiles, columns: Sequence[str], keys: Ints) -> pa.Table:
    held = []
    for file in bucket.files:
        there = read_columns(tables.SEQUENCES, bucket.folder, file, [KEY])[KEY].to_numpy()
        if np.isin(keys, there).any():
            held.append(file)
    rows = rows_of(BucketFiles(bucket.number, bucket.folder, tuple(held)), columns)
    return rows.filter(pa.array(np.isin(rows[KEY].to_numpy(), keys)))


def _by_partition(files: Iterable[DataFile]) -> Mapping[tuple[int, int], list[DataFile]]:
    found: dict[tuple[int, int], list[DataFile]] = defaultdict(list)
    for file in files:
        found[file.partition].append(file)
    return found
