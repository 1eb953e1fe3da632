"""Snapshots of the inventory over time, and what changed from one to the next (C2).

Belongs here: keeping, reading and comparing snapshots in the lake. Does not belong here: reading the file.

A snapshot is appended when its content differs from the newest one, so the table holds all of them side by side and
``WHERE snapshot_at = (SELECT max(snapshot_at) FROM inventory)`` is the current one.
"""

import datetime as dt
import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pyarrow as pa

from cx_orchestration.model import tables
from cx_orchestration.model.inventory import HEADERS, PEOPLE, InventoryRow, function_key
from cx_orchestration.storage.lake import Lake


@dataclass(frozen=True)
class Change:
    """One difference between two snapshots.

    ``row`` says which row of the service (its business function and team), empty when the service as a whole came or
    went. ``field`` is a field of the inventory or a further column; a column that is absent has the value ``None``.
    """

    what: Literal["service added", "service removed", "row added", "row removed", "field changed"]
    service: str
    row: str = ""
    field: str = ""
    before: str | None = None
    after: str | None = None

    def __str__(self) -> str:
        """The change in words, without the names of people."""
        where = f"{self.service} ({self.row})" if self.row else self.service
        if self.what != "field changed":
            return f"{self.what}: {where}"
        title = HEADERS.get(self.field, self.field)
        if self.field in PEOPLE:
            return f"{where}: {title} is somebody else"
        return f"{where}: {title} from {_shown(self.before)} to {_shown(self.after)}"


@dataclass(frozen=True)
class SnapshotResult:
    """What taking a snapshot did: ``committed`` is false when the newest one already says the same."""

    snapshot_id: str
    snapshot_at: dt.datetime
    committed: bool
    previous_id: str | None
    changes: tuple[Change, ...]

    def summary(self, *, most: int = 20) -> str:
        """What changed, a line each, without the names of people."""
        if not self.committed:
            return f"Nothing changed since {self.snapshot_at:%Y-%m-%d %H:%M} UTC."
        if self.previous_id is None:
            return f"First snapshot: {sum(change.what == 'service added' for change in self.changes)} services."
        lines = [str(change) for change in self.changes[:most]]
        if len(self.changes) > most:
            lines.append(f"and {len(self.changes) - most} more changes")
        return "\n".join(lines)


@dataclass(frozen=True)
class Snapshot:
    """One kept snapshot; ``rows`` are in the order of service, business function and team."""

    snapshot_id: str
    snapshot_at: dt.datetime
    rows: tuple[InventoryRow, ...]


def snapshot(lake: Lake, rows: Sequence[InventoryRow], *, now: dt.datetime, run_id: str) -> SnapshotResult:
    """Keep the rows as a snapshot if they differ from the newest one, whatever the order they are in.

    Snapshots follow each other in time even when the clock does not: one never lies at or before the one it follows.
    """
    kept = snapshots(lake)
    newest = kept[-1] if kept else None
    snapshot_id = content_id(rows)
    if newest is not None and newest.snapshot_id == snapshot_id:
        return SnapshotResult(snapshot_id, newest.snapshot_at, False, snapshot_id, ())
    at = now.astimezone(dt.UTC)
    if newest is not None:
        at = max(at, newest.snapshot_at + dt.timedelta(microseconds=1))
    lake.append(tables.INVENTORY, _table(rows, snapshot_id, at), run_id=run_id)
    return SnapshotResult(
        snapshot_id,
        at,
        True,
        newest.snapshot_id if newest else None,
        tuple(changes_between(newest.rows if newest else (), rows)),
    )


def snapshots(lake: Lake) -> list[Snapshot]:
    """All snapshots in the lake, oldest first."""
    rows: dict[tuple[dt.datetime, str], list[InventoryRow]] = {}
    for record in lake.read(tables.INVENTORY).to_pylist():
        fields = {name: record[name] for name in HEADERS}
        row = InventoryRow(**fields, extras=json.loads(record["extras"]))
        rows.setdefault((record["snapshot_at"], record["snapshot_id"]), []).append(row)
    return [Snapshot(id_, at, tuple(sorted(rows[at, id_], key=_order))) for at, id_ in sorted(rows)]


def content_id(rows: Iterable[InventoryRow]) -> str:
    """A digest of what the rows say, the same for every order of them."""
    content = sorted(row.model_dump_json() for row in map(_with_sorted_extras, rows))
    return hashlib.sha256("\n".join(content).encode()).hexdigest()[:32]


def changes_between(before: Iterable[InventoryRow], after: Iterable[InventoryRow]) -> list[Change]:
    """What differs, by service.

    Within a service a row that is gone and a row that is new are taken for one row that changed, if they agree on
    business function and team, else on the team, else on the business function, else if nothing else is left.
    """
    old, new = _by_service(before), _by_service(after)
    changes: list[Change] = []
    for service in sorted(old.keys() | new.keys()):
        if service not in old:
            changes.append(Change("service added", service))
        elif service not in new:
            changes.append(Change("service removed", service))
        else:
            changes += _row_changes(service, old[service], new[service])
    return changes


_PAIRED_BY: tuple[Callable[[InventoryRow], tuple[str, ...]], ...] = (
    lambda row: (function_key(row.business_function), row.team),
    lambda row: (row.team,),
    lambda row: (function_key(row.business_function),),
    lambda _row: (),
)


def _row_changes(service: str, before: list[InventoryRow], after: list[InventoryRow]) -> list[Change]:
    old, new = _without_equal(before, after)
    changes: list[Change] = []
    for key in _PAIRED_BY:
        waiting: dict[tuple[str, ...], list[InventoryRow]] = {}
        for row in new:
            waiting.setdefault(key(row), []).append(row)
        unpaired = []
        for row in old:
            if candidates := waiting.get(key(row)):
                changes += _field_changes(service, row, candidates.pop(0))
            else:
                unpaired.append(row)
        old, new = unpaired, sorted((row for rows in waiting.values() for row in rows), key=_order)
    changes += [Change("row removed", service, _label(row)) for row in old]
    changes += [Change("row added", service, _label(row)) for row in new]
    return changes


def _without_equal(
    before: list[InventoryRow], after: list[InventoryRow]
) -> tuple[list[InventoryRow], list[InventoryRow]]:
    old, new = Counter(map(_identity, before)), Counter(map(_identity, after))
    return _rows_of(old - new, before), _rows_of(new - old, after)


def _rows_of(counted: Counter[str], rows: list[InventoryRow]) -> list[InventoryRow]:
    by_identity = {_identity(row): row for row in rows}
    return sorted((by_identity[identity] for identity in counted.elements()), key=_order)


def _field_changes(service: str, before: InventoryRow, after: InventoryRow) -> list[Change]:
    columns = [*HEADERS, *sorted(before.extras.keys() | after.extras.keys())]
    values = ((column, before.text_of(column), after.text_of(column)) for column in columns)
    return [
        Change("field changed", service, _label(before), column, was, is_) for column, was, is_ in values if was != is_
    ]


def _table(rows: Sequence[InventoryRow], snapshot_id: str, at: dt.datetime) -> pa.Table:
    records = [_record(row, snapshot_id, at) for row in sorted(rows, key=_order)]
    return pa.Table.from_pylist(records, schema=tables.INVENTORY.schema)


def _record(row: InventoryRow, snapshot_id: str, at: dt.datetime) -> dict[str, Any]:
    return {
        **row.model_dump(exclude={"extras"}),
        "service": row.service,
        "extras": json.dumps(row.extras, sort_keys=True, ensure_ascii=False),
        "snapshot_at": at,
        "snapshot_id": snapshot_id,
    }


def _by_service(rows: Iterable[InventoryRow]) -> dict[str, list[InventoryRow]]:
    services: dict[str, list[InventoryRow]] = {}
    for row in rows:
        services.setdefault(row.service, []).append(row)
    return services


def _with_sorted_extras(row: InventoryRow) -> InventoryRow:
    return row.model_copy(update={"extras": dict(sorted(row.extras.items()))})


def _identity(row: InventoryRow) -> str:
    return _with_sorted_extras(row).model_dump_json()


def _order(row: InventoryRow) -> tuple[str, str, str, str]:
    return row.service, row.business_function, row.team, _identity(row)


def _label(row: InventoryRow) -> str:
    return f"{row.business_function}, {row.team}"


def _shown(value: str | None) -> str:
    return "no such column" if value is None else f"'{value}'"
