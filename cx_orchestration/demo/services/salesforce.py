"""The CRM: leads that sales spoke to, and contacts that the shop creates a few minutes after a sign-up."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cx_orchestration.demo.people import Texts, random_ids
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

LEAD_SOURCES = {
    "search": "Web Search",
    "social": "Social Media",
    "referral": "Customer Referral",
    "community": "Community",
    "email": "Email Campaign",
    "partner": "Partner",
}
UNKNOWN_EMAIL = "unknown@shop.example"
_DAY = 86_400_000_000


def salesforce_account(sources: Sources, end: int, rng: np.random.Generator) -> Account:
    """Streams ``contacts`` and ``leads``; a contact's last change may lie days after its creation."""
    contacts, contact_who = _contacts(sources, end, rng)
    leads, lead_who = _leads(sources, rng)
    return Account({"contacts": contacts, "leads": leads}, contact_who + lead_who)


def _contacts(sources: Sources, end: int, rng: np.random.Generator) -> tuple[Records, list[tuple[str, int]]]:
    made = sources.happenings.contacts
    first = made["person"].to_numpy()
    again = rng.random(len(first)) < 0.03  # sales made a second contact of the same person
    later = made["at"].to_numpy()[again] + np.rint(rng.uniform(1, 12, int(again.sum())) * _DAY).astype(np.int64)
    person = np.concatenate([first, first[again][later < end]])
    created = np.concatenate([made["at"].to_numpy(), later[later < end]])
    twice = np.arange(len(person)) >= len(first)

    ids = np.where(twice, random_ids(rng, len(person), 15, prefix="003"), sources.contact_ids[person])
    email = np.array(email_used(sources, person, rng, second=0.10, typos=0.02, capitals=0.08), dtype=object)
    office = sources.office_emails[person]
    login = np.where(twice, "", sources.people.login[person])
    changed = created + np.where(rng.random(len(person)) < 0.2, rng.integers(60_000_000, 9 * _DAY, len(person)), 0)
    changed = np.where(changed < end, changed, created)
    person_fields = {
        "FirstName": sources.people.given[person],
        "LastName": family_name(sources, person, rng, outdated=0.3),
        "Email": _or_unknown(some(np.where(office == "", email, office), rng, 0.04), rng),
        "Phone": phone_written(sources, person, rng, missing=0.10),
        "MailingStreet": some(sources.people.street[person], rng, 0.08),
        "MailingCity": sources.people.city[person],
        "MailingState": sources.people.state[person],
        "MailingPostalCode": some(sources.people.postcode[person], rng, 0.05),
        "MailingCountry": ["US"] * len(person),
        "Birthdate": some(sources.people.birthday[person], rng, 0.5),
        "LeadSource": some(_lead_sources(sources, person), rng, 0.03),
        "Region__c": some(sources.people.region[person], rng, 0.03),
        "Plan__c": some(sources.people.plan[person], rng, 0.03),
        "Web_Login__c": some(login, rng, 0.12),
    }
    records = _sobjects("Contact", ids, person_fields, created, changed)
    return in_order(changed, records, "ms"), list(zip(ids.tolist(), person.tolist(), strict=True))


def _leads(sources: Sources, rng: np.random.Generator) -> tuple[Records, list[tuple[str, int]]]:
    made = sources.happenings.leads
    person, created = made["person"].to_numpy(), made["at"].to_numpy()
    ids = random_ids(rng, len(person), 15, prefix="00Q")
    converted = some(sources.contact_ids[person], rng, 0.15)
    fields = {
        "FirstName": sources.people.given[person],
        "LastName": family_name(sources, person, rng, outdated=0.5),
        "Email": some(email_used(sources, person, rng, second=0.25, typos=0.04, capitals=0.10), rng, 0.05),
        "Phone": phone_written(sources, person, rng, missing=0.15),
        "City": sources.people.city[person],
        "State": sources.people.state[person],
        "Country": ["US"] * len(person),
        "LeadSource": some(_lead_sources(sources, person), rng, 0.03),
        "Region__c": some(sources.people.region[person], rng, 0.03),
        "ConvertedContactId": converted,
    }
    records = _sobjects("Lead", ids, fields, created, created)
    return in_order(created, records, "ms"), list(zip(ids.tolist(), person.tolist(), strict=True))


def _or_unknown(emails: list[str | None], rng: np.random.Generator) -> list[str | None]:
    """Where there is no address, half of the time somebody typed one to get past the form."""
    typed = (rng.random(len(emails)) < 0.5).tolist()
    return [
        UNKNOWN_EMAIL if email is None and makes_up else email for email, makes_up in zip(emails, typed, strict=True)
    ]


def _lead_sources(sources: Sources, person: NDArray[np.int64]) -> list[str]:
    return [LEAD_SOURCES[value] for value in sources.people.acquisition[person]]


def _sobjects(
    kind: str,
    ids: Texts,
    fields: dict[str, Any],
    created: NDArray[np.int64],
    changed: NDArray[np.int64],
) -> list[Record]:
    columns: dict[str, Any] = {
        "Id": ids,
        **fields,
        "CreatedDate": iso(created, "ms", "+0000"),
        "LastModifiedDate": iso(changed, "ms", "+0000"),
        "SystemModstamp": iso(changed, "ms", "+0000"),
    }
    rows = zip(*columns.values(), strict=True)
    return [
        {
            "attributes": {"type": kind, "url": f"/services/data/v60.0/sobjects/{kind}/{row[0]}"},
            **dict(zip(columns, row, strict=True)),
        }
        for row in rows
    ]
