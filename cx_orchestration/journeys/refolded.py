"""What a night's fold leaves in the lake, in place of what it changes and beside all else.

Belongs here: what the last fold was of, and writing a night's rows. Does not belong here: which customers they are of
(``refold``).

New rows of customers who went on come in files of their own beside those of their week, which nobody reads for that.
Read and written anew are only: open instances; of customers folded anew the weeks that can differ; and a week that has
many files.
"""

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from cx_orchestration.journeys.charts import CompiledMap
from cx_orchestration.journeys.placed import STILL_OPEN, microseconds, week_of
from cx_orchestration.journeys.reading import bucket_files
from cx_orchestration.journeys.refold import BucketFolded, BucketNight
from cx_orchestration.journeys.weeks import leaves_rows
from cx_orchestration.model import tables
from cx_orchestration.model.tables import Table
from cx_orchestration.storage.arrow_files import read_files
from cx_orchestration.storage.data_files import DataFile
from cx_orchestration.storage.lake import Change, Lake

#: What a fold writes, in this order.
FOLDED = (tables.STEPS, tables.INSTANCES, tables.THREADS)

# After every week that has rows.
_AFTER_ALL = 1_000_000

# Beyond this share of the events a whole fold is less work.
_MOST_CHANGED = 0.5

# A week's files are merged when a night finds so many.
_MOST_FILES = 8


@dataclass(frozen=True)
class FoldedFrom:
    """What the tables were folded from, noted with their commits: the state and version of the sequences, the instant
    of judging, a digest of all else; and the number of the fold."""

    sequences: str
    version: int
    as_of: dt.datetime
    settings: str
    fold: int

    @property
    def note(self) -> dict[str, str]:
        return {
            "sequences": self.sequences,
            "version": str(self.version),
            "as_of": self.as_of.isoformat(),
            "settings": self.settings,
            "fold": str(self.fold),
        }


def last_fold(lake: Lake) -> FoldedFrom | None:
    """What all tables were last folded from; nothing, when a fold was killed between them, or somebody else has written
    one of them since."""
    note, *others = (lake.note(table) for table in FOLDED)
    if "fold" not in note or any(other != note for other in others):
        return None
    as_of = dt.datetime.fromisoformat(note["as_of"])
    return FoldedFrom(note["sequences"], int(note["version"]), as_of, note["settings"], int(note["fold"]))


def nights_work(
    lake: Lake, charts: Sequence[CompiledMap], last: FoldedFrom | None, now: FoldedFrom
) -> list[BucketNight] | None:
    """What each bucket has to go on from; ``None`` when all must be folded."""
    if last is None or last.settings != now.settings or now.as_of < last.as_of:
        return None
    if last.sequences.rpartition("-")[0] != now.sequences.rpartition("-")[0]:
        return None
    if _comes_into_force(charts, last.as_of, now.as_of) or not lake.holds(tables.SEQUENCES, last.version):
        return None
    changes = [change for change in lake.changes_since(tables.SEQUENCES, last.version) if not leaves_rows(change)]
    come = sum(file.rows for change in changes for file in change.come)
    if come > _MOST_CHANGED * lake.rows(tables.SEQUENCES):
        return None
    threads = lake.live_files(tables.THREADS)
    return [
        BucketNight(
            bucket,
            tuple(_of_bucket(change, bucket.number) for change in changes),
            tuple(
                tuple(file for file in threads if file.partition[:2] == (chart.journey, bucket.number))
                for chart in charts
            ),
        )
        for bucket in bucket_files(lake)
    ]


def write_night(lake: Lake, folded: Sequence[BucketFolded], now: FoldedFrom, *, run_id: str) -> None:
    """Steps, instances and threads of a night, each in one commit."""
    again = _ids(one.again for one in folded)
    had_open = _ids(ids for one in folded for ids in (one.again, one.stood_open))
    until = microseconds(now.as_of)
    first = week_of(min((one.first_change for one in folded), default=until)) if len(again) else _AFTER_ALL
    for table, on, anew in (
        (tables.STEPS, [f.steps for one in folded for f in one.on], [f.steps for one in folded for f in one.anew]),
        (
            tables.INSTANCES,
            [f.instances for one in folded for f in one.on],
            [f.instances for one in folded for f in one.anew],
        ),
    ):
        again_rows = pa.concat_tables([table.empty(), *anew])
        can_differ = pc.or_(pc.greater_equal(again_rows["week"], first), pc.equal(again_rows["week"], STILL_OPEN))
        rows = pa.concat_tables([table.empty(), *on, again_rows.filter(can_differ)])
        _write(lake, table, rows, again, had_open, first, now, run_id)
    threads = [part for one in folded for part in one.threads]
    old = [file for one in folded for file in one.merged]
    _swap(lake, tables.THREADS, old, pa.concat_tables([tables.THREADS.empty(), *threads]), now, run_id)


def _write(
    lake: Lake,
    table: Table,
    rows: pa.Table,
    again: pa.Array,
    had_open: pa.Array,
    first: int,
    now: FoldedFrom,
    run_id: str,
) -> None:
    live = lake.live_files(table)
    count = Counter(file.partition for file in live)
    grows = set(zip(rows["journey"].to_pylist(), rows["week"].to_pylist(), strict=True)) if rows.num_rows else set()
    merging = {partition for partition in grows if count[partition] >= _MOST_FILES}
    differ = [file for file in live if file.partition[1] >= first]
    still_open = [file for file in live if file.partition[1] == STILL_OPEN]
    full = [file for file in live if file.partition in merging and file not in differ and file not in still_open]
    parts = [
        _staying(lake, table, files, customers)
        for files, customers in ((differ, again), (still_open, had_open), (full, _ids([])))
    ]
    _swap(lake, table, [*differ, *still_open, *full], pa.concat_tables([*parts, rows]), now, run_id)


def _staying(lake: Lake, table: Table, files: Sequence[DataFile], customers: pa.Array) -> pa.Table:
    """The rows of some files but those of the customers who have others now."""
    there = read_files(table, lake.folder_of(table), files)
    return there.filter(pc.invert(pc.is_in(there["customer_id"], customers)))


def _ids(parts: Iterable[pa.ChunkedArray]) -> pa.Array:
    return pa.chunked_array([chunk for part in parts for chunk in part.chunks], pa.string()).combine_chunks()


def _swap(lake: Lake, table: Table, old: Sequence[DataFile], rows: pa.Table, now: FoldedFrom, run_id: str) -> None:
    with lake.staged(table) as new:
        with lake.writer(table) as writer:
            if rows.num_rows:
                writer.write(rows.sort_by([(name, "ascending") for name in table.partition_by]))
            new += writer.finish()
        lake.swap(table, old, new, run_id=run_id, note=now.note)


def _of_bucket(change: Change, number: int) -> Change:
    gone, come = (tuple(file for file in files if file.partition[0] == number) for files in (change.gone, change.come))
    return Change(change.note, gone, come)


def _comes_into_force(charts: Sequence[CompiledMap], after: dt.datetime, until: dt.datetime) -> bool:
    return any(
        microseconds(after) < version.since <= microseconds(until) for chart in charts for version in chart.versions
    )
