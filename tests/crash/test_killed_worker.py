"""kill -9 of a run worker anywhere in a backfill: it leaves whole partitions, and the rest of the work gives the tables
of a run that nobody killed."""

import datetime as dt
import random
import signal
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import pytest
from mortal_worker import Point, Requests, run_worker, written_files

from cx_orchestration.commands.materialize import materialize_project
from cx_orchestration.demo.company import Company, generate
from cx_orchestration.demo.project_folder import write_project
from cx_orchestration.demo.serve import SERVICES, running_company
from cx_orchestration.model.days import DayRange
from cx_orchestration.model.tables import DECLARED, Table, landed, table_at
from cx_orchestration.project import CXProject
from cx_orchestration.storage.lake import Lake
from cx_orchestration.storage.orphans import find_orphans, remove_orphans
from cx_orchestration.storage.registry import Registry

POINTS = 50

#: What every run of the tests tries: a few of the points, on a backfill of some services. 'make test-crash' tries all
#: points on all services.
SOME_SERVICES = ("zendesk", "stripe", "survey")
SOME_POINTS = (4, 21, 36, 45)

#: What a table holds of each of its partitions: a partition's values to its rows, whatever their order.
Slices = dict[tuple[str, ...], list[str]]


@dataclass(frozen=True)
class Folder:
    """A project of the company, with what a run of it left."""

    path: Path

    @property
    def project(self) -> CXProject:
        return CXProject.load(self.path)

    @property
    def lake(self) -> Lake:
        return Lake(self.project.lake_root)

    def hashes(self) -> dict[str, str]:
        return {path: self.lake.content_hash(table_at(path)) for path in self.lake.paths()}

    def slices(self) -> dict[str, Slices]:
        return {
            path: slices_of(self.lake, table_at(path))
            for path in self.lake.paths()
            if path in DECLARED or landing(path)
        }


@dataclass(frozen=True)
class Backfill:
    """The served company, what a run left that nobody killed, and how much of that run can be seen from outside."""

    company: Company
    environ: Mapping[str, str]
    requests: Requests
    services: tuple[str, ...]
    days: DayRange
    select: str
    hashes: dict[str, str]
    slices: dict[str, Slices]
    asked: int
    written: int

    def point(self, number: int) -> Point:
        """The points are spread evenly over the work and lie by chance within their share: half of them when a service
        is asked, half when a file appears; the latter reach from the appearance into what follows a commit."""
        chance = random.Random(number)
        share = (number + chance.random()) / POINTS
        if number % 2:
            return Point("request", 1 + int(share * self.asked))
        return Point("file", 1 + int(share * self.written), chance.choice((0, 0, 2, 5, 10, 20)))


def slices_of(lake: Lake, table: Table) -> Slices:
    found: Slices = {}
    for row in lake.read(table).to_pylist():
        key = tuple(str(row[column]) for column in table.partition_by)
        found.setdefault(key, []).append(str({name: row[name] for name in row if name not in table.volatile}))
    return {key: sorted(rows) for key, rows in found.items()}


def landing(path: str) -> bool:
    return path.startswith("landing/")


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[Company, Mapping[str, str], Requests]]:
    company, requests = generate(seed=11, customers=60, days=4), Requests()
    with running_company(company, page_size=20, watch=requests.watch) as environ, pytest.MonkeyPatch.context() as given:
        for name, value in environ.items():
            given.setenv(name, value)
        yield company, environ, requests


def clean_run(served: tuple[Company, Mapping[str, str], Requests], path: Path, services: Iterable[str]) -> Backfill:
    """A worker's run to the end."""
    company, environ, requests = served
    folder = Folder(write_project(path, company))
    days = folder.project.days()
    assert days is not None
    keys = [key for service in services for key in (f"landing/{service}/*", f"integration/{service}/events")]
    select = ",".join([*keys, "integration/customer_events"])
    assert run_worker(folder.path, environ, days, select, requests, None) == 0
    asked, written = requests.count, written_files(folder.lake.root)
    return Backfill(
        company, environ, requests, tuple(services), days, select, folder.hashes(), folder.slices(), asked, written
    )


@pytest.fixture(scope="module")
def small_backfill(
    served: tuple[Company, Mapping[str, str], Requests], tmp_path_factory: pytest.TempPathFactory
) -> Backfill:
    return clean_run(served, tmp_path_factory.mktemp("clean") / "project", SOME_SERVICES)


@pytest.fixture(scope="module")
def backfill(served: tuple[Company, Mapping[str, str], Requests], tmp_path_factory: pytest.TempPathFactory) -> Backfill:
    return clean_run(served, tmp_path_factory.mktemp("clean") / "project", SERVICES)


@pytest.mark.parametrize("number", SOME_POINTS)
def test_a_killed_backfill_leaves_whole_partitions_and_ends_as_if_nobody_had_killed_it(
    small_backfill: Backfill, tmp_path: Path, number: int
) -> None:
    check_point(small_backfill, Folder(write_project(tmp_path / "project", small_backfill.company)), number)


@pytest.mark.crash
@pytest.mark.parametrize("number", range(POINTS))
def test_so_it_is_at_all_points_of_a_backfill_of_all_services(backfill: Backfill, tmp_path: Path, number: int) -> None:
    check_point(backfill, Folder(write_project(tmp_path / "project", backfill.company)), number)


def check_point(backfill: Backfill, folder: Folder, number: int) -> None:
    point = backfill.point(number)
    ended = run_worker(folder.path, backfill.environ, backfill.days, backfill.select, backfill.requests, point)
    assert ended == -signal.SIGKILL, f"the worker came to its end before {point}"
    assert_whole_partitions(backfill, folder)
    assert_the_registry_promises_nothing_that_the_lake_lacks(backfill, folder)
    if number % 3:
        run(folder, backfill.days, backfill.select)
    else:
        run_what_is_owed(folder, backfill)
    assert folder.hashes() == backfill.hashes
    remove_orphans(find_orphans(folder.lake.root, before=dt.datetime.max.replace(tzinfo=dt.UTC)))
    assert folder.hashes() == backfill.hashes


def assert_whole_partitions(backfill: Backfill, folder: Folder) -> None:
    """But for the table of the coverage, which is one partition and speaks of all others."""
    for path, slices in folder.slices().items():
        for key, rows in slices.items():
            assert rows == backfill.slices[path][key], f"{path} {key}"


def assert_the_registry_promises_nothing_that_the_lake_lacks(backfill: Backfill, folder: Folder) -> None:
    registry = Registry(folder.project.registry_url())
    for attempt in registry.latest():
        assert attempt.outcome == "landed"
        if attempt.stream in folder.project.services[attempt.service].streams:
            table = landed(attempt.service, attempt.stream)
            assert folder.lake.read(table, {"day": attempt.day}).num_rows == attempt.records
    registry.close()


def run(folder: Folder, days: DayRange, select: str) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        assert materialize_project(folder.project, instance, days=days, select=select).failures == []


def run_what_is_owed(folder: Folder, backfill: Backfill) -> None:
    """As the sensor does: the days that the registry does not know as landed, and those that wait to be mapped."""
    project = folder.project
    registry = Registry(project.registry_url())
    for service in backfill.services:
        states = registry.days(service, project.services[service].streams)
        to_land = [day for day in backfill.days if day not in states or not states[day].landed]
        to_map = [day for day, state in states.items() if state.landed and not state.mapped]
        for owed in DayRange.contiguous(to_land):
            run(folder, owed, f"landing/{service}/*,integration/{service}/events")
        for owed in DayRange.contiguous(to_map):
            run(folder, owed, f"integration/{service}/events")
    registry.close()
    run(folder, backfill.days, "integration/customer_events")
