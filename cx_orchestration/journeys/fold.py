"""``journeys/steps`` and ``journeys/instances``: every customer's way through every journey map.

Belongs here: which buckets and maps are folded, and writing what comes of it. Does not belong here: what a map makes of
one bucket's events (``placing``), whether a map is sound (``maps``).
"""

import datetime as dt
import hashlib
import json
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, fields
from functools import partial

from cx_orchestration.journeys.charts import CompiledMap
from cx_orchestration.journeys.coding import code_events, sequence_columns
from cx_orchestration.journeys.event_types import type_names
from cx_orchestration.journeys.micro_events import by_nesting
from cx_orchestration.journeys.placed import STILL_OPEN
from cx_orchestration.journeys.placing import Folded, JourneyCounts, fold_bucket
from cx_orchestration.journeys.reading import BucketFiles, bucket_files, rows_of
from cx_orchestration.journeys.refold import Night, fold_night
from cx_orchestration.journeys.refolded import FOLDED, FoldedFrom, last_fold, nights_work, write_night
from cx_orchestration.journeys.sequences import MAX_BUCKETS
from cx_orchestration.journeys.versions import compile_in_use
from cx_orchestration.model import tables
from cx_orchestration.model.journey import JourneyMap
from cx_orchestration.storage.engine import Engine
from cx_orchestration.storage.lake import Lake

#: All weeks of steps and instances, and those without one.
EVERY_WEEK = (STILL_OPEN - 1_000_000, 1_000_000)

#: To be raised when the same events and maps give other rows than before: then all are folded anew.
_MEANING = 3


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
    for table in FOLDED:
        lake.empty_for_layout(table, run_id=run_id)
    last = last_fold(lake)
    version = lake.version(tables.SEQUENCES) or 0
    number = last.fold + 1 if last is not None else 1
    now = FoldedFrom(lake.state(tables.SEQUENCES) or "", version, as_of, settings, number)
    night = nights_work(lake, charts, last, now)
    types = type_names(lake, engine)
    if last is None or night is None:
        folding = partial(
            _fold,
            charts=charts,
            types=types,
            as_of=as_of,
            currency=currency,
            support_contact_cost=support_contact_cost,
            number=number,
        )
        found = _write_all(lake, engine.each(bucket_files(lake), folding), now, run_id)
    else:
        asked = Night(charts, types, last.as_of, as_of, currency, support_contact_cost, number)
        folded = [*engine.each(night, partial(fold_night, night=asked))]
        write_night(lake, folded, now, run_id=run_id)
        found = [(one.events, one.in_other_currency, _counts(one.on) + _counts(one.anew)) for one in folded]
    counts = [one for _, _, of_bucket in found for one in of_bucket]
    totals = {chart.journey: _add_up(chart, counts) for chart in charts}
    return FoldSummary(
        events=sum(events for events, _, _ in found),
        in_other_currency=sum(others for _, others, _ in found),
        whole=night is None,
        journeys=tuple(totals[one.journey] for one in maps),
        removed=tuple(name for name in before if name not in totals),
    )


def _write_all(
    lake: Lake, buckets: Iterable[tuple[int, int, list[Folded]]], now: FoldedFrom, run_id: str
) -> list[tuple[int, int, list[JourneyCounts]]]:
    """All rows anew, written bucket by bucket: no more than one is ever in this process's memory."""
    found = []
    with ExitStack() as stack:
        steps, instances, threads = (stack.enter_context(lake.writer(table)) for table in FOLDED)
        for events, in_others, folded in buckets:
            found.append((events, in_others, _counts(folded)))
            for of_bucket in folded:
                steps.write(of_bucket.steps)
                instances.write(of_bucket.instances)
                threads.write(of_bucket.threads)
        for table, writer, everything in (
            (tables.STEPS, steps, {"week": EVERY_WEEK}),
            (tables.INSTANCES, instances, {"week": EVERY_WEEK}),
            (tables.THREADS, threads, {"bucket": (0, MAX_BUCKETS - 1)}),
        ):
            lake.replace_by_files(table, writer.finish(), where=everything, run_id=run_id, note=now.note)
    return found


def _fold(
    bucket: BucketFiles,
    *,
    charts: Sequence[CompiledMap],
    types: Sequence[str],
    as_of: dt.datetime,
    currency: str,
    support_contact_cost: float,
    number: int,
) -> tuple[int, int, list[Folded]]:
    """A bucket's events, those in other currencies, and what each map makes of them; wherever the files can be read."""
    rows = rows_of(bucket, sequence_columns(charts))
    events = code_events(rows, charts, types=types, as_of=as_of, currency=currency)
    folded = fold_bucket(
        events,
        charts,
        as_of=as_of,
        support_contact_cost=support_contact_cost,
        bucket=bucket.number,
        fold=number,
    )
    return len(events), events.in_other_currency, folded


def _counts(folded: Iterable[Folded]) -> list[JourneyCounts]:
    return [one.counts for one in folded]


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
    parts = [one for one in counts if one.journey == chart.journey]
    totals = {
        field.name: sum(getattr(part, field.name) for part in parts)
        for field in fields(JourneyCounts)
        if field.name not in {"journey", "map_version"}
    }
    return JourneyCounts(journey=chart.journey, map_version=chart.journey_map.version, **totals)
