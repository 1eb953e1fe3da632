"""What the keys of two customers say against their being one: values that differ and must not, values that do not link.

Belongs here: the verdicts and guards that ``hygiene.py``, ``links.py`` and ``vetoes.py`` go by, said of two customers.
Does not belong here: what people decided and what a model found (``why_not.py``).
"""

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from cx_orchestration.identity.explain import Key, Link, Record
from cx_orchestration.identity.explain_words import namespace_words
from cx_orchestration.identity.hygiene import ALIKE, namespace_rules
from cx_orchestration.identity.ledger import value_digest
from cx_orchestration.identity.vetoes import unique_keys
from cx_orchestration.model.identity import IdentityConfig, KeyNamespace
from cx_orchestration.model.identity_overrides import split_entity
from cx_orchestration.model.tables import KEY_VALUES, KEYS_SEEN, PROFILES
from cx_orchestration.storage.engine import Engine, Input, sql_text
from cx_orchestration.storage.lake import Lake

_LINKING = """
SELECT h.code, v.digest, v.names
FROM (SELECT DISTINCT code, namespace, value FROM holders) h
JOIN key_values v ON v.namespace = h.namespace AND v.digest = digest_of(h.namespace, h.value) AND v.verdict = 'links'
"""

_ASKED = pa.schema([("namespace", pa.string()), ("value", pa.string())])
_SIDES = pa.schema([("service", pa.string()), ("entity", pa.string()), ("side", pa.int8())])


def different_unique_values(
    lake: Lake, engine: Engine, config: IdentityConfig, ours: Sequence[Record], theirs: Sequence[Record]
) -> list[str]:
    """The keys that only one person can have and of which each side has a value that the other has not."""
    unique, version = unique_keys(lake, engine, config), lake.version(KEYS_SEEN)
    if unique is None or version is None:
        return []
    rows = engine.query(
        "SELECT DISTINCT r.side, u.namespace, u.digest FROM unique_now u"
        " JOIN records r ON r.service = u.service AND r.entity = u.entity",
        {"unique_now": unique.values(version), "records": _sides(ours, theirs)},
    ).to_pylist()
    values = {value_digest(key.namespace, key.value): key.value for record in (*ours, *theirs) for key in record.keys}
    said = []
    for namespace in unique.namespaces:
        left, right = (
            {r["digest"] for r in rows if (r["side"], r["namespace"]) == (side, namespace)} for side in (0, 1)
        )
        if left - right and right - left:
            # A date whose day and month changed places before it was compared is in no record as it was compared.
            one, other = (
                " and ".join(sorted(values.get(each, "another date") for each in held)) for held in (left, right)
            )
            said.append(f"the {namespace_words(namespace)} differs, {one} and {other}: one person has only one")
    return said


def shared_in_vain(ours: Sequence[Record], theirs: Sequence[Record], links: Sequence[Link]) -> list[Key]:
    """The values that both sides have and that link no two of their records."""
    linking = {key for link in links if link.stands for key in link.shared}
    return sorted((_keys(ours) & _keys(theirs)) - linking, key=lambda key: (key.namespace, key.value))


def values_of_no_use(
    lake: Lake,
    engine: Engine,
    config: IdentityConfig,
    ours: Sequence[Record],
    theirs: Sequence[Record],
    vain: Sequence[Key],
) -> list[str]:
    """Each value of ``shared_in_vain``, with the reason."""
    judged = _judged(lake, engine, config, _sides(ours, theirs), vain)
    if not _keys(ours) & _keys(theirs):
        return ["they have no key in common"]
    return [
        f"the {namespace_words(key.namespace)} {key.value} does not link: "
        + _reason(key.namespace, config.namespaces.get(key.namespace), judged.get(key))
        for key in vain
    ]


def linking_namespaces(
    lake: Lake, engine: Engine, config: IdentityConfig, records: Sequence[Record], vain: Sequence[Key]
) -> list[str]:
    """The namespaces of which the records have a value that would link a further record to them.

    That is a key of a person of which no verdict says that it is nobody's, and which is not among ``vain``.
    """
    persons = [name for name, rule in config.namespaces.items() if rule.strength == "person"]
    held = [key for key in _keys(records) - set(vain) if key.namespace in persons]
    digests = {value_digest(key.namespace, key.value): key.namespace for key in held}
    asked = pa.table({"digest": pa.array(digests, pa.string())})
    rows = engine.query(
        "SELECT digest FROM key_values SEMI JOIN asked USING (digest) WHERE verdict <> 'links'",
        {"key_values": lake.scan(KEY_VALUES), "asked": asked},
    )
    linking = {digests[digest] for digest in digests.keys() - set(rows["digest"].to_pylist())}
    return [name for name in persons if name in linking]


def _keys(records: Sequence[Record]) -> set[Key]:
    return {key for record in records for key in record.keys}


def _sides(ours: Sequence[Record], theirs: Sequence[Record]) -> pa.Table:
    names = [(*split_entity(record.name), side) for side, records in enumerate((ours, theirs)) for record in records]
    return pa.Table.from_pylist([dict(zip(_SIDES.names, name, strict=True)) for name in names], schema=_SIDES)


def _judged(
    lake: Lake, engine: Engine, config: IdentityConfig, records: pa.Table, keys: Sequence[Key]
) -> dict[Key, Mapping[str, Any]]:
    """What ``why_not_shared.sql`` says of the values; those of weak and undeclared namespaces have none."""
    if not keys:
        return {}
    inputs: dict[str, Input] = {"keys": lake.scan(KEYS_SEEN), "profiles": lake.scan(PROFILES), "records": records}
    inputs["asked"] = pa.Table.from_pylist([vars(key) for key in keys], schema=_ASKED)
    inputs["held"] = engine.query("SELECT k.* FROM keys k SEMI JOIN asked USING (namespace, value)", inputs)
    inputs["profiles"] = engine.query("SELECT p.* FROM profiles p SEMI JOIN held USING (service, entity)", inputs)
    inputs |= {"namespaces": namespace_rules(config), "key_values": lake.scan(KEY_VALUES)}
    inputs["holders"] = engine.query(sql_text(__package__, "holders.sql"), inputs)
    inputs["linking"] = engine.query(_LINKING, inputs)
    inputs["settings"] = pa.table({"alike": [ALIKE]})
    inputs["named"] = engine.query(sql_text(__package__, "named_holders.sql"), inputs)
    rows = engine.query(sql_text(__package__, "why_not_shared.sql"), inputs).to_pylist()
    return {Key(row["namespace"], row["value"]): row for row in rows}


def _reason(namespace: str, rule: KeyNamespace | None, judged: Mapping[str, Any] | None) -> str:
    if rule is None:
        return f"identity.yaml does not declare '{namespace}'"
    if rule.strength == "weak":
        return f"keys of '{namespace}' are weak, and link nobody by themselves"
    if judged is None or judged["verdict"] is None:
        return "no run has judged it yet; materialize identity/links"
    if judged["verdict"] != "links":
        return f"it is {judged['why']}; {judged['entities']} records hold it"
    if not judged["names_fit"]:
        return "people of several given names use it, and these two are not known to have the same"
    if not judged["in_time"]:
        return (
            f"they were seen with it {judged['days_apart']} days apart, and after {rule.valid_for_days} days it may "
            "have passed to somebody else"
        )
    if not judged["signed_in"]:
        return "neither was signed in when it was seen"
    return "each of them is linked by it to others of its many holders, and those are not one customer"
