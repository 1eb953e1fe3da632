"""``journeys/steps`` and ``journeys/instances``: every customer's way through every journey map.

Belongs here: which buckets and maps are folded, and writing what comes of it. Does not belong here: what a map makes of
one bucket's events (``placing``), whether a map is sound (``maps``).
"""

import datetime as dt
import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from functools import partial

from cx_orchestration.journeys.charts import CompiledMap
from cx_orchestration.journeys.coding import code_events, sequence_columns
from cx_orchestration.journeys.event_types import type_names
from cx_orchestration.journeys.micro_events import by_nesting
from cx_orchestration.journeys.placing import STILL_OPEN, Folded, JourneyCounts, fold_bucket
from cx_orchestration.journeys.reading import BucketFiles, bucket_files, rows_of
from cx_orchestration.journeys.refold import Changes, FoldedFrom, changes, rewrite
from cx_orchestration.journeys.versions import compile_in_use
from cx_orchestration.model import tables
from cx_orchestration.model.journey import JourneyMap
from cx_orchestration.storage.engine import Engine
from cx_orchestration.storage.lake import Lake

#: All weeks of steps and instances, and those without one.
EVERY_WEEK = (STILL_OPEN - 1_000_000, 1_000_000)

#: To be raised when the same events and maps give other rows than before: then all are folded anew.
_MEANING = 1


@dataclass(frozen=True)
class FoldSummary:
    """``events`` were folded; ``in_other_currency`` of them carry money that no instance's revenue includes.

    ``whole``: all customers were; otherwise those whose rows can differ from the last fold's, of whom the counts are.
    ``removed`` are journeys of an earlier fold that no map declares any more.
    """

    events: int
    in_other_currency: int
    whole: bool
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
    """Fold ``journeys/sequences`` over all maps of a project; steps and instances then are as if all were folded anew.

    Only customers are folded whose events have changed since the last fold, or who have rested too long since; all are
    when a map has changed, or much else. See ``refold``.

    ``as_of`` is the instant at which an instance that rests is judged; events from then on are not read. Events that
    have not come in by then make their customers look idle. ``support_contact_cost`` is in ``currency``, the project's.
    Raises ``InvalidProject`` for a map that is not sound, before anything is written.
    """
    charts = compile_in_use(lake, by_nesting(maps), as_of=as_of, run_id=run_id)
    settings = _settings(charts, currency, support_contact_cost)
    before = lake.partition_values(tables.INSTANCES, "journey")
    for table in (tables.STEPS, tables.INSTANCES):
        lake.empty_for_layout(table, run_id=run_id)
    now = FoldedFrom(lake.state(tables.SEQUENCES) or "", lake.version(tables.SEQUENCES) or 0, as_of, settings)
    changed = changes(lake, charts, now)
    types = type_names(lake, engine)
    counts: dict[str, list[JourneyCounts]] = {chart.journey: [] for chart in charts}
    anew: list[Folded] = []
    events_read = in_other_currency = 0
    folding = partial(
        _fold,
        charts=charts,
        changed=changed,
        types=types,
        as_of=as_of,
        currency=currency,
        support_contact_cost=support_contact_cost,
    )
    # Written bucket by bucket: no more than one is ever in this process's memory.
    with lake.writer(tables.STEPS) as steps, lake.writer(tables.INSTANCES) as instances:
        for events, in_others, folded in engine.each(bucket_files(lake), folding):
            events_read += events
            in_other_currency += in_others
            for chart, of_bucket in zip(charts, folded, strict=True):
                counts[chart.journey].append(of_bucket.counts)
                if changed is None:
                    steps.write(of_bucket.steps)
                    instances.write(of_bucket.instances)
                else:
                    anew.append(of_bucket)
        if changed is None:
            for table, writer in ((tables.STEPS, steps), (tables.INSTANCES, instances)):
                lake.replace_by_files(table, writer.finish(), where={"week": EVERY_WEEK}, run_id=run_id, note=now.note)
    if changed is not None:
        rewrite(lake, changed, anew, now, run_id=run_id)
    totals = {chart.journey: _add_up(chart, counts[chart.journey]) for chart in charts}
    removed = tuple(name for name in before if name not in totals)
    return FoldSummary(
        events_read, in_other_currency, changed is None, tuple(totals[one.journey] for one in maps), removed
    )


def _fold(
    bucket: BucketFiles,
    *,
    charts: Sequence[CompiledMap],
    changed: Changes | None,
    types: Sequence[str],
    as_of: dt.datetime,
    currency: str,
    support_contact_cost: float,
) -> tuple[int, int, list[Folded]]:
    """A bucket's events, those in other currencies, and what each map makes of them; wherever the files can be read."""
    rows = rows_of(bucket, sequence_columns(charts))
    wanted = rows if changed is None else changed.rows(rows)
    events = code_events(wanted, charts, types=types, as_of=as_of, currency=currency)
    folded = fold_bucket(events, charts, as_of=as_of, support_contact_cost=support_contact_cost)
    return len(events), events.in_other_currency, folded


def _settings(charts: Sequence[CompiledMap], currency: str, support_contact_cost: float) -> str:
    """A digest of all that the fold follows but events and time."""
    versions = [
        [version.since, version.journey_map.model_dump_json(by_alias=True)]
        for chart in charts
        for version in chart.versions
    ]
    said = json.dumps([_MEANING, versions, currency, support_contact_cost])
    return hashlib.sha256(said.encode()).hexdigest()


def _add_up(chart: CompiledMap, counts: Iterable[JourneyCounts]) -> JourneyCounts:
    parts = list(counts)
    totals = {
        field.name: sum(getattr(part, field.name) for part in parts)
        for field in fields(JourneyCounts)
        if field.name not in {"journey", "map_version"}
    }
    return JourneyCounts(journey=chart.journey, map_version=chart.journey_map.version, **totals)
