"""How customers come to the milestones of maps, as the fold has placed them: of all, and cohort by cohort.

Belongs here: times, moves and shares from ``journeys/steps`` and ``journeys/instances``. Does not belong here: the
estimate with censoring (``survival``), funnels, which follow event types within a window (``funnel``).
"""

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from statsmodels.stats.proportion import proportion_confint

from cx_orchestration.journeys.coding import EPOCH
from cx_orchestration.journeys.paths.survival import time_to_reach
from cx_orchestration.model import tables
from cx_orchestration.model.days import MICROSECONDS_A_DAY
from cx_orchestration.model.journey import JourneyMap
from cx_orchestration.model.tables import Table
from cx_orchestration.storage.engine import Engine, Input, sql_text
from cx_orchestration.storage.lake import Lake

#: After how many days it is told who has reached a milestone.
DAYS = np.array([1, 2, 3, 5, 7, 14, 21, 30, 60, 90, 180, 365], np.float64)

_ASKED = pa.schema([("number", pa.int64()), ("journey", pa.string()), ("step", pa.string()), ("window_us", pa.int64())])

Row = dict[str, Any]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Milestone:
    """A milestone that not everybody begins at; ``window`` in microseconds."""

    journey: str
    step: str
    window: int


@dataclass(frozen=True, eq=False)
class Ways:
    """Customers on the way to one milestone, in no particular order: the columns of ``milestones.sql``. ``reached`` and
    ``moves`` are -1 for who has not come there."""

    first: Ints
    began: Ints
    reached: Ints
    moves: Ints
    matured: Ints
    matured_reached: Ints

    def __getitem__(self, chosen: NDArray[np.bool_]) -> "Ways":
        return Ways(*(column[chosen] for column in vars(self).values()))


def milestone_tables(
    lake: Lake, engine: Engine, maps: Sequence[JourneyMap], *, as_of: dt.datetime
) -> dict[Table, pa.Table]:
    """The rows of ``journeys/time_to_milestone`` and ``journeys/cohort_milestones``; journeys must have been folded
    as of the same instant."""
    asked = [found for one in maps for found in _milestones(one)]
    now = (as_of - EPOCH) // dt.timedelta(microseconds=1)
    curves: list[Row] = []
    cohorts: list[Row] = []
    for milestone, ways in zip(asked, _ways(lake, engine, asked, as_of), strict=True):
        curves += _curve(milestone, ways, now)
        cohorts += _cohorts(milestone, ways, now)
    found = {tables.TIME_TO_MILESTONE: curves, tables.COHORT_MILESTONES: cohorts}
    return {table: pa.Table.from_pylist(rows, table.schema) for table, rows in found.items()}


def _milestones(journey_map: JourneyMap) -> Iterator[Milestone]:
    window = round(journey_map.conversion_window_days * MICROSECONDS_A_DAY)
    begun = {beginning.target for _, _, beginning in journey_map.beginnings()}
    for name, step in journey_map.steps.items():
        if step.milestone and begun != {name}:
            yield Milestone(journey_map.journey, name, window)


def _ways(lake: Lake, engine: Engine, asked: Sequence[Milestone], as_of: dt.datetime) -> list[Ways]:
    rows = [
        {"number": number, "journey": one.journey, "step": one.step, "window_us": one.window}
        for number, one in enumerate(asked)
    ]
    milestones = pa.Table.from_pylist(rows, _ASKED)
    inputs: dict[str, Input] = {
        "steps": lake.scan(tables.STEPS),
        "instances": lake.scan(tables.INSTANCES),
        "sequences": lake.scan(tables.SEQUENCES),
        "milestones": milestones,
    }
    found = engine.query(sql_text(__package__, "milestones.sql"), inputs, {"as_of": as_of})
    number, *columns = (pc.fill_null(column, -1).to_numpy().astype(np.int64) for column in found.columns)
    every = Ways(*columns)
    return [every[number == one] for one in range(len(asked))]


def _curve(milestone: Milestone, ways: Ways, now: int) -> Iterator[Row]:
    took = np.where(ways.reached >= 0, ways.reached - ways.began, -1)
    for at in time_to_reach(took, now - ways.began, DAYS):
        yield {
            "journey": milestone.journey,
            "step": milestone.step,
            "days": at.days,
            "share": at.share,
            "share_low": at.low,
            "share_high": at.high,
            "at_risk": at.at_risk,
            "customers": len(took),
        }


def _cohorts(milestone: Milestone, ways: Ways, now: int) -> Iterator[Row]:
    for period, began in (("week", _mondays(ways.first)), ("month", ways.first.astype("M8[us]").astype("M8[M]"))):
        for cohort in np.unique(began):
            found = _cohort(ways[began == cohort], milestone.window, now)
            yield {
                "journey": milestone.journey,
                "step": milestone.step,
                "period": period,
                "cohort": cohort.astype("M8[D]").item(),
                "window_days": milestone.window / MICROSECONDS_A_DAY,
                **found,
            }


def _mondays(at: Ints) -> NDArray[np.datetime64]:
    days = at // MICROSECONDS_A_DAY
    return (days - (days + 3) % 7).astype("M8[D]")


def _cohort(ways: Ways, window: int, now: int) -> Row:
    mature = ways[ways.began + window < now]
    in_time = mature[(mature.reached >= 0) & (mature.reached - mature.began <= window)]
    customers, reached = len(mature.began), len(in_time.began)
    row: Row = {
        "customers": len(ways.began),
        "reached": int((ways.reached >= 0).sum()),
        "mature": customers,
        "reached_in_time": reached,
        "instances": int(ways.matured.sum()),
        "instances_reached": int(ways.matured_reached.sum()),
    }
    if customers:
        low, high = proportion_confint(reached, customers, method="wilson")
        share = reached / customers
        row |= {"share": share, "share_low": min(share, float(low)), "share_high": max(share, float(high))}
    if reached:
        row["median_days"] = float(np.median(in_time.reached - in_time.began)) / MICROSECONDS_A_DAY
        row["median_moves"] = float(np.median(in_time.moves))
    if row["instances"]:
        row["share_of_instances"] = row["instances_reached"] / row["instances"]
    return row
