"""Charges the CPU of this process to parts: exactly at the boundaries of metered resources, elsewhere by samples.

Belongs here: the account, and the lake, engine and services that keep it. Does not belong here: what is run, and how
the account is shown (``overhead.py``).
"""

import datetime as dt
import signal
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import dagster as dg
import pyarrow as pa

from cx_orchestration.integration.landing import Landing
from cx_orchestration.model.days import DayRange
from cx_orchestration.model.tables import Table
from cx_orchestration.project import CXProject
from cx_orchestration.resources.service import FederatedService, resource_key
from cx_orchestration.resources.stores import EngineResource
from cx_orchestration.storage.engine import Engine
from cx_orchestration.storage.lake import Lake
from cx_orchestration.storage.scan import Scan

START = "imports and start"
DAGSTER = "Dagster: the rest"
DAGSTER_STORAGE = "Dagster: event log and run storage"
EXTRACTION = "extraction"
SQL = "SQL (DuckDB)"
DELTA = "Delta commits and file lists"
OURS = "our Python"
UNKNOWN = "cannot be attributed"

_SAMPLE_SECONDS = 0.005


class Meter:
    """CPU-seconds of this process by part, without a gap from its start on.

    ``clock`` gives the CPU-seconds of all threads of the process: a library's threads are charged to whoever called it.
    """

    def __init__(self, clock: Callable[[], float] = time.process_time) -> None:
        self.parts: defaultdict[str, float] = defaultdict(float)
        self._clock = clock
        self._mark = 0.0
        self._open = [START]

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Charge the block to a part, without what further parts inside it take."""
        self.charge()
        self._open.append(name)
        try:
            yield
        finally:
            self.charge()
            self._open.pop()

    @contextmanager
    def sampled(self) -> Iterator[None]:
        """Charge the block by samples: each takes what has run outside of other parts since the sample before.

        A call into a library is sampled when it returns, and then with all that it took.
        """
        # The handler stays installed: a signal that is on its way when the timer stops must still find it.
        signal.signal(signal.SIGPROF, lambda _, frame: self.sample(frame))
        signal.siginterrupt(signal.SIGPROF, False)
        with self.part(UNKNOWN):
            signal.setitimer(signal.ITIMER_PROF, _SAMPLE_SECONDS, _SAMPLE_SECONDS)
            try:
                yield
            finally:
                signal.setitimer(signal.ITIMER_PROF, 0)

    def charge(self) -> None:
        """Charge what has run since the last call to the part that is open."""
        now = self._clock()
        self.parts[self._open[-1]] += now - self._mark
        self._mark = now

    def sample(self, frame: FrameType | None) -> None:
        """Hand what no sample has explained yet to the owner of this frame, if no metered part is open."""
        if self._open[-1] == UNKNOWN:
            self.charge()
            self.parts[owner(frame)] += self.parts.pop(UNKNOWN, 0.0)


def owner(frame: FrameType | None) -> str:
    """Whose work a stack is: that of the innermost frame that is Dagster's or ours, ours by package.

    Our commands only start Dagster, so what they do when it calls them back is its work.
    """
    found = UNKNOWN
    while frame is not None:
        top, _, below = str(frame.f_globals.get("__name__", "")).partition(".")
        package = below.partition(".")[0]
        if top == "cx_orchestration" and package != "commands":
            return f"{OURS}: {package}" if found == UNKNOWN else found
        if top.startswith("dagster"):
            if "storage" in below.split("."):
                return DAGSTER_STORAGE
            found = DAGSTER
        frame = frame.f_back
    return found


class MeteredEngine(Engine):
    def __init__(self, meter: Meter, *, memory_limit: str | None = None) -> None:
        super().__init__(memory_limit=memory_limit)
        self._meter = meter

    def query(self, *args: Any, **kwargs: Any) -> pa.Table:
        with self._meter.part(SQL):
            return super().query(*args, **kwargs)


class MeteredLake(Lake):
    """Reading a table is a file list and a query over it, and is charged as such."""

    def __init__(self, meter: Meter, root: Path) -> None:
        super().__init__(root)
        self._meter = meter

    def replace(self, *args: Any, **kwargs: Any) -> int:
        with self._meter.part(DELTA):
            return super().replace(*args, **kwargs)

    def append(self, *args: Any, **kwargs: Any) -> int:
        with self._meter.part(DELTA):
            return super().append(*args, **kwargs)

    def scan(self, *args: Any, **kwargs: Any) -> Scan:
        with self._meter.part(DELTA):
            return super().scan(*args, **kwargs)

    def read(self, *args: Any, **kwargs: Any) -> pa.Table:
        with self._meter.part(SQL):
            return super().read(*args, **kwargs)

    def exists(self, table: Table) -> bool:
        with self._meter.part(DELTA):
            return super().exists(table)

    def version(self, table: Table) -> int | None:
        with self._meter.part(DELTA):
            return super().version(table)


@dataclass
class Landed:
    """What landing one service took: CPU-seconds of extraction and of commits."""

    records: int = 0
    requests: int = 0
    extraction: float = 0.0
    commits: float = 0.0


@dataclass(frozen=True)
class MeteredService:
    """An open service whose landing is charged to extraction, without the lake's commits."""

    meter: Meter
    service: FederatedService
    landed: Landed

    def land(self, lake: Lake, stream: str, days: DayRange, *, run_id: str, now: dt.datetime, **more: Any) -> Landing:
        extraction, commits = self.meter.parts[EXTRACTION], self.meter.parts[DELTA]
        with self.meter.part(EXTRACTION):
            landing = self.service.land(lake, stream, days, run_id=run_id, now=now, **more)
        self.landed.extraction += self.meter.parts[EXTRACTION] - extraction
        self.landed.commits += self.meter.parts[DELTA] - commits
        self.landed.records += sum(landing.records.values())
        self.landed.requests += landing.requests
        return landing


def metered_resources(meter: Meter, project: CXProject) -> tuple[dict[str, object], dict[str, Landed]]:
    """Resources that keep the account, by key, and what landing each service took, filled in while they are used."""
    landed = {name: Landed() for name in project.services}
    services = {
        resource_key(name): _opened_by_dagster(meter, FederatedService(project=str(project.folder), service=name), took)
        for name, took in landed.items()
    }
    stores = {
        "lake": MeteredLake(meter, project.lake_root),
        "engine": MeteredEngine(meter, memory_limit=EngineResource().memory_limit),
    }
    return {**stores, **services}, landed


def _opened_by_dagster(meter: Meter, service: FederatedService, landed: Landed) -> dg.ResourceDefinition:
    """Dagster opens and closes the service for each run, as it does with the resource that this one stands for."""

    @dg.resource
    def metered(_: dg.InitResourceContext) -> Iterator[MeteredService]:
        with service.opened() as opened:
            yield MeteredService(meter, opened, landed)

    return metered
