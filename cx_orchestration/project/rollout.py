"""What each service owes: which days of which streams are to be integrated. Everything that asks, asks here (I4).

Belongs here: approval and rollout put together. Does not belong here: which of these days are there already.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from cx_orchestration.journeys.micro_events import from_services
from cx_orchestration.model.days import DayRange
from cx_orchestration.model.journey import JourneyMap
from cx_orchestration.model.service import ServiceDeclaration
from cx_orchestration.model.settings import Rollout


@dataclass(frozen=True)
class Due:
    """The days of the streams that one service owes.

    ``streams`` are in the order of the service's file; without any, or where ``days`` is ``None``, nothing is owed.
    ``outside`` says of each other stream why it is left alone.
    """

    streams: tuple[str, ...]
    days: DayRange | None
    outside: Mapping[str, str]

    @property
    def why_nothing(self) -> str | None:
        """Why not one stream is owed; ``None`` when some are."""
        return None if self.streams else next(iter(self.outside.values()), "it declares no stream")

    def why_not(self, stream: str, days: DayRange) -> str | None:
        """Why these days of a stream are not owed; ``None`` when all of them are."""
        if stream in self.outside:
            return self.outside[stream]
        if self.days is None:
            return f"{stream} {days} is outside of the rollout: no day is due yet (rollout.since in project.yaml)."
        if days.first not in self.days or days.last not in self.days:
            return f"{stream} {days} is outside of the rollout: the days {self.days} are due (see project.yaml)."
        return None


#: What a service owes that no file declares.
NOTHING_DUE = Due((), None, {})


def what_is_due(
    declaration: ServiceDeclaration,
    rollout: Rollout,
    journeys: Mapping[str, JourneyMap],
    *,
    days: DayRange | None,
    refusal: str | None,
) -> Due:
    """What a service owes of the ``days`` that are due; a service with a ``refusal`` owes nothing."""
    names = tuple(declaration.streams)
    if refusal is not None:
        return Due((), days, dict.fromkeys(names, refusal))
    wanted = _streams(declaration, rollout, journeys)
    outside = {name: _why(declaration.service, name, rollout) for name in names if name not in wanted}
    return Due(tuple(name for name in names if name in wanted), days, outside)


def _streams(declaration: ServiceDeclaration, rollout: Rollout, journeys: Mapping[str, JourneyMap]) -> set[str]:
    if not rollout.is_limited:
        return set(declaration.streams)
    named = rollout.streams.get(declaration.service)
    if named == "all":
        return set(declaration.streams)
    chosen = set(named) if named is not None else _streams_of_stages(declaration, rollout, journeys)
    parents = {parent.stream for name in chosen if (parent := declaration.streams[name].parent) is not None}
    return chosen | parents


def _streams_of_stages(
    declaration: ServiceDeclaration, rollout: Rollout, journeys: Mapping[str, JourneyMap]
) -> set[str]:
    wanted = {
        kind
        for name, stages in rollout.stages.items()
        for kind in from_services(journeys[name].event_types_at(stages), journeys)
    }
    streams = declaration.streams.items()
    chosen = {name for name, stream in streams if any(wanted & event.types for event in stream.events)}
    # Who the customers of these events are is often known from a stream without events alone.
    return chosen | {name for name, stream in streams if chosen and not stream.events and stream.profile is not None}


def days_since(rollout: Rollout, days: DayRange | None) -> DayRange | None:
    """Those of a project's days that the rollout holds."""
    if days is None or rollout.since is None:
        return days
    first = max(days.first, rollout.since)
    return DayRange(first, days.last) if first <= days.last else None


def _why(service: str, stream: str, rollout: Rollout) -> str:
    if service in rollout.streams:
        limit = f"rollout.streams.{service} does not name it"
    elif rollout.stages:
        parts = "; ".join(f"{journey}: {', '.join(stages)}" for journey, stages in rollout.stages.items())
        limit = f"it gives no event of the stages that rollout.stages names ({parts})"
    else:
        limit = f"rollout.streams does not name {service}"
    return (
        f"{service}/{stream} is outside of the rollout: {limit} in project.yaml. Widen it there to integrate this too."
    )
