"""Which days of which services are there: what spans services reads what is there and says what is missing.

Belongs here: comparing landed days with the days a project has. Does not belong here: landing them.
"""

import datetime as dt
from collections.abc import Collection, Mapping
from zoneinfo import ZoneInfo

import pyarrow as pa

from cx_orchestration.model import tables
from cx_orchestration.model.days import DayRange
from cx_orchestration.storage.engine import Engine, sql_text
from cx_orchestration.storage.lake import Lake


def coverage(
    lake: Lake,
    engine: Engine,
    *,
    days: DayRange | None,
    landed: Mapping[str, Collection[dt.date]],
    still_open: Mapping[str, Collection[dt.date]],
    refused: Mapping[str, str],
) -> pa.Table:
    """Rows of ``tables.COVERAGE``, by service.

    ``landed`` has, by declared service, the days that all its streams have landed, ``still_open`` those of them that
    were read before they had settled; ``refused`` says why a service is not integrated. A service without refusal and
    without a missing day is ``complete``, up to its open days, which are read again.
    """
    inputs = {"events": lake.scan(tables.EVENTS), "rejected_records": lake.scan(tables.REJECTED_RECORDS)}
    counted = {row["service"]: row for row in engine.query(sql_text(__package__, "coverage.sql"), inputs).to_pylist()}
    rows = []
    for service in sorted(landed):
        unsettled = set(landed[service]).intersection(still_open[service])
        missing = [] if service in refused else [day for day in days or () if day not in landed[service]]
        rows.append(
            {
                "service": service,
                "status": "not integrated" if service in refused else "incomplete" if missing else "complete",
                "first_day": min(landed[service], default=None),
                "last_day": max(landed[service], default=None),
                "days_landed": len(landed[service]),
                "days_missing": len(missing),
                "missing": ", ".join(str(part) for part in DayRange.contiguous(missing)),
                "days_open": len(unsettled),
                "open": ", ".join(str(part) for part in DayRange.contiguous(unsettled)),
                "events": counted.get(service, {}).get("events", 0),
                "rejected": counted.get(service, {}).get("rejected", 0),
            }
        )
    return pa.Table.from_pylist(rows, schema=tables.COVERAGE.schema)


def newest_day_end(lake: Lake, zone: ZoneInfo, *, start: dt.date) -> dt.datetime:
    """The end, in UTC, of the newest day on which any service has an event: customers are judged at it.

    It does not say that all services are there up to it: customers of one that lags look idle on the days it lacks,
    and ``coverage`` tells which those are. Without any events it is the beginning of ``start``.
    """
    days = lake.days_of(tables.EVENTS)
    if not days:
        return DayRange(start, start).bounds(zone)[0]
    newest = days[-1]
    return DayRange(newest, newest).bounds(zone)[1]
