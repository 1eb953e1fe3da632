"""``journeys/sequences``: every distinct event of every known customer, in order, in buckets of customers.

Belongs here: joining events to customers and ordering them. Does not belong here: what the order means (``fold``).
"""

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from cx_orchestration.model import tables
from cx_orchestration.model.failures import PermanentFailure
from cx_orchestration.storage.engine import Engine, sql_text
from cx_orchestration.storage.lake import Lake

#: As many buckets as three hexadecimal digits can tell apart; see ``sequences.sql``.
MAX_BUCKETS = 4096


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


def build_sequences(lake: Lake, engine: Engine, *, buckets: int = 8, run_id: str) -> SequenceCounts:
    """Write all sequences anew in one commit, so that no reader sees a customer in two buckets.

    The same events and identity map give the same rows, whatever order they were landed in.
    """
    if not 1 <= buckets <= MAX_BUCKETS:
        raise PermanentFailure(f"sequences: buckets is {buckets}, expected 1 to {MAX_BUCKETS}")
    events = lake.scan(tables.EVENTS)
    reported = engine.query("SELECT count(*) AS n FROM events", {"events": events}).column("n")[0].as_py()
    distinct = engine.query(
        sql_text(__package__, "sequences.sql"),
        {"events": events, "identity_map": lake.scan(tables.IDENTITY_MAP)},
        {"buckets": buckets},
    )
    known = distinct.filter(pc.is_valid(distinct.column("customer_id")))
    lake.replace(tables.SEQUENCES, known, where={"bucket": (0, MAX_BUCKETS - 1)}, run_id=run_id)
    return SequenceCounts(
        reported=reported,
        repeated=reported - distinct.num_rows,
        sequenced=known.num_rows,
        customers=pc.count_distinct(known.column("customer_id")).as_py(),
        unresolved=_by_service(distinct.filter(pc.is_null(distinct.column("customer_id")))),
    )


def _by_service(rows: pa.Table) -> dict[str, int]:
    counts = pc.value_counts(rows.column("service")).to_pylist()
    return {row["values"]: row["counts"] for row in sorted(counts, key=lambda row: row["values"])}
