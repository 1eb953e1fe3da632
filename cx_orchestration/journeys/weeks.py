"""Files of one bucket and week of ``journeys/sequences``, put together.

Belongs here: writing the rows of some files into one file a bucket and week, and when that is worth it. Does not belong
here: which rows there are (``sequences``, ``nights``).
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence

import pyarrow as pa

from cx_orchestration.journeys.sequences import EVENTS_PER_CHUNK, scan_of
from cx_orchestration.model import tables
from cx_orchestration.storage.data_files import DataFile
from cx_orchestration.storage.engine import Engine, sql_text
from cx_orchestration.storage.lake import Change, Lake

# A week that is over has one file, and later ones for at most so great a share of its events.
_MOST_ASIDE = 0.1

# No week has more files than that.
_MOST_FILES = 8

#: Noted with commits that leave all rows as they are.
SAME_ROWS = {"rows": "same"}


def leaves_rows(change: Change) -> bool:
    """Whether a commit only put rows together that lay in several files, or touched none."""
    return SAME_ROWS.items() <= change.note.items()


def merge_weeks(lake: Lake, engine: Engine, note: dict[str, str], *, run_id: str) -> None:
    """Put together, in a commit of its own, what nights have written beside each other: in a week that is over, and
    where there are many files."""
    by_partition: dict[tuple[int, int], list[DataFile]] = defaultdict(list)
    for file in lake.live_files(tables.SEQUENCES):
        by_partition[file.partition].append(file)
    newest = max((week for _, week in by_partition), default=0)
    old = [
        file
        for (_, week), files in sorted(by_partition.items())
        if len(files) > _MOST_FILES or (week < newest and _share_aside(files) > _MOST_ASIDE)
        for file in files
    ]
    if not old:
        return
    with lake.staged(tables.SEQUENCES) as new:
        write_again(lake, engine, old, new, without=tables.SEQUENCES.empty())
        lake.swap(tables.SEQUENCES, old, new, run_id=run_id, note=note | SAME_ROWS)


def write_again(lake: Lake, engine: Engine, old: Sequence[DataFile], new: list[DataFile], *, without: pa.Table) -> None:
    """Write the rows of some files, all of each bucket and week, into one file for each, but those of the events
    ``without``, and add these files to ``new``. They are not live yet."""
    for group in _groups(old):
        inputs = {"there": scan_of(lake, group), "changed": without.select(["event_id"])}
        with lake.writer(tables.SEQUENCES) as writer:
            rows = engine.query(sql_text(__package__, "sequences_merged.sql"), inputs)
            if rows.num_rows:
                writer.write(rows.cast(tables.SEQUENCES.schema))
            new += writer.finish()


def _share_aside(files: Sequence[DataFile]) -> float:
    rows = [file.rows for file in files]
    return 1 - max(rows) / sum(rows)


def _groups(files: Sequence[DataFile]) -> Iterator[list[DataFile]]:
    """The files of some buckets and weeks at a time, which hold about ``EVENTS_PER_CHUNK`` events."""
    by_partition: dict[tuple[int, int], list[DataFile]] = defaultdict(list)
    for file in files:
        by_partition[file.partition].append(file)
    group: list[DataFile] = []
    for _, of_partition in sorted(by_partition.items()):
        if group and sum(file.rows for file in [*group, *of_partition]) > EVENTS_PER_CHUNK:
            yield group
            group = []
        group += of_partition
    if group:
        yield group
