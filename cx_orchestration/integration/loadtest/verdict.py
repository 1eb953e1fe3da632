"""The figures of a load test, and whether it was passed.

Belongs here: percentiles, backlog, the row that is kept, the criteria. Does not belong here: which services need a test
(``gate.py``).
"""

import datetime as dt
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa

from cx_orchestration.integration.loadtest.compare import Compared
from cx_orchestration.integration.loadtest.play import Played, Stage
from cx_orchestration.integration.loadtest.schedule import SECOND, records_in
from cx_orchestration.model import tables

#: Of fewer records percentiles mean little, and a test says nothing about a busy season.
LEAST_RECORDS = 100


@dataclass(frozen=True)
class Load:
    """What was to be tested. ``peak_from`` says where the rate comes from: ``history``, ``given``, ``like SERVICE``.

    ``known_per_hour`` is the busiest hour of what the service had landed by then, however short that was.
    """

    service: str
    declaration: str
    peak_per_hour: float
    peak_from: str
    factor: float
    seconds: float
    every_seconds: float
    known_per_hour: float = 0

    @property
    def per_second(self) -> float:
        return self.peak_per_hour * self.factor / 3600

    @property
    def records(self) -> int:
        """How many arrive."""
        return records_in(self.per_second, self.seconds)

    def compressed(self) -> "Load":
        """The same, with a factor so much higher that ``LEAST_RECORDS`` arrive in its time, if it would bring fewer."""
        if self.records >= LEAST_RECORDS:
            return self
        return replace(self, factor=LEAST_RECORDS * 3600 / (self.peak_per_hour * self.seconds))


@dataclass(frozen=True)
class Percentiles:
    """Seconds below which half, 95 and 99 percent lie."""

    p50: float
    p95: float
    p99: float

    @classmethod
    def of(cls, micros: Any) -> "Percentiles | None":
        if len(micros) == 0:
            return None
        return cls(*(float(each) / SECOND for each in np.percentile(np.asarray(micros), [50, 95, 99])))


@dataclass(frozen=True)
class Waiting:
    """How many records had arrived and were not committed yet, just before and just after a commit, so many seconds
    into the replay."""

    second: float
    before: int
    after: int


@dataclass(frozen=True)
class Verdict:
    """A load test. Times are in seconds, rates in records a second.

    ``latency`` is from a record's arrival to the commit of what it was mapped to, ``landing`` and ``mapping`` are per
    batch, ``busy`` is the share of the time in which the pipeline worked. ``backlog`` has one entry for each commit.
    ``still_waiting`` are records that waited when time was up; ``lost`` and ``doubled`` are counted among the others.
    ``why`` is empty when the test was passed.
    """

    load: Load
    tested_at: dt.datetime
    offered: int
    committed: int
    offered_per_second: float
    achieved_per_second: float
    latency: Percentiles | None
    landing: Percentiles | None
    mapping: Percentiles | None
    batches: int
    busy: float
    backlog: tuple[Waiting, ...]
    drain_seconds: float
    still_waiting: int
    lost: int
    doubled: int
    retried: int
    notes: tuple[str, ...]
    why: str

    @property
    def passed(self) -> bool:
        return not self.why

    @property
    def max_backlog(self) -> int:
        return max((each.before for each in self.backlog), default=0)

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "max_backlog": self.max_backlog, "passed": self.passed}

    def row(self) -> pa.Table:
        """The test as a row of ``tables.LOAD_TESTS``."""
        latency = asdict(self.latency) if self.latency else {}
        facts = {
            **asdict(self.load),
            **{name: value for name, value in asdict(self).items() if name in tables.LOAD_TESTS.schema.names},
            **{f"latency_{name}": value for name, value in latency.items()},
            "max_backlog": self.max_backlog,
            "passed": self.passed,
            "notes": "; ".join(self.notes),
        }
        row = {name: facts.get(name) for name in tables.LOAD_TESTS.schema.names}
        return pa.Table.from_pylist([row], schema=tables.LOAD_TESTS.schema)


def judge(
    load: Load,
    stage: Stage,
    played: Played,
    compared: Compared,
    *,
    tested_at: dt.datetime,
    max_drain_seconds: float,
    notes: tuple[str, ...] = (),
) -> Verdict:
    """The figures, and what stands against passing: records lost or doubled, or a backlog that was not worked off
    within ``max_drain_seconds`` of the last arrival."""
    offered = sum(len(shelf) for shelf in stage.shelves.values())
    committed = _arrived_in(stage, 0, played.done - 1)
    last_commit = played.batches[-1].committed if played.batches else 0
    drain = max(0, (last_commit if committed == offered else played.ended) - stage.slices.length) / SECOND
    elapsed = max(last_commit, 1)
    objections = [
        f"{_records(compared.lost)} lost" if compared.lost else "",
        f"{_records(compared.doubled)} doubled" if compared.doubled else "",
        f"{offered - committed} of {_records(offered)} still waiting {max_drain_seconds:g} s after the last arrival"
        if committed < offered
        else "",
    ]
    return Verdict(
        load=load,
        tested_at=tested_at,
        offered=offered,
        committed=committed,
        offered_per_second=offered / load.seconds,
        achieved_per_second=committed * SECOND / elapsed,
        latency=Percentiles.of(np.concatenate([*_latencies(stage, played), np.array([], dtype=np.int64)])),
        landing=Percentiles.of([batch.landed - batch.began for batch in played.batches]),
        mapping=Percentiles.of([batch.committed - batch.landed for batch in played.batches]),
        batches=len(played.batches),
        busy=sum(batch.committed - batch.began for batch in played.batches) / elapsed,
        backlog=tuple(_backlog(stage, played)),
        drain_seconds=drain,
        still_waiting=offered - committed,
        lost=compared.lost,
        doubled=compared.doubled,
        retried=played.retried,
        notes=(*notes, f"an attempt was made again: {played.failure}") if played.failure else notes,
        why="; ".join(each for each in objections if each),
    )


def _records(number: int) -> str:
    return f"{number} {'record' if number == 1 else 'records'}"


def _arrived_in(stage: Stage, first: int, last: int) -> int:
    return sum(len(shelf.of_slices(first, last)) for shelf in stage.shelves.values()) if last >= first else 0


def _arrived(stage: Stage, at: int) -> int:
    return sum(shelf.arrived(at) for shelf in stage.shelves.values())


def _latencies(stage: Stage, played: Played) -> Iterator[Any]:
    """Per batch and stream: commit less arrival, of each record."""
    for batch in played.batches:
        for shelf in stage.shelves.values():
            numbers = shelf.of_slices(batch.first, batch.last)
            yield batch.committed - shelf.arrivals[numbers.start : numbers.stop]


def _backlog(stage: Stage, played: Played) -> Iterator[Waiting]:
    committed = 0
    for batch in played.batches:
        arrived, before = _arrived(stage, batch.committed), committed
        committed += _arrived_in(stage, batch.first, batch.last)
        yield Waiting(batch.committed / SECOND, arrived - before, arrived - committed)
    if played.done < stage.slices.count:
        waiting = _arrived(stage, played.ended) - committed
        yield Waiting(played.ended / SECOND, waiting, waiting)
