"""Which customers a fold must look at again, and their rows in place of those they had.

Belongs here: what changed since the last fold, and rewriting the weeks it can have changed. Does not belong here: what
a map makes of events (``placing``).

A customer's rows follow from that customer's events in their order, the maps, and the instant of judging. So only those
need folding anew whose events differ, who have events that only count now, or who have rested too long since; and of
their rows only those from the earliest of these instants on can differ.
"""

import datetime as dt
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from cx_orchestration.journeys.charts import CompiledMap
from cx_orchestration.journeys.kernel import Ints
from cx_orchestration.journeys.placing import STILL_OPEN, Folded, microseconds, week_of
from cx_orchestration.journeys.reading import AT, KEY
from cx_orchestration.model import tables
from cx_orchestration.storage.arrow_files import read_columns
from cx_orchestration.storage.data_files import DataFile
from cx_orchestration.storage.engine import Engine, sql_text
from cx_orchestration.storage.lake import Lake

_PARTITION = re.compile(r"bucket=(\d+)/week=(-?\d+)/[^/]+$")
_COMPARED = [name for name in tables.SEQUENCES.schema.names if name not in tables.SEQUENCES.partition_by]
_KEYS = pa.schema([("customer_key", pa.int64())])

# Beyond this share of the files a whole fold is less work.
_MOST_CHANGED = 0.5


@dataclass(frozen=True)
class FoldedFrom:
    """What steps and instances were folded from, noted with their commits: the state and version of the sequences, the
    instant of judging, and a digest of all else."""

    sequences: str
    version: int
    as_of: dt.datetime
    settings: str

    @property
    def note(self) -> dict[str, str]:
        return {
            "sequences": self.sequences,
            "version": str(self.version),
            "as_of": self.as_of.isoformat(),
            "settings": self.settings,
        }


@dataclass(frozen=True, eq=False)
class Changes:
    """The keys of the customers to fold anew, ascending, and the instant from which their rows may differ."""

    keys: Ints
    since: int

    def rows(self, of_bucket: pa.Table) -> pa.Table:
        """Those of a bucket's rows that are theirs."""
        return of_bucket.filter(pa.array(np.isin(of_bucket.column(KEY).to_numpy(), self.keys)))


def last_fold(lake: Lake) -> FoldedFrom | None:
    """What both tables were last folded from; nothing, when somebody else has written one of them since."""
    steps, instances = lake.note(tables.STEPS), lake.note(tables.INSTANCES)
    if not steps or steps != instances:
        return None
    as_of = dt.datetime.fromisoformat(steps["as_of"])
    return FoldedFrom(steps["sequences"], int(steps["version"]), as_of, steps["settings"])


def changes(lake: Lake, charts: Sequence[CompiledMap], now: FoldedFrom) -> Changes | None:
    """What the events, and time, have changed since the last fold; ``None`` when all must be folded."""
    last, as_of = last_fold(lake), now.as_of
    if last is None or last.settings != now.settings or as_of < last.as_of:
        return None
    if last.sequences.rpartition("-")[0] != now.sequences.rpartition("-")[0]:
        return None
    if _comes_into_force(charts, last.as_of, as_of) or not lake.holds(tables.SEQUENCES, last.version):
        return None
    folder = lake.folder_of(tables.SEQUENCES)
    before = {file.path: file for file in map(_data_file, lake.scan(tables.SEQUENCES, version=last.version).files)}
    after = {file.path: file for file in lake.live_files(tables.SEQUENCES)}
    gone, come = before.keys() - after.keys(), after.keys() - before.keys()
    if len(come) > _MOST_CHANGED * len(after):
        return None
    keys, instants = [np.empty(0, np.int64)], []
    by_partition = {before[path].partition for path in gone} | {after[path].partition for path in come}
    for partition in sorted(by_partition):
        rows = {
            name: pa.concat_tables(
                [
                    tables.SEQUENCES.empty().select(_COMPARED),
                    *(
                        read_columns(tables.SEQUENCES, folder, files[path], _COMPARED)
                        for path in paths
                        if files[path].partition == partition
                    ),
                ]
            )
            for name, files, paths in (("before", before, gone), ("after", after, come))
        }
        found = Engine().query(sql_text(__package__, "refold_changes.sql"), rows)
        keys.append(found.column(KEY).to_numpy())
        instants += found.column("since").to_pylist()
    start, end = microseconds(last.as_of), microseconds(as_of)
    if end > start:
        instants.append(start)
        for file in after.values():
            if week_of(start) <= file.partition[1] <= week_of(end):
                rows_of = read_columns(tables.SEQUENCES, folder, file, [KEY, AT])
                at = rows_of.column(AT).to_numpy()
                keys.append(rows_of.column(KEY).to_numpy()[(at >= start) & (at < end)])
        open_instances = lake.scan(tables.INSTANCES, {"week": STILL_OPEN})
        inputs = {"instances": open_instances, "waits": _waits(charts)}
        due = Engine().query(sql_text(__package__, "instances_due.sql"), inputs, {"as_of": end})
        keys.append(due.column(KEY).to_numpy())
    return Changes(np.unique(np.concatenate(keys)), min(instants, default=end))


def rewrite(lake: Lake, found: Changes, folded: Sequence[Folded], now: FoldedFrom, *, run_id: str) -> None:
    """The rows of the customers folded anew in place of those they had, in the weeks that can have changed."""
    first = week_of(found.since)
    for table, parts in (
        (tables.STEPS, [one.steps for one in folded]),
        (tables.INSTANCES, [one.instances for one in folded]),
    ):
        there = [int(week) for week in lake.partition_values(table, "week")]
        weeks = {week for week in [*there, *range(first, week_of(microseconds(now.as_of)) + 1)] if week >= first}
        weeks |= {STILL_OPEN} if table is tables.INSTANCES else set()
        inputs = {
            "kept": lake.scan(table, {"week": frozenset(weeks)}),
            "anew": pa.concat_tables([table.empty(), *parts]),
            "keys": pa.table([found.keys], schema=_KEYS),
        }
        params = {"first": first, "still_open": STILL_OPEN}
        rows = Engine().query(sql_text(__package__, "refolded.sql"), inputs, params)
        with lake.writer(table) as writer:
            writer.write(rows)
            files = writer.finish()
        lake.replace_by_files(table, files, where={"week": frozenset(weeks)}, run_id=run_id, note=now.note)


def _comes_into_force(charts: Sequence[CompiledMap], after: dt.datetime, until: dt.datetime) -> bool:
    return any(
        microseconds(after) < version.since <= microseconds(until) for chart in charts for version in chart.versions
    )


def _waits(charts: Sequence[CompiledMap]) -> pa.Table:
    """How long an open instance may rest, by journey and state; 0 where each part rests for itself."""
    rows = []
    for chart in charts:
        for code, (version, name) in enumerate(chart.steps):
            parts, wait = chart.table.parts[version] > 1, int(chart.table.wait[code])
            if parts or wait >= 0:
                number = chart.versions[version].journey_map.version
                rows.append((chart.journey, number, name, 0 if parts else wait))
    names = ("journey", "map_version", "state", "wait")
    kinds = (pa.string(), pa.int64(), pa.string(), pa.int64())
    return pa.Table.from_pylist(
        [dict(zip(names, row, strict=True)) for row in rows], pa.schema(zip(names, kinds, strict=True))
    )


def _data_file(path: str) -> DataFile:
    found = _PARTITION.search(path)
    assert found is not None
    return DataFile(found[0], (int(found[1]), int(found[2])), 0, 0, 0)
