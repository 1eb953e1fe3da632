"""A night's work on ``journeys/sequences``: only what has changed since they were last written.

Belongs here: what changed, and writing that. Does not belong here: writing all of them (``sequences``), which gives the
same rows; putting a week's files together (``weeks``).
"""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta

import pyarrow as pa
import pyarrow.compute as pc

from cx_orchestration.journeys.event_types import give_codes
from cx_orchestration.journeys.sequences import (
    MAX_BUCKETS,
    SequenceCounts,
    Sources,
    buckets_for,
    build_sequences,
    scan_of,
    version_of,
)
from cx_orchestration.journeys.weeks import SAME_ROWS, merge_weeks, write_again
from cx_orchestration.model import tables
from cx_orchestration.storage.engine import Engine, Input, sql_text
from cx_orchestration.storage.lake import Lake
from cx_orchestration.storage.scan import Scan

MOST_CHANGED = 0.2

# A night asks small things of many files: two threads take half as much CPU again, waiting for each other.
_THREADS = 1

# What the queries ask of events, in one order on every engine.
_ASKED = (
    "event_id, type, occurred_at, service, stream, record_id, entity, channel, amount, currency, score, score_kind, "
    "attributes, day"
)


@dataclass(frozen=True)
class _Change:
    """``ids`` of events whose row may have changed: the rows that they had (``went``), and those that they have now
    (``came``); how many more customers have events, and by service how many more events are of unknown entities."""

    ids: pa.Table
    went: pa.Table
    came: pa.Table
    customers: int
    unresolved: Mapping[str, int]


def update_sequences(lake: Lake, engine: Engine, *, most_changed: float = MOST_CHANGED, run_id: str) -> SequenceCounts:
    """Bring ``journeys/sequences`` up to date in one commit, and give what became of all events.

    Where no row changes, the commit notes what they are made of now.

    New events come in files of their own beside those of their bucket and week; written anew are the buckets and weeks
    of events that went, were reported anew, or whose entity belongs to another customer now. All are written when what
    the sequences were made of cannot be read any more, when they need more buckets, or when a greater share of the
    events than ``most_changed`` may have changed. The rows are those that ``build_sequences`` gives.
    """
    noted, sources = lake.note(tables.SEQUENCES), Sources.now(lake)
    reported = lake.rows(tables.EVENTS)
    if not _is_base(lake, noted, sources) or buckets_for(reported) > int(noted["buckets"]):
        return build_sequences(lake, engine, run_id=run_id)
    buckets = int(noted["buckets"])
    change = _change(lake, engine, noted, sources, most_changed * reported, run_id=run_id)
    if change is None:
        return build_sequences(lake, engine, buckets=buckets, run_id=run_id)
    unresolved = Counter(json.loads(noted["unresolved"]))
    unresolved.update(change.unresolved)
    sequenced = lake.rows(tables.SEQUENCES) - change.went.num_rows + change.came.num_rows
    left_over = {service: events for service, events in sorted(unresolved.items()) if events}
    counts = SequenceCounts(
        reported=reported,
        repeated=reported - sequenced - sum(left_over.values()),
        sequenced=sequenced,
        customers=int(noted["customers"]) + change.customers,
        unresolved=left_over,
    )
    note = sources.note(buckets, counts)
    if change.ids.num_rows:
        _write(lake, engine, change, note, run_id)
        merge_weeks(lake, engine, note, run_id=run_id)
    elif Sources.of(noted) != sources:
        lake.swap(tables.SEQUENCES, [], [], run_id=run_id, note=note | SAME_ROWS)
    return counts


def _is_base(lake: Lake, noted: Mapping[str, str], sources: Sources) -> bool:
    """Whether the sequences were made of earlier versions of the same tables, which can still be read."""
    if "unresolved" not in noted:
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


def _change(
    lake: Lake, engine: Engine, noted: Mapping[str, str], sources: Sources, most: float, *, run_id: str
) -> _Change | None:
    """What changed since the sequences were made; ``None`` for more than ``most`` events, or a new customer whose key
    is taken."""
    former = Sources.of(noted)
    (before, identity_before), (now, identity_now) = former.scans(lake), sources.scans(lake)
    stayed = set(before.files) & set(now.files)
    kept, removed, added = (
        _files(scan, files)
        for scan, files in ((now, stayed), (before, set(before.files) - stayed), (now, set(now.files) - stayed))
    )
    codes = give_codes(lake, engine, added, run_id=run_id)
    same = set(identity_before.files) & set(identity_now.files)
    maps: dict[str, Input] = {
        "before": _files(identity_before, set(identity_before.files) - same),
        "now": _files(identity_now, set(identity_now.files) - same),
    }
    # Where every event was of a known customer, an entity that nobody knew had none: events need not be read for it.
    had_unknown = [{"service": service} for service in json.loads(noted["unresolved"])]
    maps["had_unknown"] = pa.Table.from_pylist(had_unknown, pa.schema([("service", pa.string())]))
    moved = _asked(engine, "identity_moves.sql", maps)
    inputs: dict[str, Input] = {"kept": kept, "removed": removed, "added": added, "moved": moved}
    ids = _asked(engine, "sequence_changes.sql", inputs)
    if ids.num_rows > most:
        return None
    with engine.session({**inputs, "changed": ids}, threads=_THREADS) as session:
        told = {
            name: session.query(f"SELECT {_ASKED} FROM {name} WHERE event_id IN (SELECT event_id FROM changed)")
            for name in ("kept", "removed", "added")
        }
    had = pa.concat_tables([told["kept"], told["removed"]])
    has = pa.concat_tables([told["kept"], told["added"]])
    known_before = _known(engine, identity_before, had, noted)
    known = _known(engine, identity_now, has, noted)
    went = _rows_had(lake, engine, had)
    came = _rows_now(engine, has, known, codes)
    unresolved: Counter[str] = Counter()
    for sign, events, of, sequences in ((-1, had, known_before, went), (1, has, known, came)):
        found = _asked(engine, "sequences_unresolved.sql", {"events": events, "known": of, "sequences": sequences})
        unresolved.update({row["service"]: sign * row["events"] for row in found.to_pylist()})
    places = ["bucket", "customer_key"]
    wanted = pa.concat_tables([went.select(places), came.select(places)]).group_by(places).aggregate([])
    inputs = {"wanted": wanted, "sequences": lake.scan(tables.SEQUENCES)}
    there = _asked(engine, "sequence_customers.sql", inputs)
    counted = _asked(engine, "sequence_customers_changed.sql", {"before": there, "went": went, "came": came})
    customers = counted.to_pylist()[0]
    if customers["clashes"]:
        return None
    return _Change(ids, went, came, customers["customers"], unresolved)


def _known(engine: Engine, identity_map: Scan, events: pa.Table, noted: Mapping[str, str]) -> pa.Table:
    """The rows of ``sequence_keys.sql`` of the entities of some events."""
    owners = engine.query(
        "SELECT m.* FROM identity_map AS m "
        "WHERE EXISTS (SELECT 1 FROM events AS t WHERE t.service = m.service AND t.entity = m.entity)",
        {"identity_map": identity_map, "events": events},
        threads=_THREADS,
    )
    return _asked(engine, "sequence_keys.sql", {"identity_map": owners}, {"buckets": int(noted["buckets"])})


def _rows_had(lake: Lake, engine: Engine, events: pa.Table) -> pa.Table:
    """Where events that were reported before lie, by bucket and week."""
    weeks = _asked(engine, "sequence_weeks.sql", {"events": events})["week"].to_pylist()
    sequences = lake.scan(tables.SEQUENCES, {"week": frozenset(weeks)}) if weeks else scan_of(lake, [])
    changed = events.select(["event_id"])
    return _asked(engine, "sequences_had.sql", {"sequences": sequences, "changed": changed})


def _rows_now(engine: Engine, events: pa.Table, known: pa.Table, codes: pa.Table) -> pa.Table:
    first, last = (pc.min_max(events["occurred_at"])[end].as_py() for end in ("min", "max"))
    if first is None:
        return tables.SEQUENCES.empty()
    newest = _asked(engine, "sequence_newest.sql", {"events": events})
    inputs: dict[str, Input] = {"events": events, "newest": newest, "known": known, "event_types": codes}
    span = {"since": first, "until": last + timedelta(microseconds=1), "first": 0, "last": MAX_BUCKETS - 1}
    return _asked(engine, "sequences.sql", inputs, span).cast(tables.SEQUENCES.schema)


def _asked(
    engine: Engine, name: str, inputs: Mapping[str, Input], params: Mapping[str, object] | None = None
) -> pa.Table:
    return engine.query(sql_text(__package__, name), inputs, params, threads=_THREADS)


def _files(scan: Scan, files: set[str]) -> Scan:
    return replace(scan, files=tuple(sorted(files)))


def _write(lake: Lake, engine: Engine, change: _Change, note: dict[str, str], run_id: str) -> None:
    """New events beside the others; and without those that go, the buckets and weeks that have such."""
    touched = {(row["bucket"], row["week"]) for row in change.went.select(["bucket", "week"]).to_pylist()}
    old = [file for file in lake.live_files(tables.SEQUENCES) if file.partition in touched]
    with lake.staged(tables.SEQUENCES) as new:
        write_again(lake, engine, old, new, without=change.went)
        with lake.writer(tables.SEQUENCES) as writer:
            if change.came.num_rows:
                writer.write(change.came)
            new += writer.finish()
        lake.swap(tables.SEQUENCES, old, new, run_id=run_id, note=note)
