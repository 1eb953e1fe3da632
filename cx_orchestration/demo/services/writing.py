"""How systems and people write things down: times, addresses, phones, with gaps, typos and capitals.

Belongs here: what several systems' records share. Does not belong here: any one system's fields.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np

from cx_orchestration.demo.happenings import Happenings
from cx_orchestration.demo.names import TYPO_DOMAINS
from cx_orchestration.demo.people import People, Texts

Record: TypeAlias = dict[str, Any]

_LENGTHS = {"s": 1_000_000, "ms": 1_000}


@dataclass(frozen=True)
class Records:
    """The records of one stream in the order of ``times``, the microseconds since 1970 they are asked for by."""

    times: Any
    records: list[Record]

    def __len__(self) -> int:
        return len(self.records)


@dataclass(frozen=True)
class Account:
    """What one system has: its streams, and which person each of its customers is."""

    streams: dict[str, Records]
    who: list[tuple[str, int]]


@dataclass(frozen=True)
class Sources:
    """What records are made from, the same for every system.

    ``contact_ids`` and ``office_emails`` have one element a person: the CRM's id and the role mailbox (``info@...``)
    of the office that a person orders for; empty text where there is none.
    """

    people: People
    happenings: Happenings
    contact_ids: Texts
    office_emails: Texts


def in_order(times: Any, records: Sequence[Record], unit: Literal["s", "ms"]) -> Records:
    """Records sorted by their time as the system writes it, in seconds or milliseconds."""
    length = _LENGTHS[unit]
    written = np.asarray(times) // length * length
    order = np.argsort(written, kind="stable")
    return Records(written[order], [records[position] for position in order.tolist()])


def iso(times: Any, unit: Literal["s", "ms"], suffix: str) -> list[str]:
    """Instants as ISO 8601 text in UTC, cut to seconds or milliseconds."""
    text = np.datetime_as_string(np.asarray(times).astype("datetime64[us]").astype(f"datetime64[{unit}]"))
    return [f"{t}{suffix}" for t in text.tolist()]


def epoch_seconds(times: Any) -> list[int]:
    """Instants as whole seconds since 1970."""
    return [int(t) for t in (np.asarray(times) // 1_000_000).tolist()]


def some(values: Sequence[Any] | Texts, rng: np.random.Generator, missing: float) -> list[Any]:
    """The values, with null for empty text and for a share that is missing."""
    gaps = rng.random(len(values)) < missing
    return [None if gap or value == "" else value for value, gap in zip(values, gaps.tolist(), strict=True)]


def email_used(
    sources: Sources, person: Any, rng: np.random.Generator, *, second: float, typos: float, capitals: float
) -> list[str]:
    """The address each person gives: at times another mailbox of theirs, a domain misspelt, or capitals."""
    chances = rng.random((3, len(person))).tolist()
    main, other = sources.people.email[person], sources.people.second_email[person]
    return [
        _written(m, o, s < second, t < typos, c < capitals) for m, o, s, t, c in zip(main, other, *chances, strict=True)
    ]


def _written(main: str, other: str, takes_second: bool, misspells: bool, capitals: bool) -> str:
    email = other if takes_second and other else main
    local, domain = email.split("@")
    if misspells:
        domain = TYPO_DOMAINS[domain]
    return f"{local.title()}@{domain.title()}" if capitals else f"{local}@{domain}"


def phone_written(sources: Sources, person: Any, rng: np.random.Generator, *, missing: float) -> list[str | None]:
    """The phone each person gives, in one of the ways Americans write it."""
    phones = some(sources.people.phone[person], rng, missing)
    return [
        None if phone is None else _phone(phone, style)
        for phone, style in zip(phones, rng.integers(0, 4, len(phones)).tolist(), strict=True)
    ]


def _phone(phone: str, style: int) -> str:
    area, office, line = phone[2:5], phone[5:8], phone[8:]
    return (phone, f"({area}) {office}-{line}", f"{area}-{office}-{line}", f"{area} {office} {line}")[style]


def family_name(sources: Sources, person: Any, rng: np.random.Generator, *, outdated: float) -> list[str]:
    """The family name on file: of those who changed it, a share is still under the earlier one."""
    now, before = sources.people.family[person], sources.people.former_family[person]
    old = (rng.random(len(person)) < outdated).tolist()
    return [b if b and o else n for n, b, o in zip(now, before, old, strict=True)]
