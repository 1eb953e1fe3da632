"""Billing: customers made at the first attempt to pay, charges that succeed or fail, refunds.

Amounts are in cents, times in seconds since 1970.
"""

import numpy as np
from numpy.typing import NDArray

from cx_orchestration.demo.people import random_ids
from cx_orchestration.demo.services.writing import (
    Account,
    Record,
    Records,
    Sources,
    email_used,
    epoch_seconds,
    family_name,
    in_order,
    phone_written,
    some,
)


def stripe_account(sources: Sources, rng: np.random.Generator) -> Account:
    """Streams ``customers``, ``charges`` and ``refunds``; a refund carries its charge, as ``expand`` would show it."""
    charges = sources.happenings.charges
    first = charges.groupby("person", sort=False)["at"].min()
    person = first.index.to_numpy()
    ids = dict(zip(person.tolist(), random_ids(rng, len(person), 14, prefix="cus_"), strict=True))
    customers = in_order(first.to_numpy(), _customers(sources, person, first.to_numpy(), ids, rng), "s")
    paid, by_order = _charges(sources, ids, rng)
    return Account(
        {"customers": customers, "charges": paid, "refunds": _refunds(sources, by_order, rng)},
        [(customer, buyer) for buyer, customer in ids.items()],
    )


def _customers(
    sources: Sources,
    person: NDArray[np.int64],
    created: NDArray[np.int64],
    ids: dict[int, str],
    rng: np.random.Generator,
) -> list[Record]:
    emails = np.array(email_used(sources, person, rng, second=0.08, typos=0.01, capitals=0.06), dtype=object)
    office = sources.office_emails[person]
    logins = some(sources.people.login[person], rng, 0.08)
    plans = some(sources.people.plan[person], rng, 0.03)
    return [
        {
            "id": ids[buyer],
            "object": "customer",
            "created": at,
            "email": email,
            "name": f"{given} {family}",
            "phone": phone,
            "address": {"city": city, "country": "US", "line1": street, "postal_code": postcode, "state": state},
            "currency": "usd",
            "delinquent": False,
            "livemode": False,
            "metadata": {k: v for k, v in (("login", login), ("plan", plan)) if v is not None},
        }
        for buyer, at, email, given, family, phone, city, street, postcode, state, login, plan in zip(
            person.tolist(),
            epoch_seconds(created),
            some(np.where(office == "", emails, office), rng, 0.02),
            sources.people.given[person],
            family_name(sources, person, rng, outdated=0.35),
            phone_written(sources, person, rng, missing=0.4),
            sources.people.city[person],
            sources.people.street[person],
            sources.people.postcode[person],
            sources.people.state[person],
            logins,
            plans,
            strict=True,
        )
    ]


def _charges(sources: Sources, ids: dict[int, str], rng: np.random.Generator) -> tuple[Records, dict[int, Record]]:
    charges = sources.happenings.charges
    records, orders = [], {}
    for charge, at, person, cents, succeeded, kind, product, method in zip(
        random_ids(rng, len(charges), 24, prefix="ch_"),
        epoch_seconds(charges["at"].to_numpy()),
        charges["person"].tolist(),
        charges["cents"].tolist(),
        charges["succeeded"].tolist(),
        charges["kind"].tolist(),
        charges["product"].tolist(),
        charges["method"].tolist(),
        strict=True,
    ):
        record = {
            "id": charge,
            "object": "charge",
            "amount": cents,
            "amount_refunded": 0,
            "captured": succeeded,
            "created": at,
            "currency": "usd",
            "customer": ids[person],
            "description": "Starter kit" if kind == "order" else "Coffee subscription",
            "failure_code": None if succeeded else "card_declined",
            "failure_message": None if succeeded else "Your card was declined.",
            "livemode": False,
            "metadata": {"product": product},
            "paid": succeeded,
            "payment_method_details": {"type": method},
            "refunded": False,
            "status": "succeeded" if succeeded else "failed",
        }
        records.append(record)
        if succeeded and kind == "order":
            orders[person] = record
    return in_order(charges["at"].to_numpy(), records, "s"), orders


def _refunds(sources: Sources, orders: dict[int, Record], rng: np.random.Generator) -> Records:
    refunds = sources.happenings.refunds
    records = []
    for refund, at, person, cents in zip(
        random_ids(rng, len(refunds), 24, prefix="re_"),
        epoch_seconds(refunds["at"].to_numpy()),
        refunds["person"].tolist(),
        refunds["cents"].tolist(),
        strict=True,
    ):
        charge = orders[person]
        charge["amount_refunded"], charge["refunded"] = cents, True
        records.append(
            {
                "id": refund,
                "object": "refund",
                "amount": cents,
                "charge": charge,
                "created": at,
                "currency": "usd",
                "metadata": {},
                "reason": "requested_by_customer",
                "status": "succeeded",
            }
        )
    return in_order(refunds["at"].to_numpy(), records, "s")
