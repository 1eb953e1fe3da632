"""The contract of landed days: what every reader of ``landing/<service>/<stream>`` may rely on, read back and checked.

Belongs here: whether days that landed are what they must be. Does not belong here: what is worth a warning only
(``volume.py``, ``schema_drift.py``), and pages of a service (a page that is not as declared never lands).
"""

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from cx_orchestration.integration.landing import Landing
from cx_orchestration.model.bugs import bugs_as_failures
from cx_orchestration.model.days import DayRange
from cx_orchestration.model.failures import Failure, PermanentFailure
from cx_orchestration.model.tables import Table
from cx_orchestration.storage.engine import Engine, sql_text
from cx_orchestration.storage.lake import Lake


class BrokenContract(PermanentFailure):
    """A day lies in the lake and is not what its readers rely on: it must not be mapped."""


@dataclass(frozen=True)
class Contract:
    """What a look at landed days showed: what is broken, by day, and how many payloads are no JSON text.

    Such a payload breaks nothing: one bad record must not take its day along. The mapping puts it in quarantine.
    """

    days: tuple[dt.date, ...]
    broken: Mapping[dt.date, list[str]] = field(default_factory=dict)
    not_json: int = 0

    def failure(self, table: Table, day: dt.date) -> BrokenContract:
        """The failure of a broken day, and the way out."""
        return BrokenContract(
            f"{table.path} {day} breaks its contract and is not mapped: {'; '.join(self.broken[day])}. Rerun the day; "
            "if it breaks again, move the table away and land its days anew"
        )


def withhold_broken(lake: Lake, engine: Engine, table: Table, landing: Landing) -> Contract:
    """Look at the days that landed, and count those whose contract is broken as failed, so that nobody takes them for
    landed and maps them; all of them where they cannot be looked at."""
    try:
        with bugs_as_failures():
            contract = check_contract(lake, engine, table, landing.records, landing.versions)
    except Failure as failure:
        # They lie in the lake by now. Days that nobody records would neither be read again nor be told of.
        landing.failures |= dict.fromkeys(landing.records, failure)
        contract = Contract(())
    else:
        landing.failures |= {day: contract.failure(table, day) for day in contract.broken}
    landing.records = {day: count for day, count in landing.records.items() if day not in landing.failures}
    landing.kept = [day for day in landing.kept if day in landing.records]
    return contract


def check_contract(
    lake: Lake,
    engine: Engine,
    table: Table,
    landed: Mapping[dt.date, int],
    versions: Mapping[dt.date, int | None],
) -> Contract:
    """Read days back that have just landed; ``landed`` has the number of records of each, ``versions`` the version of
    the table that holds them. What another run has put in their place since is for that run to check.

    The table has the columns and types that ``tables.landed`` declares and is partitioned by its DATE ``day``; each day
    has as many records as landed, each with an id of its own, the time when it was read, and a payload.
    """
    by_version: dict[int | None, list[dt.date]] = {}
    for day in sorted(landed):
        by_version.setdefault(versions.get(day), []).append(day)
    broken: dict[dt.date, list[str]] = {}
    not_json = 0
    for version, days in by_version.items():
        if shape := list(_wrong_shape(lake, table, version)):
            broken |= dict.fromkeys(days, shape)
            continue
        found = _found(lake, engine, table, DayRange(days[0], days[-1]), version)
        strangers = list(_strangers(found, DayRange(days[0], days[-1])))
        for day in days:
            broken[day] = [*_wrong_rows(landed[day], found.get(day, {"records": 0})), *strangers]
            not_json += found[day]["not_json"] if day in found else 0
    return Contract(tuple(sorted(landed)), {day: broken[day] for day in sorted(broken) if broken[day]}, not_json)


def _found(
    lake: Lake, engine: Engine, table: Table, days: DayRange, version: int | None
) -> dict[dt.date | None, dict[str, Any]]:
    scan = lake.scan(table, {"day": (days.first, days.last)}, version=version)
    rows = engine.query(sql_text(__package__, "landed_contract.sql"), {"landed": scan}).to_pylist()
    return {row["day"]: row for row in rows}


def _strangers(found: Iterable[dt.date | None], days: DayRange) -> Iterator[str]:
    strangers = [str(day) for day in found if day is None or day not in days]
    if strangers:
        yield f"rows of other days lie among those asked for: {', '.join(strangers)}"


def _wrong_shape(lake: Lake, table: Table, version: int | None) -> Iterator[str]:
    stored = lake.stored(table, version=version)
    if stored is None:
        return
    schema, partition_by = stored
    for column in table.schema:
        if column.name not in schema.names:
            yield f"column {column.name} is missing"
        elif schema.field(column.name).type != column.type:
            yield f"column {column.name} is {schema.field(column.name).type} in place of {column.type}"
    if partition_by != table.partition_by:
        yield f"it is partitioned by {', '.join(partition_by) or 'nothing'} in place of {', '.join(table.partition_by)}"


def _wrong_rows(landed: int, found: Mapping[str, Any]) -> Iterator[str]:
    records = found["records"]
    if records != landed:
        yield f"it holds {records} records in place of the {landed} that landed"
    if records:
        if found["without_id"]:
            yield f"{found['without_id']} records have no record_id"
        if found["ids"] + found["without_id"] < records:
            yield f"{records - found['ids']} records repeat the record_id of another one"
        for column, name in (("without_time_of_reading", "extracted_at"), ("without_payload", "payload")):
            if found[column]:
                yield f"{found[column]} records have no {name}"
