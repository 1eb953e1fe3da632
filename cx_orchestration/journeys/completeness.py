"""Do the events that move customers carry the metadata that the map's transitions require (R2)?

Belongs here: counting, by service. Does not belong here: moving customers (``fold``); what is missing stops no move.
"""

from collections.abc import Sequence

import pyarrow as pa

from cx_orchestration.model import tables
from cx_orchestration.model.days import DayRange
from cx_orchestration.model.journey import JourneyMap
from cx_orchestration.storage.engine import Engine, sql_text
from cx_orchestration.storage.lake import Lake
from cx_orchestration.storage.slices import Bound

_REQUIREMENTS = pa.schema([(name, pa.string()) for name in ("journey", "source", "type", "target", "required")])


def transition_metadata(lake: Lake, engine: Engine, maps: Sequence[JourneyMap]) -> pa.Table:
    """How complete the metadata of the moves in ``journeys/steps`` is, one row a journey, event type, service and name.

    Columns: journey, type, service, required, moves, carried, share. A name is carried when the event has a value for
    it that is not empty. Beginnings require nothing, for only transitions do; what no event moved has no row.
    """
    return engine.query(
        sql_text(__package__, "completeness.sql"),
        {
            "steps": lake.scan(tables.STEPS),
            "sequences": lake.scan(tables.SEQUENCES),
            "requirements": _requirements(maps),
        },
    )


def event_metadata(lake: Lake, engine: Engine, maps: Sequence[JourneyMap], service: str, days: DayRange) -> pa.Table:
    """The same of one service's events of some days, whomever they move: one row an event type and required name.

    Columns: type, required, events, carried, share. Which of the events move somebody is known later; what their type
    requires on some map they should carry in any case.
    """
    where: dict[str, Bound] = {"service": service, "day": (days.first, days.last)}
    inputs = {"events": lake.scan(tables.EVENTS, where), "requirements": _requirements(maps)}
    return engine.query(sql_text(__package__, "event_metadata.sql"), inputs)


def _requirements(maps: Sequence[JourneyMap]) -> pa.Table:
    required = {
        (one.journey, source, move.on, target, name)
        for one in maps
        for move in one.transitions
        for source in move.source
        for target in one.targets(move)
        for name in move.requires
    }
    rows = [dict(zip(_REQUIREMENTS.names, row, strict=True)) for row in sorted(required)]
    return pa.Table.from_pylist(rows, _REQUIREMENTS)
