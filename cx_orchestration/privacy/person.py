"""Who is meant, and what is known of them that tombstones have to recognise.

Belongs here: from a customer id or an entity to the person's entities, records, keys and values. Does not belong here:
removing them (``erase.py``).
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import pyarrow as pa

from cx_orchestration.identity.keys import normalise_profiles
from cx_orchestration.identity.ledger import value_digest
from cx_orchestration.integration.erased import Said, StreamReader
from cx_orchestration.integration.mentions import is_telling
from cx_orchestration.integration.records import parse_json
from cx_orchestration.model.failures import PermanentFailure
from cx_orchestration.model.tables import (
    CUSTOMER_ALIASES,
    EVENTS,
    IDENTITY_MAP,
    LINKS,
    MATCHING_FIELDS,
    PROFILES,
    landed,
)
from cx_orchestration.model.tombstones import Kind, fold
from cx_orchestration.project import CXProject
from cx_orchestration.storage.engine import Engine, Input, sql_text
from cx_orchestration.storage.erasures import Grave
from cx_orchestration.storage.lake import Lake

_Entities = frozenset[tuple[str, str]]
_TEXTS = ("name", "given_name", "family_name", "birth_date", "street")
_ROWS = 20_000


@dataclass(frozen=True)
class Person:
    """One customer, or a part of one: ``customer_id`` is ``None`` where the identity map does not know the entity.

    ``whole`` is false when the customer has further entities, which are not meant.
    """

    customer_id: str | None
    entities: _Entities
    whole: bool = True

    @property
    def subject(self) -> tuple[str, ...]:
        """What names the person in the audit, before it becomes a digest."""
        if self.customer_id is not None and self.whole:
            return (self.customer_id,)
        return min(self.entities)


def find_person(lake: Lake, engine: Engine, project: CXProject, named: str, *, only_entity: bool = False) -> Person:
    """The customer with an id, present or former, or to whom ``SERVICE/ENTITY`` belongs.

    With ``only_entity`` just that entity. Raises ``PermanentFailure`` for an id that nobody has; the message does not
    repeat it.
    """
    inputs: dict[str, Input] = {"identity_map": lake.scan(IDENTITY_MAP), "aliases": lake.scan(CUSTOMER_ALIASES)}
    service, _, entity = named.partition("/")
    params = {"named": named, "service": service, "entity": entity}
    rows = engine.query(sql_text(__package__, "person.sql"), inputs, params).to_pylist()
    entities = frozenset((row["service"], row["entity"]) for row in rows)
    if not entity:
        if only_entity:
            raise PermanentFailure("--only-entity goes with SERVICE/ENTITY, not with a customer id")
        if not rows:
            raise PermanentFailure(_nobodys_id(engine, inputs["aliases"], named))
        return Person(rows[0]["customer_id"], entities)
    if not rows and service not in project.services:
        known = ", ".join(project.services) or "none"
        raise PermanentFailure(f"there is no service of the name before the slash; this project declares {known}")
    if not rows or only_entity:
        return Person(rows[0]["customer_id"] if rows else None, frozenset([(service, entity)]), whole=len(entities) < 2)
    return Person(rows[0]["customer_id"], entities)


def _nobodys_id(engine: Engine, aliases: Input, named: str) -> str:
    """What is said of a customer id that has no records."""
    query = "SELECT why, since FROM aliases WHERE old_customer_id = $named AND customer_id IS NULL"
    for row in engine.query(query, {"aliases": aliases}, {"named": named}).to_pylist():
        return f"nobody is left of that customer since {row['since']:%Y-%m-%d}: {row['why']}"
    return "no customer has or had that id; give one of identity/identity_map, or SERVICE/ENTITY"


def graves_of(lake: Lake, engine: Engine, project: CXProject, person: Person) -> set[Grave]:
    """Everything that must not come back of a person."""
    graves = {Grave(Kind.ENTITY, entity) for entity in person.entities}
    if person.customer_id is not None:
        graves.add(Grave(Kind.CUSTOMER if person.whole else Kind.DOCUMENT, (person.customer_id,)))
    persons = _table(person.entities)
    events: dict[str, Input] = {"events": lake.scan(EVENTS), "persons": persons}
    for row in engine.query(sql_text(__package__, "records_of.sql"), events).to_pylist():
        graves.add(Grave(Kind.RECORD, (row["service"], row["stream"], row["record_id"])))
    keys: set[tuple[str, str]] = set()
    values = {entity for _, entity in person.entities}
    for service, stream, record_id, said in _landed(lake, project, person):
        graves.add(Grave(Kind.RECORD, (service, stream, record_id)))
        keys |= said.keys
        values |= said.values
    profiles: dict[str, Input] = {"profiles": lake.scan(PROFILES), "persons": persons}
    own = engine.query(sql_text(__package__, "profiles_of.sql"), profiles).to_pylist()
    values |= {row[name] for row in own for name in _TEXTS if row[name]}
    keys |= {(key["namespace"], key["value"]) for row in own for key in row["keys"] if key["value"]}
    shared = engine.query(sql_text(__package__, "keys_of_others.sql"), profiles).to_pylist()
    others = {(row["namespace"], row["value"]) for row in shared}
    graves |= set(_key_graves(project, engine, keys, others))
    fields: dict[str, Input] = {"fields": lake.scan(MATCHING_FIELDS), "persons": persons}
    terms = engine.query(sql_text(__package__, "terms_of.sql"), fields).to_pylist()
    graves |= {Grave(Kind.DIGEST, (row["field"], value_digest(row["field"], row["value"]))) for row in terms}
    ledger: dict[str, Input] = {"links": lake.scan(LINKS), "persons": persons}
    links = engine.query(sql_text(__package__, "links_of.sql"), ledger)["link_id"].to_pylist()
    graves |= {Grave(Kind.VALUE, (fold(link),)) for link in links}
    return graves | {Grave(Kind.BESIDE, (fold(value),)) for value in values if fold(value)}


def _landed(lake: Lake, project: CXProject, person: Person) -> Iterator[tuple[str, str, str, Said]]:
    """The person's records in the lake: service, stream, record id, and what each says."""
    for service in sorted({service for service, _ in person.entities} & set(project.services)):
        own = {entity for of, entity in person.entities if of == service}
        for name, stream in project.services[service].streams.items():
            reader = StreamReader(stream)
            for record_id, payload in _payloads(lake, service, name):
                document, _ = parse_json(payload.encode("utf-8", "surrogatepass")) or (None, False)
                said = reader.read(document, None)
                if said.entities & own:
                    yield service, name, record_id, said


def _payloads(lake: Lake, service: str, stream: str) -> Iterator[tuple[str, str]]:
    table = landed(service, stream)
    for day in lake.days_of(table):
        rows = lake.read(table, {"day": day}, columns=["record_id", "payload"])
        for batch in rows.to_batches(max_chunksize=_ROWS):
            yield from zip(batch["record_id"].to_pylist(), batch["payload"].to_pylist(), strict=True)


def _key_graves(
    project: CXProject, engine: Engine, keys: set[tuple[str, str]], others: set[tuple[str, str]]
) -> Iterator[Grave]:
    """Tombstones of keys that nobody else has; what others have too stays theirs, and what is no key tells nobody."""
    namespaces = project.identity.namespaces
    spelt = sorted(keys)
    for (namespace, value), normal in zip(spelt, _normalised(project, engine, spelt), strict=True):
        if normal is None or (namespace, normal) in others:
            continue
        yield Grave(Kind.DIGEST, (namespace, value_digest(namespace, normal)))
        for spelling in {fold(value), fold(normal)}:
            yield Grave(Kind.BESIDE, (spelling,))
            if is_telling(spelling):
                yield Grave(Kind.VALUE, (spelling,))
            if namespace in namespaces and namespaces[namespace].strength == "person":
                yield Grave(Kind.KEY, (namespace, spelling))


def _normalised(project: CXProject, engine: Engine, keys: list[tuple[str, str]]) -> list[str | None]:
    """Each key's value as the profiles spell it; ``None`` for what is no key."""
    nothing = dict.fromkeys(PROFILES.schema.names)
    rows = [
        {**nothing, "service": "", "entity": f"{number:09d}", "keys": [{"namespace": namespace, "value": value}]}
        for number, (namespace, value) in enumerate(keys)
    ]
    table = pa.Table.from_pylist(rows, schema=PROFILES.schema)
    found = normalise_profiles(table, project.identity, engine=engine).profiles
    normal = dict(zip(found["entity"].to_pylist(), found["keys"].to_pylist(), strict=True))
    return [next((key["value"] for key in normal.get(row["entity"]) or []), None) for row in rows]


def _table(entities: Iterable[tuple[str, str]]) -> pa.Table:
    services, names = zip(*sorted(entities), strict=True)
    return pa.table({"service": pa.array(services, pa.string()), "entity": pa.array(names, pa.string())})
