"""Cohorts by segment against counts by hand, event after event: where visits begin, how far they come, who stays."""

import json
from collections import defaultdict

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from lifecycle_company import AS_OF, DAYS, as_profiles, as_sequences, settle

from cx_orchestration.exploration.cohorts import read_cohorts
from cx_orchestration.exploration.segment_cohorts import segment_cohorts
from cx_orchestration.exploration.segment_picture import segments_picture, segments_svg
from cx_orchestration.model import tables
from cx_orchestration.model.journey import JourneyMap
from cx_orchestration.storage.engine import Engine
from cx_orchestration.storage.lake import Lake

CUSTOMERS, LEAST, WINDOW = 240, 20, 10
WAIT = 6 / 24
VISIT = JourneyMap.model_validate(
    {
        "journey": "visit",
        "correlation": "visit",
        "re_entry": False,
        "conversion_window_days": WINDOW,
        "steps": {
            "cart": {"stage": "sales", "abandoned_after_days": WAIT},
            "payment": {"stage": "sales", "abandoned_after_days": WAIT, "milestone": True},
            "ordered": {"stage": "post_sales", "completes": True, "milestone": True},
        },
        "begins_with": {"cart.filled": "cart", "payment.viewed": "payment"},
        "transitions": [
            {"from": ["cart"], "on": "payment.viewed", "to": "payment"},
            {"from": ["payment"], "on": "order.placed", "to": "ordered"},
        ],
        "segments": ["device", "region"],
    }
)


@pytest.fixture(scope="module")
def log() -> pd.DataFrame:
    """Visits that begin with the cart or, more on ios, right with the payment; some log in off the map."""
    rng = np.random.default_rng(5)
    rows = []
    for customer in range(CUSTOMERS):
        device = ("ios", "android", "desktop")[customer % 3]
        for nth, day in enumerate(np.sort(rng.choice(DAYS, rng.integers(1, 9), replace=False)).tolist()):
            kinds = ["payment.viewed"] if rng.random() < (0.4 if device == "ios" else 0.1) else ["cart.filled"]
            if kinds == ["cart.filled"] and rng.random() < 0.6:
                kinds.append("payment.viewed")
            if kinds[-1] == "payment.viewed" and rng.random() < 0.5:
                kinds.append("order.placed")
            text = json.dumps({"visit": f"{customer}-{nth}", "device": device}, separators=(",", ":"))
            at = day + 0.9 + rng.random() / 20  # no two visits exactly a week apart
            rows += [(customer, at + n / 1000, kind, text) for n, kind in enumerate(kinds)]
            if rng.random() < 0.5 and day + 3 < DAYS:
                rows.append((customer, day + 3.2 + rng.random() / 20, "account.opened", None))
    events = pd.DataFrame(rows, columns=["customer", "days", "type", "attributes"])
    return events.assign(event_id=[f"e{n:05}" for n in range(len(events))], amount=np.nan)


REGIONS = np.array([("north", "west", "rare")[2 if n % 40 == 0 else n % 2] for n in range(CUSTOMERS)])


def settled(folder, log: pd.DataFrame) -> Lake:
    return settle(Lake(folder), as_sequences(log), as_profiles({"region": REGIONS}), VISIT)


@pytest.fixture(scope="module")
def rows(log, tmp_path_factory) -> list[dict]:
    lake = settled(tmp_path_factory.mktemp("lake"), log)
    cohorts = read_cohorts(lake, Engine(), [VISIT], as_of=AS_OF, every_visit=True)
    found = segment_cohorts(lake, Engine(), cohorts, [VISIT], least=LEAST)
    lake.replace(tables.SEGMENT_COHORTS, found, run_id="r")
    assert lake.rows(tables.SEGMENT_COHORTS) == found.num_rows
    return found.to_pylist()


def by_hand(log: pd.DataFrame) -> dict[tuple, dict[int, tuple[int, int]]]:
    """Of each share, by customer: what it is of, and what is true of it."""
    shares: dict[tuple, dict[int, tuple[int, int]]] = defaultdict(dict)
    for customer, own in log.groupby("customer"):
        device = ("ios", "android", "desktop")[customer % 3]
        clusters = [("device", device), ("region", REGIONS[customer]), ("all", "customers")]
        events = list(own.sort_values(["days", "event_id"])[["days", "type", "attributes"]].itertuples(index=False))
        visits = defaultdict(list)
        for event in events:
            if event.type != "account.opened":
                visits[json.loads(event.attributes)["visit"]].append(event)
        began = min(visit[0].days for visit in visits.values())
        over = [v for v in visits.values() if v[0].days + WINDOW < DAYS]
        found = {
            ("begins_at", step, None): (len(visits), sum(v[0].type == kind for v in visits.values()))
            for step, kind in (("cart", "cart.filled"), ("payment", "payment.viewed"))
        }
        if over:
            placed = [v for v in over if v[-1].type == "order.placed" and v[-1].days - v[0].days <= WINDOW]
            found["completed", None, None] = (len(over), len(placed))
        for step, kind in (("payment", "payment.viewed"), ("ordered", "order.placed")):
            if began + WINDOW < DAYS:
                found["reached", step, None] = (
                    1,
                    int(any(e.type == kind and e.days - began <= WINDOW for e in events)),
                )
        for week in range(1, 27):
            if began + 7 * (week + 1) <= DAYS:
                here = any(7 * week <= event.days - began < 7 * (week + 1) for event in events)
                found["active", None, week] = (1, int(here))
        for cluster in clusters:
            for key, share in found.items():
                shares[(*key, *cluster)][customer] = share
    return shares


NAMES = ("measure", "step", "week", "segment", "segment_value")


def test_every_share_is_the_one_counted_by_hand(log, rows):
    expected = {key: found for key, found in by_hand(log).items() if len(found) >= LEAST}
    assert {row["segment_value"] for row in rows} == {"ios", "android", "desktop", "north", "west", "customers"}
    assert {tuple(row[name] for name in NAMES): (row["customers"], row["n"], row["hits"]) for row in rows} == {
        key: (len(found), *np.sum(list(found.values()), axis=0).tolist()) for key, found in expected.items()
    }
    assert {row["week"] for row in rows if row["measure"] == "active"} == set(range(1, 12))


def test_visits_of_one_customer_count_as_alike(log, rows):
    shares = by_hand(log)
    for row in rows:
        n, hits = np.array(list(shares[tuple(row[name] for name in NAMES)].values())).T
        assert row["share"] == hits.sum() / n.sum()
        assert row["share_low"] <= row["share"] <= row["share_high"]
        assert row["share_low"] < row["share_high"]
        if row["measure"] in ("begins_at", "completed") and 0 < row["hits"] < row["n"]:
            residual = hits - row["share"] * n
            error = np.sqrt(len(n) * residual.var(ddof=1)) / n.sum()
            assert row["share_high"] - row["share"] == pytest.approx(1.959964 * error, rel=1e-6)


def test_who_begins_further_on_stands_out(rows):
    direct = {
        row["segment_value"]: (row["share_low"], row["share_high"])
        for row in rows
        if (row["measure"], row["step"], row["segment"]) == ("begins_at", "payment", "device")
    }
    assert direct["ios"][0] > max(direct["android"][1], direct["desktop"][1])


def test_its_picture_names_the_shares(rows):
    drawn = segments_svg(as_table(rows))
    assert "visit: device" in drawn and "begins at payment" in drawn
    assert "No cluster" in segments_picture(as_table([]))


def as_table(rows: list[dict]) -> pa.Table:
    return pa.Table.from_pylist(rows, tables.SEGMENT_COHORTS.schema)
