"""What one hanging service costs the others: ticks and runs of the demo company with and without it.

Both sides are the sensor's ticks and the runs that they request, executed one after another in this process, until the
other services have nothing to do. On the one side all services answer; their runs count, but for the best-scored one's.
On the other side the best-scored service takes connections and never answers. Prints seconds and CPU-seconds of both;
exits 1 when the other side took more than the quiet that a tick allows a silent service, and a tenth of noise.
"""

import os
import socket
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
from rich.console import Console
from rich.table import Table

from cx_orchestration.definitions import build_defs
from cx_orchestration.demo.company import Company, generate
from cx_orchestration.demo.project_folder import write_project
from cx_orchestration.demo.serve import running_company
from cx_orchestration.project import CXProject
from cx_orchestration.sensors.asking import QUIET_SECONDS
from cx_orchestration.sensors.integration_runs import integration_sensor

CUSTOMERS, DAYS = 500, 30
NOISE = 0.1


@dataclass(frozen=True)
class Side:
    """Seconds until the other services were done, in ticks and in their runs; CPU-seconds of both; runs made."""

    ticks: float
    runs: float
    cpu: float
    requested: int

    @property
    def total(self) -> float:
        return self.ticks + self.runs


@contextmanager
def never_answering() -> Iterator[str]:
    """The address of a port that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listening:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


def until_the_others_are_done(folder: Path, best: str) -> Side:
    """Tick and run, as the daemon would, until a tick requests nothing for the other services."""
    project = CXProject.load(folder)
    defs = build_defs(project)
    sensor = integration_sensor(project)
    job = defs.resolve_job_def("integration")
    ticks = runs = 0.0
    requested = 0
    cpu = time.process_time()
    with dg.DagsterInstance.ephemeral() as instance:
        while True:
            started = time.monotonic()
            with dg.build_sensor_context(
                instance=instance, definitions=defs, resources=dict(defs.resources or {})
            ) as context:
                requests = _of_others(sensor.evaluate_tick(context).run_requests, best)
            if not requests:
                return Side(ticks, runs, time.process_time() - cpu, requested)
            ticks += time.monotonic() - started
            started = time.monotonic()
            for request in requests:
                job.execute_in_process(
                    instance=instance, asset_selection=list(request.asset_selection or []), tags=dict(request.tags)
                )
            runs += time.monotonic() - started
            requested += len(requests)


def _of_others(requests: list[dg.RunRequest] | None, best: str) -> list[dg.RunRequest]:
    return [request for request in requests or [] if request.tags["cx/service"] != best]


def measure(company: Company, *, hanging: bool) -> Side:
    """One side, in a fresh project folder."""
    with tempfile.TemporaryDirectory() as folder, running_company(company) as environ, never_answering() as nobody:
        project = write_project(Path(folder) / "project", company)
        best = CXProject.load(project).plan.approved()[0]
        os.environ.update(environ)
        if hanging:
            os.environ[f"CX_{best.upper()}_URL"] = nobody
        return until_the_others_are_done(project, best)


def main() -> int:
    """Both sides in turn, after one that warms up imports and compiled code."""
    company = generate(seed=7, customers=CUSTOMERS, days=DAYS)
    measure(company, hanging=False)
    alone, beside = measure(company, hanging=False), measure(company, hanging=True)
    table = Table("seconds until the other six are done", "ticks", "runs", "in all", "CPU", "runs made")
    for name, side in (("all answer", alone), ("the best-scored one hangs", beside)):
        table.add_row(
            name, f"{side.ticks:.2f}", f"{side.runs:.2f}", f"{side.total:.2f}", f"{side.cpu:.2f}", f"{side.requested}"
        )
    Console().print(table)
    late = beside.total - alone.total * (1 + NOISE) - QUIET_SECONDS
    return int(late > 0 or alone.requested != beside.requested)


if __name__ == "__main__":
    sys.exit(main())
