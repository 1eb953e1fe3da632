"""A town of made-up people as two services know them."""

import datetime as dt
import random
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any

import numpy as np
import pyarrow as pa

from cx_orchestration.model.identity import IdentityConfig
from cx_orchestration.model.tables import MATCHING_FIELDS, PROFILES
from cx_orchestration.storage.lake import Lake
from cx_orchestration.storage.rewriting import Edits, remove_history, rewrite

NOW = dt.datetime(2026, 3, 1, 2, 30, tzinfo=dt.UTC)
CONFIG = IdentityConfig.model_validate(
    {"region": "US", "namespaces": {"email": {"normalise": "email"}, "phone": {"strength": "weak"}}}
)

_SYLLABLES = (
    "ba",
    "ce",
    "di",
    "fo",
    "gu",
    "ha",
    "je",
    "ki",
    "lo",
    "mu",
    "na",
    "pe",
    "ri",
    "so",
    "tu",
    "ve",
    "wi",
    "za",
)


def profile_rows(rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """Profiles as a service reports them, with fingerprints; ``keys`` by namespace."""
    filled = []
    for row in rows:
        keys = [{"namespace": name, "value": value} for name, value in row.get("keys", {}).items()]
        told = dict.fromkeys(PROFILES.schema.names) | dict(row) | {"keys": keys}
        fingerprint = int.from_bytes(sha256(repr(told).encode()).digest()[:8], "big") >> 1
        filled.append(told | {"fingerprint": fingerprint})
    return pa.Table.from_pylist(filled, schema=PROFILES.schema)


def town(people: int = 210, seed: int = 7) -> list[dict[str, Any]]:
    """Households of three, each person known to a shop and to a help desk, which misspells one name in six.

    ``person`` numbers them. A household shares surname, address and phone; the desk writes the day first.
    """
    rng = random.Random(seed)

    def word(syllables: int) -> str:
        return "".join(rng.choice(_SYLLABLES) for _ in range(syllables))

    givens, surnames = [word(2) for _ in range(60)], [word(3) for _ in range(60)]
    rows: list[dict[str, Any]] = []
    home: dict[str, str] = {}
    members: list[str] = []
    for person in range(people):
        if person % 3 == 0:
            home = {
                "family_name": rng.choice(surnames),
                "street": f"{rng.randint(1, 200)} {word(3)} street",
                "postcode": f"{rng.randint(10_000, 10_060)}",
                "city": "Springfield",
                "phone": f"+1202555{rng.randint(1000, 9999)}",
            }
            members = rng.sample(givens, 3)
        given, born = members[person % 3], dt.date(1940, 1, 1) + dt.timedelta(days=rng.randint(0, 25_000))
        misspelt = given[:-1] + "x" if rng.random() < 1 / 6 else given
        email = f"{given}.{word(3)}@example.com"
        shop = {**home, "given_name": given, "birth_date": born.isoformat()}
        desk = {**home, "given_name": misspelt, "birth_date": f"{born:%d.%m.%Y}", "street": home["street"].upper()}
        for service, row, share in (("shop", shop, 0.9), ("desk", desk, 0.6)):
            keys = {"phone": row.pop("phone")} | ({"email": email} if rng.random() < share else {})
            rows.append({**row, "service": service, "entity": f"{person:04d}", "keys": keys, "person": person})
    return rows


def without_person(rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    return profile_rows([{name: value for name, value in row.items() if name != "person"} for row in rows])


def erase(lake: Lake, profile: dict[str, Any]) -> None:
    """What an erasure does to the fields that are kept of a customer."""

    def judge(_: Mapping[str, Any], batch: pa.RecordBatch) -> Edits:
        found = zip(batch["service"].to_pylist(), batch["entity"].to_pylist(), strict=True)
        return Edits(np.array([pair == (profile["service"], profile["entity"]) for pair in found], np.bool_))

    assert rewrite(lake, MATCHING_FIELDS, ["service", "entity"], judge, run_id="erasure").removed == 1
    remove_history(lake, MATCHING_FIELDS)
