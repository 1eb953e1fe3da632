"""What customers answered, counted by step, layer and journey: the one place that says where an answer belongs.

Belongs here: inputs of the two SQL texts. Does not belong here: measures of the counts (``measures``), how they are
drawn (``drawing``).
"""

from collections.abc import Sequence

import pyarrow as pa

from cx_orchestration.model import tables
from cx_orchestration.model.days import MICROSECONDS_A_DAY
from cx_orchestration.model.journey import JourneyMap
from cx_orchestration.model.settings import Experience
from cx_orchestration.storage.engine import Engine, Input, sql_text
from cx_orchestration.storage.lake import Lake

_CORRELATIONS = pa.schema([("journey", pa.string()), ("name", pa.string())])
_LAYERS = pa.schema(
    [("journey", pa.string()), ("map_version", pa.int64()), ("step", pa.string()), ("layer", pa.string())]
)


def count_answers(lake: Lake, engine: Engine, maps: Sequence[JourneyMap], asked: Experience) -> pa.Table:
    """Rows of ``counts.sql``. ``maps`` are all versions of the maps that the journeys were folded with; the layer of a
    step that none of them has is unknown, and a map's correlation key is that of its last one here."""
    keys = {one.journey: one.correlation for one in maps}
    correlations = [{"journey": name, "name": key} for name, key in keys.items() if key is not None]
    layers = [
        {"journey": one.journey, "map_version": one.version, "step": name, "layer": step.layer}
        for one in maps
        for name, step in one.steps.items()
    ]
    inputs: dict[str, Input] = {
        "steps": lake.scan(tables.STEPS),
        "instances": lake.scan(tables.INSTANCES),
        "sequences": lake.scan(tables.SEQUENCES),
        "correlations": pa.Table.from_pylist(correlations, _CORRELATIONS),
        "layers": pa.Table.from_pylist(layers, _LAYERS),
        "scales": scales_table(asked),
    }
    with engine.session(inputs) as session:
        window = round(asked.window_days * MICROSECONDS_A_DAY)
        session.make("answers", sql_text(__package__, "answers.sql"), {"window": window})
        return session.query(sql_text(__package__, "counts.sql"))


def scales_table(asked: Experience) -> pa.Table:
    """By kind of score: the lowest and the highest answer, from where one is good, and up to where it is bad."""
    rows = [
        {"score_kind": kind, "lowest": scale.lowest, "highest": scale.highest, "good_from": good, "bad_to": bad}
        for kind, scale, good, bad in (
            ("nps", asked.nps, 9.0, 6.0),
            ("csat", asked.csat, asked.csat.satisfied_from, None),
            ("ces", asked.ces, None, None),
        )
    ]
    numbers = [(name, pa.float64()) for name in ("lowest", "highest", "good_from", "bad_to")]
    return pa.Table.from_pylist(rows, pa.schema([("score_kind", pa.string()), *numbers]))
