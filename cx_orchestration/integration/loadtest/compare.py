"""Whether every record that was offered landed once and was mapped once.

Belongs here: comparing sets of ids. Does not belong here: what may be concluded (``verdict.py``).
"""

from dataclasses import dataclass

import pyarrow as pa

from cx_orchestration.integration.loadtest.play import Played, Stage
from cx_orchestration.model.tables import EVENTS, REJECTED_RECORDS, landed
from cx_orchestration.storage.engine import sql_text


@dataclass(frozen=True)
class Compared:
    """Records that went in and did not come out, and those that came out more than once or that nobody put in."""

    lost: int
    doubled: int


def compare(stage: Stage, played: Played) -> Compared:
    """Hold what was offered in the slices that went through against landed records, events and rejections.

    A record that fits no declared event has neither event nor rejection; how many those are, the mapping itself says.
    What a failed attempt left of later slices does not count.
    """
    if not played.done:
        return Compared(0, 0)
    days = stage.slices.days(0, played.done - 1)
    lost = doubled = without_outcome = 0
    lake, service = stage.lake, stage.declaration.service
    mapped = {"events": lake.scan(EVENTS), "rejected": lake.scan(REJECTED_RECORDS)}
    for name, shelf in stage.shelves.items():
        offered = list(shelf.ids(shelf.of_slices(0, played.done - 1)))
        inputs = {
            "offered": pa.table({"record_id": pa.array(offered, pa.string())}),
            "landed": lake.scan(landed(service, name), {"day": (days.first, days.last)}),
            **mapped,
        }
        found = stage.engine.query(sql_text(__package__, "outcome_of_replay.sql"), inputs, {"stream": name})
        outcome = found.to_pylist()[0]
        lost += outcome["lost"]
        doubled += outcome["doubled"] + outcome["unasked_for"]
        if shelf.stream.events:
            without_outcome += outcome["without_outcome"]
    return Compared(lost + max(0, without_outcome - played.unmapped), doubled)
