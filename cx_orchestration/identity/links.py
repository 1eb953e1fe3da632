"""Exact links: which entities a shared value of a key identifies as one person.

Belongs here: which pairs of entities a value links, and which of them a night has to look at. Does not belong here:
which values link at all (``hygiene.py``), how links become entries of the ledger (``ledger.py``), who is one customer
(``clusters.py``).
"""

import datetime as dt

import pyarrow as pa

from cx_orchestration.identity.compared import compared_now, find_changes
from cx_orchestration.identity.hygiene import judge_values, reasons_against, values_to_keep
from cx_orchestration.identity.ledger import LedgerChange, update_ledger
from cx_orchestration.model.identity import IdentityConfig
from cx_orchestration.model.tables import COMPARED, KEY_VALUES, KEYS_SEEN, PROFILES
from cx_orchestration.storage.engine import Engine, Session, sql_text
from cx_orchestration.storage.lake import Lake

#: The weight of a link by a shared value, in bits like every match weight: log2 of how many times likelier the
#: evidence is if the two are one person. A key of a person is declared to belong to one, which is taken as about a
#: million to one (2 ** 20), so that it can be added up with weights that a model estimates.
EXACT_WEIGHT = 20.0

#: Up to so many holders a value links all with all, so that none of them is needed to hold the others together.
CLIQUE = 12

_EXACT = "exact"


def find_links(session: Session, *, scope: bool) -> pa.Table:
    """The links by shared values, with the columns of ``ledger.WANTED``.

    The ``session`` has judged the values (``hygiene.judge_values``). With ``scope`` it has a table of that name
    (service, entity), and only links with an end in it are given.
    """
    session.keep("settings", pa.table({"weight": [EXACT_WEIGHT], "clique": [CLIQUE]}))
    if not scope:
        session.make("linking", "SELECT * FROM key_values WHERE verdict = 'links'")
        return session.query(sql_text(__package__, "exact_links.sql"))
    session.make("linking", sql_text(__package__, "key_values_linking.sql"))
    session.make("wanted", sql_text(__package__, "exact_links.sql"))
    return session.query(sql_text(__package__, "links_within.sql"))


def update_links(lake: Lake, engine: Engine, config: IdentityConfig, *, now: dt.datetime, run_id: str) -> LedgerChange:
    """Bring the ledger up to date with the profiles and keys in the lake.

    Only what can have changed is looked at: entities that changed or are gone, and the holders of values of which
    anything changed. The ledger is written first, then what it takes into account: a killed run is repeated.
    """
    first, tables = not lake.exists(COMPARED), {"profiles": PROFILES, "keys": KEYS_SEEN}
    tables |= {"previous": KEY_VALUES, "compared": COMPARED}
    with engine.session({name: lake.scan(table) for name, table in tables.items()}) as session:
        changes = find_changes(session)
        judge_values(session, config)
        everything = first or _rules_fell_away(session, config)
        if not everything:
            session.make("scope", sql_text(__package__, "touched.sql"))
        scope = None if everything else session.query("SELECT * FROM scope")
        wanted, reasons = find_links(session, scope=not everything), reasons_against(session)
        values = values_to_keep(session, now=now)
        compared = compared_now(session) if first or changes else None
    change = update_ledger(lake, engine, wanted, family=_EXACT, scope=scope, now=now, run_id=run_id, reasons=reasons)
    for table, rows in ((KEY_VALUES, values), (COMPARED, compared)):
        if rows is not None:
            lake.replace(table, rows, run_id=run_id)
    return change


def _rules_fell_away(session: Session, config: IdentityConfig) -> bool:
    """Whether links stand by keys that link nobody any more, as ``identity.yaml`` is now: nothing else shows them."""
    before = session.query("SELECT DISTINCT namespace FROM previous")["namespace"].to_pylist()
    return bool(set(before) - {name for name, rule in config.namespaces.items() if rule.strength != "weak"})
