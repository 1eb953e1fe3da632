"""Where the CPU of the demo goes: what share is Dagster's, the extractor's, SQL's, and the demo's own.

Runs the job of ``cx demo`` with metered resources. Belongs here: what is run, and the tables. Does not belong here:
how CPU is charged (``meter.py``).
"""

import datetime as dt
import io
import resource
import time
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Annotated

import psutil  # type: ignore[import-untyped]  # it ships no types
import typer
from meter import Landed, Meter, metered_resources
from rich.console import Console
from rich.table import Table

from cx_orchestration.commands.company import DemoCompany, DemoFolder, serving
from cx_orchestration.commands.demo import held_against_truth, sqlite_without_fsync
from cx_orchestration.commands.materialize import Materialized, materialize_project
from cx_orchestration.commands.run import dagster_instance, report_traces, summary_of
from cx_orchestration.commands.summary import print_summary
from cx_orchestration.commands.terminal import terminal
from cx_orchestration.demo.truth import Truth
from cx_orchestration.integration.failed import Folders
from cx_orchestration.model.failures import PermanentFailure
from cx_orchestration.project import CXProject
from cx_orchestration.storage.lake import Lake

GENERATION = "the demo's own: making the company, starting its services"
ANSWERS = "the demo's own: its services' answers"
COMPARISON = "the demo's own: summary and comparison with the truth"
CHILDREN = "Dagster: child processes that follow its logs"

#: How far the sum of the parts may lie from what the operating system counts; beyond it the account is wrong.
TOLERANCE = 0.02


@dataclass(frozen=True)
class Account:
    """What one run took: CPU-seconds by part, and as the operating system counts them for all processes together;
    peak resident memory by process, in MB; what landing each service took."""

    parts: dict[str, float]
    outside: float
    peak_mb: dict[str, float]
    landed: dict[str, Landed]
    materialized: Materialized

    @property
    def total(self) -> float:
        return sum(self.parts.values())

    @property
    def adds_up(self) -> bool:
        return abs(self.total - self.outside) <= TOLERANCE * self.outside


def main(
    customers: Annotated[int, typer.Option(min=50, help="How many people the company knows")] = 5_000,
    days: Annotated[int, typer.Option(min=10, help="How many days of history it has")] = 90,
    directory: Annotated[Path, typer.Option("--dir", help="Where it is kept; emptied first")] = Path(".run/bench"),
) -> None:
    """Run the main job on the demo company and print what each part took in CPU-seconds."""
    account = measure(DemoFolder(directory.resolve()), DemoCompany(customers=customers, days=days))
    wall = time.time() - psutil.Process().create_time()
    console = terminal()
    console.print(f"{customers:,} customers, {days} days; {psutil.cpu_count()} cores; {wall:.0f} s from start to end\n")
    console.print(parts_table(account))
    for process, peak in account.peak_mb.items():
        console.print(f"Peak memory of {process}: {peak:,.0f} MB")
    console.print()
    console.print(landed_table(account.landed))
    for failure in account.materialized.failures:
        console.print(f"failed: {failure.asset}: {failure.message}", markup=False)
    report_traces(account.materialized)
    if not account.adds_up:
        console.print(f"The parts do not add up: {account.total:.2f} CPU-s against {account.outside:.2f} from outside.")
    if account.materialized.failures or not account.adds_up:
        raise typer.Exit(1)


def measure(folder: DemoFolder, company: DemoCompany) -> Account:
    """Run the job of ``cx demo``. Whatever this process did before counts as imports and start."""
    meter = Meter()
    with meter.part(COMPARISON):
        folder.start_anew(company)
        with serving(folder, company) as pid, sqlite_without_fsync():
            services = psutil.Process(pid)
            made = sum(services.cpu_times()[:2])
            with meter.sampled(), dagster_instance() as instance:
                project = CXProject.load(folder.project)
                wanted = project.days(dt.datetime.now(dt.UTC))
                if wanted is None:
                    raise PermanentFailure("the company has no day that is over")
                resources, landed = metered_resources(meter, project)
                materialized = materialize_project(project, instance, days=wanted, resources=resources)
            children = cpu_seconds(resource.RUSAGE_CHILDREN)
            answered = sum(services.cpu_times()[:2]) - made
            peak = {"the project's process": peak_mb(psutil.Process()), "the demo's services": peak_mb(services)}
        compare(project, materialized, folder)
    parts = {**meter.parts, GENERATION: made, ANSWERS: answered, CHILDREN: children}
    outside = cpu_seconds(resource.RUSAGE_SELF) + cpu_seconds(resource.RUSAGE_CHILDREN)
    return Account(parts, outside, peak, landed, materialized)


def compare(project: CXProject, materialized: Materialized, folder: DemoFolder) -> None:
    """What ``cx demo`` does after the run: the summary, and the results held against the truth."""
    shown = Console(file=io.StringIO(), width=120)
    print_summary(summary_of(project, materialized, None), shown, Folders(project.folder))
    held_against_truth(Lake(project.lake_root), Truth.read(folder.truth))


def parts_table(account: Account) -> Table:
    """The parts in groups, each with its share of the sum; what the operating system counts stands below."""
    table = Table("part", box=None, pad_edge=False)
    for column in ("CPU-s", "share"):
        table.add_column(column, justify="right")

    def add(name: str, seconds: float, style: str = "") -> None:
        table.add_row(name, f"{seconds:.2f}", f"{seconds / account.total:.1%}", style=style)

    for group, members in _groups(account.parts):
        add(group, sum(members.values()), "bold")
        if list(members) != [""]:
            for detail, seconds in members.items():
                add(f"  {detail}", seconds)
    table.add_section()
    add("sum of the parts", account.total, "bold")
    add("measured from outside", account.outside)
    return table


def landed_table(landed: dict[str, Landed]) -> Table:
    """What landing each service took; per 1,000 records, extraction and commits together."""
    table = Table("service", box=None, pad_edge=False)
    for column in ("records", "requests", "extraction CPU-s", "commits CPU-s", "CPU-s per 1,000 records"):
        table.add_column(column, justify="right")
    for service, took in landed.items():
        each = f"{(took.extraction + took.commits) / took.records * 1000:.3f}" if took.records else ""
        costs = (f"{took.extraction:.2f}", f"{took.commits:.2f}", each)
        table.add_row(service, f"{took.records:,}", f"{took.requests:,}", *costs)
    return table


def cpu_seconds(who: int) -> float:
    """User and system time of this process, or of its children that have ended."""
    usage = resource.getrusage(who)
    return usage.ru_utime + usage.ru_stime


def peak_mb(process: psutil.Process) -> float:
    """Peak resident memory, in MB; on systems without ``/proc`` what is resident now.

    Not ``ru_maxrss``: a child inherits in it what its parent held when the child was started.
    """
    status = Path(f"/proc/{process.pid}/status")
    if not status.exists():
        return float(process.memory_info().rss) / 2**20
    lines = dict(line.split(":", 1) for line in status.read_text(encoding="ascii").splitlines())
    return int(lines["VmHWM"].split()[0]) / 2**10


def _groups(parts: dict[str, float]) -> list[tuple[str, dict[str, float]]]:
    """The parts by what stands before the colon, greatest first, in groups as in the whole."""
    split = sorted((*name.partition(": ")[::2], seconds) for name, seconds in parts.items())
    groups = [
        (group, {detail: seconds for _, detail, seconds in sorted(members, key=lambda member: -member[2])})
        for group, members in groupby(split, key=lambda part: part[0])
    ]
    return sorted(groups, key=lambda group: -sum(group[1].values()))


if __name__ == "__main__":
    typer.run(main)
