"""The customer ids that clusters bear from one run to the next, and what happened to the customers.

Belongs here: which cluster keeps, takes back or gets which id. Does not belong here: who belongs together
(``clusters.py``), reading and writing tables (``resolve.py``).
"""

import datetime as dt
import uuid
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from cx_orchestration.storage.engine import Session, sql_text

_CUSTOMER_NAMES = uuid.UUID("0d1c9a52-7c2e-5b0e-8b43-52f1c7a9e6d4")


@dataclass(frozen=True)
class IdentityChange:
    """What a run did to the customers.

    ``new`` ids were handed out, ``restored`` ones, that resolved to another customer, are a customer's again;
    ``merged`` ids now resolve to another customer; ``split`` ids had their records divided among several customers;
    ``retired`` ids have no record left; ``unchanged`` customers have exactly the records they had. ``renumbered``
    counts the entities, known before, whose customer id is another now. ``customers`` is how many there are.
    """

    new: int
    restored: int
    merged: int
    split: int
    unchanged: int
    retired: int
    renumbered: int
    customers: int


@dataclass(frozen=True)
class Assignment:
    """Who is who among the entities that a run looked at.

    ``rows`` has the columns of the map, and code, cluster, old_customer_id and ``same``: the row stays as it is.
    ``aliases`` are all former ids with their successors. ``events`` has event, customer_id, other_customer_id and
    entities. ``change`` counts among the customers looked at, of which there were ``customers_before``.
    """

    rows: pa.Table
    aliases: pa.Table
    events: pa.Table
    change: IdentityChange
    customers_before: int


def assign_ids(session: Session, records: pa.Table, *, now: dt.datetime) -> Assignment:
    """Give each cluster a customer id.

    The ``session`` has the tables aliases and identity_map as the last run left them.

    ``records`` has a row per entity to look at: service, entity, code, customer_id, since, born_at and before_merge as
    the map had them (null when new), ``cluster`` and ``hangs`` (the code of the first entity of the cluster, and of
    its component; null without a profile). It holds every entity of each customer in it.

    An id goes to the cluster that has most of the records that brought it into a merge, then most of those that bear
    it now; a cluster bears the oldest of the ids that go to it, and the others become its aliases. So a merge that is
    undone gives both customers their ids back, and the larger part of any other split keeps the id. A cluster to which
    none goes gets an id that was never handed out before. ``since`` of what stays the same stays the same.
    """
    params = {"now": now, "names": _CUSTOMER_NAMES.hex}

    def kept(name: str) -> pa.Table:
        return session.keep(name, session.query(sql_text(__package__, f"ids_{name}.sql"), params))

    session.keep("records", records)
    claimed = kept("claimed")
    borne = claimed.filter(claimed["keeps"]).select(["cluster", "id", "born_at"])
    fresh = _new_ids(session, params)
    fresh = fresh.append_column("born_at", pa.repeat(pa.scalar(now, borne["born_at"].type), fresh.num_rows))
    parts = [(borne, False), (fresh.select(borne.column_names), True)]
    session.keep("borne", pa.concat_tables([t.append_column("fresh", pa.repeat(new, t.num_rows)) for t, new in parts]))
    rows, events = kept("assigned"), kept("events")
    aliases = session.query(sql_text(__package__, "ids_aliases.sql"), params)
    counts = kept("counts").to_pylist()[0]
    return Assignment(rows, aliases, events, _change(counts, events), counts["customers_before"])


def _new_ids(session: Session, params: dict[str, object]) -> pa.Table:
    """cluster and id of the clusters to which no id goes.

    The name of an id carries a generation, which goes up while the id was handed out before: a customer that comes
    anew under the same first entity is not the one that bore the id earlier.
    """
    text, found, generation = sql_text(__package__, "ids_new.sql"), [], 0
    refused = pa.table({"cluster": pa.array([], pa.int64())})
    while generation == 0 or refused.num_rows:
        session.keep("refused", refused)
        named = session.query(text, params | {"generation": str(generation)})
        found.append(named.filter(pc.invert(named["taken"])).select(["cluster", "id"]))
        refused = named.filter(named["taken"]).select(["cluster"])
        generation += 1
    return pa.concat_tables(found)


def _change(counts: dict[str, int], events: pa.Table) -> IdentityChange:
    def ids(event: str, column: str) -> int:
        return int(pc.count_distinct(events.filter(pc.equal(events["event"], event))[column]).as_py())

    return IdentityChange(
        new=ids("born", "customer_id"),
        restored=ids("restored", "customer_id"),
        merged=ids("merged", "other_customer_id"),
        split=counts["split"],
        unchanged=counts["unchanged"],
        retired=ids("retired", "customer_id"),
        renumbered=counts["renumbered"],
        customers=counts["customers"],
    )
