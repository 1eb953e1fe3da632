"""Why some records are one customer: the records, the links between them, what argued against, and what was before.

Belongs here: gathering it from the lake, values of the person included, as somebody asked for it. Does not belong here:
how it is printed or drawn (``commands``, ``explain_page.py``).
"""

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import pyarrow as pa

from cx_orchestration.identity.explain_weights import Part, weigh
from cx_orchestration.identity.explain_words import agreement, odds, same_value
from cx_orchestration.identity.ledger import ENTITIES, value_digest
from cx_orchestration.identity.overrides import DECIDED
from cx_orchestration.identity.record_names import no_such_record
from cx_orchestration.model.failures import PermanentFailure
from cx_orchestration.model.identity_overrides import split_entity
from cx_orchestration.model.tables import (
    CUSTOMER_ALIASES,
    CUSTOMER_HISTORY,
    IDENTITY_MAP,
    LINKS,
    MATCHING_MODELS,
    PROFILES,
)
from cx_orchestration.storage.engine import Engine, Input, sql_text
from cx_orchestration.storage.lake import Lake

#: The fields of a profile that are shown, in their order.
SHOWN_FIELDS = ("name", "given_name", "family_name", "birth_date", "street", "postcode", "city", "country")

Side = Literal["for", "against", "decided"]


@dataclass(frozen=True)
class Key:
    """One identity key of a record, in its one spelling."""

    namespace: str
    value: str


@dataclass(frozen=True)
class Record:
    """One customer of one service; ``name`` is SERVICE/ENTITY, ``since`` when it came to belong to its customer."""

    name: str
    since: dt.datetime
    updated_at: dt.datetime | None
    fields: Mapping[str, str]
    keys: tuple[Key, ...]

    @property
    def title(self) -> str:
        """The person's name as this record has it; empty without one."""
        parts = [self.fields.get(name, "") for name in ("given_name", "family_name")]
        return self.fields.get("name") or " ".join(part for part in parts if part)


@dataclass(frozen=True)
class Link:
    """One link between two records, SERVICE/ENTITY each.

    ``weight`` is in bits. ``says`` is the evidence in words, ``odds`` the weight in words. ``side``: for one person,
    against it, or a decision of people. ``levels`` are those of a scored pair: field, level.
    """

    left: str
    right: str
    rule: str
    weight: float
    side: Side
    says: str
    odds: str
    since: dt.datetime
    levels: tuple[tuple[str, str], ...] = ()
    shared: tuple[Key, ...] = ()
    parts: tuple[Part, ...] = ()
    model_version: str | None = None
    retracted_at: dt.datetime | None = None
    retracted_why: str | None = None

    @property
    def stands(self) -> bool:
        return self.retracted_at is None


@dataclass(frozen=True)
class FormerId:
    """An id that was handed out and now resolves to this customer."""

    customer_id: str
    why: str
    since: dt.datetime


@dataclass(frozen=True)
class Happening:
    """One thing that happened to the customer: ``born``, ``merged``, ``split``, ``restored``; with whom, if anybody."""

    event: str
    at: dt.datetime
    other: str | None
    records: int


@dataclass(frozen=True)
class Explanation:
    """Who a customer is. ``links`` are between its own records, ``outside`` those to records of others.

    Retracted ones are among them; ``asked`` is what was asked for, which may be a former id or a record.
    """

    asked: str
    customer_id: str
    records: tuple[Record, ...]
    links: tuple[Link, ...]
    outside: tuple[Link, ...]
    former_ids: tuple[FormerId, ...] = field(default=())
    history: tuple[Happening, ...] = field(default=())

    @property
    def since(self) -> dt.datetime:
        """Since when the oldest of its records belongs to this customer."""
        return min(record.since for record in self.records)


def explain(lake: Lake, engine: Engine, name: str) -> Explanation:
    """Why the records of a customer are one person. ``name`` is a customer id, also a former one, or SERVICE/ENTITY.

    Raises ``PermanentFailure`` for a name that nobody bears.
    """
    customer_id = find_customer(lake, engine, name)
    records = records_of(lake, engine, customer_id)
    links = links_of(lake, engine, records)
    own = {record.name for record in records}
    aliases = engine.query(
        "SELECT * FROM aliases WHERE customer_id = $customer"
        " AND old_customer_id NOT IN (SELECT customer_id FROM identity_map) ORDER BY since, old_customer_id",
        {"aliases": lake.scan(CUSTOMER_ALIASES), "identity_map": lake.scan(IDENTITY_MAP)},
        {"customer": customer_id},
    )
    return Explanation(
        asked=name,
        customer_id=customer_id,
        records=records,
        links=tuple(link for link in links if {link.left, link.right} <= own),
        outside=tuple(link for link in links if not {link.left, link.right} <= own),
        history=_history(lake, engine, customer_id),
        former_ids=tuple(FormerId(row["old_customer_id"], row["why"], row["since"]) for row in aliases.to_pylist()),
    )


def _history(lake: Lake, engine: Engine, customer_id: str) -> tuple[Happening, ...]:
    rows = engine.query(
        "SELECT * FROM history WHERE $customer IN (customer_id, other_customer_id) ORDER BY happened_at, event",
        {"history": lake.scan(CUSTOMER_HISTORY)},
        {"customer": customer_id},
    )
    return tuple(
        Happening(
            event=row["event"],
            at=row["happened_at"],
            other=row["other_customer_id"] if row["customer_id"] == customer_id else row["customer_id"],
            records=row["entities"],
        )
        for row in rows.to_pylist()
    )


def find_customer(lake: Lake, engine: Engine, name: str) -> str:
    """The id of the customer that a customer id, a former id or SERVICE/ENTITY stands for."""
    if not lake.exists(IDENTITY_MAP):
        raise PermanentFailure("there are no customers yet; materialize identity/identity_map first (cx run)")
    identity_map = lake.scan(IDENTITY_MAP)
    if "/" in name:
        service, entity = split_entity(name)
        found = engine.query(
            "SELECT customer_id FROM identity_map WHERE service = $service AND entity = $entity",
            {"identity_map": identity_map},
            {"service": service, "entity": entity},
        )["customer_id"].to_pylist()
        if not found:
            raise PermanentFailure(no_such_record(engine, identity_map, name))
        return str(found[0])
    rows = engine.query(
        "SELECT customer_id, 'is' AS why FROM identity_map WHERE customer_id = $name"
        " UNION SELECT customer_id, why FROM aliases WHERE old_customer_id = $name"
        " AND NOT EXISTS (SELECT 1 FROM identity_map WHERE customer_id = $name)",
        {"identity_map": identity_map, "aliases": lake.scan(CUSTOMER_ALIASES)},
        {"name": name.strip().lower()},
    ).to_pylist()
    if not rows:
        raise PermanentFailure(f"'{name}': no customer bears or bore this id; expected one, or SERVICE/ENTITY")
    if rows[0]["customer_id"] is None:
        raise PermanentFailure(f"'{name}' was a customer; {rows[0]['why']}, so there is nobody to show")
    return str(rows[0]["customer_id"])


def records_of(lake: Lake, engine: Engine, customer_id: str) -> tuple[Record, ...]:
    """The records of a customer, by name."""
    inputs: dict[str, Input] = {"identity_map": lake.scan(IDENTITY_MAP), "profiles": lake.scan(PROFILES)}
    rows = engine.query(sql_text(__package__, "explain_records.sql"), inputs, {"customer": customer_id})
    return tuple(_record(row) for row in rows.to_pylist())


def links_of(lake: Lake, engine: Engine, records: Sequence[Record]) -> tuple[Link, ...]:
    """Every link that has, or had, one of the records at an end; the heaviest first."""
    names = [split_entity(record.name) for record in records]
    entities = pa.Table.from_pylist([{"service": s, "entity": e} for s, e in names], schema=ENTITIES)
    inputs: dict[str, Input] = {"ledger": lake.scan(LINKS), "entities": entities}
    rows = engine.query(sql_text(__package__, "explain_links.sql"), inputs)
    values = {value_digest(key.namespace, key.value): key for record in records for key in record.keys}
    models = _models(lake, rows)
    links = [_link(row, values, models) for row in rows.to_pylist()]
    return tuple(sorted(links, key=lambda link: (-abs(link.weight), link.left, link.right, link.rule)))


def _models(lake: Lake, rows: pa.Table) -> dict[str, Any]:
    """The settings of the models that weighed some of the links, by version."""
    if rows["model_version"].null_count == rows.num_rows:
        return {}
    models = lake.read(MATCHING_MODELS, columns=["model_version", "settings"]).to_pylist()
    return {row["model_version"]: json.loads(row["settings"]) for row in models}


def _record(row: Mapping[str, Any]) -> Record:
    return Record(
        name=f"{row['service']}/{row['entity']}",
        since=row["since"],
        updated_at=row["updated_at"],
        fields={name: row[name].strip() for name in SHOWN_FIELDS if (row[name] or "").strip()},
        keys=tuple(sorted({Key(**key) for key in row["keys"] or ()}, key=lambda key: (key.namespace, key.value))),
    )


def _link(row: Mapping[str, Any], values: Mapping[str, Key], models: Mapping[str, Any]) -> Link:
    evidence: dict[str, Any] = json.loads(row["evidence"] or "{}")
    family, _, kind = row["rule"].partition(":")
    weight = float(row["match_weight"])
    levels = tuple((str(name), str(level)) for name, level in (evidence.get("levels") or {}).items())
    shared = tuple(values[digest] for digest in evidence.get("digests", ()) if digest in values)
    said, in_words = odds(weight), ""
    side: Side = "for" if weight >= 0 else "against"
    if family == DECIDED:
        side, said = "decided", "decided by people"
        verdict = "always one person" if kind == "always" else "never one person"
        in_words = f"{verdict}, says the {evidence.get('by')} on {evidence.get('on')}: {evidence.get('why')}"
    elif levels:
        in_words = agreement(levels)
    else:
        in_words = same_value(kind, [key.value for key in shared])
    return Link(
        left=f"{row['left_service']}/{row['left_entity']}",
        right=f"{row['right_service']}/{row['right_entity']}",
        rule=row["rule"],
        weight=weight,
        side=side,
        says=in_words,
        odds=said,
        since=row["first_made_at"],
        levels=levels,
        shared=shared,
        parts=weigh(models[row["model_version"]], levels, weight) if row["model_version"] in models else (),
        model_version=row["model_version"],
        retracted_at=row["retracted_at"],
        retracted_why=row["retracted_why"],
    )
