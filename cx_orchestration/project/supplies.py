"""What the services of a project can give: event types, metadata of their events, attributes, namespaces of keys.

Belongs here: reading mappings. Does not belong here: whether somebody needs it (``checks``, ``journey_checks``).
"""

from collections.abc import Iterable, Iterator

from cx_orchestration.model.service import EventMapping, ProfileMapping, ServiceDeclaration, Stream


def event_types(service: ServiceDeclaration) -> set[str]:
    """The event types that a service's mapping can give."""
    return {kind for stream in service.streams.values() for event in stream.events for kind in event.types}


def namespaces(service: ServiceDeclaration) -> set[str]:
    """The namespaces of the keys that a service's mapping can give."""
    return {
        namespace
        for stream in service.streams.values()
        for _, mapping in mappings("", stream)
        for namespace in mapping.keys
    }


def event_metadata(services: Iterable[ServiceDeclaration]) -> dict[str, set[str]]:
    """By event type what some service's events of it can carry: attributes, and amount, currency, score, score_kind;
    all have a channel."""
    found: dict[str, set[str]] = {}
    for service in services:
        for stream in service.streams.values():
            for event in stream.events:
                optional = [name for name in ("amount", "currency", "score", "score_kind") if getattr(event, name)]
                for kind in event.types:
                    found.setdefault(kind, set()).update(event.attributes, optional, ["channel"])
    return found


def segments(services: Iterable[ServiceDeclaration]) -> set[str]:
    """What clusters of customers can be made of."""
    services = list(services)
    from_events = {
        name
        for service in services
        for stream in service.streams.values()
        for event in stream.events
        for name in event.attributes
    }
    return from_events | profile_attributes(services) | _profile_places(services)


def _profile_places(services: Iterable[ServiceDeclaration]) -> set[str]:
    """The fields of profiles that clusters can be made of like attributes."""
    profiles = [stream.profile for service in services for stream in service.streams.values() if stream.profile]
    return {place for place in ("city", "country") for profile in profiles if getattr(profile, place) is not None}


def profile_attributes(services: Iterable[ServiceDeclaration]) -> set[str]:
    """The attributes of customers that some service's profiles have."""
    return {
        name
        for service in services
        for stream in service.streams.values()
        if stream.profile is not None
        for name in stream.profile.attributes
    }


def mappings(path: str, stream: Stream) -> Iterator[tuple[str, EventMapping | ProfileMapping]]:
    """The mappings of a stream, each with its path in the file."""
    yield from ((f"{path}.events[{n}]", event) for n, event in enumerate(stream.events))
    if stream.profile is not None:
        yield f"{path}.profile", stream.profile
