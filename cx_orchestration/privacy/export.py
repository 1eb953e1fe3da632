"""Everything that the platform has of one person, as one JSON document.

Belongs here: which rows, and the file that only its owner may read. Does not belong here: removing anything.
"""

import datetime as dt
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from cx_orchestration.integration.records import parse_json
from cx_orchestration.model.failures import PermanentFailure
from cx_orchestration.privacy.erase import personal_tables, tombstones_of
from cx_orchestration.privacy.judging import TableJudge
from cx_orchestration.privacy.person import Person, graves_of
from cx_orchestration.project import CXProject
from cx_orchestration.storage.engine import Engine
from cx_orchestration.storage.lake import Lake
from cx_orchestration.storage.rewriting import chosen

_JSON = ("payload", "document", "attributes", "evidence")


def person_data(lake: Lake, engine: Engine, project: CXProject, person: Person, *, now: dt.datetime) -> dict[str, Any]:
    """The rows about a person by table, as they would be erased, JSON texts as JSON; and who the person is made of."""
    tombstones = tombstones_of(graves_of(lake, engine, project, person))
    tables: dict[str, list[dict[str, Any]]] = {}
    for table in personal_tables(lake):
        judge = TableJudge(table, tombstones, project.services)
        if rows := [_readable(row) for row in chosen(lake, table, judge.columns, judge)]:
            tables[table.path] = rows
    return {
        "customer_id": person.customer_id,
        "whole": person.whole,
        "exported_at": now,
        "entities": [{"service": service, "entity": entity} for service, entity in sorted(person.entities)],
        "tables": tables,
    }


def write_person(data: dict[str, Any], file: Path) -> None:
    """Write the document to a new file that only its owner can read. Raises ``PermanentFailure`` if it exists."""
    try:
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise PermanentFailure(f"{file} exists; name another file with --output") from None
    except OSError as error:
        raise PermanentFailure(f"{file} cannot be written: {error.strerror}") from None
    with os.fdopen(handle, "wb") as opened:
        opened.write(orjson.dumps(data, option=orjson.OPT_INDENT_2, default=str) + b"\n")


def _readable(row: dict[str, Any]) -> dict[str, Any]:
    return dict(_values(row))


def _values(row: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in row.items():
        parsed = parse_json(value.encode()) if name in _JSON and isinstance(value, str) else None
        yield name, parsed[0] if parsed is not None and parsed[1] else value
