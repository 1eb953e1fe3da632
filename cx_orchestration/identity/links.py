"""Exact links: which entities a shared value of a key identifies as one person.

Belongs here: which pairs of entities a value links, and which of them a night has to look at. Does not belong here:
which values link at all (``hygiene.py``), how links become entries of the ledger (``ledger.py``), who is one customer
(``clusters.py``).
"""

import datetime as dt

import pyarrow as pa
import pyarrow.compute as pc

from cx_orchestration.identity.compared import Changes, find_changes, remember
from cx_orchestration.identity.hygiene import JudgedValues, judge_values, keep_values, namespace_rules
from cx_orchestration.identity.ledger import LedgerChange, update_ledger
from cx_orchestration.model.identity import IdentityConfig
from cx_orchestration.model.tables import KEY_VALUES, KEYS_SEEN, PROFILES
from cx_orchestration.storage.engine import Engine, Input, sql_text
from cx_orchestration.storage.lake import Lake

#: The weight of a link by a shared value, in bits like every match weight: log2 of how many times likelier the
#: evidence is if the two are one person. A key of a person is declared to belong to one, which is taken as about a
#: million to one (2 ** 20), so that it can be added up with weights that a model estimates.
EXACT_WEIGHT = 20.0

#: Up to so many holders a value links all with all, so that none of them is needed to hold the others together.
CLIQUE = 12

_EXACT = "exact"


def find_links(engine: Engine, judged: JudgedValues, config: IdentityConfig, *, scope: pa.Table | None) -> pa.Table:
    """The links by shared values, with the columns of ``ledger.WANTED``: those that have an end in ``scope`` (service,
    entity), or all."""
    inputs: dict[str, Input] = {"holders": judged.holders, "namespaces": namespace_rules(config)}
    inputs["settings"] = pa.table({"weight": [EXACT_WEIGHT], "clique": [CLIQUE]})
    if scope is None:
        inputs["key_values"] = judged.values.filter(pc.equal(judged.values["verdict"], "links"))
        return engine.query(sql_text(__package__, "exact_links.sql"), inputs)
    inputs |= {"scope": scope, "key_values": judged.values}
    inputs["key_values"] = engine.query(sql_text(__package__, "key_values_linking.sql"), inputs)
    inputs["wanted"] = engine.query(sql_text(__package__, "exact_links.sql"), inputs)
    return engine.query(sql_text(__package__, "links_within.sql"), inputs)


def update_links(lake: Lake, engine: Engine, config: IdentityConfig, *, now: dt.datetime, run_id: str) -> LedgerChange:
    """Bring the ledger up to date with the profiles and keys in the lake.

    Only what can have changed is looked at: entities that changed or are gone, and the holders of values of which
    anything changed. The ledger is written first, then what it takes into account: a killed run is repeated.
    """
    changes = find_changes(lake, engine)
    previous = lake.scan(KEY_VALUES)
    judged = judge_values(engine, lake.scan(PROFILES), lake.scan(KEYS_SEEN), config, previous=previous)
    scope = None if changes.first or _rules_fell_away(lake, config) else _touched(engine, judged, changes)
    wanted = find_links(engine, judged, config, scope=scope)
    change = update_ledger(
        lake, engine, wanted, family=_EXACT, scope=scope, now=now, run_id=run_id, reasons=judged.reasons
    )
    keep_values(lake, engine, judged, now=now, run_id=run_id)
    remember(lake, engine, changes, run_id=run_id)
    return change


def _touched(engine: Engine, judged: JudgedValues, changes: Changes) -> pa.Table:
    inputs: dict[str, Input] = {
        "changes": changes.entities,
        "holders": judged.holders,
        "key_values": judged.values,
    }
    return engine.query(sql_text(__package__, "touched.sql"), inputs)


def _rules_fell_away(lake: Lake, config: IdentityConfig) -> bool:
    """Whether links stand by keys that link nobody any more, as ``identity.yaml`` is now: nothing else shows them."""
    before = set(lake.read(KEY_VALUES, columns=["namespace"])["namespace"].unique().to_pylist())
    return bool(before - {name for name, rule in config.namespaces.items() if rule.strength != "weak"})
