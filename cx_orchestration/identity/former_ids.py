"""The former customer ids of the identity map that stands: read and written so that both belong to one run.

Belongs here: which version of the aliases counts. Does not belong here: which ids are former ones
(``customer_ids.py``), the order of a run's writes (``resolve.py``).
"""

import pyarrow as pa

from cx_orchestration.model.tables import CUSTOMER_ALIASES
from cx_orchestration.storage.engine import Engine
from cx_orchestration.storage.lake import Lake
from cx_orchestration.storage.scan import Scan

#: Noted with each version of the aliases: the version of the map that it belongs to.
_OF_MAP = "map_version"


def standing_aliases(lake: Lake, next_map: int) -> Scan:
    """The former ids of the map that stands, whose next version will be ``next_map``.

    A run writes its aliases ahead of its map. Those that are noted for a map that is not there are of a run that was
    killed in between, and do not count, unless an erasure has removed those before them.
    """
    if lake.note(CUSTOMER_ALIASES).get(_OF_MAP) == str(next_map):
        for version, note in lake.notes(CUSTOMER_ALIASES):
            if note.get(_OF_MAP) != str(next_map) and lake.holds(CUSTOMER_ALIASES, version):
                return lake.scan(CUSTOMER_ALIASES, version=version)
    return lake.scan(CUSTOMER_ALIASES)


def write_aliases(
    lake: Lake, engine: Engine, before: Scan, after: pa.Table, *, map_version: int | None, run_id: str
) -> None:
    """Write the former ids of the map that has, or will have, ``map_version``; nothing when they stand as they are.

    ``before`` are those of the map until now.
    """
    ordered = engine.query("SELECT * FROM rows ORDER BY old_customer_id", {"rows": before})
    names = CUSTOMER_ALIASES.schema.names
    rows, known = (table.select(names).cast(CUSTOMER_ALIASES.schema) for table in (after, ordered))
    newest = lake.exists(CUSTOMER_ALIASES) and before.files == lake.scan(CUSTOMER_ALIASES).files
    if not newest or not rows.equals(known):
        lake.replace(CUSTOMER_ALIASES, rows, run_id=run_id, note={_OF_MAP: str(map_version)})
