"""Who is who today: reads profiles and the ledger, writes the identity map and the aliases of former ids.

Belongs here: the order of reading and writing that makes a killed run harmless. Does not belong here: how ids are
chosen (``customer_ids.py``).
"""

import datetime as dt

import pandas as pd
import pyarrow as pa

from cx_orchestration.identity.customer_ids import IdentityChange, assign_customers, find_components
from cx_orchestration.identity.ledger import standing_links
from cx_orchestration.model.tables import CUSTOMER_ALIASES, IDENTITY_MAP, PROFILES, Table
from cx_orchestration.storage.engine import Engine
from cx_orchestration.storage.lake import Lake


def resolve(lake: Lake, engine: Engine, *, now: dt.datetime, run_id: str) -> IdentityChange:
    """Bring the identity map and the customer aliases up to date with the profiles and the standing links.

    A table whose content stays the same is not written, so its version tells when it last changed. The aliases are
    written before the map: a run killed between the two is repeated from the old map, and no former id is lost.
    """
    components = find_components(engine, lake.scan(PROFILES), standing_links(lake, engine))
    previous = _read(lake, engine, IDENTITY_MAP, "service, entity")
    aliases = _read(lake, engine, CUSTOMER_ALIASES, "old_customer_id")
    identity_map, new_aliases, change = assign_customers(previous, components, aliases, now=now)
    _write_changes(lake, CUSTOMER_ALIASES, aliases, new_aliases, run_id)
    _write_changes(lake, IDENTITY_MAP, previous, identity_map, run_id)
    return change


def _read(lake: Lake, engine: Engine, table: Table, order: str) -> pd.DataFrame:
    rows: pd.DataFrame = engine.query(f"SELECT * FROM rows ORDER BY {order}", {"rows": lake.scan(table)}).to_pandas()
    return rows


def _write_changes(lake: Lake, table: Table, before: pd.DataFrame, after: pd.DataFrame, run_id: str) -> None:
    rows = pa.Table.from_pandas(after, schema=table.schema, preserve_index=False)
    if not lake.exists(table) or not rows.equals(
        pa.Table.from_pandas(before, schema=table.schema, preserve_index=False)
    ):
        lake.replace(table, rows, run_id=run_id)
