"""A load test from beginning to end, in a temporary lake that is gone afterwards, whatever happens.

Belongs here: putting the parts together. Does not belong here: printing, and keeping the result.
"""

import datetime as dt
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from cx_orchestration.integration.landing import land
from cx_orchestration.integration.loadtest.busy_hour import History, history_of, payloads_of
from cx_orchestration.integration.loadtest.compare import compare
from cx_orchestration.integration.loadtest.drops import place
from cx_orchestration.integration.loadtest.local_service import Answers, LocalService, rehearsed, serving
from cx_orchestration.integration.loadtest.play import Stage, play
from cx_orchestration.integration.loadtest.schedule import NONE, SECOND, Slices, Stopwatch, arrivals_of
from cx_orchestration.integration.loadtest.shelf import Shelf
from cx_orchestration.integration.loadtest.templates import Template, require_new_ids, templates_of
from cx_orchestration.integration.loadtest.verdict import Load, Verdict, judge
from cx_orchestration.integration.source import RecordSource, ServiceSource
from cx_orchestration.integration.times import zone_of
from cx_orchestration.model.days import DayRange
from cx_orchestration.model.failures import PermanentFailure
from cx_orchestration.model.service import ServiceDeclaration
from cx_orchestration.storage.engine import Engine
from cx_orchestration.storage.lake import Lake

# A service that has landed nothing is asked for so many of its newest days, for more only if these have no record.
_SAMPLE_DAYS = (7, 31, 366)

#: Puts something between the replayed service and the pipeline.
Wrap = Callable[[Answers], Answers]


@dataclass(frozen=True)
class Material:
    """What is replayed: how many records of each stream the day of the busiest hour had, and templates of them.

    ``notes`` say what stands behind them where that is not obvious.
    """

    records: dict[str, int]
    templates: dict[str, list[Template]]
    notes: tuple[str, ...] = ()

    def with_note(self, note: str) -> "Material":
        """The same with one note more, if there is one to add."""
        return replace(self, notes=(*self.notes, note)) if note else self


def not_replayed(declaration: ServiceDeclaration) -> dict[str, str]:
    """The streams that a replay leaves out, and why."""
    return {
        name: "it has one listing for each record of another stream" if stream.parent else "its records carry no time"
        for name, stream in declaration.streams.items()
        if stream.parent is not None or stream.updated_at is None
    }


def material_of(lake: Lake, engine: Engine, declaration: ServiceDeclaration, history: History) -> Material:
    """The records of the day of a service's busiest hour, as templates.

    Raises ``PermanentFailure`` when none of its records can be replayed.
    """
    templates: dict[str, list[Template]] = {}
    left_out = not_replayed(declaration)
    notes = [f"{name} is left out: {why}" for name, why in left_out.items()]
    for name, payloads in payloads_of(lake, engine, declaration.service, history).items():
        stream = declaration.streams[name]
        if name in left_out or stream.updated_at is None:
            continue
        require_new_ids(declaration.service, name, stream)
        templates[name] = templates_of(stream, stream.updated_at, payloads)
        if unfit := len(payloads) - len(templates[name]):
            notes.append(f"{unfit} of {len(payloads)} records of {name} cannot be given an id and a time: left out")
        if stream.updated_at.format == "date":
            notes.append(f"{name} says days, no times: all records of a day count as one hour's")
    usable = {name: history.records[name] for name, found in templates.items() if found}
    if not usable:
        raise PermanentFailure(
            f"{declaration.service}: none of the records of its busiest day can be replayed; see the declarations of "
            f"record_id and updated_at in services/{declaration.service}.yaml"
        )
    return Material(usable, {name: templates[name] for name in usable}, tuple(notes))


def sampled(source: ServiceSource, engine: Engine, days: DayRange, *, now: dt.datetime) -> Material:
    """The same of a service that has landed nothing yet: its newest records of ``days``, read into a temporary lake.

    First the newest week is asked for, and only without any record more. Raises the failure of a stream that does not
    answer as declared, and ``PermanentFailure`` without any record.
    """
    service = source.service
    with temporary_folder() as folder:
        lake = Lake(folder / "lake")
        for length in _SAMPLE_DAYS:
            newest = DayRange(max(days.first, days.last - dt.timedelta(days=length - 1)), days.last)
            for stream in source.declaration.streams:
                landing = land(lake, source, stream, newest, run_id="sample", now=now)
                if landing.failures:
                    raise landing.failures[min(landing.failures)]
            if (history := history_of(lake, engine, service, source.declaration.streams)) is not None:
                return material_of(lake, engine, source.declaration, history)
    raise PermanentFailure(
        f"{service} shows no record of the last {_SAMPLE_DAYS[-1]} of the days {days}, and none has landed: there is "
        f"nothing to replay. Try again when it has records"
    )


def rehearse(
    declaration: ServiceDeclaration,
    load: Load,
    material: Material,
    engine: Engine,
    *,
    max_drain_seconds: float,
    page_size: int = 100,
    stopwatch: Stopwatch | None = None,
    scratch: Path | None = None,
    between: Wrap = lambda answers: answers,
    now: dt.datetime,
) -> Verdict:
    """Replay the load through extraction, landing and mapping, and judge what came of it.

    ``scratch`` is where the temporary lake lies, by default where the system keeps such things. ``between`` stands
    between the replayed service and the pipeline, as a network does. ``now`` becomes the time of the test. Raises as
    ``play`` does.
    """
    stopwatch = stopwatch or Stopwatch()
    slices = Slices.of(load.seconds, load.every_seconds)
    arrivals = arrivals_of(material.records, load.per_second, slices.length)
    # Streams that bring nothing are asked as well, as in any night.
    shelves = {
        name: Shelf(stream, stream.updated_at, material.templates.get(name, []), arrivals.get(name, NONE), slices)
        for name, stream in declaration.streams.items()
        if stream.parent is None and stream.updated_at is not None
    }
    with (
        temporary_folder(scratch) as folder,
        _staged(declaration, shelves, stopwatch, page_size, between, folder) as sources,
    ):
        drops = folder / "project"
        stage = Stage(
            declaration=declaration,
            sources=sources,
            shelves=shelves,
            slices=slices,
            place=lambda number: place(drops, shelves, slices, number),
            lake=Lake(folder / "lake"),
            engine=engine,
            stopwatch=stopwatch,
        )
        played = play(stage, give_up=slices.length + round(max_drain_seconds * SECOND))
        compared = compare(stage, played)
        return judge(
            load, stage, played, compared, tested_at=now, max_drain_seconds=max_drain_seconds, notes=material.notes
        )


@contextmanager
def temporary_folder(within: Path | None = None) -> Iterator[Path]:
    """A folder that only its owner may read, removed when the block is left in whatever way: it holds persons' data."""
    with tempfile.TemporaryDirectory(prefix="cx-loadtest-", dir=within) as name:
        yield Path(name)


@contextmanager
def _staged(
    declaration: ServiceDeclaration,
    shelves: Mapping[str, Shelf],
    stopwatch: Stopwatch,
    page_size: int,
    between: Wrap,
    folder: Path,
) -> Iterator[dict[str, RecordSource]]:
    """The source of each stream: asked for over HTTP, or read from files.

    Days begin in the time zone that a stream's times are written in, so streams of one zone share a source. Should
    there be several, they share the service's rate.
    """
    drops = folder / "project"
    drops.mkdir()
    zones = {name: zone_of(shelf.updated_at) for name, shelf in shelves.items()}
    with serving(between(LocalService(shelves, stopwatch, page_size))) as base_url:
        local = rehearsed(declaration, base_url, share=1 / len(set(zones.values())))
        by_zone = {
            zone: ServiceSource(local, zone=zone, folder=drops, environ={}) for zone in dict.fromkeys(zones.values())
        }
        try:
            yield {name: by_zone[zone] for name, zone in zones.items()}
        finally:
            for source in by_zone.values():
                source.close()
