"""The window of time a query asks for, written the way the service wants it.

Belongs here: placeholders in paths, parameters and JSON, and which instant each bound of a window names. Does not
belong here: which days are asked for, and what is done with the answer.
"""

import datetime as dt
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

from cx_orchestration.integration.http import Params
from cx_orchestration.integration.wall_clock import earliest_written_as, never_after, never_before
from cx_orchestration.model.endpoint import Endpoint, Window
from cx_orchestration.model.service import Stream

#: Anything that looks like a placeholder; only these, and ``parent.`` with a path, are known.
PLACEHOLDER = re.compile(r"\{([a-z_]+(?:\.[A-Za-z0-9_\[\]]+)*)\}")
PLACEHOLDERS = frozenset({"window.start", "window.end", "tie_break.id"})
PARENT = "parent."

_MICROSECOND = dt.timedelta(microseconds=1)
_UNITS: dict[str, dt.timedelta] = {
    "iso": _MICROSECOND,
    "epoch_us": _MICROSECOND,
    "epoch_ms": dt.timedelta(milliseconds=1),
    "epoch_s": dt.timedelta(seconds=1),
    "date": dt.timedelta(days=1),
}
#: The steps that ``Window.granularity`` names.
GRANULARITY = {
    "minute": dt.timedelta(minutes=1),
    "hour": dt.timedelta(hours=1),
    "day": dt.timedelta(days=1),
}
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_LOCAL_EPOCH = _EPOCH.replace(tzinfo=None)


@dataclass(frozen=True)
class Query:
    """What is asked of the service: a path, parameters, and the JSON of a POST request."""

    path: str
    params: Params
    body: Mapping[str, Any] | None = None


def query(
    endpoint: Endpoint, start: dt.datetime, end: dt.datetime, zone: ZoneInfo, names: Mapping[str, str] | None = None
) -> Query:
    """The endpoint's query for the instants in ``[start, end)``; ``names`` are further placeholders and their values.

    ``zone`` is the one in which the service reads dates and times that carry none. Where the format is coarser than
    the window, or a clock change makes a bound mean two instants, the query covers the whole window and somewhat more:
    records are filtered again on our side.
    """
    values = dict(names or {})
    if endpoint.window is not None:
        lower, upper = bounds_sent(endpoint.window, start, end, zone)
        values["window.start"] = written(lower, endpoint.window, zone)
        values["window.end"] = written(upper, endpoint.window, zone)
    params = {
        name: _fill(value, values) if isinstance(value, str) else _plain(value)
        for name, value in endpoint.params.items()
    }
    numbers = endpoint.window is not None and endpoint.window.format.startswith("epoch_")
    body = None
    if endpoint.method == "POST":
        body = {name: _fill_json(value, values, numbers) for name, value in (endpoint.body or {}).items()}
    in_path = {name: quote(value, safe="") for name, value in values.items()}
    return Query(_fill(endpoint.path, in_path), params, body)


def bounds_sent(
    window: Window, start: dt.datetime, end: dt.datetime, zone: ZoneInfo
) -> tuple[dt.datetime, dt.datetime]:
    """The instants that a query for ``[start, end)`` names as its bounds."""
    return _lower(start, window, zone), _upper(end, window, zone)


def places_of(endpoint: Endpoint, placeholder: str) -> list[str]:
    """Where an endpoint has a placeholder: names of parameters, paths in the JSON of a POST, or ``path``."""
    wanted = "{" + placeholder + "}"
    found = [name for name, value in endpoint.params.items() if wanted in str(value)]
    found += [path for path, text in _texts_by_path(endpoint.body, "") if wanted in text]
    return found + (["path"] if wanted in endpoint.path else [])


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


def parent_paths(stream: Stream) -> dict[str, str]:
    """The placeholders of a stream's endpoint that its parent fills in, each with the path in the parent record."""
    if stream.endpoint is None:
        return {}
    texts = [stream.endpoint.path, *map(str, stream.endpoint.params.values()), *_texts(stream.endpoint.body)]
    names = [name for text in texts for name in PLACEHOLDER.findall(text) if name.startswith(PARENT)]
    return {name: name.removeprefix(PARENT) for name in names}


def _texts(value: Any) -> Iterator[str]:
    return (text for _, text in _texts_by_path(value, ""))


def _texts_by_path(value: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield from _texts_by_path(inner, f"{path}.{name}" if path else name)
    elif isinstance(value, list):
        for position, inner in enumerate(value):
            yield from _texts_by_path(inner, f"{path}[{position}]")


def smallest_step(window: Window) -> dt.timedelta:
    """The shortest window that can be asked for."""
    return max(unit(window), GRANULARITY[window.granularity] if window.granularity else _MICROSECOND)


def smallest_window_around(moment: dt.datetime, window: Window, zone: ZoneInfo) -> dt.datetime:
    """Where the shortest window that can be asked for and holds an instant begins."""
    if window.granularity is not None:
        return _floor_of(moment, smallest_step(window))
    return floor(moment, window, zone)


def floor(moment: dt.datetime, window: Window, zone: ZoneInfo) -> dt.datetime:
    """The last time the format can write that is not after ``moment``; in ``zone`` where it writes local times."""
    step = unit(window)
    if not _writes_local_times(window):
        return moment - (moment - _EPOCH) % step
    local = moment.astimezone(zone)
    return local - (local.replace(tzinfo=None) - _LOCAL_EPOCH) % step


def _lower(start: dt.datetime, window: Window, zone: ZoneInfo) -> dt.datetime:
    step = unit(window)
    if window.granularity is not None:
        start = _floor_of(start, GRANULARITY[window.granularity])
        step = max(step, GRANULARITY[window.granularity])
    start = earliest_written_as(start, zone)
    lowest = floor(start, window, zone)
    if _can_mean_two_instants(window):
        lowest = never_after(start, lowest)
    return lowest - step if window.start == "exclusive" else lowest


def _upper(end: dt.datetime, window: Window, zone: ZoneInfo) -> dt.datetime:
    step = unit(window)
    if window.granularity is not None:
        whole = GRANULARITY[window.granularity]
        end = _floor_of(end - _MICROSECOND, whole) + whole
    highest = floor(end - _MICROSECOND, window, zone)
    if window.end == "exclusive":
        highest += step
    else:
        end -= step
    return never_before(end, highest) if _can_mean_two_instants(window) else highest


def _floor_of(moment: dt.datetime, step: dt.timedelta) -> dt.datetime:
    return moment - (moment - _EPOCH) % step


def _writes_local_times(window: Window) -> bool:
    return (window.format not in _UNITS or window.format == "date") and "%z" not in window.format


def _can_mean_two_instants(window: Window) -> bool:
    """Dates cannot: who compares dates takes the local date of each record."""
    return _writes_local_times(window) and unit(window) < dt.timedelta(days=1)


def _fill(text: str, names: Mapping[str, str]) -> str:
    return PLACEHOLDER.sub(lambda match: names.get(match[1], match[0]), text)


def _fill_json(value: Any, names: Mapping[str, str], numbers: bool) -> Any:
    """A text that is one bound of a window and nothing else becomes a number where the window is written as one."""
    if isinstance(value, dict):
        return {name: _fill_json(inner, names, numbers) for name, inner in value.items()}
    if isinstance(value, list):
        return [_fill_json(inner, names, numbers) for inner in value]
    if not isinstance(value, str):
        return value
    filled = _fill(value, names)
    return int(filled) if numbers and value in ("{window.start}", "{window.end}") else filled


def _plain(value: int | bool) -> str | int:
    return str(value).lower() if isinstance(value, bool) else value
