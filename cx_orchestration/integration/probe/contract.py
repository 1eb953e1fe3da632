"""Do records hold what is read from them: ids, times, required keys, and what the mapping takes?

Belongs here: looking at records that were read, and mapping them over a temporary lake that is removed. Does not belong
here: asking for them.
"""

import datetime as dt
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa

from cx_orchestration.integration.mapping import map_stream
from cx_orchestration.integration.paths import MISSING, parse_path
from cx_orchestration.integration.probe.findings import Finding, failed, not_applicable, ok, warning
from cx_orchestration.integration.profiles import compile_profiles
from cx_orchestration.integration.records import Record
from cx_orchestration.model.endpoint import Endpoint
from cx_orchestration.model.service import EventMapping, ProfileMapping, Stream
from cx_orchestration.model.tables import landed
from cx_orchestration.model.values import Condition, Time, Value
from cx_orchestration.model.words import counted
from cx_orchestration.storage.engine import Engine
from cx_orchestration.storage.lake import Lake

_SHOWN = 4


def record_findings(stream: Stream, records: Sequence[Record]) -> Iterator[Finding]:
    """Ids, times and required keys of records that were read."""
    yield _ids(records)
    if stream.updated_at is None:
        yield not_applicable("times", "'updated_at' is not declared")
    else:
        yield _times(stream.updated_at, records)
    if stream.endpoint is not None and stream.endpoint.required_keys:
        yield _required(stream.endpoint, records)


def mapping_findings(service: str, name: str, stream: Stream, records: Sequence[Record]) -> Iterator[Finding]:
    """What the stream's events and profile make of the records. Nothing lands."""
    if not stream.events and stream.profile is None:
        yield not_applicable("mapping", "neither events nor a profile are declared")
        return
    with tempfile.TemporaryDirectory(prefix="cx-probe-") as folder:
        lake, engine = Lake(Path(folder)), Engine()
        _write(lake, service, name, records)
        if stream.events:
            yield _events(engine, lake, service, name, stream, len(records))
        if stream.profile is not None:
            yield _profiles(engine, lake, service, name, stream.profile, len(records))


def paths_never_found(stream: Stream, records: Sequence[Record]) -> list[str]:
    """The paths of events and profile at which no record has anything, not even null."""
    documents = [orjson.loads(record.payload) for record in records if is_json(record.payload)]
    paths = dict.fromkeys(path for mapping in (*stream.events, stream.profile) for path in _paths(mapping))
    return [path for path in paths if all(parse_path(path).of(document) is MISSING for document in documents)]


def _ids(records: Sequence[Record]) -> Finding:
    without = sum(1 for record in records if record.record_id.startswith("sha256:"))
    if not without:
        return ok("record_id", f"found in all of {counted(len(records), 'record')}")
    told = f"missing in {without} of {counted(len(records), 'record')}"
    advice = "correct 'record_id': records without an id give no events, and land anew whenever they change"
    return failed("record_id", told, advice) if without == len(records) else warning("record_id", told, advice)


def _times(time: Time, records: Sequence[Record]) -> Finding:
    without = sum(1 for record in records if record.updated_at is None)
    if not without:
        return ok("times", f"'{time.paths[0]}' read in all of {counted(len(records), 'record')}")
    share = f"{without} of {counted(len(records), 'record')} without a readable time"
    advice = "correct path, format or time_zone of 'updated_at', or add a path to its 'coalesce'"
    if without == len(records):
        return failed("times", share, advice)
    return warning("times", f"{share}: these land in each day whose own query returns them", advice)


def _required(endpoint: Endpoint, records: Sequence[Record]) -> Finding:
    documents = [orjson.loads(record.payload) for record in records if is_json(record.payload)]
    lacking = {
        key: number
        for key in endpoint.required_keys
        if (number := sum(1 for document in documents if parse_path(key).of(document) in (MISSING, None)))
    }
    if not lacking:
        return ok("required_keys", f"in all of {counted(len(documents), 'record')}")
    told = ", ".join(f"'{key}' in {number}" for key, number in lacking.items())
    return warning(
        "required_keys",
        f"missing: {told} of {counted(len(documents), 'record')}",
        "a page on which none has it fails: name keys that every record has",
    )


def _events(engine: Engine, lake: Lake, service: str, name: str, stream: Stream, number: int) -> Finding:
    outcome = map_stream(engine, lake.scan(landed(service, name)), service, name, stream)
    types = Counter(outcome.events["type"].to_pylist())
    reasons = Counter(outcome.rejected["reason"].to_pylist())
    given = ", ".join(f"{count} {kind}" for kind, count in sorted(types.items())) or "no event"
    told = f"{counted(number, 'record')} gave {given}; {outcome.unmapped} unmapped"
    if reasons:
        told += "; rejected: " + ", ".join(f"{count} {reason}" for reason, count in sorted(reasons.items()))
        advice = "correct the mapping for these, or let 'when' leave them out"
        return warning("mapping", told, advice) if types else failed("mapping", told, advice)
    if not types:
        return warning("mapping", told, "compare 'when' and the map of 'type' with what the service sends")
    return ok("mapping", told)


def _profiles(engine: Engine, lake: Lake, service: str, name: str, profile: ProfileMapping, number: int) -> Finding:
    rows = engine.query(compile_profiles(service, name, profile), {"landed": lake.scan(landed(service, name))})
    found = rows.num_rows
    with_keys = sum(1 for keys in rows["keys"].to_pylist() if keys)
    told = f"{counted(number, 'record')} gave {counted(found, 'profile')}, {with_keys} with an identity key"
    if not found and profile.when:
        return not_applicable("profile", f"none of {counted(number, 'record')} meets profile.when")
    if found and with_keys == 0 and profile.keys:
        return warning("profile", told, "correct the paths under profile.keys: nobody can be told by these")
    if not found:
        return warning("profile", told, "compare profile.when and profile.entity with what the service sends")
    return ok("profile", told)


def _write(lake: Lake, service: str, name: str, records: Sequence[Record]) -> None:
    """The records as they would land, all in one day: mapping does not look at it."""
    table, day = landed(service, name), dt.date(2000, 1, 1)
    kept = [record for record in {record.record_id: record for record in records}.values() if not record.deleted]
    rows = pa.table(
        {
            "record_id": pa.array([record.record_id for record in kept], pa.string()),
            "updated_at": pa.array([record.updated_at for record in kept], table.schema.field("updated_at").type),
            "extracted_at": pa.nulls(len(kept), table.schema.field("extracted_at").type),
            "payload": pa.array([record.payload for record in kept], pa.string()),
            "day": pa.repeat(pa.scalar(day), len(kept)),
        }
    )
    lake.replace(table, rows, where={"day": (day, day)}, run_id="probe")


def shown(names: Sequence[str]) -> str:
    """Some of the names, and how many more there are."""
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(f"'{name}'" for name in names[:_SHOWN]) + more


def _paths(declared: Any) -> Iterator[str]:
    """Every path into a record that a mapping names."""
    if isinstance(declared, Time):
        yield from declared.paths
    elif isinstance(declared, Value | Condition) and declared.path is not None:
        yield declared.path
    elif isinstance(declared, EventMapping | ProfileMapping | Value):
        for field in type(declared).model_fields:
            yield from _paths(getattr(declared, field))
    elif isinstance(declared, dict | list):
        for each in declared.values() if isinstance(declared, dict) else declared:
            yield from _paths(each)


def is_json(payload: str) -> bool:
    """Whether a payload can be read again; one with half a character or NaN cannot."""
    try:
        orjson.loads(payload)
    except orjson.JSONDecodeError:
        return False
    return True
