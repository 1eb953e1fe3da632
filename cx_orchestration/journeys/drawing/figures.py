"""What customers did on a journey map, in numbers: by step, by move, and how they felt.

Belongs here: reading the figures. Does not belong here: where they are drawn (``layout``).
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from cx_orchestration.journeys.experience.counting import count_answers
from cx_orchestration.journeys.placed import microseconds
from cx_orchestration.model import tables
from cx_orchestration.model.days import MICROSECONDS_A_DAY
from cx_orchestration.model.journey import JourneyMap
from cx_orchestration.model.settings import Experience, Scale
from cx_orchestration.model.tables import Table
from cx_orchestration.storage.engine import Engine, Input, Session, sql_text
from cx_orchestration.storage.lake import Lake


@dataclass(frozen=True)
class AtStep:
    """``instances`` came there at least once; ``active``, ``completed`` and ``abandoned`` ones stand or ended there.

    Of the ``judged`` ones the wait is over: who went on in less counts among them no sooner than who did not.
    ``None`` for a step without a wait.
    """

    instances: int
    active: int
    completed: int
    abandoned: int
    judged: int | None
    again: int


@dataclass(frozen=True)
class OnMove:
    """How often instances made the move, and how long half of them took for it at most."""

    moves: int
    median: dt.timedelta | None


@dataclass(frozen=True)
class Feeling:
    """The mean of what ``n`` customers answered last to each question, from 0, the worst answer, to 1, the best."""

    n: int
    mean: float


@dataclass(frozen=True)
class Deviation:
    """An event type of the map that came where nothing on the map follows from it, in so many instances."""

    step: str
    type: str
    events: int
    instances: int


@dataclass(frozen=True)
class Conformance:
    """How far ``instances`` follow the map: ``conforming`` ones have no deviation. The commonest ones come first."""

    instances: int = 0
    conforming: int = 0
    deviations: tuple[Deviation, ...] = ()


@dataclass(frozen=True)
class Figures:
    """Of one journey: by step, by move (source and target; no source where instances begin), and by step again.

    ``open_in`` has, by version of the map, how many instances are open in it.
    """

    steps: Mapping[str, AtStep] = field(default_factory=dict)
    moves: Mapping[tuple[str | None, str], OnMove] = field(default_factory=dict)
    feelings: Mapping[str, Feeling] = field(default_factory=dict)
    conformance: Conformance = Conformance()
    open_in: Mapping[int, int] = field(default_factory=dict)


_WAITS = pa.schema([("journey", pa.string()), ("step", pa.string()), ("wait_us", pa.int64())])
_FOLLOWS = """
SELECT journey, count(*) AS instances, CAST(sum(CASE WHEN deviations = 0 THEN 1 ELSE 0 END) AS BIGINT) AS conforming
FROM instances
GROUP BY journey
ORDER BY journey
"""
_OPEN = """
SELECT journey, map_version, count(*) AS instances
FROM instances
WHERE status = 'active'
GROUP BY journey, map_version
ORDER BY journey, map_version
"""


def read_figures(
    lake: Lake, engine: Engine, maps: Sequence[JourneyMap], asked: Experience, *, as_of: dt.datetime
) -> dict[str, Figures]:
    """The figures of every journey that has instances in ``journeys/steps``, which were folded up to ``as_of``."""
    steps: defaultdict[str, dict[str, AtStep]] = defaultdict(dict)
    moves: defaultdict[str, dict[tuple[str | None, str], OnMove]] = defaultdict(dict)
    scores: defaultdict[str, defaultdict[str, list[Feeling]]] = defaultdict(lambda: defaultdict(list))
    deviations: defaultdict[str, list[Deviation]] = defaultdict(list)
    open_in: defaultdict[str, dict[int, int]] = defaultdict(dict)
    with engine.session(_inputs(lake, maps)) as session:
        for row in _by_step(session, as_of).to_pylist():
            journey, name = row.pop("journey"), row.pop("step")
            steps[journey][name] = AtStep(**row)
        for row in session.query(sql_text(__package__, "move_figures.sql")).to_pylist():
            median = None if row["median_us"] is None else dt.timedelta(microseconds=row["median_us"])
            moves[row["journey"]][row["source"], row["target"]] = OnMove(row["moves"], median)
        follows = session.query(_FOLLOWS).to_pylist()
        for row in session.query(_OPEN).to_pylist():
            open_in[row["journey"]][row["map_version"]] = row["instances"]
        for row in session.query(sql_text(__package__, "conformance.sql")).to_pylist():
            deviations[row["journey"]].append(Deviation(row["step"], row["type"], row["events"], row["instances"]))
    for row in count_answers(lake, engine, maps, asked).to_pylist():
        if row["level"] == "step" and row["n"]:
            scale: Scale = getattr(asked, row["score_kind"])
            share = (row["total"] / row["n"] - scale.lowest) / (scale.highest - scale.lowest)
            scores[row["journey"]][row["step"]].append(Feeling(row["n"], share))
    return {
        row["journey"]: Figures(
            steps[row["journey"]],
            moves[row["journey"]],
            {step: _together(given) for step, given in scores[row["journey"]].items()},
            Conformance(row["instances"], row["conforming"], tuple(deviations[row["journey"]])),
            open_in[row["journey"]],
        )
        for row in follows
    }


def figure_tables(
    lake: Lake, engine: Engine, maps: Sequence[JourneyMap], *, as_of: dt.datetime
) -> dict[Table, pa.Table]:
    """What a drawn map says of steps and moves, as rows of ``tables.STEP_FIGURES`` and ``tables.MOVE_FIGURES``."""
    with engine.session(_inputs(lake, maps)) as session:
        steps = _by_step(session, as_of)
        moves = session.query(sql_text(__package__, "move_figures.sql"))
    seconds = pc.divide(pc.cast(moves["median_us"], pa.float64()), 1e6)
    named = [moves["journey"], moves["source"], moves["target"], moves["moves"], seconds]
    return {
        tables.STEP_FIGURES: steps.cast(tables.STEP_FIGURES.schema),
        tables.MOVE_FIGURES: pa.table(named, schema=tables.MOVE_FIGURES.schema),
    }


def _inputs(lake: Lake, maps: Sequence[JourneyMap]) -> dict[str, Input]:
    waits = {
        (one.journey, name): None
        if step.abandoned_after_days is None
        else round(step.abandoned_after_days * MICROSECONDS_A_DAY)
        for one in sorted(maps, key=lambda one: one.version)
        for name, step in one.steps.items()
    }
    rows = [{"journey": journey, "step": step, "wait_us": wait} for (journey, step), wait in waits.items()]
    return {
        "steps": lake.scan(tables.STEPS),
        "instances": lake.scan(tables.INSTANCES),
        "maps": lake.scan(tables.JOURNEY_MAPS),
        "waits": pa.Table.from_pylist(rows, _WAITS),
    }


def _by_step(session: Session, as_of: dt.datetime) -> pa.Table:
    return session.query(sql_text(__package__, "step_figures.sql"), {"as_of": microseconds(as_of)})


def _together(given: list[Feeling]) -> Feeling:
    n = sum(one.n for one in given)
    return Feeling(n, sum(one.n * one.mean for one in given) / n)
