"""Exact links: which entities a shared value of a key identifies as one person.

Belongs here: which pairs of entities a value links, and which of them a night has to look at. Does not belong here:
which values link at all (``hygiene.py``), how links become entries of the ledger (``ledger.py``), who is one customer
(``clusters.py``).
"""

import datetime as dt
from dataclasses import dataclass

import pyarrow as pa

from cx_orchestration.identity.changed import changed_since
from cx_orchestration.identity.hygiene import ALIKE, judge_values, judging_rules, reasons_against, values_to_keep
from cx_orchestration.identity.ledger import LedgerChange, update_ledger
from cx_orchestration.model.identity import IdentityConfig
from cx_orchestration.model.tables import KEY_VALUES, KEYS_SEEN, LINKED, PROFILES
from cx_orchestration.storage.engine import Engine, Input, Session, sql_text
from cx_orchestration.storage.lake import Lake

#: The weight of a link by a shared value, in bits like every match weight: log2 of how many times likelier the
#: evidence is if the two are one person. A key of a person is declared to belong to one, which is taken as about a
#: million to one (2 ** 20), so that it can be added up with weights that a model estimates.
EXACT_WEIGHT = 20.0

#: Up to so many holders a value links all with all, so that none of them is needed to hold the others together.
CLIQUE = 12

_EXACT = "exact"


@dataclass(frozen=True)
class _State:
    """What links follow from: versions of the profiles and of their keys, and a digest of the rules."""

    profiles_version: int | None
    keys_version: int | None
    rules: str

    @classmethod
    def now(cls, lake: Lake, config: IdentityConfig) -> "_State":
        return cls(lake.version(PROFILES), lake.version(KEYS_SEEN), judging_rules(config))

    @classmethod
    def of_ledger(cls, lake: Lake) -> "_State | None":
        """What the ledger takes into account; ``None`` while a run writes, so after one that was killed."""
        rows = lake.read(LINKED).drop_columns("linked_at").to_pylist()
        return cls(**rows[0]) if rows else None


def find_links(session: Session, *, scope: bool) -> pa.Table:
    """The links by shared values, with the columns of ``ledger.WANTED``.

    The ``session`` has judged the values (``hygiene.judge_values``). With ``scope`` it has a table of that name
    (service, entity), and only links with an end in it are given.
    """
    session.keep("settings", pa.table({"weight": [EXACT_WEIGHT], "clique": [CLIQUE], "alike": [ALIKE]}))
    session.make("linking", "SELECT * FROM key_values WHERE verdict = 'links'")
    session.make("named", sql_text(__package__, "named_holders.sql"))
    if not scope:
        return session.query(sql_text(__package__, "exact_links.sql"))
    session.make("wanted", sql_text(__package__, "exact_links.sql"))
    return session.query(sql_text(__package__, "links_within.sql"))


def update_links(lake: Lake, engine: Engine, config: IdentityConfig, *, now: dt.datetime, run_id: str) -> LedgerChange:
    """Bring the ledger up to date with the profiles and keys in the lake.

    Only what can have changed is looked at: the values that customers hold or held who are otherwise than when the
    ledger was brought up to date last, and where one of them turned, its holders with all their values. All is looked
    at when that state is not known: the first time, with other rules, after an erasure, after a killed run.
    """
    last, this = _State.of_ledger(lake), _State.now(lake, config)
    if last == this:
        return LedgerChange(made=0, retracted=0)
    since = last.profiles_version if last is not None and last.rules == this.rules else None
    anew = since is None or not lake.holds(PROFILES, since)
    tables = {"profiles": PROFILES, "keys": KEYS_SEEN, "previous": KEY_VALUES}
    inputs: dict[str, Input] = {name: lake.scan(table) for name, table in tables.items()}
    if since is not None and not anew:
        engine = engine.sized(lake.rows(PROFILES))
        inputs["changed"] = changed_since(lake, engine, since)
    with engine.session(inputs) as session:
        if not anew:
            _look_around(session, config)
        judge_values(session, config, some=not anew)
        scope = None if anew else session.query("SELECT * FROM scope")
        wanted, reasons = find_links(session, scope=not anew), reasons_against(session)
        values = values_to_keep(session, some=not anew, now=now)
    lake.replace(LINKED, LINKED.empty(), run_id=run_id)
    change = update_ledger(lake, engine, wanted, family=_EXACT, scope=scope, now=now, run_id=run_id, reasons=reasons)
    if values is not None:
        lake.replace(KEY_VALUES, values, run_id=run_id)
    lake.replace(LINKED, pa.Table.from_pylist([vars(this) | {"linked_at": now}], schema=LINKED.schema), run_id=run_id)
    return change


def _look_around(session: Session, config: IdentityConfig) -> None:
    """Keep the ``scope``, the entities whose links are looked at, and ``looked_at``, the values to judge for it: those
    that were touched, and all that they hold."""
    session.make(
        "looked_at", "SELECT DISTINCT k.namespace, k.value FROM (SELECT unnest(keys) AS k FROM changed) AS held"
    )
    judge_values(session, config, some=True)
    session.make("scope", sql_text(__package__, "touched.sql"))
    session.make("looked_at", sql_text(__package__, "values_of_scope.sql"))
