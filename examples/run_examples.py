"""Runs the example projects on their logs, in folders of their own, and checks that nothing got lost on the way.

Belongs here: a copy of each project, its run with ``cx run``, and the comparison of what went in with what came out.
Does not belong here: taking the logs (``take_logs.py``).
"""

import argparse
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from itertools import groupby
from pathlib import Path
from typing import Any

from take_logs import LOGS, PACKAGES, LogNotThere, Taken, take

from cx_orchestration.model import tables
from cx_orchestration.storage.engine import Engine
from cx_orchestration.storage.lake import Lake

HERE = Path(__file__).parent

#: What ``ecom.py`` of the shop's log planted, when and for whom, and what tells of it: of findings analysis, step, and
#: segment value; of cohorts by segment measure and step, and segment. Days are those that the program strikes, both
#: included.
STORIES = (
    ("1 viral article", "2024-02-29..2024-03-03, few of many visitors buy", (("incidents", "product", "customers"),)),
    ("2 checkout bug", "2024-04-09..2024-05-10, mobile at shipping", (("incidents", "shipping", "mobile"),)),
    (
        "3 payments fail, chats go up",
        "2024-05-19..2024-06-08, all at payment",
        (("incidents", "payment", "customers"),),
    ),
    ("4 new users buy less", "always, user_lifecycle new", (("abandonment_hotspots", "product", "new"),)),
    (
        "5 January buys directly",
        "user_cohort 2024-01 against 2024-04",
        (("segment_cohorts", "begins_at cart", "user_cohort"), ("segment_cohorts", "completed", "user_cohort")),
    ),
)

#: Where the copies are made and run: what was there before is removed.
OUT = HERE.parent / ".run" / "examples"

Summary = dict[str, Any]


def prepare(name: str, project: Path, packages: Path = PACKAGES) -> Taken:
    """Make ``project`` a fresh copy of an example with its log in place. Raises ``LogNotThere``."""
    shutil.rmtree(project, ignore_errors=True)
    shutil.copytree(HERE / name, project)
    return take(name, project, packages)


def mismatches(taken: Taken, summary: Summary, lake: Lake) -> list[str]:
    """What of the log did not come out as it went in; the summary is that of ``cx run --json``."""
    records = sum(service["records"] for service in summary["services"])
    events = sum(service["events"] for service in summary["services"])
    rejected = sum(service["rejected"] for service in summary["services"])
    compared = [
        ("records of the log and records landed", taken.records, records),
        ("records landed and events with rejections and profiles", records, events + rejected + taken.profiles),
        ("events and distinct events", events, summary["events"]),
        ("customers of the log and customers", taken.customers, summary["customers"]),
    ]
    if taken.money is not None:
        compared.append(("money of the log and of events", taken.money, _money(lake)))
    found = [f"{what}: {one:,} is not {other:,}" for what, one, other in compared if one != other]
    found += [f"{failure['asset']} failed: {failure['message']}" for failure in summary["failures"]]
    return found + ([] if summary["journeys"] else ["no customer is on a journey"])


def shown(name: str, taken: Taken, summary: Summary, lake: Lake) -> Iterator[str]:
    """A run in a few lines."""
    yield f"{name}: {taken.rows:,} rows of {LOGS[name].package}, {summary['days']}"
    records, events, rejected = (
        sum(service[what] for service in summary["services"]) for what in ("records", "events", "rejected")
    )
    profiles = f" + {taken.profiles:,} profiles" if taken.profiles else ""
    yield (
        f"  {records:,} records landed = {events:,} events + {rejected:,} rejected{profiles}, "
        f"{summary['customers']:,} customers"
    )
    if taken.money is not None:
        yield f"  {taken.money:,} in purchases, to the cent"
    for journey, rows in groupby(summary["journeys"], key=lambda row: row["journey"]):
        yield f"  {journey}: " + ", ".join(f"{row['instances']:,} instances {row['status']}" for row in rows)
    for analysis, findings in summary["findings"].items():
        yield f"  {analysis.replace('_', ' ')}: {len(findings) or 'no'} finding{'' if len(findings) == 1 else 's'}"
        for finding in findings:
            yield f"    {_told(finding)}"
    if name == "shop":
        yield "  planted, and what tells of it:"
        for story, planted, telling in STORIES:
            found = [told for one in telling for told in _telling(*one, summary, lake)]
            yield f"    {story} ({planted}):"
            yield from (f"      {told}" for told in found or ["not found"])


def _telling(analysis: str, what: str, of: str, summary: Summary, lake: Lake) -> Iterator[str]:
    """What one analysis says of a story, findings alone."""
    if analysis != "segment_cohorts":
        for finding in summary["findings"][analysis]:
            if (finding["step"], finding["segment_value"]) == (what, of):
                yield _told(finding)
        return
    rows = [
        row
        for row in lake.read(tables.SEGMENT_COHORTS).to_pylist()
        if (" ".join(filter(None, [row["measure"], row["step"]])), row["segment"]) == (what, of)
    ]
    first, *_, last = rows
    if first["share_low"] > last["share_high"]:
        yield f"{what.replace('_', ' ')}, {of}: " + ", ".join(
            f"{row['segment_value']} {row['share']:.1%} ({row['share_low']:.1%} to {row['share_high']:.1%}) "
            f"of {row['n']:,} visits"
            for row in (first, last)
        )


def _told(finding: dict[str, Any]) -> str:
    where = " at ".join(filter(None, [f"{finding['segment']} {finding['segment_value']}", finding["step"]]))
    if "from_day" not in finding:
        return (
            f"{where}: {finding['value']:.3g} of {finding['n']:,}, the others {finding['baseline']:.3g} "
            f"(adjusted p {finding['p_adjusted']:.1g})"
        )
    return (
        f"{finding['outcome'].replace('_', ' ')}, {where}, {finding['from_day']}..{finding['until_day']}: "
        f"{finding['value']:.3g} of {finding['visits']:,} visits, else {finding['baseline']:.3g} "
        f"(adjusted p {finding['p_adjusted']:.1g})"
    )


def run(name: str, packages: Path) -> list[str]:
    """Run one example with ``cx run`` and print what came out; returns what is wrong."""
    project = OUT / name
    taken = prepare(name, project, packages)
    file, log = project / "summary.json", project / "run.log"
    command = [str(Path(sys.executable).with_name("cx")), "run", "--project", str(project), "--json", str(file)]
    with log.open("w", encoding="utf-8") as output:
        done = subprocess.run(command, stdout=output, stderr=subprocess.STDOUT, check=False)  # noqa: S603  # our own
    if not file.exists():
        return [f"'cx run' ended with {done.returncode} and without a summary; see {log}"]
    summary: Summary = json.loads(file.read_text(encoding="utf-8"))
    lake = Lake(project / "lake")
    print("\n".join(shown(name, taken, summary, lake)))
    print(f"  tables in {project / 'lake'}, the whole output in {log}\n")
    return mismatches(taken, summary, lake)


def main(arguments: list[str] | None = None) -> int:
    """Run the examples; the exit code is 1 if a log is not there or a number does not add up."""
    parser = argparse.ArgumentParser(description="Run the example projects on their logs.")
    parser.add_argument("--packages", type=Path, default=PACKAGES, help="where the packages are installed")
    asked = parser.parse_args(arguments)
    wrong = []
    for name in LOGS:
        try:
            wrong += [f"{name}: {what}" for what in run(name, asked.packages)]
        except LogNotThere as missing:
            wrong.append(str(missing))
    for what in wrong:
        print(f"error: {what}", file=sys.stderr)
    return 1 if wrong else 0


def _money(lake: Lake) -> Decimal:
    rows = Engine().query("SELECT coalesce(sum(amount), 0) AS money FROM events", {"events": lake.scan(tables.EVENTS)})
    return Decimal(rows.to_pylist()[0]["money"])


if __name__ == "__main__":
    sys.exit(main())
