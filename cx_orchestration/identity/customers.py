"""Customer documents: everything known about one customer as one JSON document (R4), and the schemas they obey.

Belongs here: building, validating the shape of, and exporting documents. Does not belong here: who is who
(``clusters.py``), which journey a customer is on.
"""

import datetime as dt
import json
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from cx_orchestration.model.failures import PermanentFailure
from cx_orchestration.model.identity import SERVICE_IDS, IdentityConfig
from cx_orchestration.model.tables import CUSTOMERS, EVENTS, IDENTITY_MAP, PROFILES
from cx_orchestration.storage.engine import Engine, Input, sql_text
from cx_orchestration.storage.lake import Lake

#: Documents are made from so many rows of events and profiles at a time: it bounds the memory that a build takes
#: beside the finished documents (about 200 MB here), at the price of one more scan of the events for each batch.
ROWS_PER_BATCH = 50_000

_TRUST = pa.schema([("field", pa.string()), ("service", pa.string()), ("position", pa.int32())])


@dataclass(frozen=True)
class CustomersBuilt:
    """How many documents and events in them there are, and how many documents differ from the last run's.

    ``removed`` ids have no document any more. ``unattributed_events`` belong to an entity without a profile, so to
    no customer.
    """

    customers: int
    events: int
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
    """Write ``identity/customers``: one document for each customer of the identity map, under schema version 2.

    A document that would differ from the previous one only in when it was produced, and from which version of the
    map, stays as it is; if all do, nothing is written. Raises ``PermanentFailure`` when events carry attributes that
    are not a JSON object.
    """
    map_version = lake.version(IDENTITY_MAP)
    inputs: dict[str, Input] = {
        "identity_map": lake.scan(IDENTITY_MAP, version=map_version),
        "profiles": lake.scan(PROFILES),
        "events": lake.scan(EVENTS),
        "trust": _trust(config),
        "previous": lake.scan(CUSTOMERS),
    }
    unattributed = _unattributed_events(engine, inputs)
    inputs["repeated"] = engine.query(sql_text(__package__, "events_repeated.sql"), inputs)
    params = {"now": now, "map_version": map_version, "service_ids": SERVICE_IDS}
    documents = sql_text(__package__, "customers.sql")
    parts = [
        engine.query(documents, inputs, {**params, "first": first, "last": last})
        for first, last in _batches(engine.query(sql_text(__package__, "customer_sizes.sql"), inputs), rows_per_batch)
    ]
    rows = pa.concat_tables(parts) if parts else CUSTOMERS.empty().append_column("changed", pa.array([], pa.bool_()))
    changed = pc.sum(rows["changed"]).as_py() or 0
    gone = "SELECT count(*) AS n FROM previous WHERE customer_id NOT IN (SELECT customer_id FROM identity_map)"
    removed = engine.query(gone, inputs)["n"][0].as_py()
    if changed or removed or not lake.exists(CUSTOMERS):
        lake.replace(CUSTOMERS, rows.drop_columns("changed"), run_id=run_id)
    return CustomersBuilt(
        customers=rows.num_rows,
        events=pc.sum(rows["events"]).as_py() or 0,
        changed=changed,
        removed=removed,
        unattributed_events=unattributed,
    )


def export_documents(lake: Lake, engine: Engine, folder: Path) -> Path:
    """Write all documents as JSON Lines, ordered by customer id, to ``customers.jsonl`` in the folder.

    The file appears when it is complete; one of an earlier export is replaced. It holds personal data, so the folder
    needs the protection that the lake has.
    """
    rows = engine.query("SELECT document FROM customers ORDER BY customer_id", {"customers": lake.scan(CUSTOMERS)})
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".unfinished-", dir=folder) as own:
        unfinished = Path(own) / "customers.jsonl"
        with unfinished.open("w", encoding="utf-8", newline="\n") as file:
            for batch in rows.to_batches(max_chunksize=1_000):
                file.writelines(f"{document}\n" for document in batch["document"].to_pylist())
        return unfinished.replace(folder / unfinished.name)


def customer_schema(version: Literal[1, 2]) -> dict[str, Any]:
    """The JSON Schema of a Customer document: 1 is loose (draft-04), 2 says what is inside (2020-12)."""
    text = files(__package__).joinpath("schemas", f"customer.v{version}.schema.json").read_text(encoding="utf-8")
    schema: dict[str, Any] = json.loads(text)
    return schema


def _unattributed_events(engine: Engine, inputs: dict[str, Input]) -> int:
    row = engine.query(sql_text(__package__, "events_unfit.sql"), inputs).to_pylist()[0]
    if row["malformed"]:
        raise PermanentFailure(
            f"integration/events: {row['malformed']} events have attributes that are not a JSON object; "
            "map their days again (integration/<service>/events)"
        )
    unattributed: int = row["unattributed"]
    return unattributed


def _batches(sizes: pa.Table, rows_per_batch: int) -> list[tuple[str, str]]:
    """The first and last customer id of each batch: the customers in order, cut where a batch has enough rows."""
    customers: pd.DataFrame = sizes.to_pandas()
    batch = (customers["rows"].cumsum() - customers["rows"]) // rows_per_batch
    ends = customers.groupby(batch)["customer_id"].agg(["first", "last"])
    return list(ends.itertuples(index=False, name=None))


def _trust(config: IdentityConfig) -> pa.Table:
    rows = [
        {"field": field, "service": service, "position": position}
        for field, rule in config.survivorship.items()
        for position, service in enumerate(rule.trusted_services)
    ]
    return pa.Table.from_pylist(rows, schema=_TRUST)
