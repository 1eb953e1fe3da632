"""Values that only one person can have: two different ones forbid that their holders are one customer.

A date with day and month swapped is not a different one.

Belongs here: which values forbid, as of a version of the keys. Does not belong here: what heeds them (``resolve.py``,
``clusters.py``), what people decided (``overrides.py``).
"""

from collections.abc import Callable
from dataclasses import dataclass

import pyarrow as pa

from cx_orchestration.identity.hygiene import namespace_rules
from cx_orchestration.model.identity import IdentityConfig
from cx_orchestration.model.tables import KEYS_SEEN, Table
from cx_orchestration.storage.engine import Engine, Input, sql_text
from cx_orchestration.storage.lake import Lake

#: The value of an entity in a namespace; entities of one customer have at most one distinct digest a namespace.
UNIQUE = pa.schema(
    [("service", pa.string()), ("entity", pa.string()), ("namespace", pa.string()), ("digest", pa.string())]
)


@dataclass(frozen=True)
class UniqueKeys:
    """The values that only one person can have.

    ``values`` gives them as ``UNIQUE``, as of a version of the ``table`` that they come from, so that a night can tell
    which are otherwise than when the map was made; ``namespaces`` are those that ``identity.yaml`` declares unique.
    """

    table: Table
    namespaces: tuple[str, ...]
    values: Callable[[int], pa.Table]


def unique_keys(lake: Lake, engine: Engine, config: IdentityConfig) -> UniqueKeys | None:
    """What ``unique`` in ``identity.yaml`` says of the keys in the lake; ``None`` where no namespace is."""
    namespaces = tuple(name for name, rule in config.namespaces.items() if rule.unique)
    dates = [name for name in namespaces if config.namespaces[name].normalise == "date"]

    def values(version: int) -> pa.Table:
        inputs: dict[str, Input] = {"keys": lake.scan(KEYS_SEEN, version=version)}
        inputs["namespaces"] = namespace_rules(config)
        return engine.query(sql_text(__package__, "vetoes.sql"), inputs, {"dates": dates})

    return UniqueKeys(KEYS_SEEN, namespaces, values) if namespaces else None
