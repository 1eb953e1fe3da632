"""Decisions of people as links of the ledger, what of them cannot be true together, and what is of no effect.

Belongs here: ``decided:always`` and ``decided:never``, from ``identity_overrides.yaml`` to the ledger. Does not belong
here: what a decision does to a customer (``clusters.py``).
"""

import datetime as dt
import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from cx_orchestration.identity.ledger import WANTED, LedgerChange, update_ledger
from cx_orchestration.model.failures import ProjectError
from cx_orchestration.model.identity_overrides import Override, split_entity
from cx_orchestration.model.tables import PROFILES
from cx_orchestration.model.words import suggestion
from cx_orchestration.storage.engine import Engine
from cx_orchestration.storage.lake import Lake

OVERRIDES_FILE = "identity_overrides.yaml"

#: The family of the rules that decisions are in the ledger.
DECIDED = "decided"

#: The weight, in bits, that a decision has in the ledger. It is a mark and no estimate: what a decision does follows
#: from its rule, and no evidence comes near it.
DECIDED_WEIGHT = 100.0

#: So many places in the file are listed.
_MOST_PLACES = 10

Entity = tuple[str, str]


@dataclass(frozen=True)
class UnknownRecord:
    """The place in the file where a decision names a record that there is not.

    Not its name: that goes into metadata, and a service's id may be somebody's e-mail address.
    """

    decision: int
    end: str

    def __str__(self) -> str:
        return f"overrides[{self.decision}].{self.end}"


def decided_links(overrides: Sequence[Override]) -> pa.Table:
    """The links that decisions are, one a decision, with the columns of ``ledger.WANTED``.

    The evidence says who decided, in which role, when and why.
    """
    rows = [
        {
            "left_service": left[0],
            "left_entity": left[1],
            "right_service": right[0],
            "right_entity": right[1],
            "rule": f"{DECIDED}:{override.decision}",
            "match_weight": DECIDED_WEIGHT if override.decision == "always" else -DECIDED_WEIGHT,
            "evidence": json.dumps({"by": override.by, "on": override.on.isoformat(), "why": override.why}),
            "model_version": None,
        }
        for override in overrides
        for left, right in [override.pair]
    ]
    return pa.Table.from_pylist(rows, schema=WANTED)


def update_decisions(
    lake: Lake, engine: Engine, overrides: Sequence[Override], *, now: dt.datetime, run_id: str
) -> LedgerChange:
    """Bring the decisions in the ledger up to date with the file's: what was taken out of it is retracted."""
    wanted = decided_links(overrides)
    return update_ledger(lake, engine, wanted, family=DECIDED, scope=None, now=now, run_id=run_id)


def unknown_records(lake: Lake, engine: Engine, overrides: Sequence[Override]) -> list[UnknownRecord]:
    """The records that decisions name and that no profile is of: such decisions are without effect.

    They may be mistyped, not landed yet, or gone.
    """
    rows = [
        {"place": place, "end": end, "service": split_entity(name)[0], "entity": split_entity(name)[1]}
        for place, override in enumerate(overrides)
        for end, name in (("left", override.left), ("right", override.right))
    ]
    if not rows:
        return []
    named = pa.Table.from_pylist(rows)
    unknown = 'SELECT place, "end" FROM named ANTI JOIN profiles USING (service, entity) ORDER BY place, "end"'
    found = engine.query(unknown, {"named": named, "profiles": lake.scan(PROFILES)}).to_pylist()
    return [UnknownRecord(row["place"], row["end"]) for row in found]


def of_no_effect(unknown: Sequence[UnknownRecord]) -> str:
    """What is said of decisions about records that there are not."""
    decisions = len({each.decision for each in unknown})
    many = "1 decision is" if decisions == 1 else f"{decisions:,} decisions are"
    places = ", ".join(map(str, unknown[:_MOST_PLACES]))
    more = f" and {len(unknown) - _MOST_PLACES:,} more" if len(unknown) > _MOST_PLACES else ""
    return (
        f"{OVERRIDES_FILE}: {many} without effect, as there is no such record (mistyped, not landed yet, or gone): "
        f"{places}{more}"
    )


def override_errors(
    overrides: Mapping[int, Override], services: Collection[str] | None, today: dt.date
) -> Iterator[ProjectError]:
    """What cannot stand, by the position of the entry in the file.

    Pairs of an entity with itself, services that the inventory lacks (``None``: it could not be read), days after
    ``today``, a pair decided twice, and a ``never`` between two that a chain of ``always`` makes one person.
    """
    seen: dict[tuple[Entity, Entity], int] = {}
    for at, override in overrides.items():
        yield from _entry_errors(at, override, services, today)
        first = seen.setdefault(override.pair, at)
        if first != at:
            same = overrides[first].decision == override.decision
            what = "is decided already" if same else f"is decided as {overrides[first].decision}"
            yield _error(at, "", "", f"expected one decision a pair; this one {what} in overrides[{first}]: delete one")
    for at, chain in _contradictions({at: overrides[at] for at in seen.values()}):
        names = ", ".join(f"overrides[{step}]" for step in chain)
        yield _error(at, "decision", "never", f"expected no contradiction: {names} make these one person always")


def why_refused(
    standing: Sequence[Override],
    new: Override,
    services: Collection[str],
    today: dt.date,
    place: Callable[[int], str],
) -> str | None:
    """Why a decision cannot be added to those that stand, and what to do; ``None`` where it can.

    ``place`` says where in the file an entry is, by its position.
    """
    own = len(standing)
    for error in _entry_errors(own, new, services, today):
        return f"{error.expected} (found {error.value})"
    for at, override in enumerate(standing):
        if override.pair == new.pair:
            said = f"{place(at)} says already that {_says(override)}"
            return (
                said if override.decision == new.decision else f"{said}; take that entry out first, should it be wrong"
            )
    for at, chain in _contradictions({**dict(enumerate(standing)), own: new}):
        others = " and ".join(place(step) for step in sorted(chain) if step != own)
        if at == own:
            return f"by {others} the two are always one person; take one of these out first, should it be wrong"
        return (
            f"{place(at)} says that {_says(standing[at])}, and with {others} this decision makes them one; take one of "
            "these out first, should it be wrong"
        )
    return None


def _says(override: Override) -> str:
    return f"{override.left} and {override.right} are {override.decision} one person"


def _entry_errors(
    at: int, override: Override, services: Collection[str] | None, today: dt.date
) -> Iterator[ProjectError]:
    if override.left == override.right:
        yield _error(at, "right", override.right, "expected another record than 'left'")
    if override.on > today:
        yield _error(at, "on", str(override.on), f"expected a day up to today, {today}")
    for key, name in (("left", override.left), ("right", override.right)):
        service = split_entity(name)[0]
        if services is not None and service not in services:
            expected = f"expected SERVICE/ENTITY of a service of inventory.csv{suggestion(service, services)}"
            yield _error(at, key, name, expected)


def _contradictions(overrides: Mapping[int, Override]) -> Iterator[tuple[int, list[int]]]:
    """Each ``never`` between two that are one person by a chain of ``always``, with the entries of the chain."""
    near: dict[Entity, list[tuple[Entity, int]]] = {}
    for at, override in overrides.items():
        if override.decision == "always":
            left, right = override.pair
            near.setdefault(left, []).append((right, at))
            near.setdefault(right, []).append((left, at))
    for at, override in overrides.items():
        if override.decision == "never" and (chain := _chain(near, *override.pair)):
            yield at, chain


def _chain(near: Mapping[Entity, list[tuple[Entity, int]]], start: Entity, end: Entity) -> list[int]:
    """The entries on a shortest way between two entities; empty when there is none."""
    ways: dict[Entity, list[int]] = {start: []}
    waiting = [start]
    for entity in waiting:
        for other, at in near.get(entity, ()):
            if other not in ways:
                ways[other] = [*ways[entity], at]
                waiting.append(other)
    return ways.get(end, [])


def _error(at: int, key: str, value: str, expected: str) -> ProjectError:
    return ProjectError(OVERRIDES_FILE, f"overrides[{at}]" + (f".{key}" if key else ""), value, expected)
