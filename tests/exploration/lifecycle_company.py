"""A company small enough to reason about: customers on one journey, with or without the four planted effects."""

import datetime as dt
import json
from dataclasses import dataclass
from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
from sequenced import MONDAY, customer_key, write_sequences

from cx_orchestration.journeys.fold import fold_journeys
from cx_orchestration.model import tables
from cx_orchestration.model.journey import JourneyMap
from cx_orchestration.model.settings import Exploration
from cx_orchestration.storage.engine import Engine
from cx_orchestration.storage.lake import Lake

START = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
DAYS = 90
AS_OF = START + dt.timedelta(days=DAYS)
SETTINGS = Exploration(support_contact_cost=8)

LIFECYCLE = JourneyMap.model_validate(
    {
        "journey": "customer_lifecycle",
        "steps": {
            "aware": {"stage": "educate"},
            "evaluating": {"stage": "pre_sales"},
            "registered": {"stage": "pre_sales"},
            "checkout": {"stage": "sales", "abandoned_after_days": 5},
            "purchased": {"stage": "sales"},
            "setup": {"stage": "post_sales", "abandoned_after_days": 7},
            "in_use": {"stage": "post_sales"},
            "renewed": {"stage": "post_sales"},
            "advocate": {"stage": "advocacy", "completes": True},
        },
        "begins_with": {"ad.clicked": "aware"},
        "transitions": [
            {"from": ["aware"], "on": "product.viewed", "to": "evaluating"},
            {"from": ["evaluating"], "on": "signup.completed", "to": "registered"},
            {"from": ["registered"], "on": "checkout.started", "to": "checkout"},
            {"from": ["checkout"], "on": "order.completed", "to": "purchased"},
            {"from": ["purchased"], "on": "setup.started", "to": "setup"},
            {"from": ["setup"], "on": "setup.completed", "to": "in_use"},
            {"from": ["in_use", "renewed"], "on": "subscription.renewed", "to": "renewed"},
            {"from": ["in_use", "renewed"], "on": "referral.made", "to": "advocate"},
        ],
        "support_events": ["support.requested"],
        "friction_events": ["delivery.delayed", "app.error", "payment.failed"],
        "segments": ["acquisition", "region", "plan", "device", "product", "payment_method"],
    }
)

PROFILE = {
    "acquisition": {"search": 0.4, "social": 0.3, "community": 0.15, "partner": 0.15},
    "region": {"north": 0.4, "south": 0.35, "west": 0.25},
    "plan": {"basic": 0.5, "plus": 0.3, "pro": 0.2},
}
DEVICE = {"desktop": 0.4, "ios": 0.3, "android": 0.3}
PRODUCT = {"classic": 0.5, "duo": 0.25, "pro_kit": 0.25}
PAYMENT = {"card": 0.7, "paypal": 0.3}


@dataclass(frozen=True)
class Planted:
    """Which of the effects act; ``android_is_western``: nearly all of region west, and nobody else, is on Android;
    ``together``: at the checkout those give up who are in region west and on Android, but neither of the two alone."""

    e1: bool = False
    e2: bool = False
    e3: bool = False
    e4: bool = False
    android_is_western: bool = False
    together: bool = False


ALL = Planted(True, True, True, True)
NONE = Planted()


def company(seed: int, planted: Planted, *, customers: int = 5000) -> tuple[pa.Table, pa.Table]:
    """Sequences and profile attributes by customer: the same for the same seed."""
    rng = np.random.default_rng(seed)
    n = customers
    traits = {name: pick(rng, shares, n) for name, shares in PROFILE.items()}
    device, product, payment = (pick(rng, shares, n) for shares in (DEVICE, PRODUCT, PAYMENT))
    if planted.android_is_western:
        elsewhere = np.where(traits["region"] == "west", "north", traits["region"])
        traits["region"] = np.where((device == "android") & (rng.random(n) < 0.9), "west", elsewhere)
    community = (traits["acquisition"] == "community") & planted.e3
    asks = np.where(community, 1 / 3, 1.0)
    spends = np.where(community, 2.0, 1.0)
    chance = lambda share: rng.random(n) < share  # noqa: E731
    wait = lambda low, high: rng.uniform(low, high, n)  # noqa: E731

    at = {"ad.clicked": wait(0, DAYS)}

    def goes_on(step, before, share, low, high):
        at[step] = np.where(chance(share), at[before] + wait(low, high), np.nan)

    goes_on("product.viewed", "ad.clicked", 0.8, 0.1, 2)
    goes_on("signup.completed", "product.viewed", 0.75, 0.1, 2)
    goes_on("checkout.started", "signup.completed", 0.85, 0.1, 2)
    both = (device == "android") & (traits["region"] == "west") & planted.together
    gives_up = np.where(((device == "android") & planted.e1) | both, 0.7, 0.3)
    goes_on("order.completed", "checkout.started", 1 - gives_up, 0.01, 0.5)
    late = chance(0.15)
    harmed = late & planted.e4
    goes_on("setup.started", "order.completed", 0.9, 2.5, 5)
    goes_on("setup.completed", "setup.started", 0.85, 0.5, 5)
    goes_on("subscription.renewed", "setup.completed", np.where(harmed, 0.1, 0.7), 12, 16)
    goes_on("referral.made", "setup.completed", 0.1, 17, 25)
    at["delivery.delayed"] = np.where(late, at["order.completed"] + wait(0.3, 1.8), np.nan)
    at["order.refunded"] = np.where(chance(np.where(harmed, 0.4, 0.03)), at["order.completed"] + wait(3, 7), np.nan)
    at["app.error"] = np.where(chance(0.25), at["setup.completed"] + wait(0.1, 1.9), np.nan)
    at["payment.failed"] = np.where(chance(0.15), at["checkout.started"] + 0.005, np.nan)
    needs_help = np.where((product == "pro_kit") & planted.e2, 0.5, 0.12) * asks
    at["support.requested/setup"] = np.where(chance(needs_help), at["setup.started"] + wait(0.1, 6.5), np.nan)
    wonders = np.where(harmed, 0.5, 0.04) * asks
    at["support.requested/order"] = np.where(chance(wonders), at["order.completed"] + wait(2.1, 5), np.nan)

    price = np.round(rng.lognormal(np.log(120), 0.6, n) * spends, 2)
    fee = np.round(rng.lognormal(np.log(40), 0.6, n) * spends, 2)
    amount = {"order.completed": price, "order.refunded": -price, "subscription.renewed": fee}
    shown = {
        "ad.clicked": {"device": device},
        "checkout.started": {"device": device},
        "order.completed": {"product": product, "payment_method": payment},
        "setup.started": {"product": product},
    }
    parts = []
    for name, days in at.items():
        who = np.flatnonzero(days < DAYS)
        parts.append(
            pd.DataFrame(
                {
                    "customer": who,
                    "days": days[who],
                    "type": name.split("/")[0],
                    "amount": amount[name][who] if name in amount else np.nan,
                    "attributes": as_json(shown.get(name, {}), who),
                    "event_id": [f"{name}:{person}" for person in who],
                }
            )
        )
    return as_sequences(pd.concat(parts, ignore_index=True)), as_profiles(traits)


def pick(rng: np.random.Generator, shares: dict[str, float], n: int) -> np.ndarray:
    return np.array(list(shares), dtype=object)[rng.choice(len(shares), n, p=list(shares.values()))]


def as_json(shown: dict[str, np.ndarray], who: np.ndarray) -> list[str | None]:
    if not shown:
        return [None] * len(who)
    columns = [[f'"{name}":"{value}"' for value in np.asarray(values)[who]] for name, values in shown.items()]
    return ["{" + ",".join(pairs) + "}" for pairs in zip(*columns, strict=True)]


def as_sequences(events: pd.DataFrame) -> pa.Table:
    microseconds = (events["days"] * 86_400_000_000).astype("int64") + int(START.timestamp()) * 1_000_000
    keys = {f"c{person:06}": customer_key(f"c{person:06}") for person in events["customer"].unique()}
    money = [None if np.isnan(amount) else Decimal(f"{amount:.2f}") for amount in events["amount"]]
    columns = {
        "customer_id": pa.array([f"c{person:06}" for person in events["customer"]]),
        "event_id": pa.array(events["event_id"].tolist()),
        "type": pa.array(events["type"].tolist()),
        "occurred_at": pa.array(microseconds, pa.int64()).cast(tables.UTC_MICROSECONDS),
        "amount": pa.array(money, tables.MONEY),
        "currency": pa.array(["USD"] * len(events)),
        "attributes": pa.array(events["attributes"].tolist(), pa.string(), from_pandas=True),
        "channel": pa.array(events.get("channel", [None] * len(events)), pa.string(), from_pandas=True),
        "customer_key": pa.array(pd.Series([f"c{person:06}" for person in events["customer"]]).map(keys)),
        "type_code": pa.array(pd.factorize(events["type"], sort=True)[0], pa.int32()),
        "occurred_us": pa.array(microseconds, pa.int64()),
        "bucket": pa.array(np.zeros(len(events)), pa.int32()),
        "week": pa.array((microseconds - int(MONDAY.timestamp()) * 1_000_000) // 604_800_000_000, pa.int32()),
    }
    schema = tables.SEQUENCES.schema
    rows = pa.table([columns.get(f.name, pa.nulls(len(events), f.type)) for f in schema], schema=schema)
    return rows.sort_by([(name, "ascending") for name in ("week", "customer_key", "occurred_us", "event_id")])


def as_profiles(traits: dict[str, np.ndarray]) -> pa.Table:
    n = len(next(iter(traits.values())))
    columns = {
        "service": pa.array(["crm"] * n),
        "entity": pa.array([f"c{person:06}" for person in range(n)]),
        "attributes": pa.array(as_json(traits, np.arange(n))),
        "updated_at": pa.array([AS_OF] * n, tables.UTC_MICROSECONDS),
    }
    schema = tables.PROFILES.schema
    return pa.table([columns.get(f.name, pa.nulls(n, f.type)) for f in schema], schema=schema)


def happenings(*events: tuple[int, float, str] | tuple[int, float, str, dict]) -> pa.Table:
    """Sequences from customer, day, event type and, where there are any, ``amount``, ``channel`` and attributes."""
    rows = []
    for number, (customer, days, kind, *more) in enumerate(events):
        attributes = dict(more[0]) if more else {}
        amount, channel = attributes.pop("amount", np.nan), attributes.pop("channel", None)
        text = json.dumps(attributes, separators=(",", ":")) if attributes else None
        rows.append((customer, days, kind, amount, channel, text, f"e{number:05}"))
    columns = ["customer", "days", "type", "amount", "channel", "attributes", "event_id"]
    return as_sequences(pd.DataFrame(rows, columns=columns))


def settle(lake: Lake, sequences: pa.Table, profiles: pa.Table, journey_map: JourneyMap = LIFECYCLE) -> Lake:
    """The lake with these sequences and profiles, each entity its own customer, and the journeys folded."""
    entity = profiles.column("entity")
    known = {"service": profiles.column("service"), "entity": entity, "customer_id": entity}
    schema = tables.IDENTITY_MAP.schema
    identities = pa.table([known.get(f.name, pa.nulls(len(entity), f.type)) for f in schema], schema=schema)
    write_sequences(lake, sequences)
    lake.replace(tables.PROFILES, profiles, run_id="r")
    lake.replace(tables.IDENTITY_MAP, identities, run_id="r")
    fold_journeys(lake, Engine(), [journey_map], as_of=AS_OF, currency="USD", support_contact_cost=8, run_id="r")
    return lake
