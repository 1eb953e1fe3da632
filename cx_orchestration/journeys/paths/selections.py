"""What paths are asked about: all events, the events of each journey's map, and funnels.

Belongs here: from the words of maps and declared funnels to codes of event types. Does not belong here: whether a map
is sound (``maps``), what guards say of events (``choosing``).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cx_orchestration.journeys.guards import Guards
from cx_orchestration.journeys.micro_events import is_micro_event
from cx_orchestration.journeys.paths.funnel import SEMANTICS
from cx_orchestration.model.days import MICROSECONDS_A_DAY
from cx_orchestration.model.funnel import DeclaredFunnel, EventChoice, Semantics
from cx_orchestration.model.journey import BEGIN, JourneyMap


@dataclass(frozen=True, eq=False)
class Selection:
    """``journey`` is empty for all events. ``codes`` are the types looked at; ``wait`` is the time by code after which
    a customer has left, -1 for none, in microseconds."""

    journey: str
    codes: NDArray[np.int32]
    wait: NDArray[np.int64]


@dataclass(frozen=True)
class Choice:
    """Events of the types with these codes for which all guards hold."""

    codes: frozenset[int]
    guards: Guards = ()


@dataclass(frozen=True)
class AskedFunnel:
    """A funnel of a journey's map, or a declared one with a ``name``; ``window`` in microseconds. With an ``audience``
    only what customers do from the first such event on counts."""

    journey: str
    name: str | None
    steps: tuple[tuple[str, Choice], ...]
    window: int
    semantics: Semantics
    audience: Choice | None = None

    @property
    def choices(self) -> list[Choice]:
        of_steps = [choice for _, choice in self.steps]
        return of_steps if self.audience is None else [self.audience, *of_steps]


def selections(maps: Sequence[JourneyMap], types: Sequence[str]) -> list[Selection]:
    """All events first, then each map; ``types`` names the codes. Types that no event has are left out."""
    code = {name: number for number, name in enumerate(types)}
    nothing = np.full(len(types), -1, np.int64)
    every = np.arange(len(types), dtype=np.int32)
    return [Selection("", every, nothing), *(_of_map(one, code) for one in maps)]


def asked_funnels(
    maps: Sequence[JourneyMap], declared: Mapping[str, DeclaredFunnel], types: Sequence[str]
) -> list[AskedFunnel]:
    """The funnel of each map that has milestones beyond its beginning, under both semantics, then the declared ones."""
    code = {name: number for number, name in enumerate(types)}

    def chosen(choice: EventChoice) -> Choice:
        return Choice(_codes(choice.on, code), tuple(choice.when))

    of_maps = [
        AskedFunnel(
            journey=one.journey,
            name=None,
            steps=tuple((name, Choice(codes)) for name, codes in steps),
            window=round(one.conversion_window_days * MICROSECONDS_A_DAY),
            semantics=semantics,
        )
        for one in maps
        if len(steps := list(_milestones(one, code))) > 1
        for semantics in SEMANTICS
    ]
    return of_maps + [
        AskedFunnel(
            journey="",
            name=name,
            steps=tuple((step.step, chosen(step)) for step in funnel.steps),
            window=round(funnel.window_days * MICROSECONDS_A_DAY),
            semantics=funnel.semantics,
            audience=None if funnel.audience is None else chosen(funnel.audience),
        )
        for name, funnel in declared.items()
    ]


def _of_map(journey_map: JourneyMap, code: Mapping[str, int]) -> Selection:
    wait = np.full(len(code), -1, np.int64)
    for name, step in journey_map.steps.items():
        if step.abandoned_after_days is not None:
            longest = round(step.abandoned_after_days * MICROSECONDS_A_DAY)
            for number in _codes(journey_map.types_leading_to(name), code):
                wait[number] = max(wait[number], longest)
    return Selection(
        journey=journey_map.journey,
        codes=np.array(sorted(_codes(journey_map.event_types, code)), np.int32),
        wait=wait,
    )


def _milestones(journey_map: JourneyMap, code: Mapping[str, int]) -> Iterable[tuple[str, frozenset[int]]]:
    """Where customers enter, and the milestones that are asked of them.

    One event stands for one step: who begins right at a milestone has come there without a way, and is no entry. Where
    everybody begins at a milestone, all are entries, and those milestones are not asked for. Nobody is seen to begin by
    what another journey does: that is no event of ``journeys/sequences``.
    """
    begun = [(kind, beginning.target) for _, kind, beginning in journey_map.beginnings() if not is_micro_event(kind)]
    asked = [name for name, step in journey_map.steps.items() if step.milestone]
    entries = [kind for kind, target in begun if target not in asked]
    if not entries:
        entries = [kind for kind, _ in begun]
        asked = [name for name in asked if name not in {target for _, target in begun}]
    yield BEGIN, _codes(entries, code)
    for name in asked:
        yield name, _codes(journey_map.types_leading_to(name), code)


def _codes(types: Iterable[str], code: Mapping[str, int]) -> frozenset[int]:
    return frozenset(code[name] for name in types if name in code)
