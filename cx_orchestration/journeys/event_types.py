"""``journeys/event_types``: the integer that stands for an event type, the same for ever.

Belongs here: handing codes out and reading them. Does not belong here: what a type means to a map (``maps``).
"""

import pyarrow as pa

from cx_orchestration.model import tables
from cx_orchestration.storage.engine import Engine
from cx_orchestration.storage.lake import Lake
from cx_orchestration.storage.scan import Scan


def give_codes(lake: Lake, engine: Engine, events: Scan, *, run_id: str) -> pa.Table:
    """Give every type of some files of ``integration/events`` a code; returns all rows of ``journeys/event_types`` by
    code.

    A type keeps the code that it has. New ones follow the highest, in the order of their names.
    """
    given = read_codes(lake, engine)
    seen = engine.query("SELECT DISTINCT type FROM events ORDER BY type", {"events": events})
    known = set(given["type"].to_pylist())
    new = [name for name in seen["type"].to_pylist() if name not in known]
    if not new and lake.exists(tables.EVENT_TYPES):
        return given
    codes = range(given.num_rows, given.num_rows + len(new))
    added = pa.table({"type": new, "type_code": codes}, schema=tables.EVENT_TYPES.schema)
    all_codes = pa.concat_tables([given, added])
    lake.replace(tables.EVENT_TYPES, all_codes, run_id=run_id)
    return all_codes


def read_codes(lake: Lake, engine: Engine) -> pa.Table:
    """The rows of ``journeys/event_types`` by code: the row's number is the code."""
    rows = engine.query("SELECT type, type_code FROM t ORDER BY type_code", {"t": lake.scan(tables.EVENT_TYPES)})
    return rows.cast(tables.EVENT_TYPES.schema)


def type_names(lake: Lake, engine: Engine) -> list[str]:
    """The event types by code."""
    names: list[str] = read_codes(lake, engine)["type"].to_pylist()
    return names
