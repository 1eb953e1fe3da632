"""What is wrong with a service's declaration beyond the shape of its YAML.

Belongs here: paths, placeholders, formats, and events that would get the same id. Does not belong here: types
and required keys (``model.service``).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from pathlib import PurePosixPath
from typing import Any

from cx_orchestration.integration.mapping_sql import MOST_SCALE_DIGITS, scale_digits
from cx_orchestration.integration.page import selector_parts
from cx_orchestration.integration.paths import parse_path
from cx_orchestration.integration.windows import GRANULARITY, PARENT, PLACEHOLDER, PLACEHOLDERS, unit
from cx_orchestration.model.endpoint import (
    Endpoint,
    FeedTombstones,
    FlagTombstones,
    SnapshotTombstones,
    Tombstones,
    Window,
)
from cx_orchestration.model.failures import ProjectError
from cx_orchestration.model.service import EventMapping, FileDrop, ProfileMapping, ServiceDeclaration, Stream
from cx_orchestration.model.values import Condition, Time, Value

#: Directives that Python and DuckDB read alike.
_DIRECTIVES = frozenset("aAbBdfHIjmMpSyYz%")

#: Where placeholders may stand.
_PLACES = "'path', 'params' or 'json'"

_EVENT_TYPE = re.compile(r"[a-z][a-z0-9_]*(\.[a-z0-9_]+)*")


def check_service(declaration: ServiceDeclaration, file: str = "") -> list[ProjectError]:
    """Everything wrong with a declaration, each with the path to the value; an empty list if nothing is.

    ``file`` is what the errors name as the place, ``services/<service>.yaml`` unless given.
    """
    place = file or f"services/{declaration.service}.yaml"
    return [ProjectError(place, found.path, found.value, found.expected) for found in _check(declaration)]


@dataclass(frozen=True)
class _Found:
    path: str
    value: str
    expected: str


def _check(declaration: ServiceDeclaration) -> Iterator[_Found]:
    for number, rule in enumerate(declaration.client.retry_on if declaration.client else ()):
        if rule.code_path is not None:
            yield from _check_path(f"client.retry_on[{number}].code_path", rule.code_path)
    for name, stream in declaration.streams.items():
        yield from _check_stream(f"streams.{name}", stream)


def _check_stream(at: str, stream: Stream) -> Iterator[_Found]:
    if stream.endpoint is not None:
        yield from _check_endpoint(f"{at}.endpoint", stream.endpoint, has_parent=stream.parent is not None)
    if stream.parent is not None:
        yield from _check_conditions(f"{at}.parent", stream.parent.when)
    if stream.tombstones is not None:
        yield from _check_tombstones(f"{at}.tombstones", stream.tombstones)
    if stream.files is not None:
        yield from _check_files(f"{at}.files", stream.files)
    yield from _check_value(f"{at}.record_id", stream.record_id)
    if stream.record_id.scale is not None:
        yield _Found(
            f"{at}.record_id.scale", str(stream.record_id.scale), "expected an id as received, without a scale"
        )
    if stream.updated_at is not None:
        yield from _check_time(f"{at}.updated_at", stream.updated_at)
    for number, mapping in enumerate(stream.events):
        yield from _check_event(f"{at}.events[{number}]", mapping)
    for (first, one), (second, other) in combinations(enumerate(stream.events), 2):
        for event_type in sorted(one.types & other.types):
            if not _exclude_each_other(one.when, other.when):
                yield _Found(
                    f"{at}.events[{second}].type",
                    event_type,
                    f"expected another type: a record may fit events[{first}] too, and both would have one event id; "
                    "name another, or let 'when' exclude one of them by a condition on the same path",
                )
    if stream.profile is not None:
        yield from _check_profile(f"{at}.profile", stream.profile)


def _check_endpoint(at: str, endpoint: Endpoint, *, has_parent: bool = False) -> Iterator[_Found]:
    for part in selector_parts(endpoint.data_selector):
        yield from _check_path(f"{at}.data_selector", part)
    for name, path in endpoint.paginator:
        if name.endswith("_path") and isinstance(path, str):
            yield from _check_path(f"{at}.paginator.{name}", path)
    if endpoint.order is not None:
        yield from _check_path(f"{at}.order.by", endpoint.order.by)
    if endpoint.tie_break is not None:
        yield from _check_path(f"{at}.tie_break.id_path", endpoint.tie_break.id_path)
        if endpoint.order is not None and endpoint.order.by != endpoint.tie_break.id_path:
            yield _Found(
                f"{at}.order.by",
                endpoint.order.by,
                f"expected '{endpoint.tie_break.id_path}': a 'tie_break' goes on behind the last id, so the service "
                "must list by it",
            )
    if endpoint.complete_when is not None:
        yield from _check_path(f"{at}.complete_when.path", endpoint.complete_when.path)
    for number, path in enumerate(endpoint.required_keys):
        yield from _check_path(f"{at}.required_keys[{number}]", path)
    if endpoint.window is not None:
        yield from _check_format(f"{at}.window.format", endpoint.window.format)
        yield from _check_granularity(f"{at}.window.granularity", endpoint.window)
    yield from _check_placeholders(at, endpoint, has_parent)


def _check_placeholders(at: str, endpoint: Endpoint, has_parent: bool) -> Iterator[_Found]:
    used = {name: where for where, text in _texts(endpoint) for name in PLACEHOLDER.findall(text)}
    for name, where in used.items():
        if name.startswith(PARENT) and has_parent:
            yield from _check_path(f"{at}.{where}", name.removeprefix(PARENT))
        elif name not in PLACEHOLDERS and not (where.startswith("json") and "." not in name):
            yield _Found(
                f"{at}.{where}",
                f"{{{name}}}",
                "expected only {window.start}, {window.end}, {tie_break.id} and, where the stream has a 'parent', "
                "{parent.PATH} as placeholders",
            )
        elif name.startswith("window.") and endpoint.window is None:
            yield _Found(f"{at}.{where}", f"{{{name}}}", "expected a 'window' that says how the time is written")
        elif name == "tie_break.id" and endpoint.tie_break is None:
            yield _Found(f"{at}.{where}", f"{{{name}}}", "expected a 'tie_break' that says where ids are")
    if endpoint.window is not None and not any(name.startswith("window.") for name in used):
        yield _Found(f"{at}.window", "", f"expected {{window.start}} or {{window.end}} in {_PLACES}")
    if endpoint.tie_break is not None and "tie_break.id" not in used:
        yield _Found(f"{at}.tie_break", "", f"expected {{tie_break.id}} in {_PLACES}")
    if has_parent and not any(name.startswith(PARENT) for name in used):
        yield _Found(at, "", f"expected {{parent.PATH}} in {_PLACES}: else every parent has the same list")


def _texts(endpoint: Endpoint) -> Iterator[tuple[str, str]]:
    """All texts in which placeholders are filled in, each with its place in the endpoint."""
    yield "path", endpoint.path
    for name, value in endpoint.params.items():
        yield f"params.{name}", str(value)
    yield from _texts_of_json("json", endpoint.body)


def _texts_of_json(at: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield at, value
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield from _texts_of_json(f"{at}.{name}", inner)
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _texts_of_json(f"{at}[{number}]", inner)


def _check_tombstones(at: str, tombstones: Tombstones) -> Iterator[_Found]:
    match tombstones:
        case FlagTombstones():
            yield from _check_conditions(at, tombstones.when)
        case FeedTombstones():
            yield from _check_endpoint(f"{at}.endpoint", tombstones.endpoint)
            yield from _check_conditions(at, tombstones.when)
            yield from _check_value(f"{at}.record_id", tombstones.record_id)
            yield from _check_time(f"{at}.deleted_at", tombstones.deleted_at)
        case SnapshotTombstones():
            if tombstones.endpoint is not None:
                yield from _check_endpoint(f"{at}.endpoint", tombstones.endpoint)


def _check_files(at: str, drop: FileDrop) -> Iterator[_Found]:
    pattern = PurePosixPath(drop.pattern)
    if pattern.is_absolute() or ".." in pattern.parts or "\\" in drop.pattern or not drop.pattern.strip():
        yield _Found(f"{at}.pattern", drop.pattern, "expected a pattern of files inside the project folder")
    for name in PLACEHOLDER.findall(drop.pattern):
        if name != "day":
            yield _Found(f"{at}.pattern", f"{{{name}}}", "expected only {day} as a placeholder")
    if "{day}" in drop.pattern:
        yield from _check_format(f"{at}.day_format", drop.day_format)
        directives = set(re.findall(r"%(.)", drop.day_format))
        if not ({"Y", "m", "d"} <= directives or {"Y", "j"} <= directives or {"y", "m", "d"} <= directives):
            yield _Found(f"{at}.day_format", drop.day_format, "expected a format that names year, month and day")
    if len(drop.delimiter) != 1:
        yield _Found(f"{at}.delimiter", repr(drop.delimiter), "expected one character")


def _check_event(at: str, mapping: EventMapping) -> Iterator[_Found]:
    yield from _check_conditions(at, mapping.when)
    yield from _check_time(f"{at}.occurred_at", mapping.occurred_at)
    for name, value in mapping:
        if isinstance(value, Value):
            yield from _check_value(f"{at}.{name}", value)
        elif isinstance(value, dict):
            for key, part in value.items():
                yield from _check_value(f"{at}.{name}.{key}", part)
    for event_type in sorted(mapping.types):
        if not _EVENT_TYPE.fullmatch(event_type):
            yield _Found(f"{at}.type.map", event_type, "expected an event type such as order.completed")
    for name, number in (("amount", mapping.amount), ("score", mapping.score)):
        if number is not None and number.default is not None and not _is_number(number.default):
            yield _Found(f"{at}.{name}.default", number.default, "expected a number")


def _check_profile(at: str, profile: ProfileMapping) -> Iterator[_Found]:
    yield from _check_conditions(at, profile.when)
    for name, value in profile:
        if isinstance(value, Value):
            yield from _check_value(f"{at}.{name}", value)
        elif isinstance(value, dict):
            for key, part in value.items():
                yield from _check_value(f"{at}.{name}.{key}", part)


def _check_conditions(at: str, conditions: list[Condition]) -> Iterator[_Found]:
    for number, condition in enumerate(conditions):
        yield from _check_path(f"{at}.when[{number}].path", condition.path)


def _check_value(at: str, value: Value) -> Iterator[_Found]:
    if value.path is not None:
        yield from _check_path(f"{at}.path", value.path)
    for name, parts in (("coalesce", value.coalesce), ("concat", value.concat)):
        for number, part in enumerate(parts or []):
            yield from _check_value(f"{at}.{name}[{number}]", part)
    if value.scale is not None and (scale_digits(value.scale) > MOST_SCALE_DIGITS or value.scale == 0):
        yield _Found(f"{at}.scale", str(value.scale), f"expected a number of at most {MOST_SCALE_DIGITS} digits, not 0")


def _check_time(at: str, time: Time) -> Iterator[_Found]:
    for path in time.paths:
        yield from _check_path(at, path)
    yield from _check_format(f"{at}.format", time.format)


def _check_format(at: str, pattern: str) -> Iterator[_Found]:
    for directive in re.findall(r"%(.?)", pattern):
        if directive not in _DIRECTIVES:
            yield _Found(
                at, f"%{directive}", "expected only directives that are read alike everywhere: %Y %m %d %H %M %S"
            )


def _check_granularity(at: str, window: Window) -> Iterator[_Found]:
    if window.granularity is not None and unit(window) > GRANULARITY[window.granularity]:
        (written,) = (name for name, step in GRANULARITY.items() if step == unit(window))
        yield _Found(
            at,
            window.granularity,
            f"expected '{written}' or nothing: the format '{window.format}' writes whole {written}s, so nothing "
            "shorter can be asked for",
        )


def _check_path(at: str, path: str) -> Iterator[_Found]:
    try:
        parse_path(path)
    except ValueError as error:
        yield _Found(at, path, str(error))


def _exclude_each_other(one: list[Condition], other: list[Condition]) -> bool:
    return any(a.path == b.path and _disjoint(a, b) for a in one for b in other)


def _disjoint(a: Condition, b: Condition) -> bool:
    if a.any_of is not None and b.any_of is not None:
        return not set(a.any_of) & set(b.any_of)
    for this, that in ((a, b), (b, a)):
        if this.any_of is not None and that.none_of is not None and set(this.any_of) <= set(that.none_of):
            return True
        if this.exists is False and (that.exists is True or that.any_of is not None):
            return True
    return False


def _is_number(text: str) -> bool:
    return re.fullmatch(r"-?\d+(\.\d+)?", text) is not None
