"""Takes the two logs out of the packages that ship them and places them in a project folder as file drops.

Belongs here: where a log lies, whether it is the one the examples were written for, and what its file drop looks like.
Does not belong here: running a project (``run_examples.py``). No code of the packages is imported or run: a log is read
by the path of its file.

    python examples/take_logs.py cdnow PROJECT [--packages DIR]
    python examples/take_logs.py shop PROJECT [--packages DIR]
"""

import argparse
import csv
import datetime as dt
import gzip
import hashlib
import io
import itertools
import sys
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

#: Where ``make examples`` puts the packages.
PACKAGES = Path(__file__).parent.parent / ".venv" / "example-logs"


class LogNotThere(Exception):
    """A log that cannot be taken; the text says how to get it."""


@dataclass(frozen=True)
class Log:
    """One log: its file inside the packages, what that file must be, and how it becomes file drops of a project.

    ``place`` takes the log's text and the project folder, writes the drops and returns what it counted.
    """

    path: str
    package: str
    sha256: str
    rows: int
    place: Callable[[str, Path], "Taken"]


@dataclass(frozen=True)
class Taken:
    """What was placed: data rows of the log, distinct customers, and the sum of the log's money if it has any."""

    rows: int
    customers: int
    money: Decimal | None = None


def take(name: str, project: Path, packages: Path = PACKAGES) -> Taken:
    """Place the log of one example in a project folder, in place of an earlier one.

    Raises ``LogNotThere`` if the packages do not have it, or have another version of it.
    """
    log = LOGS[name]
    file = packages / log.path
    if not file.is_file():
        raise LogNotThere(f"{file} is not there: 'make examples' installs {log.package}, which ships it")
    content = file.read_bytes()
    if (found := hashlib.sha256(content).hexdigest()) != log.sha256:
        raise LogNotThere(
            f"{file} is not the log of {log.package} (its SHA-256 is {found}, expected {log.sha256}): "
            f"remove {packages} and run 'make examples'"
        )
    text = gzip.decompress(content) if file.suffix == ".gz" else content
    taken = log.place(text.decode("utf-8"), project)
    if taken.rows != log.rows:
        raise LogNotThere(f"{file} gave {taken.rows} rows, expected {log.rows}")
    return taken


def _place_cdnow(text: str, project: Path) -> Taken:
    """One file for the whole log, whose columns are separated by any number of spaces."""
    lines = (line.split() for line in text.splitlines()[1:])
    of_the_day: Counter[tuple[str, str]] = Counter()
    rows, customers, money = [], set(), Decimal(0)
    for number, (customer, date, cds, dollars) in enumerate(lines, start=1):
        of_the_day[customer, date] += 1
        nth = of_the_day[customer, date]
        bought = dt.datetime.strptime(date, "%Y%m%d").replace(tzinfo=dt.UTC) + dt.timedelta(seconds=nth - 1)
        rows.append((number, customer, bought.isoformat(), nth, cds, dollars))
        customers.add(customer)
        money += Decimal(dollars)
    header = ("line", "customer_id", "purchased_at", "line_of_day", "number_of_cds", "dollar_value")
    _write(project / "drops" / "order_log" / "cdnow.csv", header, rows)
    return Taken(len(rows), len(customers), money)


def _place_shop(text: str, project: Path) -> Taken:
    """One file a day, as a nightly export would leave them."""
    records = list(csv.DictReader(io.StringIO(text)))
    header = ("line", *records[0])
    rows = [(number, *record.values()) for number, record in enumerate(records, start=1)]
    at = header.index("timestamp")
    rows.sort(key=lambda row: row[at])
    for day, of_day in itertools.groupby(rows, key=lambda row: str(row[at])[:10]):
        _write(project / "drops" / "clickstream" / f"{day}.csv", header, of_day)
    return Taken(len(rows), len({record["user_id"] for record in records}))


def _write(file: Path, header: Iterable[object], rows: Iterable[Iterable[object]]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w", encoding="utf-8", newline="") as out:
        csv.writer(out).writerows(itertools.chain([header], rows))


LOGS = {
    "cdnow": Log(
        path="lifetimes/datasets/CDNOW_master.txt",
        package="lifetimes 0.11.3",
        sha256="eff6889ed364c5199d6eacbbeb7a6d559971df4406ac876f322c373f00a072ef",
        rows=69_659,
        place=_place_cdnow,
    ),
    "shop": Log(
        path="retentioneering/datasets/ecom.csv.gz",
        package="retentioneering 5.2.4",
        sha256="110716838facbec8143c6c9af74500eb0252197da212fd75aa4c47bf3b692090",
        rows=31_106,
        place=_place_shop,
    ),
}


def main(arguments: list[str] | None = None) -> int:
    """Take one log; the exit code is 1 if it is not there."""
    parser = argparse.ArgumentParser(description="Place a log in a project folder as file drops.")
    parser.add_argument("example", choices=sorted(LOGS))
    parser.add_argument("project", type=Path, help="the project folder")
    parser.add_argument("--packages", type=Path, default=PACKAGES, help="where the packages are installed")
    asked = parser.parse_args(arguments)
    try:
        taken = take(asked.example, asked.project, asked.packages)
    except LogNotThere as missing:
        print(f"error: {missing}", file=sys.stderr)
        return 1
    print(f"{asked.example}: {taken.rows:,} rows of {taken.customers:,} customers in {asked.project / 'drops'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
