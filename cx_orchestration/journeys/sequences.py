"""``journeys/sequences``: every distinct event of every known customer, integer-coded, by bucket of customers and week.

Belongs here: joining events to customers, and writing them in order. Does not belong here: reading a bucket in total
order (``reading``), what changed since the last night (``nights``), what the order means (``fold``).
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pyarrow as pa

from cx_orchestration.journeys.event_types import give_codes
from cx_orchestration.model import tables
from cx_orchestration.model.failures import PermanentFailure
from cx_orchestration.storage.data_files import DataFile
from cx_orchestration.storage.engine import Engine, Input, sql_text
from cx_orchestration.storage.lake import Lake
from cx_orchestration.storage.scan import Scan

#: As many buckets as three hexadecimal digits can tell apart; see ``sequence_keys.sql``.
MAX_BUCKETS = 4096

#: A bucket of so many events is read and folded in some hundred megabytes.
EVENTS_PER_BUCKET = 4_000_000

EVENTS_PER_CHUNK = 1_000_000

FIRST_MONDAY = datetime(1969, 12, 29, tzinfo=UTC)
WEEK = timedelta(weeks=1)


@dataclass(frozen=True)
class SequenceCounts:
    """What became of the events: ``reported`` = ``repeated`` + ``sequenced`` + the sum of ``unresolved``.

    ``repeated`` are reports of an event that a newer day reports again. ``unresolved`` counts, by service, events of
    entities that the identity map does not know: they are in no journey.
    """

    reported: int
    repeated: int
    sequenced: int
    customers: int
    unresolved: dict[str, int]


@dataclass(frozen=True)
class Chunk:
    """Some weeks, from ``first_week`` on and before ``end_week``, of the buckets ``first`` to ``last``."""

    first_week: int
    end_week: int
    first: int
    last: int

    @property
    def params(self) -> dict[str, object]:
        since, until = (FIRST_MONDAY + week * WEEK for week in (self.first_week, self.end_week))
        return {"since": since, "until": until, "first": self.first, "last": self.last}


@dataclass(frozen=True)
class Sources:
    """The states of ``integration/events`` and ``identity/identity_map`` that sequences are made of; ``None`` for a
    table that was never written."""

    events: str | None
    identity_map: str | None

    @classmethod
    def now(cls, lake: Lake) -> "Sources":
        return cls(lake.state(tables.EVENTS), lake.state(tables.IDENTITY_MAP))

    @classmethod
    def of(cls, noted: Mapping[str, str]) -> "Sources":
        """Those that a commit of sequences notes."""
        return cls(noted.get("events") or None, noted.get("identity_map") or None)

    def scans(self, lake: Lake) -> tuple[Scan, Scan]:
        """Both tables in these states."""
        events, identity_map = (version_of(state) for state in (self.events, self.identity_map))
        return lake.scan(tables.EVENTS, version=events), lake.scan(tables.IDENTITY_MAP, version=identity_map)

    def note(self, buckets: int, counts: SequenceCounts) -> dict[str, str]:
        """What is noted with sequences made of them."""
        made_of = {"events": self.events or "", "identity_map": self.identity_map or "", "buckets": str(buckets)}
        return made_of | {"customers": str(counts.customers), "unresolved": json.dumps(counts.unresolved)}


def version_of(state: str | None) -> int | None:
    """The version in a state as ``Lake.state`` gives it."""
    return int(state.rpartition("-")[2]) if state else None


def build_sequences(
    lake: Lake,
    engine: Engine,
    *,
    buckets: int | None = None,
    events_per_chunk: int = EVENTS_PER_CHUNK,
    run_id: str,
) -> SequenceCounts:
    """Write all sequences anew in one commit, so that no reader sees a customer in two buckets.

    The same events and identity map give the same rows, whatever order they were landed in. ``buckets`` follows from
    the number of events when it is not given. ``events_per_chunk`` are joined, sorted and written at a time, which
    bounds memory.
    """
    if buckets is not None and not 1 <= buckets <= MAX_BUCKETS:
        raise PermanentFailure(f"sequences: buckets is {buckets}, expected 1 to {MAX_BUCKETS}")
    lake.empty_for_layout(tables.SEQUENCES, run_id=run_id)
    sources = Sources.now(lake)
    events, identity_map = sources.scans(lake)
    codes = give_codes(lake, engine, events, run_id=run_id)
    weeks = engine.query(sql_text(__package__, "sequence_weeks.sql"), {"events": events})
    reported = sum(weeks["events"].to_pylist())
    spread, known = _keys(engine, identity_map, buckets or buckets_for(reported))
    newest = engine.query(sql_text(__package__, "sequence_newest.sql"), {"events": events})
    inputs: dict[str, Input] = {"events": events, "newest": newest, "known": known, "event_types": codes}
    with lake.staged(tables.SEQUENCES) as files:
        with engine.session(inputs) as session:
            for chunk in _chunks(weeks, spread, events_per_chunk):
                with lake.writer(tables.SEQUENCES) as writer:
                    writer.write(session.query(sql_text(__package__, "sequences.sql"), chunk.params))
                    files += writer.finish()
        everything = {"bucket": (0, MAX_BUCKETS - 1)}
        counts = _count(engine, inputs, scan_of(lake, files), reported)
        note = sources.note(spread, counts)
        lake.replace_by_files(tables.SEQUENCES, files, where=everything, run_id=run_id, note=note)
    return counts


def scan_of(lake: Lake, files: Iterable[DataFile]) -> Scan:
    """Some files of ``journeys/sequences``, live or written ahead of a commit."""
    folder = lake.folder_of(tables.SEQUENCES)
    return Scan(tables.SEQUENCES, tuple(str(folder / file.path) for file in files), tables.SEQUENCES.schema)


def buckets_for(events: int) -> int:
    """The smallest power of two at which buckets of ``EVENTS_PER_BUCKET`` hold so many events."""
    wanted = -(-events // EVENTS_PER_BUCKET)
    return min(MAX_BUCKETS, 1 << max(0, wanted - 1).bit_length())


def _count(engine: Engine, inputs: Mapping[str, Input], sequences: Scan, reported: int) -> SequenceCounts:
    """What became of ``reported`` rows of ``integration/events``."""
    with engine.session({**inputs, "sequences": sequences}) as session:
        rows = session.query(sql_text(__package__, "sequences_unresolved.sql")).to_pylist()
        totals = session.query(sql_text(__package__, "sequences_totals.sql")).to_pylist()[0]
    unresolved = {row["service"]: row["events"] for row in rows}
    repeated = reported - totals["sequenced"] - sum(unresolved.values())
    return SequenceCounts(reported=reported, repeated=repeated, unresolved=unresolved, **totals)


def _keys(engine: Engine, identity_map: Input, buckets: int) -> tuple[int, pa.Table]:
    """The number of buckets and the rows of ``sequence_keys.sql``, with a key of its own for each customer.

    Two customers of one bucket share sixty bits of a digest less than once in a thousand companies of a hundred million
    customers; more buckets, which follow from other digits, then part them.
    """
    clash = sql_text(__package__, "sequence_key_clash.sql")
    while buckets <= MAX_BUCKETS:
        params = {"buckets": buckets}
        known = engine.query(sql_text(__package__, "sequence_keys.sql"), {"identity_map": identity_map}, params)
        if engine.query(clash, {"known": known}).num_rows == 0:
            return buckets, known
        buckets += 1
    raise PermanentFailure(f"sequences: two customers share a key in up to {MAX_BUCKETS} buckets; this is a defect")


def _chunks(weeks: pa.Table, buckets: int, events_per_chunk: int) -> Iterator[Chunk]:
    """All events, in chunks of about ``events_per_chunk``: some weeks of all buckets, or a week of some buckets."""
    first: int | None = None
    held = 0
    for week, events in zip(weeks["week"].to_pylist(), weeks["events"].to_pylist(), strict=True):
        if first is not None and held + events > events_per_chunk:
            yield Chunk(first, week, 0, MAX_BUCKETS - 1)
            first, held = None, 0
        if events > events_per_chunk:
            parts = min(buckets, -(-events // events_per_chunk))
            bounds = [buckets * part // parts for part in range(parts + 1)]
            yield from (Chunk(week, week + 1, low, high - 1) for low, high in pairwise(bounds))
            continue
        first, held, end = (week if first is None else first), held + events, week + 1
    if first is not None:
        yield Chunk(first, end, 0, MAX_BUCKETS - 1)
