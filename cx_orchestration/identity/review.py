"""The review queue: scored pairs that are neither clear nor decided, the most valuable first.

Belongs here: filling the queue, and showing a pair of it side by side. Does not belong here: what a decision does
(``overrides.py``).
"""

from collections.abc import Iterator
from dataclasses import dataclass

import orjson

from cx_orchestration.identity.explain import find_customer, records_of
from cx_orchestration.identity.explain_words import agreement, odds
from cx_orchestration.identity.ledger import standing_links
from cx_orchestration.identity.why_not import Compared, compare_records
from cx_orchestration.model.identity import IdentityConfig
from cx_orchestration.model.tables import EVENTS, IDENTITY_MAP, REVIEW_QUEUE
from cx_orchestration.storage.engine import Engine, Input, sql_text
from cx_orchestration.storage.lake import Lake


@dataclass(frozen=True)
class OpenPair:
    """One pair of the queue: SERVICE/ENTITY of both, what the model says, both sides of every field.

    ``together``: they are one customer now. ``stake`` counts the records and events that a decision could move,
    ``value`` is that times the chance that what stands is wrong.
    """

    left: str
    right: str
    together: bool
    weight: float
    odds: str
    says: str
    stake: int
    value: float
    fields: tuple[Compared, ...]


def fill_queue(lake: Lake, engine: Engine, config: IdentityConfig, *, run_id: str) -> int:
    """Write ``identity/review_queue`` from the ledger, the map and the events; gives how many pairs wait.

    The same inputs give the same queue, and nothing is written then.
    """
    inputs: dict[str, Input] = {
        "links": standing_links(lake, engine),
        "identity_map": lake.scan(IDENTITY_MAP),
        "events": lake.scan(EVENTS),
    }
    review = config.review
    params = {"lowest": config.matching.review_bits, "highest": review.highest_bits, "most": review.most}
    rows = engine.query(sql_text(__package__, "review_queue.sql"), inputs, params).cast(REVIEW_QUEUE.schema)
    before = engine.query("SELECT * FROM queue ORDER BY rank", {"queue": lake.scan(REVIEW_QUEUE)})
    if not lake.exists(REVIEW_QUEUE) or not rows.equals(before.cast(REVIEW_QUEUE.schema)):
        lake.replace(REVIEW_QUEUE, rows, run_id=run_id)
    return int(rows.num_rows)


def open_pairs(lake: Lake, engine: Engine, limit: int) -> Iterator[OpenPair]:
    """The first pairs of the queue with the values of both sides, as somebody asked to see them."""
    first = "SELECT * FROM queue WHERE rank <= $limit ORDER BY rank"
    for row in engine.query(first, {"queue": lake.scan(REVIEW_QUEUE)}, {"limit": limit}).to_pylist():
        left, right = (f"{row[f'{side}_service']}/{row[f'{side}_entity']}" for side in ("left", "right"))
        sides = [
            [record for record in records_of(lake, engine, customer) if record.name == name]
            for name, customer in ((name, find_customer(lake, engine, name)) for name in (left, right))
        ]
        levels = orjson.loads(row["evidence"] or b"{}").get("levels", {})
        yield OpenPair(
            left=left,
            right=right,
            together=row["together"],
            weight=row["match_weight"],
            odds=odds(row["match_weight"]),
            says=agreement(levels.items()),
            stake=row["stake"],
            value=row["value"],
            fields=compare_records(*sides),
        )
