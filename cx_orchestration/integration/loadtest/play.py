"""The replay itself: the pipeline lands and maps what has arrived, again and again, until nothing is left.

Belongs here: the loop, and when what was done. Does not belong here: judging it (``verdict.py``, ``compare.py``).
"""

import datetime as dt
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from cx_orchestration.integration.landing import land
from cx_orchestration.integration.loadtest.schedule import Slices, Stopwatch
from cx_orchestration.integration.loadtest.shelf import Shelf
from cx_orchestration.integration.mapping import map_events
from cx_orchestration.integration.source import RecordSource
from cx_orchestration.model.failures import Failure, TransientFailure
from cx_orchestration.model.service import ServiceDeclaration
from cx_orchestration.storage.engine import Engine
from cx_orchestration.storage.lake import Lake

#: So many transient failures in a row end a replay: what is replayed here does not get well by waiting.
MOST_FAILURES = 5

_RUN_ID = "rehearsal"


@dataclass(frozen=True)
class Batch:
    """Slices that were read, landed and mapped in one go; moments in microseconds of the replay."""

    first: int
    last: int
    began: int
    landed: int
    committed: int


@dataclass
class Played:
    """What happened: batches in order, ``retried`` attempts that failed (``failure`` says why the last did), and the
    records that fit no declared event.

    ``done`` is the number of slices that went through; with fewer than all, time was up. ``ended`` is when.
    """

    batches: list[Batch] = field(default_factory=list)
    retried: int = 0
    failure: str = ""
    unmapped: int = 0
    done: int = 0
    ended: int = 0


@dataclass(frozen=True)
class Stage:
    """Everything a replay needs: the declaration and its sources by stream, what arrives, and where it lands.

    ``place`` is called once for each slice that has ended, before it is read; a service of file drops gets its files.
    """

    declaration: ServiceDeclaration
    sources: Mapping[str, RecordSource]
    shelves: Mapping[str, Shelf]
    slices: Slices
    place: Callable[[int], None]
    lake: Lake
    engine: Engine
    stopwatch: Stopwatch


def play(stage: Stage, *, give_up: int) -> Played:
    """Run the pipeline until all slices went through, or until ``give_up`` (microseconds of the replay).

    Raises the failure of a stream: at once when it is permanent, else after ``MOST_FAILURES`` in a row.
    """
    slices, stopwatch = stage.slices, stage.stopwatch
    played = Played()
    placed = failed = 0
    stopwatch.start()
    while played.done < slices.count and (at := stopwatch.at()) < give_up:
        over = slices.over(at)
        if over == played.done:
            stopwatch.wait_until(slices.end(over))
            continue
        for number in range(placed, over):
            stage.place(number)
        placed = over
        try:
            played.batches.append(_batch(stage, played, over - 1))
            failed = 0
        except TransientFailure as failure:
            played.retried += 1
            played.failure = str(failure)
            failed += 1
            if failed == MOST_FAILURES:
                raise
            stopwatch.wait_until(stopwatch.at() + slices.every)
    played.ended = stopwatch.at()
    return played


def _batch(stage: Stage, played: Played, last: int) -> Batch:
    first, began = played.done, stage.stopwatch.at()
    days = stage.slices.days(first, last)
    for stream, source in stage.sources.items():
        landing = land(stage.lake, source, stream, days, run_id=_RUN_ID, now=dt.datetime.now(dt.UTC))
        if landing.failures:
            raise _worst(landing.failures.values())
    landed = stage.stopwatch.at()
    mapped = map_events(stage.engine, stage.lake, stage.declaration, days, run_id=_RUN_ID)
    played.unmapped += mapped.unmapped
    played.done = last + 1
    return Batch(first, last, began, landed, stage.stopwatch.at())


def _worst(failures: Collection[Failure]) -> Failure:
    """A permanent failure, if there is one: waiting does not help then."""
    return next((each for each in failures if not isinstance(each, TransientFailure)), next(iter(failures)))
