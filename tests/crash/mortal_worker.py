"""A run worker that is killed with SIGKILL when so much of its work has been seen from outside.

The worker is told nothing and runs as always: what it asks is counted where it is answered, what it writes where it
lies. The time that passes between a sign and the kill is what the kernel needs.
"""

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import dagster as dg

from cx_orchestration.commands.materialize import materialize_project
from cx_orchestration.model.days import DayRange
from cx_orchestration.project import CXProject

# Forked from a process that has imported everything and done nothing: a worker begins in milliseconds.
_SERVER = multiprocessing.get_context("forkserver")
_SERVER.set_forkserver_preload([__name__])

Sign = Literal["request", "file"]


@dataclass(frozen=True)
class Point:
    """Kill when the ``number``-th request has arrived, or file has appeared in the lake, and so many ms later."""

    sign: Sign
    number: int
    later_ms: float = 0

    def __str__(self) -> str:
        return f"{self.sign} {self.number} + {self.later_ms:g} ms"


class Requests:
    """Counts what the services are asked, and wakes whoever waits for a number of it."""

    def __init__(self) -> None:
        self.count = 0
        self._reached = threading.Condition()

    def watch(self) -> None:
        """For ``running_company``: called before a request is answered."""
        with self._reached:
            self.count += 1
            self._reached.notify_all()

    def reach(self, number: int, process: multiprocessing.process.BaseProcess) -> None:
        """Return when the number is reached, or the process has ended."""
        with self._reached:
            while self.count < number and process.is_alive():
                self._reached.wait(0.05)


def written_files(lake: Path) -> int:
    """Data files and commits."""
    names = (name for _, _, files in os.walk(lake) for name in files)
    return sum(name.endswith((".parquet", ".json")) for name in names)


def run_worker(
    folder: Path, environ: Mapping[str, str], days: DayRange, select: str, requests: Requests, point: Point | None
) -> int:
    """Run a project in a process of its own to its end, or to the point where it dies; gives its exit code."""
    requests.count = 0
    process = _SERVER.Process(target=_work, args=(folder, dict(environ), days, select))
    process.start()
    if point is not None:
        if point.sign == "request":
            requests.reach(point.number, process)
        else:
            while written_files(folder / "lake") < point.number and process.is_alive():
                time.sleep(0.001)
        time.sleep(point.later_ms / 1000)
        process.kill()
    process.join()
    assert process.exitcode in (0, -signal.SIGKILL)
    return process.exitcode


def _work(folder: Path, environ: Mapping[str, str], days: DayRange, select: str) -> None:
    os.environ.update(environ)
    with dg.DagsterInstance.ephemeral() as instance:
        done = materialize_project(CXProject.load(folder), instance, days=days, select=select)
    assert done.failures == []
