"""The links of a customer as people tell them: a value that many records share is one thing, not a link for each pair.

Belongs here: grouping and ordering links. Does not belong here: finding them (``explain.py``).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from cx_orchestration.identity.explain import Key, Link
from cx_orchestration.identity.explain_words import same_value

Kind = Literal["always", "never", "exact", "model", "against"]
_ORDER: tuple[Kind, ...] = ("always", "never", "exact", "model", "against")


@dataclass(frozen=True)
class Evidence:
    """One thing that some records have in common, or that keeps two apart.

    ``key`` is the value that they share, if it is one; ``links`` are the links that it makes, the heaviest first.
    """

    kind: Kind
    says: str
    records: tuple[str, ...]
    links: tuple[Link, ...]
    key: Key | None = None

    @property
    def first(self) -> Link:
        return self.links[0]


def evidence_of(links: Iterable[Link]) -> tuple[Evidence, ...]:
    """Links by what they rest on: decisions, values by how many records share them, then scored pairs by weight."""
    groups: dict[tuple[object, ...], list[Link]] = {}
    for link in links:
        for key in link.shared or (None,):
            groups.setdefault((key,) if key else (link.left, link.right, link.rule), []).append(link)
    found = [_evidence(name[0] if isinstance(name[0], Key) else None, group) for name, group in groups.items()]
    return tuple(
        sorted(
            found,
            key=lambda each: (
                _ORDER.index(each.kind), -len(each.records), -abs(each.first.weight), each.records, each.says
            ),
        )
    )  # fmt: skip


def joining(evidence: Sequence[Evidence]) -> tuple[Evidence, ...]:
    """All values that are shared, and of the scored pairs those that are needed: each joins records that nothing before
    it joins, so with the heaviest first it is the strongest reason for which a record is among the others."""
    group: dict[str, str] = {}

    def first(record: str) -> str:
        while (above := group.setdefault(record, record)) != record:
            record = above
        return record

    found = []
    for each in evidence:
        ends = {first(record) for record in each.records}
        if each.kind == "exact" or len(ends) > 1:
            found.append(each)
        group |= dict.fromkeys(ends, min(ends))
    return tuple(found)


def _evidence(key: Key | None, links: list[Link]) -> Evidence:
    records = tuple(sorted({end for link in links for end in (link.left, link.right)}))
    says = same_value(key.namespace, [key.value]) if key else links[0].says
    return Evidence(_kind(links[0]), says, records, tuple(links), key)


def _kind(link: Link) -> Kind:
    if link.side == "decided":
        return "always" if link.rule.endswith("always") else "never"
    if link.side == "against":
        return "against"
    return "model" if link.levels else "exact"
