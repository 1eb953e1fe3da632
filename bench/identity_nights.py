"""Twenty nights of growing data: how many records get another customer id, and how many merges and splits demand.

    python bench/identity_nights.py [--persons 5000] [--nights 20]

Each night new persons and further records of known persons come, some records tell that two customers are one person,
and some of the links that were wrong are retracted. Beside ours stands the rule that is common elsewhere, the smallest
record id of a cluster is its id, and the fewest renumbered records that any rule could have had: each old customer goes
on in at most one new one, so that as many records as possible keep theirs.
"""

import argparse
import datetime as dt
import sys
import tempfile
import time
from collections import Counter, defaultdict

import numpy as np
import pyarrow as pa
from scipy.optimize import linear_sum_assignment

from cx_orchestration.identity.ledger import WANTED, update_ledger
from cx_orchestration.identity.resolve import resolve
from cx_orchestration.model.tables import IDENTITY_MAP, PROFILES
from cx_orchestration.storage.engine import Engine
from cx_orchestration.storage.lake import Lake


class People:
    """Records of persons under ids in no order; a link joins each record to an earlier one of its person."""

    def __init__(self, seed: int) -> None:
        self.random = np.random.default_rng(seed)
        self.records: list[list[str]] = []
        self.links: dict[tuple[str, str], str] = {}
        self.wrong: list[tuple[str, str]] = []

    def come(self, persons: int) -> None:
        for _ in range(persons):
            self.records.append([self._id()])

    def grow(self, records: int) -> None:
        """Further records; of one in ten the link comes on a later night (``tell``)."""
        for person in self.random.integers(0, len(self.records), records):
            known, new = self.records[person], self._id()
            if self.random.random() < 0.9:
                self._link(known[self.random.integers(len(known))], new)
            known.append(new)

    def tell(self, links: int) -> None:
        for person in self.random.integers(0, len(self.records), links):
            known = self.records[person]
            if len(known) > 1:
                self._link(*self.random.choice(known, 2, replace=False))

    def err(self, links: int) -> None:
        for one, other in self.random.integers(0, len(self.records), (links, 2)):
            if one != other:
                self.wrong.append(self._link(self.records[one][0], self.records[other][0]))

    def correct(self, links: int) -> None:
        for _ in range(min(links, len(self.wrong))):
            self.links.pop(self.wrong.pop(self.random.integers(len(self.wrong))), None)

    def _id(self) -> str:
        return self.random.bytes(8).hex()

    def _link(self, one: str, other: str) -> tuple[str, str]:
        pair = (min(one, other), max(one, other))
        self.links[pair] = "exact:login"
        return pair

    def profiles(self) -> pa.Table:
        names = sorted(name for known in self.records for name in known)
        columns = {field.name: pa.nulls(len(names), field.type) for field in PROFILES.schema}
        columns |= {"service": pa.array(["crm"] * len(names)), "entity": pa.array(names)}
        return pa.table(columns, schema=PROFILES.schema)

    def wanted(self) -> pa.Table:
        rows = [
            {"left_service": "crm", "left_entity": left, "right_service": "crm", "right_entity": right, "rule": rule}
            | {"match_weight": 20.0, "evidence": "{}", "model_version": None}
            for (left, right), rule in self.links.items()
        ]
        return pa.Table.from_pylist(rows, schema=WANTED)


def renumbered(before: dict[str, str], after: dict[str, str]) -> int:
    return sum(after[record] != customer for record, customer in before.items())


def by_smallest(who: dict[str, str]) -> dict[str, str]:
    smallest: dict[str, str] = {}
    for record in sorted(who):
        smallest.setdefault(who[record], record)
    return {record: smallest[customer] for record, customer in who.items()}


def fewest(before: dict[str, str], after: dict[str, str]) -> int:
    """Known records less those of the best assignment of old customers to new ones."""
    shared = Counter((customer, after[record]) for record, customer in before.items())
    old, new = defaultdict(set), defaultdict(set)
    for one, other in shared:
        old[one].add(other)
        new[other].add(one)
    kept, seen = 0, set()
    for start in old:
        if start in seen:
            continue
        rows, columns, waiting = set(), set(), [start]
        while waiting:
            one = waiting.pop()
            rows.add(one)
            for other in old[one] - columns:
                columns.add(other)
                waiting += new[other] - rows
        seen |= rows
        weights = np.array([[shared[one, other] for other in sorted(columns)] for one in sorted(rows)])
        chosen = linear_sum_assignment(weights, maximize=True)
        kept += int(weights[chosen].sum())
    return len(before) - kept


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--persons", type=int, default=5_000)
    arguments.add_argument("--nights", type=int, default=20)
    chosen = arguments.parse_args()
    people, engine, now = People(seed=5), Engine(), dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    people.come(chosen.persons)
    people.grow(2 * chosen.persons)
    totals = Counter[str]()
    who: dict[str, str] = {}
    print("night  records  customers  merged  split  restored  renumbered  fewest  smallest id  CPU-s")
    with tempfile.TemporaryDirectory() as folder:
        lake = Lake(folder)
        for night in range(chosen.nights + 1):
            now += dt.timedelta(days=1)
            lake.replace(PROFILES, people.profiles(), run_id="night")
            update_ledger(lake, engine, people.wanted(), family="exact", scope=None, now=now, run_id="night")
            start = time.process_time()
            change = resolve(lake, engine, now=now, run_id="night")
            spent = time.process_time() - start
            before, rows = who, lake.read(IDENTITY_MAP)
            who = dict(zip(rows["entity"].to_pylist(), rows["customer_id"].to_pylist(), strict=True))
            counts = {
                "ours": renumbered(before, who),
                "fewest": fewest(before, who),
                "smallest": renumbered(by_smallest(before), by_smallest(who)),
            }
            totals.update(counts)
            print(
                f"{night:5}  {len(who):7}  {change.customers:9}  {change.merged:6}  {change.split:5}  "
                f"{change.restored:8}  {counts['ours']:10}  {counts['fewest']:6}  {counts['smallest']:11}  {spent:5.2f}"
            )
            people.come(chosen.persons // 50)
            people.grow(chosen.persons // 20)
            people.tell(chosen.persons // 100)
            people.err(chosen.persons // 500)
            people.correct(chosen.persons // 800)
    ours, least, smallest = totals["ours"], totals["fewest"], totals["smallest"]
    print(f"renumbered in all: ours {ours}, fewest possible {least}, smallest record id {smallest}")
    print(f"ours to fewest {ours / max(least, 1):.2f}, smallest record id to ours {smallest / max(ours, 1):.1f}")
    if ours > 2 * least:
        sys.exit("more records were renumbered than merges and splits demand")


if __name__ == "__main__":
    main()
