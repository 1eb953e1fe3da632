"""Product analytics: pages, tracks and identifies in the Segment spec, from web, apps and the shop's own server.

Before somebody signs in there is only the ``anonymousId`` of a browser or app; afterwards both ids. What the phone of
a traveller sends may arrive a day late: ``timestamp`` is when it happened, ``receivedAt`` when it came in.
"""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cx_orchestration.demo.people import pick, random_uuids
from cx_orchestration.demo.services.writing import Account, Record, Sources, in_order, iso, phone_written, some

TRACKS = {
    "product.viewed": "Product Viewed",
    "signup.completed": "Signed Up",
    "checkout.started": "Checkout Started",
    "setup.started": "Setup Started",
    "setup.completed": "Setup Completed",
    "delivery.delayed": "Delivery Delayed",
    "app.error": "Application Error",
    "referral.made": "Invite Accepted",
}
_REFERRERS = {
    "": 0.62,
    "https://www.morrowcoffee.example/": 0.20,
    "https://lookup.example/": 0.13,
    "https://go.coffeedeals.example/out": 0.05,  # a portal that nobody put into the inventory
}
_PATHS = ("/", "/machines", "/subscriptions", "/guides/grind-size", "/guides/milk", "/about")


def segment_account(sources: Sources, forms: pd.DataFrame, end: int, rng: np.random.Generator) -> Account:
    """Stream ``events``, by the time they were received; ``forms`` as ``sent_forms`` gives them."""
    web = sources.happenings.web
    received = _received(web["at"].to_numpy(), end, rng)
    calls = _calls(sources, web, received, rng)
    identified, identifies = _identifies(sources, web, received, rng)
    who = {
        record.get("userId") or record["anonymousId"]: person
        for record, person in zip(calls, web["person"].tolist(), strict=True)
    }
    sent, addresses = _addresses_typed(sources, forms, end)
    who |= {
        record.get("userId") or record["anonymousId"]: person
        for record, person in zip(addresses, forms["person"].tolist(), strict=True)
    }
    times = np.concatenate([received, identified, sent])
    return Account({"events": in_order(times, calls + identifies + addresses, "ms")}, list(who.items()))


def _received(at: NDArray[np.int64], end: int, rng: np.random.Generator) -> NDArray[np.int64]:
    offline = np.where(rng.random(len(at)) < 0.02, rng.integers(600_000_000, 130_000_000_000, len(at)), 0)
    return np.asarray(np.minimum(at + 400_000 + offline, end - 1_000))


def _calls(sources: Sources, web: pd.DataFrame, received: NDArray[np.int64], rng: np.random.Generator) -> list[Record]:
    person = web["person"].to_numpy()
    slots = np.maximum(web["slot"].to_numpy(dtype=np.int64), 0)
    paths = np.array(_PATHS, dtype=object)[rng.integers(0, len(_PATHS), len(web))]
    records = []
    for message, kind, anonymous, login, known, device, product, path, referrer, at, came_in in zip(
        random_uuids(rng, len(web)),
        web["kind"].tolist(),
        sources.people.anonymous_ids[person, slots],
        sources.people.login[person],
        web["logged_in"].tolist(),
        web["device"].tolist(),
        web["product"].tolist(),
        paths,
        pick(rng, _REFERRERS, len(web)),
        iso(web["at"].to_numpy(), "ms", "Z"),
        iso(received, "ms", "Z"),
        strict=True,
    ):
        record: Record = {"messageId": message, "timestamp": at, "receivedAt": came_in}
        if device:
            record["anonymousId"] = anonymous
            record["context"] = {"device": {"type": device}, "library": {"name": _library(device)}}
        else:
            record["context"] = {"library": {"name": "analytics-python"}}
        if known:
            record["userId"] = login
        if kind == "page.viewed":
            record |= {"type": "page", "name": path, "properties": {"path": path}}
            if referrer:
                record["context"]["page"] = {"path": path, "referrer": referrer}
        else:
            record |= {"type": "track", "event": TRACKS[kind], "properties": {"product": product} if product else {}}
        records.append(record)
    return records


def _library(device: str) -> str:
    return {"ios": "analytics-ios", "android": "analytics-android"}.get(device, "analytics.js")


def _identifies(
    sources: Sources, web: pd.DataFrame, received: NDArray[np.int64], rng: np.random.Generator
) -> tuple[NDArray[np.int64], list[Record]]:
    signed_up = (web["kind"] == "signup.completed").to_numpy()
    made = web[signed_up]
    person, people = made["person"].to_numpy(), sources.people
    times = received[signed_up]
    records: list[Record] = [
        {
            "type": "identify",
            "messageId": message,
            "anonymousId": anonymous,
            "userId": login,
            "timestamp": at,
            "receivedAt": came_in,
            "context": {"device": {"type": device}},
            "traits": {
                name: value
                for name, value in (
                    ("email", email),
                    ("firstName", given),
                    ("lastName", family),
                    ("phone", phone),
                    ("acquisition", acquisition),
                    ("region", region),
                    ("plan", plan),
                )
                if value is not None
            },
        }
        for message, anonymous, login, at, came_in, device, email, given, family, phone, acquisition, region, plan in (
            zip(
                random_uuids(rng, len(made)),
                people.anonymous_ids[person, made["slot"].to_numpy(dtype=np.int64)],
                people.login[person],
                iso(made["at"].to_numpy(), "ms", "Z"),
                iso(times, "ms", "Z"),
                made["device"].tolist(),
                people.email[person],
                people.given[person],
                people.family[person],
                phone_written(sources, person, rng, missing=0.5),
                some(people.acquisition[person], rng, 0.03),
                some(people.region[person], rng, 0.03),
                some(people.plan[person], rng, 0.03),
                strict=True,
            )
        )
    ]
    return times, records


def _addresses_typed(sources: Sources, forms: pd.DataFrame, end: int) -> tuple[NDArray[np.int64], list[Record]]:
    """What the shop's pages tell of a form that was sent: the address, and the browser it was typed in.

    The pages pass on the address alone. The library adds whom it knows, as it does with every call of a browser on
    which somebody has signed in.
    """
    person, slot = forms["person"].to_numpy(), forms["slot"].to_numpy(dtype=np.int64)
    at = forms["at"].to_numpy()
    received = np.asarray(np.minimum(at + 400_000, end - 1_000))
    records: list[Record] = [
        {
            "type": "identify",
            "messageId": f"form-{number}-{anonymous}",
            "anonymousId": anonymous,
            **({"userId": login} if signed_in else {}),
            "timestamp": sent,
            "receivedAt": came_in,
            "context": {"device": {"type": device}, "library": {"name": _library(device)}},
            "traits": {"email": email},
        }
        for number, (anonymous, login, signed_in, device, email, sent, came_in) in enumerate(
            zip(
                sources.people.anonymous_ids[person, slot],
                sources.people.login[person],
                forms["signed_in"].tolist(),
                sources.people.devices[person, slot],
                forms["email"].tolist(),
                iso(at, "ms", "Z"),
                iso(received, "ms", "Z"),
                strict=True,
            )
        )
    ]
    return received, records
