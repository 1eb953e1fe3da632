"""What paths are asked about: all events, and the events of each journey's map with its funnel and milestones.

Belongs here: from a map's words to codes of event types. Does not belong here: whether a map is sound (``maps``).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cx_orchestration.model.journey import JourneyMap

#: What a funnel's first step is called: the customer begins the journey.
BEGIN = "begin"

_MICROSECONDS_A_DAY = 86_400_000_000


@dataclass(frozen=True, eq=False)
class Selection:
    """``journey`` is empty for all events. ``codes`` are the types looked at; ``steps`` name a funnel's steps and the
    codes that reach them, the beginning first; ``window`` is its length and ``wait`` the time by code after which a
    customer has left, -1 for none, in microseconds."""

    journey: str
    codes: NDArray[np.int32]
    steps: tuple[tuple[str, frozenset[int]], ...]
    window: int
    wait: NDArray[np.int64]

    @property
    def has_funnel(self) -> bool:
        return len(self.steps) > 1


def selections(maps: Sequence[JourneyMap], types: Sequence[str]) -> list[Selection]:
    """All events first, then each map; ``types`` names the codes. Types that no event has are left out."""
    code = {name: number for number, name in enumerate(types)}
    nothing = np.full(len(types), -1, np.int64)
    every = np.arange(len(types), dtype=np.int32)
    return [Selection("", every, (), 0, nothing), *(_of_map(one, code) for one in maps)]


def _of_map(journey_map: JourneyMap, code: Mapping[str, int]) -> Selection:
    wait = np.full(len(code), -1, np.int64)
    for name, step in journey_map.steps.items():
        if step.abandoned_after_days is not None:
            longest = round(step.abandoned_after_days * _MICROSECONDS_A_DAY)
            for number in _codes(journey_map.types_leading_to(name), code):
                wait[number] = max(wait[number], longest)
    return Selection(
        journey=journey_map.journey,
        codes=np.array(sorted(_codes(journey_map.event_types, code)), np.int32),
        steps=tuple(_funnel(journey_map, code)),
        window=round(journey_map.conversion_window_days * _MICROSECONDS_A_DAY),
        wait=wait,
    )


def _funnel(journey_map: JourneyMap, code: Mapping[str, int]) -> Iterable[tuple[str, frozenset[int]]]:
    yield BEGIN, _codes(journey_map.begins_with, code)
    begun = {beginning.target for _, _, beginning in journey_map.beginnings()}
    for name, step in journey_map.steps.items():
        if step.milestone and name not in begun:
            yield name, _codes(journey_map.types_leading_to(name), code)


def _codes(types: Iterable[str], code: Mapping[str, int]) -> frozenset[int]:
    return frozenset(code[name] for name in types if name in code)
