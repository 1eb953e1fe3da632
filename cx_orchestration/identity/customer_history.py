"""What happened to the customers, when, and from what evidence: the table that only grows.

Belongs here: evidence for merges and splits, and writing so that a killed run leaves nothing behind. Does not belong
here: which id a customer bears (``customer_ids.py``).
"""

import datetime as dt

import pyarrow as pa
import pyarrow.compute as pc

from cx_orchestration.model.tables import CUSTOMER_HISTORY
from cx_orchestration.storage.engine import Session, sql_text
from cx_orchestration.storage.lake import Lake

_SUDDEN = pa.array(["born", "retired"])


def explained_events(session: Session, events: pa.Table) -> pa.Table:
    """The events of an assignment with their evidence: the rules, links and reasons of each merge and split.

    The ``session`` has assigned (``customer_ids.py``); near (resolve_near.sql); fresh (link_id), the links with entries
    since the last run; unique_now, the values that only one person has.
    """
    sudden = pc.is_in(events["event"], _SUDDEN)
    alone, moved = events.filter(sudden), events.filter(pc.invert(sudden))
    alone = alone.append_column("evidence", pa.nulls(alone.num_rows, pa.string()))
    if not moved.num_rows:
        return alone
    session.keep("moved", moved)
    explained = session.query(sql_text(__package__, "ids_evidence.sql"))
    return pa.concat_tables([alone, explained.select(alone.column_names)])


def write_history(lake: Lake, events: pa.Table, *, now: dt.datetime, map_version: int, run_id: str) -> None:
    """Add the events of a run whose map will be ``map_version``, in place of those of a run that did not get so far."""
    today = now.astimezone(dt.UTC).date()
    known = lake.days_of(CUSTOMER_HISTORY)
    for day in sorted({*known[-1:], today}):
        added = _rows(events, now, map_version) if day == today else CUSTOMER_HISTORY.empty()
        if added.num_rows or (day in known and _unfinished(lake, day, map_version)):
            before = lake.read(CUSTOMER_HISTORY, {"day": day}) if day in known else CUSTOMER_HISTORY.empty()
            stands = before.filter(pc.less(before["map_version"], map_version))
            rows = pa.concat_tables([stands.select(CUSTOMER_HISTORY.schema.names).cast(CUSTOMER_HISTORY.schema), added])
            lake.replace(CUSTOMER_HISTORY, rows, where={"day": day}, run_id=run_id)


def _unfinished(lake: Lake, day: dt.date, map_version: int) -> bool:
    """Whether a day has events of a run that did not get so far as to write its map."""
    versions = lake.read(CUSTOMER_HISTORY, {"day": day}, columns=["map_version"])["map_version"]
    return bool(pc.any(pc.greater_equal(versions, map_version)).as_py())


def _rows(events: pa.Table, now: dt.datetime, map_version: int) -> pa.Table:
    count = events.num_rows
    columns = {name: events[name] for name in events.column_names} | {
        "day": pa.repeat(pa.scalar(now.astimezone(dt.UTC).date()), count),
        "happened_at": pa.repeat(pa.scalar(now, pa.timestamp("us", tz="UTC")), count),
        "map_version": pa.repeat(map_version, count),
    }
    return pa.table({name: columns[name] for name in CUSTOMER_HISTORY.schema.names}).cast(CUSTOMER_HISTORY.schema)
