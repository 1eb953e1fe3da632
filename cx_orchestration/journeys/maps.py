"""Journey maps checked, and compiled to the table that every fold runs on.

Belongs here: what makes a map sound, and the table. Does not belong here: events.
"""

from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cx_orchestration.model.failures import InvalidProject, ProjectError
from cx_orchestration.model.journey import JourneyMap

#: In a transition table: no step.
NOWHERE = -1

_MICROSECONDS_A_DAY = 86_400_000_000


@dataclass(frozen=True, eq=False)
class TransitionTable:
    """A journey map in integers: a step's code is its place in ``steps``, an event type's its place in ``event_types``.

    ``next_step[step, type]`` and ``first_step[type]`` are step codes or ``NOWHERE``; ``wait[step]`` is the longest rest
    in microseconds before the instance counts as abandoned, -1 for none; ``completes[step]`` ends the instance.
    """

    journey_map: JourneyMap
    steps: tuple[str, ...]
    event_types: tuple[str, ...]
    next_step: NDArray[np.int32]
    first_step: NDArray[np.int32]
    wait: NDArray[np.int64]
    completes: NDArray[np.bool_]


def compile_map(journey_map: JourneyMap) -> TransitionTable:
    """The transition table of a sound map; raises ``InvalidProject`` with everything that ``check_map`` finds."""
    if errors := check_map(journey_map):
        raise InvalidProject(f"journey map '{journey_map.journey}'", errors)
    steps = tuple(journey_map.steps)
    moves = [move.on for move in journey_map.transitions]
    event_types = tuple(dict.fromkeys([*journey_map.begins_with, *moves]))
    step_code = {step: code for code, step in enumerate(steps)}
    type_code = {event_type: code for code, event_type in enumerate(event_types)}
    next_step = np.full((len(steps), len(event_types)), NOWHERE, np.int32)
    for move in journey_map.transitions:
        next_step[[step_code[step] for step in move.source], type_code[move.on]] = step_code[move.target]
    first_step = np.full(len(event_types), NOWHERE, np.int32)
    for event_type, step in journey_map.begins_with.items():
        first_step[type_code[event_type]] = step_code[step]
    waits = [step.abandoned_after_days for step in journey_map.steps.values()]
    return TransitionTable(
        journey_map=journey_map,
        steps=steps,
        event_types=event_types,
        next_step=next_step,
        first_step=first_step,
        wait=np.array([-1 if days is None else round(days * _MICROSECONDS_A_DAY) for days in waits], np.int64),
        completes=np.array([step.completes for step in journey_map.steps.values()], np.bool_),
    )


def check_map(journey_map: JourneyMap, file: str = "") -> list[ProjectError]:
    """Everything that keeps a map from meaning one thing, in the order of the file; no errors, a sound map."""
    found = [
        *_unknown_names(journey_map),
        *_ambiguous_transitions(journey_map),
        *_unreachable_steps(journey_map),
        *_wrong_ends(journey_map),
        *_repeated_names(journey_map),
    ]
    return [ProjectError(file or f"journeys/{journey_map.journey}.yaml", *error) for error in found]


#: Path, value found, expectation.
_Error = tuple[str, str, str]


def _unknown_names(journey_map: JourneyMap) -> list[_Error]:
    stages, steps = ", ".join(journey_map.stages), ", ".join(journey_map.steps)
    errors = [
        (f"steps.{name}.stage", step.stage, f"expected one of the stages {stages}")
        for name, step in journey_map.steps.items()
        if step.stage not in journey_map.stages
    ]
    used = [(f"begins_with.{event_type}", step) for event_type, step in journey_map.begins_with.items()]
    for place, move in enumerate(journey_map.transitions):
        used += [(f"transitions[{place}].from[{n}]", step) for n, step in enumerate(move.source)]
        used.append((f"transitions[{place}].to", move.target))
    return errors + [
        (path, step, f"expected one of the steps {steps}") for path, step in used if step not in journey_map.steps
    ]


def _ambiguous_transitions(journey_map: JourneyMap) -> list[_Error]:
    first: dict[tuple[str, str], int] = {}
    errors = []
    for place, move in enumerate(journey_map.transitions):
        for source in move.source:
            earlier = first.setdefault((source, move.on), place)
            if earlier != place or move.source.count(source) > 1:
                errors.append(
                    (
                        f"transitions[{place}]",
                        f"{move.on} from {source} to {move.target}",
                        "expected one transition for a step and an event type, "
                        f"transitions[{earlier}] leads to {journey_map.transitions[earlier].target}",
                    )
                )
    return list(dict.fromkeys(errors))


def _unreachable_steps(journey_map: JourneyMap) -> list[_Error]:
    ends = {name for name, step in journey_map.steps.items() if step.completes}
    reached = set(journey_map.begins_with.values())
    while more := {
        move.target
        for move in journey_map.transitions
        if move.target not in reached and not reached.isdisjoint(set(move.source) - ends)
    }:
        reached |= more
    return [
        (f"steps.{name}", "", "no beginning and no transition leads here: add one, or remove the step")
        for name in journey_map.steps
        if name not in reached
    ]


def _wrong_ends(journey_map: JourneyMap) -> list[_Error]:
    errors = []
    for name, step in journey_map.steps.items():
        leaves = any(name in move.source and move.target != name for move in journey_map.transitions)
        moves = any(name in move.source for move in journey_map.transitions)
        if step.completes and moves:
            errors.append((f"steps.{name}.completes", "true", "a journey ends here, so no transition may start here"))
        if step.completes and step.abandoned_after_days is not None:
            errors.append((f"steps.{name}.abandoned_after_days", "", "a step that completes cannot be abandoned"))
        if not (step.completes or leaves or step.abandoned_after_days is not None):
            errors.append(
                (
                    f"steps.{name}",
                    "",
                    "there is no way out: add a transition to another step, 'completes: true' or "
                    "'abandoned_after_days'",
                )
            )
    return errors


def _repeated_names(journey_map: JourneyMap) -> list[_Error]:
    lists = {
        "stages": journey_map.stages,
        "support_events": journey_map.support_events,
        "friction_events": journey_map.friction_events,
        "segments": journey_map.segments,
    }
    return [
        (key, name, "expected once")
        for key, names in lists.items()
        for name, times in Counter(names).items()
        if times > 1
    ]
