"""A company whose nights can be lived one after another: profiles in, links, customers and documents out."""

import datetime as dt
import itertools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from cx_orchestration.identity.customer_ids import IdentityChange
from cx_orchestration.identity.customers import CustomersBuilt, build_customers
from cx_orchestration.identity.keys import keys_of_profiles, normalise_profiles
from cx_orchestration.identity.ledger import LedgerChange, standing_links
from cx_orchestration.identity.links import update_links
from cx_orchestration.identity.profiles import update_profiles
from cx_orchestration.identity.resolve import resolve
from cx_orchestration.model.identity import IdentityConfig
from cx_orchestration.model.tables import (
    CUSTOMER_ALIASES,
    CUSTOMER_HISTORY,
    EVENTS,
    IDENTITY_MAP,
    LINKS,
    PROFILES,
)
from cx_orchestration.storage.engine import Engine
from cx_orchestration.storage.lake import Lake

#: Entities as ``service/entity`` with their keys: a value or several by namespace.
Keys = Mapping[str, Mapping[str, str | Sequence[str]]]

FIRST_NIGHT = dt.datetime(2026, 3, 1, 2, 30, tzinfo=dt.UTC)

CONFIG = IdentityConfig.model_validate(
    {
        "region": "US",
        "namespaces": {
            "email": {"normalise": "email", "ignore": ["noreply@example.com"]},
            "phone": {"normalise": "phone", "strength": "weak"},
            "login": {"normalise": "lower"},
            "account": {"normalise": "exact", "max_entities": 3, "ignore": ["N/A"]},
        },
    }
)


def profile_table(entities: Keys, fields: Mapping[str, Mapping[str, Any]] | None = None) -> pa.Table:
    rows = []
    for name, keys in entities.items():
        service, entity = name.split("/", 1)
        pairs = [
            (space, value) for space, held in keys.items() for value in ([held] if isinstance(held, str) else held)
        ]
        row: dict[str, Any] = dict.fromkeys(PROFILES.schema.names)
        row |= {"service": service, "entity": entity}
        row["keys"] = [{"namespace": space, "value": value} for space, value in pairs]
        rows.append(row | dict((fields or {}).get(name, {})))
    return pa.Table.from_pylist(rows, schema=PROFILES.schema)


class Company:
    """A lake of its own; each night the profiles are what they are given to be."""

    def __init__(self, root: Path, config: IdentityConfig) -> None:
        self.lake, self.engine, self.config = Lake(root), Engine(), config
        self.now = FIRST_NIGHT

    def night(
        self, entities: Keys, fields: Mapping[str, Mapping[str, Any]] | None = None
    ) -> tuple[LedgerChange, IdentityChange]:
        ledger = self.links(entities, fields)
        return ledger, resolve(self.lake, self.engine, now=self.now, run_id="night")

    def links(self, entities: Keys, fields: Mapping[str, Mapping[str, Any]] | None = None) -> LedgerChange:
        """A night up to the ledger of links."""
        self.now += dt.timedelta(days=1)
        self.show(entities, fields)
        return update_links(self.lake, self.engine, self.config, now=self.now, run_id="night")

    def show(self, entities: Keys, fields: Mapping[str, Mapping[str, Any]] | None = None) -> None:
        """Let the lake have these profiles and keys."""
        received = profile_table(entities, fields)
        seen = keys_of_profiles(self.engine, received)
        update_profiles(self.lake, self.engine, received, seen, self.config, run_id="night")

    def normalised(self, entities: Keys, fields: Mapping[str, Mapping[str, Any]] | None = None) -> pa.Table:
        return normalise_profiles(profile_table(entities, fields), self.config).profiles

    def customers(self, **settings: int) -> CustomersBuilt:
        return build_customers(self.lake, self.engine, self.config, now=self.now, run_id="night", **settings)

    def add_events(self, day: dt.date, events: Sequence[Mapping[str, Any]]) -> None:
        defaults = {
            "type": "order.completed",
            "stream": "orders",
            "channel": "web",
            "keys": [],
            "attributes": "{}",
            "day": day,
        }
        rows = [dict.fromkeys(EVENTS.schema.names) | defaults | dict(event) for event in events]
        for service in sorted({row["service"] for row in rows}):
            table = pa.Table.from_pylist([row for row in rows if row["service"] == service], schema=EVENTS.schema)
            self.lake.replace(EVENTS, table, where={"service": service, "day": day}, run_id="night")

    def who(self) -> dict[str, str]:
        rows = self.lake.read(IDENTITY_MAP).to_pylist()
        return {f"{row['service']}/{row['entity']}": row["customer_id"] for row in rows}

    def groups(self) -> set[frozenset[str]]:
        ordered = sorted(self.who().items(), key=lambda item: item[1])
        grouped = itertools.groupby(ordered, key=lambda item: item[1])
        return {frozenset(entity for entity, _ in members) for _, members in grouped}

    def aliases(self) -> dict[str, str | None]:
        return {row["old_customer_id"]: row["customer_id"] for row in self.lake.read(CUSTOMER_ALIASES).to_pylist()}

    def history(self) -> list[tuple[str, str, str | None]]:
        rows = self.lake.read(CUSTOMER_HISTORY).to_pylist()
        ordered = sorted(rows, key=lambda row: (row["happened_at"], row["event"], row["customer_id"]))
        return [(row["event"], row["customer_id"], row["other_customer_id"]) for row in ordered]

    def standing(self) -> int:
        """How many links stand."""
        return standing_links(self.lake, self.engine).num_rows

    def ledger(self) -> list[dict[str, Any]]:
        return self.lake.read(LINKS).to_pylist()


@pytest.fixture(scope="session")
def new_company(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Company]:
    def make(config: IdentityConfig = CONFIG) -> Company:
        return Company(tmp_path_factory.mktemp("lake"), config)

    return make


@pytest.fixture
def company(new_company: Callable[..., Company]) -> Company:
    return new_company()


@pytest.fixture
def profiles() -> Callable[..., pa.Table]:
    return profile_table


@pytest.fixture
def config() -> IdentityConfig:
    return CONFIG


@pytest.fixture(scope="session")
def company_parts() -> tuple[Engine, IdentityConfig, Callable[..., pa.Table]]:
    return Engine(), CONFIG, profile_table
