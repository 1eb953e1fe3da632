"""The review queue: pairs that a slip of the pen may keep apart, then scored ones that are neither clear nor decided.

Belongs here: filling the queue, and showing a pair of it side by side. Does not belong here: what a decision does
(``overrides.py``).
"""

from collections.abc import Iterator
from dataclasses import dataclass

import orjson
import pyarrow as pa

from cx_orchestration.identity.explain import find_customer, records_of
from cx_orchestration.identity.explain_words import agreement, namespace_words, odds
from cx_orchestration.identity.ledger import standing_links
from cx_orchestration.identity.vetoes import UNIQUE, unique_keys
from cx_orchestration.identity.why_not import Compared, compare_records
from cx_orchestration.model.identity import IdentityConfig
from cx_orchestration.model.tables import EVENTS, IDENTITY_MAP, KEYS_SEEN, REVIEW_QUEUE
from cx_orchestration.storage.engine import Engine, Input, sql_text
from cx_orchestration.storage.lake import Lake


@dataclass(frozen=True)
class OpenPair:
    """One pair of the queue: SERVICE/ENTITY of both, what the model says, both sides of every field.

    ``together``: they are one customer now. ``stake`` counts the records and events that a decision could move,
    ``value`` is that times the chance that what stands is wrong. ``forbidden_by`` names the keys, declared unique to a
    person, whose values alone part the two, and differ by one character or two that changed places.
    """

    left: str
    right: str
    together: bool
    weight: float
    odds: str
    says: str
    stake: int
    value: float
    forbidden_by: str | None
    fields: tuple[Compared, ...]


def fill_queue(lake: Lake, engine: Engine, config: IdentityConfig, *, run_id: str) -> int:
    """Write ``identity/review_queue`` from the ledger, the map, keys and events; gives how many pairs wait.

    The same inputs give the same queue, and nothing is written then.
    """
    inputs: dict[str, Input] = {
        "links": standing_links(lake, engine),
        "identity_map": lake.scan(IDENTITY_MAP),
        "events": lake.scan(EVENTS),
        "keys": lake.scan(KEYS_SEEN),
        "unique_values": _unique_values(lake, engine, config),
    }
    review = config.review
    params = {"lowest": config.matching.review_bits, "highest": review.highest_bits, "most": review.most}
    rows = engine.query(sql_text(__package__, "review_queue.sql"), inputs, params).cast(REVIEW_QUEUE.schema)
    before = engine.query("SELECT * FROM queue ORDER BY rank", {"queue": lake.scan(REVIEW_QUEUE)})
    if not lake.exists(REVIEW_QUEUE) or not rows.equals(before.cast(REVIEW_QUEUE.schema)):
        lake.replace(REVIEW_QUEUE, rows, run_id=run_id)
    return int(rows.num_rows)


def _unique_values(lake: Lake, engine: Engine, config: IdentityConfig) -> pa.Table:
    unique, version = unique_keys(lake, engine, config), lake.version(KEYS_SEEN)
    return UNIQUE.empty_table() if unique is None or version is None else unique.values(version)


def open_pairs(lake: Lake, engine: Engine, limit: int) -> Iterator[OpenPair]:
    """The first pairs of the queue with the values of both sides, as somebody asked to see them."""
    first = "SELECT * FROM queue WHERE rank <= $limit ORDER BY rank"
    for row in engine.query(first, {"queue": lake.scan(REVIEW_QUEUE)}, {"limit": limit}).to_pylist():
        left, right = (f"{row[f'{side}_service']}/{row[f'{side}_entity']}" for side in ("left", "right"))
        sides = [
            [each for each in records_of(lake, engine, customer) if row["forbidden_by"] or each.name == name]
            for name, customer in ((name, find_customer(lake, engine, name)) for name in (left, right))
        ]
        evidence = orjson.loads(row["evidence"] or b"{}")
        shared = [f"the same {namespace_words(name)}" for name in evidence.get("shared", ())]
        yield OpenPair(
            left=left,
            right=right,
            together=row["together"],
            weight=row["match_weight"],
            odds=odds(row["match_weight"]),
            says=" and ".join(shared) or agreement(evidence.get("levels", {}).items()),
            stake=row["stake"],
            value=row["value"],
            forbidden_by=row["forbidden_by"],
            fields=compare_records(*sides),
        )
