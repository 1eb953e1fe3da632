"""Why two records are not one customer: what was compared, what is missing, what forbids it, and what would change it.

Belongs here: finding the reasons, values included, as somebody asked for them. Does not belong here: printing.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from cx_orchestration.identity.explain import (
    SHOWN_FIELDS,
    Key,
    Link,
    Record,
    find_customer,
    links_of,
    records_of,
)
from cx_orchestration.identity.explain_words import field_words, namespace_words
from cx_orchestration.model.identity import IdentityConfig
from cx_orchestration.model.tables import PROFILES
from cx_orchestration.storage.engine import Engine, sql_text
from cx_orchestration.storage.lake import Lake

_ASKED = pa.schema([("namespace", pa.string()), ("value", pa.string())])


@dataclass(frozen=True)
class Compared:
    """One field as two customers have it, all values of each; ``same`` is ``None`` where one of them has none."""

    field: str
    left: tuple[str, ...]
    right: tuple[str, ...]

    @property
    def same(self) -> bool | None:
        if not self.left or not self.right:
            return None
        return bool({value.casefold() for value in self.left} & {value.casefold() for value in self.right})


@dataclass(frozen=True)
class WhyNot:
    """Two customers side by side. ``together``: they are one customer, and there is nothing to tell apart.

    ``links`` are those between their records, retracted ones included; ``vetoes`` say what forbids that they are one,
    ``missing`` what speaks for nothing, ``needed`` what would make them one.
    """

    left: str
    right: str
    left_customer: str
    right_customer: str
    fields: tuple[Compared, ...] = ()
    links: tuple[Link, ...] = ()
    vetoes: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    needed: tuple[str, ...] = ()

    @property
    def together(self) -> bool:
        return self.left_customer == self.right_customer


def why_not(lake: Lake, engine: Engine, config: IdentityConfig, left: str, right: str) -> WhyNot:
    """Why two customers, or two records (SERVICE/ENTITY), are not one.

    Raises ``PermanentFailure`` for a name that nobody bears.
    """
    ours_is, theirs_is = (find_customer(lake, engine, name) for name in (left, right))
    if ours_is == theirs_is:
        return WhyNot(left, right, ours_is, theirs_is)
    ours, theirs = (records_of(lake, engine, customer) for customer in (ours_is, theirs_is))
    names = ({record.name for record in ours}, {record.name for record in theirs})
    links = tuple(
        link
        for link in links_of(lake, engine, ours + theirs)
        if (link.left in names[0] and link.right in names[1]) or (link.left in names[1] and link.right in names[0])
    )
    shared = _shared(ours, theirs)
    held = _holders(lake, engine, shared)
    pair = (left if "/" in left else ours[0].name, right if "/" in right else theirs[0].name)
    return WhyNot(
        left,
        right,
        ours_is,
        theirs_is,
        fields=compare_records(ours, theirs),
        links=links,
        vetoes=tuple(_vetoes(links)),
        missing=tuple(_missing(links, shared, held, config)),
        needed=tuple(_needed(links, config, *pair)),
    )


def _shared(ours: Sequence[Record], theirs: Sequence[Record]) -> list[Key]:
    mine, others = ({key for record in records for key in record.keys} for records in (ours, theirs))
    return sorted(mine & others, key=lambda key: (key.namespace, key.value))


def _holders(lake: Lake, engine: Engine, keys: Sequence[Key]) -> dict[Key, int]:
    if not keys:
        return {}
    asked = pa.Table.from_pylist([vars(key) for key in keys], schema=_ASKED)
    rows = engine.query(sql_text(__package__, "values_held.sql"), {"profiles": lake.scan(PROFILES), "asked": asked})
    return {Key(row["namespace"], row["value"]): row["entities"] for row in rows.to_pylist()}


def compare_records(ours: Sequence[Record], theirs: Sequence[Record]) -> tuple[Compared, ...]:
    """Every field and key that the records of one side or the other have."""
    namespaces = sorted({key.namespace for record in (*ours, *theirs) for key in record.keys})
    compared = [
        Compared(field_words(name), *(_values(records, name) for records in (ours, theirs))) for name in SHOWN_FIELDS
    ]
    compared += [
        Compared(namespace_words(name), *(_ids(records, name) for records in (ours, theirs))) for name in namespaces
    ]
    return tuple(each for each in compared if each.left or each.right)


def _values(records: Sequence[Record], field: str) -> tuple[str, ...]:
    if field == "name":
        return tuple(dict.fromkeys(record.title for record in records if record.title))
    return tuple(dict.fromkeys(record.fields[field] for record in records if field in record.fields))


def _ids(records: Sequence[Record], namespace: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(key.value for record in records for key in record.keys if key.namespace == namespace))


def _vetoes(links: Sequence[Link]) -> list[str]:
    return [
        f"{link.left} and {link.right} are {link.says}"
        for link in links
        if link.stands and link.rule == "decided:never"
    ]


def _missing(links: Sequence[Link], shared: Sequence[Key], held: dict[Key, int], config: IdentityConfig) -> list[str]:
    """What might have been expected to link them, and why it does not."""
    said = [_of_no_use(key, held.get(key, 0), config) for key in shared]
    if not shared:
        said.append("they have no key in common")
    if not any(link.levels for link in links):
        said.append("no model has compared them: too little of what it compares agrees, or nothing is there to compare")
    return [each for each in said if each]


def _of_no_use(key: Key, entities: int, config: IdentityConfig) -> str:
    words, rule = f"{namespace_words(key.namespace)} {key.value}", config.namespaces.get(key.namespace)
    if rule is None:
        return f"the {words} does not link: identity.yaml does not declare '{key.namespace}'"
    if rule.strength != "person":
        return f"the {words} does not link: keys of '{key.namespace}' are weak, as families share them"
    if entities > rule.max_entities:
        return f"the {words} does not link: {entities} records hold it, more than the {rule.max_entities} of one person"
    return f"the {words} is new to them, or a veto outweighs it"


def _needed(links: Sequence[Link], config: IdentityConfig, left: str, right: str) -> list[str]:
    if any(link.stands and link.rule == "decided:never" for link in links):
        return ["take the decision out of identity_overrides.yaml, should it be wrong"]
    strong = [namespace_words(name) for name, rule in config.namespaces.items() if rule.strength == "person"]
    return [
        f"a record that has the same value as both of one of: {', '.join(strong)}",
        "a correction in the service that has a wrong value, where something differs that should not",
        f"a decision of people: cx identity decide '{left}' '{right}' always --by ROLE --why WHY",
    ]
