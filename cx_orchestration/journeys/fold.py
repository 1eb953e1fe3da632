"""``journeys/steps`` and ``journeys/instances``: every customer's way through every journey map.

Belongs here: which buckets and maps are folded, and writing what comes of it. Does not belong here: what a map makes of
one bucket's events (``placing``), whether a map is sound (``maps``).
"""

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from cx_orchestration.journeys.charts import CompiledMap
from cx_orchestration.journeys.coding import code_events, read_events
from cx_orchestration.journeys.micro_events import by_nesting
from cx_orchestration.journeys.placing import Folded, JourneyCounts, fold_bucket
from cx_orchestration.journeys.versions import compile_in_use
from cx_orchestration.model import tables
from cx_orchestration.model.journey import JourneyMap
from cx_orchestration.storage.engine import Engine
from cx_orchestration.storage.lake import Lake


@dataclass(frozen=True)
class FoldSummary:
    """``events`` were folded; ``in_other_currency`` of them carry money that no instance's revenue includes.

    ``removed`` are journeys of an earlier fold that no map declares any more.
    """

    events: int
    in_other_currency: int
    journeys: tuple[JourneyCounts, ...]
    removed: tuple[str, ...]


def fold_journeys(
    lake: Lake,
    engine: Engine,
    maps: Sequence[JourneyMap],
    *,
    as_of: dt.datetime,
    currency: str,
    support_contact_cost: float,
    run_id: str,
) -> FoldSummary:
    """Fold ``journeys/sequences`` over all maps of a project and replace each journey's steps and instances.

    ``as_of`` is the instant at which an instance that rests is judged; events from then on are not read. Events that
    have not come in by then make their customers look idle. ``support_contact_cost`` is in ``currency``, the project's.
    Raises ``InvalidProject`` for a map that is not sound, before anything is written.
    """
    charts = compile_in_use(lake, by_nesting(maps), as_of=as_of, run_id=run_id)
    folded: dict[str, list[Folded]] = {chart.journey: [] for chart in charts}
    events_read = in_other_currency = 0
    for bucket in _values(lake, engine, tables.SEQUENCES, "bucket"):
        sequences = lake.scan(tables.SEQUENCES, {"bucket": bucket})
        rows = read_events(engine, sequences, charts, as_of=as_of, currency=currency)
        events_read += rows.num_rows
        in_other_currency += pc.sum(rows.column("in_other_currency")).as_py() or 0
        of_bucket = fold_bucket(code_events(rows), charts, as_of=as_of, support_contact_cost=support_contact_cost)
        for chart, one in zip(charts, of_bucket, strict=True):
            folded[chart.journey].append(one)
    removed = tuple(name for name in _values(lake, engine, tables.INSTANCES, "journey") if name not in folded)
    for journey, parts in [*folded.items(), *[(name, []) for name in removed]]:
        slice_ = {"journey": journey}
        steps = pa.concat_tables([tables.STEPS.empty(), *[part.steps for part in parts]])
        instances = pa.concat_tables([tables.INSTANCES.empty(), *[part.instances for part in parts]])
        lake.replace(tables.STEPS, steps, where=slice_, run_id=run_id)
        lake.replace(tables.INSTANCES, instances, where=slice_, run_id=run_id)
    by_name = {chart.journey: _add_up(chart, [part.counts for part in folded[chart.journey]]) for chart in charts}
    counts = tuple(by_name[one.journey] for one in maps)
    return FoldSummary(events_read, in_other_currency, counts, removed)


def _values(lake: Lake, engine: Engine, table: tables.Table, column: str) -> list[Any]:
    found = engine.query(f"SELECT DISTINCT {column} FROM t ORDER BY {column}", {"t": lake.scan(table)})
    values: list[Any] = found.column(column).to_pylist()
    return values


def _add_up(chart: CompiledMap, counts: Iterable[JourneyCounts]) -> JourneyCounts:
    parts = list(counts)
    totals = {
        field.name: sum(getattr(part, field.name) for part in parts)
        for field in fields(JourneyCounts)
        if field.name not in {"journey", "map_version"}
    }
    return JourneyCounts(journey=chart.journey, map_version=chart.journey_map.version, **totals)
