"""What instances that go on began with, and moved at last: events folded before, as rows among those of a night.

Belongs here: these rows, out of ``journeys/threads``. Does not belong here: where threads stand (``carrying``).
"""

import json
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cx_orchestration.journeys.kernel import ACTIVE, Ints


@dataclass(frozen=True, eq=False)
class Past:
    """Of instances that go on, the first event of each and then the last event of each: whose it is (``key``), when,
    and its ``row`` among those of ``Events``."""

    key: Ints
    at: Ints
    row: Ints


def past_rows(carried: pa.Table, shown: pa.Schema) -> pa.Table:
    """What maps ask of the first events of some threads, one row a thread, and then the last events of those that are
    active; in the columns that ``Events`` has of others."""
    active = carried.filter(is_active(carried))
    said = [json.loads(text) if text else {} for text in carried["first_carried"].to_pylist()]
    told = any(said)
    first: dict[str, pa.Array | pa.ChunkedArray] = {
        "customer_id": carried["customer_id"],
        "event_id": carried["first_event_id"],
        "channel": carried["first_channel"],
    }
    last = {"customer_id": active["customer_id"], "event_id": active["last_event_id"]}
    for field in shown:
        if field.name not in first:
            values = [one.get(field.name) for one in said] if told else [None] * len(said)
            first[field.name] = pa.array(values, field.type)
        if field.name not in last:
            last[field.name] = pa.nulls(active.num_rows, field.type)
    return pa.concat_tables([pa.table([rows[name] for name in shown.names], schema=shown) for rows in (first, last)])


def past_of(carried: pa.Table, before: int) -> Past:
    """Where the rows of ``past_rows`` lie, after ``before`` others."""
    active = np.flatnonzero(is_active(carried).to_numpy())
    key = carried["customer_key"].to_numpy()[active]
    at = [carried[name].to_numpy()[active].astype(np.int64) for name in ("first_at", "last_at")]
    row = np.concatenate([active, carried.num_rows + np.arange(len(active))])
    return Past(np.concatenate([key, key]), np.concatenate(at), before + row)


def is_active(carried: pa.Table) -> pa.ChunkedArray:
    """Which threads have an active instance."""
    return pc.equal(carried["status"], ACTIVE)
