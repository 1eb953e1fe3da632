"""Which services' events each KPI is made of, and whether a day's events may come with the next landed day.

Belongs here: reading mappings of approved services. Does not belong here: what has landed, and the numbers
(``exploration.kpis``).
"""

from collections.abc import Callable, Iterator

from cx_orchestration.exploration.kpis import Feed
from cx_orchestration.model.journey import JourneyMap
from cx_orchestration.model.service import EventMapping
from cx_orchestration.project.load import CXProject


def support_types(project: CXProject) -> set[str]:
    """The event types by which customers turn to support, on any map."""
    return {kind for one in project.maps for kind in one.support_events}


def kpi_feeds(project: CXProject) -> list[Feed]:
    """The KPIs that some integrated stream feeds: those of all events first, then those of each journey."""
    support = support_types(project)
    found = [
        Feed("contacts", None, _fed_by(project, lambda event: bool(event.types & support))),
        Feed("revenue", None, _fed_by(project, lambda event: event.amount is not None)),
        Feed("answers", None, _fed_by(project, lambda event: event.score is not None)),
    ]
    for one in project.maps:
        services = _fed_by(project, _is_on(set(_types(one, project))))
        found += [Feed(kpi, one.journey, services) for kpi in ("started", "completed", "abandoned")]
    return [feed for feed in found if feed.services]


def _types(journey_map: JourneyMap, project: CXProject) -> Iterator[str]:
    """The event types of a map and of the maps nested in it."""
    yield from journey_map.event_types
    for name in journey_map.micro_journeys:
        yield from _types(project.journeys[name], project)


def _is_on(types: set[str]) -> Callable[[EventMapping], bool]:
    return lambda event: bool(event.types & types)


def _fed_by(project: CXProject, takes: Callable[[EventMapping], bool]) -> dict[str, bool]:
    """By service: whether an event may land on a later day than it happened, because a record lands on the day of its
    last change and that is not the time of the event."""
    found: dict[str, bool] = {}
    for service in project.services_due():
        for name in project.due(service).streams:
            stream = project.services[service].streams[name]
            for event in filter(takes, stream.events):
                found[service] = found.get(service, False) or event.occurred_at != stream.updated_at
    return found
