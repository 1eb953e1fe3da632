"""Why two records are not one customer: what was compared, what is missing, what forbids it, and what would change it.

Belongs here: finding the reasons, values included, as somebody asked for them. Does not belong here: printing.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from cx_orchestration.identity.explain import (
    SHOWN_FIELDS,
    Link,
    Record,
    find_customer,
    links_of,
    records_of,
)
from cx_orchestration.identity.explain_words import field_words, namespace_words
from cx_orchestration.identity.why_not_keys import (
    different_unique_values,
    linking_namespaces,
    shared_in_vain,
    values_of_no_use,
)
from cx_orchestration.model.identity import IdentityConfig
from cx_orchestration.storage.engine import Engine
from cx_orchestration.storage.lake import Lake


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
    ``missing`` what speaks for nothing, ``needed`` what would make them one. ``to_decide`` are the two records that a
    decision of people would name; ``None`` where one stands.
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
    to_decide: tuple[str, str] | None = None

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
    decided, different = _never(links), different_unique_values(lake, engine, config, ours, theirs)
    vain = shared_in_vain(ours, theirs, links)
    ways = [linking_namespaces(lake, engine, config, records, vain) for records in (ours, theirs)]
    pair = (left if "/" in left else ours[0].name, right if "/" in right else theirs[0].name)
    return WhyNot(
        left,
        right,
        ours_is,
        theirs_is,
        fields=compare_records(ours, theirs),
        links=links,
        vetoes=(*decided, *different),
        missing=(
            *values_of_no_use(lake, engine, config, ours, theirs, vain),
            *_model_says(links, config, forbidden=bool(decided or different)),
        ),
        needed=tuple(_needed(decided, different, _a_further_record(left, right, *ways))),
        to_decide=None if decided else pair,
    )


def compare_records(ours: Sequence[Record], theirs: Sequence[Record]) -> tuple[Compared, ...]:
    """Every field and key that the records of one side or the other have.

    Left out are parts of names that one side alone has, where both have a name, and fields that both have as a key of
    the same name, which has one spelling.
    """
    namespaces = sorted({key.namespace for record in (*ours, *theirs) for key in record.keys})
    fields = {
        name: Compared(field_words(name), *(_values(records, name) for records in (ours, theirs)))
        for name in SHOWN_FIELDS
    }
    keys = [
        Compared(namespace_words(name), *(_ids(records, name) for records in (ours, theirs))) for name in namespaces
    ]
    known = {each.field for each in keys if each.same is not None}
    if fields["name"].same is not None:
        known |= {fields[part].field for part in ("given_name", "family_name") if fields[part].same is None}
    compared = [*(each for each in fields.values() if each.field not in known), *keys]
    return tuple(each for each in compared if each.left or each.right)


def _values(records: Sequence[Record], field: str) -> tuple[str, ...]:
    if field == "name":
        return tuple(dict.fromkeys(record.title for record in records if record.title))
    return tuple(dict.fromkeys(record.fields[field] for record in records if field in record.fields))


def _ids(records: Sequence[Record], namespace: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(key.value for record in records for key in record.keys if key.namespace == namespace))


def _never(links: Sequence[Link]) -> list[str]:
    return [
        f"{link.left} and {link.right} are {link.says}"
        for link in links
        if link.stands and link.rule == "decided:never"
    ]


def _model_says(links: Sequence[Link], config: IdentityConfig, *, forbidden: bool) -> list[str]:
    """Why no scored pair puts them together; nothing where a pair would, but it is ``forbidden``."""
    weights = [link.weight for link in links if link.stands and link.levels]
    if not weights:
        if any(link.levels for link in links):
            return ["the model gives them no weight any more: what it gave them was taken back"]
        return ["no model gives them a weight: too little of what it compares agrees, or nothing is there to compare"]
    least = config.matching.union_bits
    if max(weights) < least:
        return [f"the model gives them {max(weights):+.1f} bits, and puts records together from {least:+.1f} on"]
    if forbidden:
        return []
    return [f"the model gives single records {max(weights):+.1f} bits, but the two customers as wholes too little"]


def _a_further_record(left: str, right: str, ours: Sequence[str], theirs: Sequence[str]) -> list[str]:
    """The record that would link both, by keys of which each side has values that link; nothing where one lacks any."""
    if not ours or not theirs:
        return []
    mine, other = (" or ".join(map(namespace_words, names)) for names in (ours, theirs))
    if mine == other:
        return [f"one more record, which has the same {mine} as each of them"]
    return [f"one more record, which has the same {mine} as {left} and the same {other} as {right}"]


def _needed(decided: Sequence[str], different: Sequence[str], further: Sequence[str]) -> list[str]:
    if decided:
        return ["take the decision out of identity_overrides.yaml, should it be wrong"]
    return [
        *([] if different else further),
        "a correction in the service that has a wrong value, where something differs that should not",
        "a decision of people that they are one",
    ]
