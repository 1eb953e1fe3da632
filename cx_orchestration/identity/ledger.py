"""The ledger of links: every link made and every link retracted, for ever.

Belongs here: what stands, and how what a family of rules wants becomes entries. Does not belong here: which entities a
rule links (``links.py``, ``matching``), who is one customer (``clusters.py``).
"""

import datetime as dt
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256

import pyarrow as pa

from cx_orchestration.model.tables import LINKS
from cx_orchestration.storage.engine import Engine, Input, Session, sql_text
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

#: So many of what is wanted become entries at once: with its id and evidence an entry takes some 300 bytes.
_ROWS_AT_ONCE = 1_000_000

_LINK_NAMES = uuid.UUID("6a3f6d0e-3a0f-5c55-9f0b-0c2f8a6b7d11")


@dataclass(frozen=True)
class LedgerChange:
    """How many entries a run appended to the ledger: links made, and links retracted."""

    made: int
    retracted: int


def value_digest(namespace: str, value: str) -> str:
    """What stands for a value of a key, or of a field, in the evidence and wherever else values must not."""
    return sha256(f"{namespace}\x1f{value}".encode()).hexdigest()[:32]


def standing_links(
    lake: Lake, engine: Engine, touching: pa.Table | None = None, *, family: str | None = None
) -> pa.Table:
    """The links that were made and not retracted, each once, of all rules or of one ``family``.

    Columns: link_id, those of ``WANTED``, made_at. With ``touching`` (service, entity) only those that have one of
    these entities at an end.
    """
    with engine.session(_looked_at(lake, touching)) as session:
        _keep_entries(session, touching is not None, family)
        return session.query(sql_text(__package__, "standing_links.sql"))


def update_ledger(
    lake: Lake,
    engine: Engine,
    wanted: pa.Table,
    *,
    family: str,
    scope: pa.Table | None,
    among: pa.Table | None = None,
    now: dt.datetime,
    run_id: str,
    reasons: pa.Table | None = None,
) -> LedgerChange:
    """Append to the ledger what differs from ``wanted``: links to make, and links that nothing supports any more.

    ``wanted`` has the columns of ``WANTED``, texts that many rows share as dictionaries. Only standing links of the
    ``family`` (the part of a rule's name before the colon) are judged, and of them only those with an end in ``scope``
    (service, entity), or with both ends in ``among``; a scope of ``None`` stands for all entities. So ``wanted`` must
    hold every link of the family that is judged. ``reasons`` (digest, why) says why values in the evidence of retracted
    links support nothing now.

    A link whose weight, evidence or model changed is retracted and made again, so that what stands is always true. All
    of it is one commit; when nothing differs nothing is appended. Of two runs at the same time neither sees what the
    other makes, so a link may be made twice: it is one standing link, and when it goes every entry of it is retracted.
    """
    wanted = wanted.select(WANTED.names)
    params, count = {"names": _LINK_NAMES.hex, "now": now}, {"made": 0, "retracted": 0}

    def entries(session: Session, text: str) -> pa.Table:
        rows = session.query(sql_text(__package__, f"links_{text}.sql"), params)
        count[text] += rows.num_rows
        return rows.select(LINKS.schema.names).cast(LINKS.schema)

    def changes(session: Session) -> Iterator[pa.Table]:
        if _keep_entries(session, scope is not None, family):
            session.keep("wanted", wanted)
            session.keep("reasons", REASONS.empty_table() if reasons is None else reasons)
            yield entries(session, "retracted")
        for start in range(0, wanted.num_rows, _ROWS_AT_ONCE):
            session.keep("wanted", wanted.slice(start, _ROWS_AT_ONCE).cast(WANTED))
            yield entries(session, "made")

    with engine.session(_looked_at(lake, scope, among)) as session:
        lake.append(LINKS, changes(session), run_id=run_id)
    return LedgerChange(**count)


def _looked_at(lake: Lake, touching: pa.Table | None, among: pa.Table | None = None) -> dict[str, Input]:
    if touching is None:
        return {"ledger": lake.scan(LINKS)}
    ends = {"touching": touching, "among": ENTITIES.empty_table() if among is None else among}
    some: dict[str, Input] = {name: rows.select(ENTITIES.names).cast(ENTITIES) for name, rows in ends.items()}
    return some | {"links": lake.scan(LINKS)}


def _keep_entries(session: Session, touching: bool, family: str | None) -> int:
    """Keep the table ``entries`` (``standing_entries.sql``): those of all rules, or of one family. Returns how many."""
    if touching:
        session.make("ledger", sql_text(__package__, "ledger_touching.sql"), {"family": family})
    return session.make("entries", sql_text(__package__, "standing_entries.sql"), {"family": family})
