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
from cx_orchestration.integration.wall_clock import earliest_written_as, never_after, never_before
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
_LOCAL_EPOCH = _EPOCH.replace(tzinfo=None)


@dataclass(frozen=True)
class Query:
    """What is asked of the service: a path, and parameters."""

    path: str
    params: Params


def query(endpoint: Endpoint, start: dt.datetime, end: dt.datetime, zone: ZoneInfo) -> Query:
    """The endpoint's query for the instants in ``[start, end)``.

    ``zone`` is the one in which the service reads dates and times that carry none. Where the format is coarser than
    the window, or a clock change makes a bound mean two instants, the query covers the whole window and somewhat more:
    records are filtered again on our side.
    """
    params = {name: _plain(value) for name, value in endpoint.params.items()}
    if endpoint.window is None:
        return Query(endpoint.path, params)
    names = {
        "window.start": written(_lower(start, endpoint.window, zone), endpoint.window, zone),
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
    """The last time the format can write that is not after ``moment``; in ``zone`` where it writes local times."""
    step = unit(window)
    if not _writes_local_times(window):
        return moment - (moment - _EPOCH) % step
    local = moment.astimezone(zone)
    return local - (local.replace(tzinfo=None) - _LOCAL_EPOCH) % step


def _lower(start: dt.datetime, window: Window, zone: ZoneInfo) -> dt.datetime:
    start = earliest_written_as(start, zone)
    lowest = floor(start, window, zone)
    return never_after(start, lowest) if _can_mean_two_instants(window) else lowest


def _upper(end: dt.datetime, window: Window, zone: ZoneInfo) -> dt.datetime:
    step = unit(window)
    highest = floor(end - _MICROSECOND, window, zone)
    if window.end == "exclusive":
        highest += step
    else:
        end -= step
    return never_before(end, highest) if _can_mean_two_instants(window) else highest


def _writes_local_times(window: Window) -> bool:
    return (window.format not in _UNITS or window.format == "date") and "%z" not in window.format


def _can_mean_two_instants(window: Window) -> bool:
    """Dates cannot: who compares dates takes the local date of each record."""
    return _writes_local_times(window) and unit(window) < dt.timedelta(days=1)


def _fill(text: str, names: dict[str, str]) -> str:
    return PLACEHOLDER.sub(lambda match: names.get(match[1], match[0]), text)


def _plain(value: str | int | bool) -> str | int:
    return str(value).lower() if isinstance(value, bool) else value
