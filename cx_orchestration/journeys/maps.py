"""Journey maps checked: what keeps a map from meaning one thing.

Belongs here: what makes a map sound, by itself and after its earlier versions. Does not belong here: its table
(``charts``), which maps lie within each other (``nesting``), what other files of the project supply.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import combinations

from cx_orchestration.journeys.guards import Guards, exclude_each_other
from cx_orchestration.model.failures import ProjectError
from cx_orchestration.model.guards import NUMBERS, TEXTS
from cx_orchestration.model.journey import BEGIN, JourneyMap, Transition
from cx_orchestration.model.words import suggestion

#: Guards of one event type, all versions together: their table has a column for each way in which they may hold.
MAX_GUARDS = 10

#: Path, value found, expectation.
_Error = tuple[str, str, str]


def check_map(journey_map: JourneyMap, file: str = "") -> list[ProjectError]:
    """Everything that keeps a map from meaning one thing, in the order of the file; no errors, a sound map.

    Where a step is named that is not declared, nothing is said of ways through the map: one of them leads there.
    """
    undeclared = list(_undeclared_steps(journey_map))
    found = [
        *_unknown_stages(journey_map),
        *undeclared,
        *_reserved_names(journey_map),
        *_wrong_parts(journey_map),
        *_ways_back(journey_map),
        *_ambiguous_beginnings(journey_map),
        *_ambiguous_transitions(journey_map),
        *_impossible_guards(journey_map),
        *([] if undeclared else _unreachable_steps(journey_map)),
        *_wrong_ends(journey_map),
        *([] if undeclared else _no_way_out(journey_map)),
        *_wrong_migrations(journey_map),
        *_repeated_names(journey_map),
        *_too_many_guards([journey_map]),
    ]
    return [ProjectError(file or f"journeys/{journey_map.journey}.yaml", *error) for error in found]


def check_versions(maps: Sequence[JourneyMap], file: str = "") -> list[ProjectError]:
    """What ``check_map`` finds in the newest of some versions, and what keeps it from following the others."""
    newest = maps[-1]
    if errors := check_map(newest, file):
        return errors
    found = [*_wrong_successions(maps), *_too_many_guards(maps)]
    return [ProjectError(file or f"journeys/{newest.journey}.yaml", *error) for error in found]


def _unknown_stages(journey_map: JourneyMap) -> Iterator[_Error]:
    for name, step in journey_map.steps.items():
        if step.stage not in journey_map.stages:
            yield f"steps.{name}.stage", step.stage, f"expected one of the stages {', '.join(journey_map.stages)}"


def _undeclared_steps(journey_map: JourneyMap) -> Iterator[_Error]:
    used = [
        (path if isinstance(journey_map.begins_with[kind], str) else f"{path}.to", beginning.target)
        for path, kind, beginning in journey_map.beginnings()
    ]
    for place, move in enumerate(journey_map.transitions):
        used += [(f"transitions[{place}].from[{n}]", step) for n, step in enumerate(move.source)]
        used.append((f"transitions[{place}].to", move.target))
    used += [(f"parts.{name}.starts_at", part.starts_at) for name, part in journey_map.parts.items()]
    for path, step_name in used:
        if step_name not in journey_map.steps:
            meant = suggestion(step_name, journey_map.steps)
            expected = f"expected one of the steps {', '.join(journey_map.steps)}{meant}; or declare it under 'steps'"
            yield path, step_name, expected


def _reserved_names(journey_map: JourneyMap) -> Iterator[_Error]:
    if BEGIN in journey_map.steps:
        yield f"steps.{BEGIN}", BEGIN, f"expected another name: '{BEGIN}' is the first step of the journey's funnel"
    if journey_map.correlation in (*NUMBERS, *TEXTS):
        expected = "expected an attribute that tells instances apart, such as order_id: every event has this, or none"
        yield "correlation", journey_map.correlation, expected


def _ways_back(journey_map: JourneyMap) -> Iterator[_Error]:
    for place, move in enumerate(journey_map.transitions):
        to = journey_map.steps.get(move.target)
        if not move.back or to is None:
            continue
        inside = [
            name for name in move.source if name in journey_map.steps and journey_map.steps[name].stage == to.stage
        ]
        if inside:
            expected = f"expected a way back to a stage that was left, but {', '.join(inside)} is in {to.stage} as well"
            yield f"transitions[{place}].back", "true", expected


def _wrong_parts(journey_map: JourneyMap) -> Iterator[_Error]:
    parts, steps = ", ".join(journey_map.parts), journey_map.steps
    for name, step in steps.items():
        if step.part is not None and step.part not in journey_map.parts:
            expected = f"expected one of the parts {parts}" if parts else "the map has no 'parts'"
            yield f"steps.{name}.part", step.part, expected
        elif step.part is None and journey_map.parts:
            yield f"steps.{name}", "", f"expected a 'part', one of {parts}: the map has parts"
    for name, part in journey_map.parts.items():
        if part.starts_at in steps and steps[part.starts_at].part != name:
            yield f"parts.{name}.starts_at", part.starts_at, "expected a step of this part"
        elif part.starts_at in steps and steps[part.starts_at].completes:
            yield f"parts.{name}.starts_at", part.starts_at, "expected a step that does not complete the part"
    for place, move in enumerate(journey_map.transitions):
        of_parts = {steps[name].part for name in [*move.source, move.target] if name in steps}
        if journey_map.parts and len(of_parts) > 1:
            yield f"transitions[{place}]", move.target, "expected steps of one part: parts go on side by side"


def _ambiguous_beginnings(journey_map: JourneyMap) -> Iterator[_Error]:
    by_type: dict[str, list[tuple[str, str, Guards]]] = {}
    for path, kind, beginning in journey_map.beginnings():
        by_type.setdefault(kind, []).append((path, beginning.target, tuple(beginning.when)))
    for kind, found in by_type.items():
        for (earlier, target, left), (path, other, right) in combinations(found, 2):
            if _both_may_hold(left, right):
                yield (
                    path,
                    f"{kind} to {other}",
                    _ambiguous(earlier, target, left, right, "beginning for an event type"),
                )


def _ambiguous_transitions(journey_map: JourneyMap) -> list[_Error]:
    errors = []
    earlier: dict[tuple[str, str], list[tuple[int, Transition]]] = {}
    for place, move in enumerate(journey_map.transitions):
        for source in dict.fromkeys(move.source):
            path, found = f"transitions[{place}]", f"{move.on} from {source} to {move.target}"
            if move.source.count(source) > 1:
                errors.append((f"{path}.from", source, "expected once"))
            for other_place, other in earlier.setdefault((source, move.on), []):
                if _both_may_hold(tuple(other.when), tuple(move.when)):
                    what = "transition for a step and an event type"
                    args = (f"transitions[{other_place}]", other.target, tuple(other.when), tuple(move.when), what)
                    errors.append((path, found, _ambiguous(*args)))
            earlier[source, move.on].append((place, move))
    return errors


def _both_may_hold(left: Guards, right: Guards) -> bool:
    """One without guards takes what the others leave, so only two without guards are ambiguous, or two that both fit
    some event."""
    return bool(left) == bool(right) and not exclude_each_other(left, right)


def _ambiguous(earlier: str, target: str, left: Guards, right: Guards, what: str) -> str:
    if not left:
        return f"ambiguous: expected one {what} without 'when', {earlier} leads to {target}"
    return (
        f"ambiguous: some events fit both this ({_phrase(right)}) and {earlier}, which leads to {target} "
        f"({_phrase(left)}); make their guards exclude each other"
    )


def _phrase(guards: Guards) -> str:
    return ", ".join(map(str, guards))


def _impossible_guards(journey_map: JourneyMap) -> Iterator[_Error]:
    guarded = [(f"{path}.when", tuple(beginning.when)) for path, _, beginning in journey_map.beginnings()]
    guarded += [(f"transitions[{n}].when", tuple(move.when)) for n, move in enumerate(journey_map.transitions)]
    for path, guards in guarded:
        if guards and exclude_each_other(guards, guards):
            yield path, _phrase(guards), "no event can fit all of these: remove one"


def _unreachable_steps(journey_map: JourneyMap) -> list[_Error]:
    # In a map with parts a part that is completed may be moved no more either.
    ends = {name for name, step in journey_map.steps.items() if step.completes}
    reached = {beginning.target for _, _, beginning in journey_map.beginnings()}
    reached |= {part.starts_at for part in journey_map.parts.values()}
    while more := {
        move.target
        for move in journey_map.transitions
        if move.target not in reached and not reached.isdisjoint(set(move.source) - ends)
    }:
        reached |= more
    return [
        (f"steps.{name}", "", "unreachable: no beginning and no transition leads here; add one, or remove the step")
        for name in journey_map.steps
        if name not in reached
    ]


def _wrong_ends(journey_map: JourneyMap) -> list[_Error]:
    errors = []
    for name, step in journey_map.steps.items():
        moves = [move for move in journey_map.transitions if name in move.source]
        if step.completes and moves:
            errors.append((f"steps.{name}.completes", "true", "a journey ends here, so no transition may start here"))
        if step.completes and step.abandoned_after_days is not None:
            errors.append((f"steps.{name}.abandoned_after_days", "", "a step that completes cannot be abandoned"))
    return errors


def _no_way_out(journey_map: JourneyMap) -> list[_Error]:
    expected = (
        "there is no way out: whoever is here can neither complete nor give up, however they move on; add a transition "
        "to a step that ends, 'completes: true' or 'abandoned_after_days'"
    )
    traps = _traps(journey_map)
    return [(f"steps.{name}", "", expected) for name in journey_map.steps if name in traps]


def _traps(journey_map: JourneyMap) -> set[str]:
    """The steps where no instance ends and from where moves lead to nothing but such steps, and back again."""
    reached = {name: {name} for name in journey_map.steps}
    grown = True
    while grown:
        grown = False
        for move in journey_map.transitions:
            for source in set(move.source) & reached.keys():
                more = reached.get(move.target, set()) - reached[source]
                reached[source] |= more
                grown = grown or bool(more)
    ends = {name for name, step in journey_map.steps.items() if step.completes or step.abandoned_after_days is not None}
    return {
        name
        for name, found in reached.items()
        if found.isdisjoint(ends) and all(name in reached[each] for each in found)
    }


def _wrong_migrations(journey_map: JourneyMap) -> Iterator[_Error]:
    steps = ", ".join(journey_map.steps)
    for version, moved in journey_map.migrations.items():
        if version >= journey_map.version:
            expected = f"expected a version earlier than this one, {journey_map.version}"
            yield f"migrations.{version}", str(version), expected
        for old, new in moved.items():
            if new not in journey_map.steps:
                yield f"migrations.{version}.{old}", new, f"expected one of the steps {steps}"
            elif journey_map.steps[new].completes:
                yield f"migrations.{version}.{old}", new, "expected a step that does not complete: only events complete"


def _repeated_names(journey_map: JourneyMap) -> list[_Error]:
    lists = {
        "stages": journey_map.stages,
        "support_events": journey_map.support_events,
        "human_events": journey_map.human_events,
        "friction_events": journey_map.friction_events,
        "segments": journey_map.segments,
    }
    return [
        (key, name, "expected once")
        for key, names in lists.items()
        for name, times in Counter(names).items()
        if times > 1
    ]


def _too_many_guards(maps: Sequence[JourneyMap]) -> Iterator[_Error]:
    by_type: dict[str, set[str]] = {}
    for one in maps:
        for kind, guards in [
            *((move.on, tuple(move.when)) for move in one.transitions),
            *((kind, tuple(beginning.when)) for _, kind, beginning in one.beginnings()),
        ]:
            by_type.setdefault(kind, set()).update([repr(guards)] if guards else [])
    for kind, different in by_type.items():
        if len(different) > MAX_GUARDS:
            expected = f"expected at most {MAX_GUARDS} different guards on one event type, found {len(different)}"
            yield "transitions", kind, expected


def _wrong_successions(maps: Sequence[JourneyMap]) -> Iterator[_Error]:
    newest, earlier = maps[-1], {one.version: one for one in maps[:-1]}
    for one in maps[-2:-1]:
        if one.correlation != newest.correlation:
            known = one.correlation or "none"
            expected = f"expected {known} as in version {one.version}; give the journey another name instead"
            yield "correlation", newest.correlation or "", expected
    for version, moved in newest.migrations.items():
        if version not in earlier:
            continue  # nothing is in flight there
        old = earlier[version]
        if list(old.parts) != list(newest.parts):
            yield f"migrations.{version}", "", "expected the same parts in both versions, in the same order"
            continue
        for name, target in moved.items():
            path = f"migrations.{version}.{name}"
            if name not in old.steps:
                yield path, name, f"expected one of the steps of version {version}: {', '.join(old.steps)}"
            elif old.steps[name].part != newest.steps[target].part:
                yield path, target, f"expected a step of the part {old.steps[name].part}"
