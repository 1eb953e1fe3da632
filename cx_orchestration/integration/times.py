"""Points in time as services write them, read in Python.

Belongs here: one text or number to microseconds since 1970. Does not belong here: the same in SQL (``mapping_sql.py``).
"""

import datetime as dt
import math
from collections.abc import Callable, Sequence
from typing import Any
from zoneinfo import ZoneInfo

from cx_orchestration.integration.paths import parse_path
from cx_orchestration.model.values import Time

#: Microseconds since 1970, or ``None`` where there is no readable time.
Micros = int | None

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MICROSECOND = dt.timedelta(microseconds=1)
_PER_UNIT = {"epoch_s": 1_000_000, "epoch_ms": 1_000, "epoch_us": 1}

#: The years that every engine of this project can hold: from 0001 to 9999.
FIRST_MICROS = (dt.datetime(1, 1, 1, tzinfo=dt.UTC) - _EPOCH) // _MICROSECOND
LAST_MICROS = (dt.datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=dt.UTC) - _EPOCH) // _MICROSECOND


def micros(moment: dt.datetime) -> int:
    """An aware time as microseconds since 1970."""
    return (moment - _EPOCH) // _MICROSECOND


def zone_of(time: Time | None) -> ZoneInfo:
    """The zone of times that are written without one."""
    return ZoneInfo((time and time.time_zone) or "UTC")


def time_reader(time: Time) -> Callable[[Any], Micros]:
    """A function from a parsed record to its time.

    The first path that holds something counts; where that cannot be read the record has no time.
    """
    values = [parse_path(path).reader() for path in time.paths]
    parse = _parser(time)

    def read(record: Any) -> Micros:
        for value_of in values:
            value = value_of(record)
            if isinstance(value, str | int | float) and not isinstance(value, bool) and value != "":
                return parse(value)
        return None

    return read


def times_reader(time: Time) -> Callable[[Sequence[Any]], list[Micros]]:
    """``time_reader`` for the records of a page at once: numbers, as most services send, cost a call a page."""
    read, paths, per_unit = time_reader(time), [parse_path(path) for path in time.paths], _PER_UNIT.get(time.format)
    if len(paths) > 1 or per_unit is None:
        return lambda records: list(map(read, records))
    (path,) = paths

    def read_all(records: Sequence[Any]) -> list[Micros]:
        values = path.column(records)
        if set(map(type, values)) == {int}:
            found: list[Micros] = [value * per_unit for value in values]
            if min(values) * per_unit >= FIRST_MICROS and max(values) * per_unit <= LAST_MICROS:
                return found
        return list(map(read, records))

    return read_all


def _parser(time: Time) -> Callable[[str | int | float], Micros]:
    zone = zone_of(time)
    if time.format in _PER_UNIT:
        return _epoch_parser(_PER_UNIT[time.format])
    if time.format in ("iso", "date"):
        return lambda value: _iso(value, zone)
    return lambda value: _strptime(value, time.format, zone)


def _epoch_parser(per_unit: int) -> Callable[[str | int | float], Micros]:
    def parse(value: str | int | float) -> Micros:
        if type(value) is int:
            found = value * per_unit
            return found if FIRST_MICROS <= found <= LAST_MICROS else None
        if isinstance(value, str):
            try:
                value = float(value)
            except ValueError:
                return None
        if not math.isfinite(value):
            return None
        found = round(value * per_unit)
        return found if FIRST_MICROS <= found <= LAST_MICROS else None

    return parse


def _iso(value: str | int | float, zone: ZoneInfo) -> Micros:
    try:
        moment = dt.datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return _instant(moment, zone)


def _strptime(value: str | int | float, pattern: str, zone: ZoneInfo) -> Micros:
    try:
        moment = dt.datetime.strptime(str(value), pattern)
    except ValueError:
        return None
    return _instant(moment, zone)


def _instant(moment: dt.datetime, zone: ZoneInfo) -> Micros:
    """Where a clock change makes a local time mean two instants, or none, the later reading counts, as in SQL."""
    try:
        if moment.tzinfo is not None:
            return micros(moment)
        local = moment.replace(tzinfo=zone)
        found = micros(local)
        return found if zone.key == "UTC" else max(found, micros(local.replace(fold=1)))
    except OverflowError:
        return None
