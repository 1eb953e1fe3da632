"""Rows of journeys/sequences as they follow from customer, type and time, said in plain Python."""

import datetime as dt
import hashlib
from collections.abc import Iterable

import pyarrow as pa

from cx_orchestration.model import tables
from cx_orchestration.storage.lake import Lake

MONDAY = dt.datetime(1969, 12, 29, tzinfo=dt.UTC)
EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def customer_key(customer_id: str) -> int:
    return int(hashlib.md5(customer_id.encode()).hexdigest()[3:18], 16)


def follows_from(customer_id: str, occurred_at: dt.datetime) -> dict[str, int]:
    """The columns that one customer's event at this time has, but for its type's code and its bucket."""
    return {
        "customer_key": customer_key(customer_id),
        "occurred_us": (occurred_at - EPOCH) // dt.timedelta(microseconds=1),
        "week": (occurred_at - MONDAY) // dt.timedelta(weeks=1),
    }


def types_of(rows: pa.Table) -> list[str]:
    """The event types by the codes that ``sequenced`` gives them."""
    return sorted(set(rows.column("type").to_pylist()))


def write_sequences(lake: Lake, rows: pa.Table) -> None:
    """The rows of ``sequenced`` in place of all that there are, and what their types' codes stand for."""
    types = types_of(rows)
    codes = pa.table({"type": types, "type_code": range(len(types))}, schema=tables.EVENT_TYPES.schema)
    lake.replace(tables.EVENT_TYPES, codes, run_id="r")
    lake.replace(tables.SEQUENCES, rows, where={"bucket": (0, 4095)}, run_id="r")


def sequenced(rows: Iterable[dict], codes: dict[str, int] | None = None) -> pa.Table:
    """The rows in order, with all columns; those without a bucket in bucket 0."""
    rows = [dict.fromkeys(tables.SEQUENCES.schema.names) | {"bucket": 0} | row for row in rows]
    given = codes or {kind: code for code, kind in enumerate(sorted({row["type"] for row in rows}))}
    for row in rows:
        row |= follows_from(row["customer_id"], row["occurred_at"]) | {"type_code": given[row["type"]]}
    order = ("bucket", "week", "customer_key", "occurred_us", "event_id")
    rows.sort(key=lambda row: tuple(row[name] for name in order))
    return pa.Table.from_pylist(rows, tables.SEQUENCES.schema)


def as_begun(steps: pa.Table, instances: pa.Table) -> list[dict]:
    """Instances by customer and in the order in which they began, which their weeks do not keep."""
    first = {row["instance_id"]: (row["occurred_at"], row["event_id"]) for row in steps.to_pylist() if row["seq"] == 1}
    return sorted(instances.to_pylist(), key=lambda row: (row["customer_id"], first[row["instance_id"]]))
