"""The window of time a query asks for, written the way the service wants it.

Belongs here: ``{window.start}`` and ``{window.end}`` in paths and parameters, and which instant each one names. Does
not belong here: which days are asked for, and what is done with the answer.
"""

import datetime as dt
import re
from dataclasses import dataclass
from urllib.parse import quote
from zoneinfo import ZoneInfo

from cx_orchestration.integration.http import Params
from cx_orchestration.model.endpoint import Endpoint, Window

#: Anything that looks like a placeholder; only the two below are known.
PLACEHOLDER = re.compile(r"\{([a-z_]+(?:\.[a-z_]+)*)\}")
PLACEHOLDERS = frozenset({"window.start", "window.end"})

_MICROSECOND = dt.timedelta(microseconds=1)
_UNITS: dict[str, dt.timedelta] = {
    "iso": _MICROSECOND,
    "epoch_us": _MICROSECOND,
    "epoch_ms": dt.timedelta(milliseconds=1),
    "epoch_s": dt.timedelta(seconds=1),
    "date": dt.timedelta(days=1),
}
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


@dataclass(frozen=True)
class Query:
    """What is asked of the service: a path, and parameters."""

    path: str
    params: Params


def query(endpoint: Endpoint, start: dt.datetime, end: dt.datetime, zone: ZoneInfo) -> Query:
    """The endpoint's query for the instants in ``[start, end)``.

    ``zone`` is the one in which the service reads dates and times that carry none. Where the format is coarser than
    the window, the query covers the whole window and somewhat more: records are filtered again on our side.
    """
    params = {name: _plain(value) for name, value in endpoint.params.items()}
    if endpoint.window is None:
        return Query(endpoint.path, params)
    names = {
        "window.start": written(floor(start, endpoint.window, zone), endpoint.window, zone),
        "window.end": written(_upper(end, endpoint.window, zone), endpoint.window, zone),
    }
    filled = {name: _fill(value, names) if isinstance(value, str) else value for name, value in params.items()}
    in_path = {name: quote(value, safe="") for name, value in names.items()}
    return Query(_fill(endpoint.path, in_path), filled)


def written(moment: dt.datetime, window: Window, zone: ZoneInfo) -> str:
    """An instant as the service wants to read it."""
    match window.format:
        case "iso":
            return moment.astimezone(dt.UTC).isoformat().replace("+00:00", "Z")
        case "epoch_s" | "epoch_ms" | "epoch_us":
            return str((moment - _EPOCH) // _UNITS[window.format])
        case "date":
            return moment.astimezone(zone).date().isoformat()
        case pattern:
            return moment.astimezone(zone).strftime(pattern)


def unit(window: Window) -> dt.timedelta:
    """The smallest step that the format can write."""
    if window.format in _UNITS:
        return _UNITS[window.format]
    for directives, step in (
        (("%f",), _MICROSECOND),
        (("%S", "%T", "%X", "%c", "%s"), dt.timedelta(seconds=1)),
        (("%M", "%R"), dt.timedelta(minutes=1)),
        (("%H", "%I"), dt.timedelta(hours=1)),
    ):
        if any(directive in window.format for directive in directives):
            return step
    return dt.timedelta(days=1)


def floor(moment: dt.datetime, window: Window, zone: ZoneInfo) -> dt.datetime:
    """The last instant the format can write that is not after ``moment``."""
    step = unit(window)
    if step >= dt.timedelta(hours=1):
        local = moment.astimezone(zone)
        hour = local.hour if step < dt.timedelta(days=1) else 0
        fold = local.fold if step < dt.timedelta(days=1) else 0
        return dt.datetime.combine(local.date(), dt.time(hour, fold=fold), zone)
    return moment - (moment - _EPOCH) % step


def _upper(end: dt.datetime, window: Window, zone: ZoneInfo) -> dt.datetime:
    if window.end == "inclusive":
        return floor(end - _MICROSECOND, window, zone)
    lower = floor(end, window, zone)
    if lower.astimezone(dt.UTC) == end:
        return lower
    if unit(window) >= dt.timedelta(days=1):
        return dt.datetime.combine(lower.date() + dt.timedelta(days=1), dt.time(), zone)
    return lower.astimezone(dt.UTC) + unit(window)


def _fill(text: str, names: dict[str, str]) -> str:
    return PLACEHOLDER.sub(lambda match: names.get(match[1], match[0]), text)


def _plain(value: str | int | bool) -> str | int:
    return str(value).lower() if isinstance(value, bool) else value
