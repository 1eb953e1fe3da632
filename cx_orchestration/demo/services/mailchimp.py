"""The marketing tool: members of the newsletter's list, and what they did with the welcome e-mail."""

import hashlib

import numpy as np
from numpy.typing import NDArray

from cx_orchestration.demo.services.writing import Account, Records, Sources, email_used, family_name, in_order, iso

LIST_ID = "a6b5da1054"
WELCOME_CAMPAIGN_ID = "b03c7f2e41"


def mailchimp_account(sources: Sources, rng: np.random.Generator) -> Account:
    """Streams ``members`` and ``welcome_activity`` (those who opened the welcome e-mail, once each)."""
    made = sources.happenings.newsletters
    person, subscribed = made["person"].to_numpy(), made["at"].to_numpy()
    emails = email_used(sources, person, rng, second=0.25, typos=0.03, capitals=0.06)
    ids = [hashlib.md5(email.lower().encode(), usedforsecurity=False).hexdigest() for email in emails]
    family = family_name(sources, person, rng, outdated=0.4)
    named = rng.random(len(person)) < 0.8
    members = [
        {
            "id": key,
            "email_address": email,
            "unique_email_id": key[:10],
            "list_id": LIST_ID,
            "status": "subscribed",
            "merge_fields": {"FNAME": given if known else "", "LNAME": last if known else ""},
            "timestamp_opt": at,
            "last_changed": at,
            "source": "Embed Form",
        }
        for key, email, given, last, known, at in zip(
            ids,
            emails,
            sources.people.given[person],
            family,
            named.tolist(),
            iso(subscribed, "s", "+00:00"),
            strict=True,
        )
    ]
    opened, clicked = made["opened_at"].to_numpy(), made["clicked_at"].to_numpy()
    return Account(
        {"members": in_order(subscribed, members, "s"), "welcome_activity": _activity(ids, emails, opened, clicked)},
        list(zip(ids, person.tolist(), strict=True)),
    )


def _activity(ids: list[str], emails: list[str], opened: NDArray[np.int64], clicked: NDArray[np.int64]) -> Records:
    read = np.flatnonzero(opened > 0)
    opened_text, clicked_text = iso(opened[read], "s", "+00:00"), iso(clicked[read], "s", "+00:00")
    records = []
    for row, at, then in zip(read.tolist(), opened_text, clicked_text, strict=True):
        activity = [{"action": "open", "timestamp": at}]
        if clicked[row] > 0:
            activity.append({"action": "click", "timestamp": then, "url": "https://shop.example/brew-guide"})
        records.append(
            {
                "campaign_id": WELCOME_CAMPAIGN_ID,
                "list_id": LIST_ID,
                "email_id": ids[row],
                "email_address": emails[row],
                "activity": activity,
            }
        )
    return in_order(np.maximum(opened, clicked)[read], records, "s")
