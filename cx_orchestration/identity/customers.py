"""Customer documents: everything known about one customer as one JSON document (R4), and the schemas they obey.

Belongs here: building, validating the shape of, and exporting documents. Does not belong here: who is who
(``clusters.py``), which journey a customer is on.
"""

import datetime as dt
import json
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from cx_orchestration.model.failures import PermanentFailure
from cx_orchestration.model.identity import SERVICE_IDS, IdentityConfig
from cx_orchestration.model.tables import CUSTOMERS, EVENTS, IDENTITY_MAP, PROFILES
from cx_orchestration.storage.engine import Engine, Input, sql_text
from cx_orchestration.storage.lake import Lake, conform

#: Documents are made from so many rows of events and profiles at a time: it bounds the memory that a build takes
#: (about 200 MB here), at the price of one more scan of the events for each batch.
ROWS_PER_BATCH = 50_000

#: How the table is divided: what changes of one bucket makes its files anew, and leaves those of the others alone.
BUCKETS = 64

#: The folder of the lake that exports lie in.
EXPORTS = "exports"

_RULES = pa.schema([("field", pa.string()), ("rule", pa.string())])
_TRUST = pa.schema([("field", pa.string()), ("service", pa.string()), ("position", pa.int32())])


@dataclass(frozen=True)
class CustomersBuilt:
    """How many documents and events in them there are, and what this run did.

    ``made`` documents were made from inputs that had changed; of them ``changed`` differ from the last run's.
    ``removed`` ids have no document any more. ``unattributed_events`` belong to an entity without a profile, so to
    no customer.
    """

    customers: int
    events: int
    made: int
    changed: int
    removed: int
    unattributed_events: int


def build_customers(
    lake: Lake,
    engine: Engine,
    config: IdentityConfig,
    *,
    now: dt.datetime,
    run_id: str,
    rows_per_batch: int = ROWS_PER_BATCH,
) -> CustomersBuilt:
    """Bring ``identity/customers`` up to date: one document for each customer of the identity map, schema version 2.

    Only documents whose inputs changed (the customer's records, profiles and events, or the rules) are made; only
    buckets that hold one of them, or one of a customer that is gone, are written, all in one commit. A document that
    would differ from the previous one only in when it was produced, and from which version of the map, stays as it
    is. When nothing changed nothing is written. Raises ``PermanentFailure`` when events carry attributes that are
    not a JSON object.
    """
    lake.empty_for_layout(CUSTOMERS, run_id=run_id)
    map_version = lake.version(IDENTITY_MAP)
    inputs: dict[str, Input] = {
        "identity_map": lake.scan(IDENTITY_MAP, version=map_version),
        "profiles": lake.scan(PROFILES),
        "events": lake.scan(EVENTS),
        "documents": lake.scan(CUSTOMERS),
        **_survivorship(config),
    }
    unattributed = _unattributed_events(engine, inputs)
    inputs["repeated"] = engine.query(sql_text(__package__, "events_repeated.sql"), inputs)
    params = {"made_by": _made_by(config), "buckets": BUCKETS}
    stale = engine.query(sql_text(__package__, "customers_stale.sql"), inputs, params)
    changed = 0
    if stale.num_rows or not lake.exists(CUSTOMERS):
        making = {"now": now, "map_version": map_version, "service_ids": SERVICE_IDS}
        changed = _write(lake, engine, inputs, stale, making, rows_per_batch, run_id)
    totals = "SELECT count(*) AS customers, coalesce(sum(events), 0)::BIGINT AS events FROM documents"
    counted = engine.query(totals, {"documents": lake.scan(CUSTOMERS)}).to_pylist()[0]
    made = pc.count(stale["inputs"]).as_py()
    return CustomersBuilt(
        **counted, made=made, changed=changed, removed=stale.num_rows - made, unattributed_events=unattributed
    )


def _write(
    lake: Lake,
    engine: Engine,
    inputs: dict[str, Input],
    stale: pa.Table,
    making: dict[str, Any],
    rows_per_batch: int,
    run_id: str,
) -> int:
    """Write the buckets of all stale customers; gives how many documents differ from the previous ones."""
    changed, buckets = 0, set[int]()
    kept = "SELECT * FROM previous ANTI JOIN stale USING (customer_id) ORDER BY bucket, customer_id"
    with lake.writer(CUSTOMERS) as writer:
        for batch in _batches(stale, rows_per_batch):
            here = frozenset(batch["bucket"].to_pylist())
            buckets |= here
            previous = lake.scan(CUSTOMERS, {"bucket": here})
            wanted = batch.filter(pc.is_valid(batch["inputs"]))
            made = engine.query(
                sql_text(__package__, "customers.sql"), {**inputs, "previous": previous, "wanted": wanted}, making
            )
            changed += pc.sum(made["changed"]).as_py() or 0
            stays = engine.query(kept, {"previous": previous, "stale": batch.select(["customer_id"])})
            rows = pa.concat_tables([conform(CUSTOMERS, made.drop_columns("changed")), conform(CUSTOMERS, stays)])
            writer.write(rows.sort_by([("bucket", "ascending"), ("customer_id", "ascending")]))
        files = writer.finish()
    lake.replace_by_files(CUSTOMERS, files, where={"bucket": frozenset(buckets or range(BUCKETS))}, run_id=run_id)
    return changed


def export_documents(lake: Lake, engine: Engine, folder: Path) -> tuple[Path, Path]:
    """Write all documents, ordered by customer id, to ``customers.jsonl`` and ``customers.parquet`` in the folder.

    JSON Lines has one document a line; the Parquet file has the table's columns in one file. Each appears when it is
    complete; those of an earlier export are replaced. They hold personal data, so the folder needs the protection
    that the lake has.
    """
    customers: dict[str, Input] = {"customers": lake.scan(CUSTOMERS)}
    parts = engine.query("SELECT DISTINCT substr(customer_id, 1, 1) AS first FROM customers ORDER BY first", customers)
    columns = "customer_id, entities, events, produced_at, document"
    some = f"SELECT {columns} FROM customers WHERE substr(customer_id, 1, 1) = $first ORDER BY customer_id"
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".unfinished-", dir=folder) as own:
        lines, parquet = Path(own) / "customers.jsonl", Path(own) / "customers.parquet"
        schema = pa.schema([CUSTOMERS.schema.field(name) for name in columns.split(", ")])
        with (
            lines.open("w", encoding="utf-8", newline="\n") as file,
            pq.ParquetWriter(parquet, schema, compression="zstd") as writer,
        ):
            for first in parts["first"].to_pylist():
                rows = engine.query(some, customers, {"first": first})
                writer.write_table(rows.cast(schema))
                for batch in rows.to_batches(max_chunksize=1_000):
                    file.writelines(f"{document}\n" for document in batch["document"].to_pylist())
        with lake.fence.writing("exports"):
            return lines.replace(folder / lines.name), parquet.replace(folder / parquet.name)


def _unattributed_events(engine: Engine, inputs: dict[str, Input]) -> int:
    row = engine.query(sql_text(__package__, "events_unfit.sql"), inputs).to_pylist()[0]
    if row["malformed"]:
        raise PermanentFailure(
            f"integration/events: {row['malformed']} events have attributes that are not a JSON object; "
            "map their days again (integration/<service>/events)"
        )
    unattributed: int = row["unattributed"]
    return unattributed


def _batches(stale: pa.Table, rows_per_batch: int) -> Iterator[pa.Table]:
    """The stale customers in parts of whole buckets, cut where a part's documents are made from enough rows."""
    by_bucket = stale.select(["bucket", "rows"]).to_pandas().groupby("bucket")["rows"].agg(["size", "sum"])
    part = (by_bucket["sum"].cumsum() - by_bucket["sum"]) // rows_per_batch
    start = 0
    for size in by_bucket.groupby(part)["size"].sum():
        yield stale.slice(start, size)
        start += size


def _survivorship(config: IdentityConfig) -> dict[str, pa.Table]:
    rules = [{"field": field, "rule": rule.applies} for field, rule in config.survivorship.items()]
    trust = [
        {"field": field, "service": service, "position": position}
        for field, rule in config.survivorship.items()
        for position, service in enumerate(rule.trusted_services)
    ]
    return {
        "rules": pa.Table.from_pylist(rules, schema=_RULES),
        "trust": pa.Table.from_pylist(trust, schema=_TRUST),
    }


def _made_by(config: IdentityConfig) -> str:
    """A digest of how documents are made: with other rules, or another text, all are made anew."""
    rules = {field: rule.model_dump(mode="json") for field, rule in sorted(config.survivorship.items())}
    text = sql_text(__package__, "customers.sql") + json.dumps(rules)
    return sha256(text.encode()).hexdigest()[:12]
