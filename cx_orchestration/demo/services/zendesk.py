"""The support desk: tickets by web, e-mail, chat and voice, and the users who opened them.

Somebody who calls and also writes is two users here: a caller gives a phone, a writer an address.
"""

import numpy as np
import pandas as pd

from cx_orchestration.demo.names import SUBJECTS
from cx_orchestration.demo.services.writing import (
    Account,
    Record,
    Records,
    Sources,
    email_used,
    family_name,
    in_order,
    iso,
    phone_written,
    some,
)

_FIRST_USER_ID = 4_030_000_001
_FIRST_TICKET_ID = 20_001


def zendesk_account(sources: Sources, rng: np.random.Generator) -> Account:
    """Streams ``users`` and ``tickets``; a ticket carries its metric set, and its update is its solution."""
    tickets = sources.happenings.tickets.assign(calls=lambda frame: frame["channel"] == "voice")
    users = tickets.groupby(["person", "calls"], sort=False)["at"].min().reset_index()
    users["id"] = _FIRST_USER_ID + np.arange(len(users))
    tickets = tickets.merge(users[["person", "calls", "id"]], on=["person", "calls"], how="left")
    return Account(
        {
            "users": in_order(users["at"].to_numpy(), _users(sources, users, rng), "s"),
            "tickets": _tickets(tickets, rng),
        },
        [(str(user), person) for user, person in zip(users["id"].tolist(), users["person"].tolist(), strict=True)],
    )


def _users(sources: Sources, users: pd.DataFrame, rng: np.random.Generator) -> list[Record]:
    person = users["person"].to_numpy()
    emails = email_used(sources, person, rng, second=0.20, typos=0.02, capitals=0.05)
    phones = phone_written(sources, person, rng, missing=0.0)
    wrote_phone = rng.random(len(users)) < 0.15
    return [
        {
            "id": user,
            "name": f"{given} {family}",
            "email": None if calls else email,
            "phone": phone if calls or gives_phone else None,
            "external_id": contact,
            "role": "end-user",
            "active": True,
            "time_zone": "America/Chicago",
            "created_at": at,
            "updated_at": at,
        }
        for user, given, family, email, phone, calls, gives_phone, contact, at in zip(
            users["id"].tolist(),
            sources.people.given[person],
            family_name(sources, person, rng, outdated=0.2),
            emails,
            phones,
            users["calls"].tolist(),
            wrote_phone.tolist(),
            some(sources.contact_ids[person], rng, 0.25),  # the desk looks people up in the CRM
            iso(users["at"].to_numpy(), "s", "Z"),
            strict=True,
        )
    ]


def _tickets(tickets: pd.DataFrame, rng: np.random.Generator) -> Records:
    asked, solved = tickets["at"].to_numpy(), tickets["solved_at"].to_numpy()
    changed = np.maximum(asked, solved)
    subjects = np.array(SUBJECTS, dtype=object)[rng.integers(0, len(SUBJECTS), len(tickets))]
    rows = zip(
        range(_FIRST_TICKET_ID, _FIRST_TICKET_ID + len(tickets)),
        tickets["id"].tolist(),
        tickets["channel"].tolist(),
        subjects,
        iso(asked, "s", "Z"),
        iso(solved, "s", "Z"),
        (solved > 0).tolist(),
        iso(changed, "s", "Z"),
        (changed // 1_000_000).tolist(),
        strict=True,
    )
    records = [
        {
            "id": ticket,
            "requester_id": user,
            "subject": subject,
            "status": "solved" if is_solved else "open",
            "via": {"channel": channel},
            "tags": [],
            "created_at": asked_at,
            "updated_at": changed_at,
            "generated_timestamp": changed_s,
            "metric_set": {"ticket_id": ticket, "solved_at": solved_at if is_solved else None},
        }
        for ticket, user, channel, subject, asked_at, solved_at, is_solved, changed_at, changed_s in rows
    ]
    return in_order(changed, records, "s")
