"""What must agree between journey maps and the other files of a project folder, and among the maps.

Belongs here: event types, metadata and attributes that some service must give, maps nested in maps. Does not belong
here: whether a map is sound by itself (``journeys.maps``).
"""

from collections.abc import Iterator

from cx_orchestration.journeys.maps import check_map
from cx_orchestration.journeys.micro_events import PREFIX, is_micro_event, nesting_errors
from cx_orchestration.model.failures import ProjectError
from cx_orchestration.model.journey import JourneyMap
from cx_orchestration.project import supplies
from cx_orchestration.project.folder import Parts
from cx_orchestration.project.wording import unknown_name


def journey_errors(name: str, journey: JourneyMap, parts: Parts) -> Iterator[ProjectError]:
    """Everything that is wrong with one map. A service that could not be read is not held against it."""
    file = f"journeys/{name}.yaml"
    yield from check_map(journey, file)
    if not any(broken.startswith("journeys/") for broken in parts.broken):
        yield from nesting_errors(journey, parts.journeys, file)
    if not parts.services or not parts.all_services_read:
        return
    metadata = supplies.event_metadata(parts.services.values())
    for path, kind in _types_named(journey):
        is_move = path.startswith(("begins_with", "transitions"))
        if kind not in metadata and not (is_move and is_micro_event(kind)):
            yield unknown_name(file, path, kind, "an event type that some service gives", sorted(metadata))
    for path, kind, wanted in _metadata_named(journey):
        if kind in metadata and wanted not in metadata[kind]:
            yield unknown_name(file, path, wanted, f"metadata that some service gives {kind}", sorted(metadata[kind]))
    key, begins = journey.correlation, [kind for kind in journey.begins_with if kind in metadata]
    if key is not None and begins and not any(key in metadata[kind] for kind in begins):
        known = sorted(set[str]().union(*(metadata[kind] for kind in begins)))
        expected = f"an attribute that some service gives {' or '.join(begins)}: nothing else begins an instance"
        yield unknown_name(file, "correlation", key, expected, known)
    attributes = sorted(supplies.segments(parts.services.values()))
    named = [(f"segments[{n}]", segment) for n, segment in enumerate(journey.segments)]
    if journey.acquisition_cost is not None:
        named.append(("acquisition_cost", journey.acquisition_cost))
    for path, attribute in named:
        if attribute not in attributes:
            yield unknown_name(file, path, attribute, "an attribute of some service's profile or events", attributes)


def reserved_types(name: str, parts: Parts) -> Iterator[ProjectError]:
    """Event types of a service that are named like what micro journeys do."""
    for kind in sorted(supplies.event_types(parts.services[name])):
        if is_micro_event(kind):
            expected = f"expected event types that do not start with '{PREFIX}': those are what journeys do"
            yield ProjectError(f"services/{name}.yaml", "streams", kind, expected)


def _types_named(journey: JourneyMap) -> Iterator[tuple[str, str]]:
    yield from ((f"begins_with.{kind}", kind) for kind in journey.begins_with)
    yield from ((f"transitions[{n}].on", transition.on) for n, transition in enumerate(journey.transitions))
    yield from ((f"support_events[{n}]", kind) for n, kind in enumerate(journey.support_events))
    yield from ((f"human_events[{n}]", kind) for n, kind in enumerate(journey.human_events))
    yield from ((f"friction_events[{n}]", kind) for n, kind in enumerate(journey.friction_events))


def _metadata_named(journey: JourneyMap) -> Iterator[tuple[str, str, str]]:
    """Path, event type, and the name of what its events must carry."""
    for n, move in enumerate(journey.transitions):
        yield from ((f"transitions[{n}].requires[{m}]", move.on, name) for m, name in enumerate(move.requires))
        yield from ((f"transitions[{n}].when[{m}].name", move.on, guard.name) for m, guard in enumerate(move.when))
    for path, kind, beginning in journey.beginnings():
        yield from ((f"{path}.when[{m}].name", kind, guard.name) for m, guard in enumerate(beginning.when))
