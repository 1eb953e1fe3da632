"""The tables of paths in the lake, and whether they add up.

Belongs here: reading, writing, and the totals that must agree. Does not belong here: how paths are counted.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

import pyarrow as pa

from cx_orchestration.journeys.coding import EPOCH
from cx_orchestration.journeys.event_types import type_names
from cx_orchestration.journeys.paths.analysis import Paths, Question, add_up
from cx_orchestration.journeys.paths.choosing import columns_asked
from cx_orchestration.journeys.paths.milestones import milestone_tables
from cx_orchestration.journeys.paths.results import path_tables
from cx_orchestration.journeys.paths.selections import asked_funnels, selections
from cx_orchestration.journeys.reading import BucketFiles, bucket_files, read_bucket
from cx_orchestration.model import tables
from cx_orchestration.model.funnel import DeclaredFunnel
from cx_orchestration.model.journey import JourneyMap
from cx_orchestration.model.tables import Table
from cx_orchestration.storage.engine import Engine, sql_text
from cx_orchestration.storage.lake import Lake


@dataclass(frozen=True)
class Total:
    """One number of one journey, or of all events, as two tables give it."""

    journey: str
    what: str
    one: int
    other: int
    agrees: bool


def build_paths(
    lake: Lake,
    engine: Engine,
    maps: Sequence[JourneyMap],
    funnels: Mapping[str, DeclaredFunnel],
    *,
    as_of: datetime,
    run_id: str,
) -> dict[Table, pa.Table]:
    """Write all tables of paths anew, of the events before ``as_of``; returns their rows. ``funnels`` are the declared
    ones, beside those that follow from maps."""
    types = type_names(lake, engine)
    named = "SELECT DISTINCT channel FROM sequences WHERE channel IS NOT NULL ORDER BY channel"
    channels = engine.query(named, {"sequences": lake.scan(tables.SEQUENCES)})["channel"].to_pylist()
    instant = (as_of - EPOCH) // timedelta(microseconds=1)
    question = Question(types, channels, selections(maps, types), asked_funnels(maps, funnels, types), instant)
    found = path_tables(add_up(question, engine.each(bucket_files(lake), partial(_in_bucket, question))))
    found |= milestone_tables(lake, engine, maps, as_of=as_of)
    for table, rows in found.items():
        lake.replace(table, rows, run_id=run_id)
    return found


def _in_bucket(question: Question, bucket: BucketFiles) -> Paths:
    columns = dict.fromkeys(["channel", *columns_asked(question.funnels)])
    return question.of_bucket(read_bucket(bucket, list(columns)))


def reconcile(lake: Lake, engine: Engine, *, as_of: datetime) -> list[Total]:
    """Numbers that different tables give for the same thing, by journey: they must be equal, or in the order told."""
    of_fold = (tables.JOURNEY_MAPS, tables.STEPS, tables.INSTANCES, tables.STEP_FIGURES)
    wanted = (*tables.PATHS, tables.SEQUENCES, *of_fold)
    inputs = {table.path.rpartition("/")[2]: lake.scan(table) for table in wanted}
    rows = engine.query(sql_text(__package__, "reconcile.sql"), inputs, {"as_of": as_of}).to_pylist()
    return [Total(row["journey"], row["what"], row["one"], row["other"], row["agrees"]) for row in rows]
