"""Journeys as an event log that process-mining and notebook users open: a flat table, or OCEL 2.0.

Belongs here: the two shapes. Does not belong here: what an instance is (``fold``), path analytics (``paths``).
"""

import datetime as dt
from collections.abc import Iterator
from itertools import groupby
from operator import itemgetter
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from cx_orchestration.model import tables
from cx_orchestration.storage.engine import Engine, sql_text
from cx_orchestration.storage.lake import Lake

#: What an event of the log carries besides its time, as OCEL attributes: all are texts.
_ATTRIBUTES = ("channel", "step", "stage")


def event_log(lake: Lake, engine: Engine, journey: str | None = None) -> pa.Table:
    """One row an event of an instance, as ``event_log.sql`` says: case_id, activity and timestamp come first, which is
    what process-mining tools ask for. ``journey`` limits it to one; an event that two journeys share is in both."""
    inputs = {"steps": lake.scan(tables.STEPS), "instances": lake.scan(tables.INSTANCES)}
    rows = engine.query(sql_text(__package__, "event_log.sql"), inputs)
    return rows if journey is None else rows.filter(pc.equal(rows["journey"], journey))


def ocel(log: pa.Table) -> dict[str, Any]:
    """The log as an object-centric event log (OCEL 2.0, JSON): each event once, related to the instances it belongs to
    and to its customer; instances are objects of the type of their journey, related to their customer.

    Source: Berti and others, OCEL 2.0 Specification (2024).
    """
    rows = log.to_pylist()
    instances = {row["case_id"]: row for row in rows}
    customers = sorted({row["customer_id"] for row in rows})
    return {
        "objectTypes": [
            {"name": "customer", "attributes": []},
            *(
                {"name": name, "attributes": [{"name": "status", "type": "string"}]}
                for name in sorted({row["journey"] for row in rows})
            ),
        ],
        "eventTypes": [
            {"name": name, "attributes": [{"name": one, "type": "string"} for one in _ATTRIBUTES]}
            for name in sorted({row["activity"] for row in rows})
        ],
        "objects": [
            *({"id": customer, "type": "customer"} for customer in customers),
            *(_instance(case, row) for case, row in sorted(instances.items())),
        ],
        "events": list(_events(rows)),
    }


def _instance(case: str, row: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": case,
        "type": row["journey"],
        "attributes": [{"name": "status", "time": _instant(row["timestamp"]), "value": row["status"]}],
        "relationships": [{"objectId": row["customer_id"], "qualifier": "of"}],
    }


def _events(rows: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The events in their order in time, each with all instances that it belongs to."""
    in_time = sorted(rows, key=lambda row: (row["timestamp"], row["event_id"], row["journey"], row["case_id"]))
    for event_id, together in groupby(in_time, key=itemgetter("event_id")):
        of_event = list(together)
        first = of_event[0]
        yield {
            "id": event_id,
            "type": first["activity"],
            "time": _instant(first["timestamp"]),
            "attributes": [{"name": name, "value": first[name]} for name in _ATTRIBUTES if first[name] is not None],
            "relationships": [
                {"objectId": first["customer_id"], "qualifier": "by"},
                *({"objectId": case, "qualifier": "in"} for case in dict.fromkeys(row["case_id"] for row in of_event)),
            ],
        }


def _instant(at: dt.datetime) -> str:
    return at.astimezone(dt.UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
