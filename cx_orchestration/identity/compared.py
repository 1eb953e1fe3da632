"""Which state of each entity the ledger of links takes into account, so that a night looks only at what is new.

Belongs here: what changed since the ledger was brought up to date. Does not belong here: what follows from it
(``links.py``, ``matching``).
"""

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from cx_orchestration.identity.ledger import ENTITIES
from cx_orchestration.model.tables import COMPARED, PROFILES
from cx_orchestration.storage.engine import Engine, sql_text
from cx_orchestration.storage.lake import Lake


@dataclass(frozen=True)
class Changes:
    """``entities`` (service, entity, fingerprint) are those that are otherwise than when they were compared: new,
    changed, or gone (without fingerprint). With ``first`` none was ever compared, so that all count as new."""

    entities: pa.Table
    first: bool

    @property
    def changed(self) -> pa.Table:
        """Those that are there: service, entity."""
        return self.entities.filter(pc.is_valid(self.entities["fingerprint"])).select(ENTITIES.names)

    @property
    def gone(self) -> pa.Table:
        """Those that are no longer in the profiles: service, entity."""
        return self.entities.filter(pc.is_null(self.entities["fingerprint"])).select(ENTITIES.names)


def find_changes(lake: Lake, engine: Engine) -> Changes:
    """The entities whose keys or compared fields differ from what the ledger takes into account."""
    inputs = {"profiles": lake.scan(PROFILES), "compared": lake.scan(COMPARED)}
    return Changes(engine.query(sql_text(__package__, "changes.sql"), inputs), first=not lake.exists(COMPARED))


def remember(lake: Lake, engine: Engine, changes: Changes, *, run_id: str) -> None:
    """Note that the ledger takes the changes into account. Without changes nothing is written."""
    if changes.first or changes.entities.num_rows:
        inputs = {"changes": changes.entities, "compared": lake.scan(COMPARED)}
        rows = engine.query(sql_text(__package__, "compared.sql"), inputs)
        lake.replace(COMPARED, rows, run_id=run_id)
