"""A night's work on ``journeys/sequences``: only what has changed since they were last written.

Belongs here: what changed, and writing those files anew. Does not belong here: writing all of them (``sequences``),
which gives the same rows.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

import pyarrow as pa
import pyarrow.compute as pc

from cx_orchestration.journeys.event_types import give_codes
from cx_orchestration.journeys.sequences import (
    EVENTS_PER_CHUNK,
    MAX_BUCKETS,
    SequenceCounts,
    Sources,
    buckets_for,
    build_sequences,
    count_events,
    version_of,
)
from cx_orchestration.model import tables
from cx_orchestration.storage.data_files import DataFile
from cx_orchestration.storage.engine import Engine, Input, sql_text
from cx_orchestration.storage.lake import Lake
from cx_orchestration.storage.scan import Scan

MOST_CHANGED = 0.2


@dataclass(frozen=True)
class _Change:
    """``ids`` of events whose row may have changed, and their ``rows`` as they are now."""

    ids: pa.Table
    rows: pa.Table


def update_sequences(lake: Lake, engine: Engine, *, most_changed: float = MOST_CHANGED, run_id: str) -> SequenceCounts:
    """Bring ``journeys/sequences`` up to date in one commit, and give what became of all events.

    Written are the files, by bucket and week, that have an event which came, went, was reported anew, or whose entity
    belongs to another customer now. All are written when what the sequences were made of cannot be read any more, when
    they need more buckets, or when a greater share of the events than ``most_changed`` may have changed. The rows are
    those that ``build_sequences`` gives.
    """
    noted, sources = lake.note(tables.SEQUENCES), Sources.now(lake)
    events, _ = sources.scans(lake)
    reported = engine.query("SELECT count(*) AS n FROM events", {"events": events}).column("n")[0].as_py()
    if not _is_base(lake, noted, sources) or buckets_for(reported) > int(noted["buckets"]):
        return build_sequences(lake, engine, run_id=run_id)
    change = _change(lake, engine, noted, sources, run_id=run_id)
    if change is None or change.ids.num_rows > most_changed * reported:
        return build_sequences(lake, engine, buckets=int(noted["buckets"]), run_id=run_id)
    if change.ids.num_rows:
        _rewrite(lake, engine, change, sources.note(int(noted["buckets"])), run_id)
    return count_events(lake, engine, reported)


def _is_base(lake: Lake, noted: Mapping[str, str], sources: Sources) -> bool:
    """Whether the sequences were made of earlier versions of the same tables, which can still be read."""
    if not noted:
        return False
    stored = lake.stored(tables.SEQUENCES)
    if stored is None or stored[1] != tables.SEQUENCES.partition_by:
        return False
    return all(
        now is not None
        and noted[name].rpartition("-")[0] == now.rpartition("-")[0]
        and (version := version_of(noted[name])) is not None
        and lake.holds(table, version)
        for table, name, now in (
            (tables.EVENTS, "events", sources.events),
            (tables.IDENTITY_MAP, "identity_map", sources.identity_map),
        )
    )


def _change(lake: Lake, engine: Engine, noted: Mapping[str, str], sources: Sources, *, run_id: str) -> _Change | None:
    """What changed since the sequences were made; ``None`` when a new customer's key is taken."""
    codes = give_codes(lake, engine, run_id=run_id)
    former = Sources(noted["events"], noted["identity_map"])
    (before, identity_before), (now, identity_now) = former.scans(lake), sources.scans(lake)
    moved = engine.query(sql_text(__package__, "identity_moves.sql"), {"before": identity_before, "now": identity_now})
    inputs: dict[str, Input] = {"events": now, "moved": moved, "identity_map": identity_now}
    inputs["removed"] = _files(before, set(before.files) - set(now.files))
    inputs["added"] = _files(now, set(now.files) - set(before.files))
    ids = engine.query(sql_text(__package__, "sequence_changes.sql"), inputs)
    inputs["changed"] = ids
    with engine.session(inputs) as session:
        told = session.keep(
            "told", session.query("SELECT * FROM events WHERE event_id IN (SELECT event_id FROM changed)")
        )
        owners = session.query(
            "SELECT m.* FROM identity_map AS m "
            "WHERE EXISTS (SELECT 1 FROM told AS t WHERE t.service = m.service AND t.entity = m.entity)"
        )
    known = engine.query(
        sql_text(__package__, "sequence_keys.sql"), {"identity_map": owners}, {"buckets": int(noted["buckets"])}
    )
    taken = engine.query(
        sql_text(__package__, "sequence_key_taken.sql"), {"known": known, "sequences": lake.scan(tables.SEQUENCES)}
    )
    if taken.num_rows:
        return None
    newest = engine.query(sql_text(__package__, "sequence_newest.sql"), {"events": told})
    rows: dict[str, Input] = {"events": told, "newest": newest, "known": known, "event_types": codes}
    first, last = (pc.min_max(told["occurred_at"])[end].as_py() for end in ("min", "max"))
    if first is None:
        return _Change(ids, tables.SEQUENCES.empty())
    span = {"since": first, "until": last + timedelta(microseconds=1), "first": 0, "last": MAX_BUCKETS - 1}
    return _Change(ids, engine.query(sql_text(__package__, "sequences.sql"), rows, span))


def _files(scan: Scan, files: set[str]) -> Scan:
    return replace(scan, files=tuple(sorted(files)))


def _rewrite(lake: Lake, engine: Engine, change: _Change, note: dict[str, str], run_id: str) -> None:
    """Write the files anew that have, or are to have, one of the changed events."""
    scan = lake.scan(tables.SEQUENCES)
    places = "SELECT DISTINCT bucket, week FROM sequences WHERE event_id IN (SELECT event_id FROM changed)"
    had = engine.query(places, {"sequences": scan, "changed": change.ids})
    have = change.rows.select(["bucket", "week"])
    touched = {(row["bucket"], row["week"]) for part in (had, have) for row in part.to_pylist()}
    old = [file for file in lake.live_files(tables.SEQUENCES) if file.partition in touched]
    folder = lake.folder_of(tables.SEQUENCES)
    new: list[DataFile] = []
    try:
        for group in _groups(sorted(touched), old):
            files = {str(folder / file.path) for file in old if file.partition in group}
            wanted = pa.table({"bucket": [one[0] for one in group], "week": [one[1] for one in group]})
            inputs: dict[str, Input] = {
                "kept": _files(scan, files),
                "changed": change.ids,
                "fresh": change.rows,
                "wanted": wanted,
            }
            with lake.writer(tables.SEQUENCES) as writer:
                writer.write(engine.query(sql_text(__package__, "sequences_merged.sql"), inputs))
                new += writer.finish()
        lake.swap(tables.SEQUENCES, old, new, run_id=run_id, note=note)
    except BaseException:
        lake.remove_unused(tables.SEQUENCES, new)
        raise


def _groups(touched: Sequence[tuple[int, int]], old: Sequence[DataFile]) -> Iterator[set[tuple[int, int]]]:
    """The partitions to write, so many at a time as hold about ``EVENTS_PER_CHUNK`` events."""
    held = {file.partition: file.rows for file in old}
    group: set[tuple[int, int]] = set()
    events = 0
    for place in touched:
        if group and events + held.get(place, 0) > EVENTS_PER_CHUNK:
            yield group
            group, events = set(), 0
        group.add(place)
        events += held.get(place, 0)
    if group:
        yield group
