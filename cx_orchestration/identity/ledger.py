"""The ledger of links: every link made and every link retracted, for ever.

Belongs here: what stands, and how what a family of rules wants becomes entries. Does not belong here: which entities a
rule links (``links.py``, ``matching``), who is one customer (``clusters.py``).
"""

import datetime as dt
import uuid
from dataclasses import dataclass
from hashlib import sha256

import pyarrow as pa

from cx_orchestration.model.tables import LINKS, UTC_MICROSECONDS
from cx_orchestration.storage.engine import Engine, Input, sql_text
from cx_orchestration.storage.lake import Lake

#: What a rule finds: one row per pair and rule, ``left`` sorting before ``right`` as (service, entity).
WANTED = pa.schema(
    [
        ("left_service", pa.string()),
        ("left_entity", pa.string()),
        ("right_service", pa.string()),
        ("right_entity", pa.string()),
        ("rule", pa.string()),
        ("match_weight", pa.float64()),
        ("evidence", pa.string()),
        ("model_version", pa.string()),
    ]
)
#: Some of the entities: those whose links a reader asks for, or a run has looked at.
ENTITIES = pa.schema([("service", pa.string()), ("entity", pa.string())])
#: Why a value links nobody any more, by the digest that stands for it in the evidence.
REASONS = pa.schema([("digest", pa.string()), ("why", pa.string())])

_LINK_NAMES = uuid.UUID("6a3f6d0e-3a0f-5c55-9f0b-0c2f8a6b7d11")


@dataclass(frozen=True)
class LedgerChange:
    """How many entries a run appended to the ledger, made or retracted, and how many links stand after it."""

    made: int
    retracted: int
    standing: int


def value_digest(namespace: str, value: str) -> str:
    """What stands for a value of a key, or of a field, in the evidence and wherever else values must not."""
    return sha256(f"{namespace}\x1f{value}".encode()).hexdigest()[:32]


def standing_links(lake: Lake, engine: Engine, touching: pa.Table | None = None) -> pa.Table:
    """The links that were made and not retracted, each once, of all rules.

    Columns: link_id, those of ``WANTED``, made_at. With ``touching`` (service, entity) only those that have one of
    these entities at an end.
    """
    return engine.query(sql_text(__package__, "standing_links.sql"), {"entries": _entries(lake, engine, touching)})


def update_ledger(
    lake: Lake,
    engine: Engine,
    wanted: pa.Table,
    *,
    family: str,
    scope: pa.Table | None,
    now: dt.datetime,
    run_id: str,
    reasons: pa.Table | None = None,
) -> LedgerChange:
    """Append to the ledger what differs from ``wanted``: links to make, and links that nothing supports any more.

    ``wanted`` has the columns of ``WANTED``. Only standing links of the ``family`` (the part of a rule's name before
    the colon) are judged, and of them only those with an end in ``scope`` (service, entity); ``None`` stands for all
    entities. So ``wanted`` must hold every link of the family that has an end in the scope. ``reasons`` (digest, why)
    says why values in the evidence of retracted links support nothing now.

    A link whose weight, evidence or model changed is retracted and made again, so that what stands is always true. All
    of it is one commit; when nothing differs nothing is appended. Of two runs at the same time neither sees what the
    other makes, so a link may be made twice: it is one standing link, and when it goes every entry of it is retracted.
    """
    inputs: dict[str, Input] = {
        "wanted": wanted.select(WANTED.names).cast(WANTED),
        "entries": _entries(lake, engine, scope),
        "reasons": REASONS.empty_table() if reasons is None else reasons.select(REASONS.names).cast(REASONS),
    }
    at = pa.array([now], UTC_MICROSECONDS)
    inputs["run"] = pa.table({"family": [family], "names": [_LINK_NAMES.hex], "now": at})
    made = engine.query(sql_text(__package__, "links_made.sql"), inputs)
    retracted = engine.query(sql_text(__package__, "links_retracted.sql"), inputs)
    entries = [rows.select(LINKS.schema.names).cast(LINKS.schema) for rows in (retracted, made)]
    lake.append(LINKS, pa.concat_tables(entries), run_id=run_id)
    standing = engine.query(sql_text(__package__, "links_counted.sql"), {"ledger": lake.scan(LINKS)})
    return LedgerChange(made.num_rows, retracted.num_rows, standing["standing"][0].as_py())


def _entries(lake: Lake, engine: Engine, touching: pa.Table | None) -> pa.Table:
    inputs: dict[str, Input] = {"ledger": lake.scan(LINKS)}
    if touching is not None:
        inputs["touching"] = touching.select(ENTITIES.names).cast(ENTITIES)
        inputs["ledger"] = engine.query(sql_text(__package__, "ledger_touching.sql"), inputs)
    return engine.query(sql_text(__package__, "standing_entries.sql"), inputs)
