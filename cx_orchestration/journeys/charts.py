"""Journey maps compiled: all versions of one map as the one table that every fold runs on.

Belongs here: names to codes, and the table. Does not belong here: whether a map is sound (``maps``), what the table
does with events (``kernel``).
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cx_orchestration.journeys.guards import Guards
from cx_orchestration.journeys.kernel import FIRST_RECALL, NOWHERE, Chart
from cx_orchestration.journeys.maps import check_versions
from cx_orchestration.model.days import MICROSECONDS_A_DAY
from cx_orchestration.model.failures import InvalidProject
from cx_orchestration.model.journey import Beginning, JourneyMap, Transition

#: Before every event.
ALWAYS = np.iinfo(np.int64).min


@dataclass(frozen=True)
class Version:
    """One version of a map, in force from ``since`` (microseconds UTC) until the next one is."""

    journey_map: JourneyMap
    since: int = ALWAYS


@dataclass(frozen=True, eq=False)
class CompiledMap:
    """All versions of one journey map in integers.

    ``steps`` are (version, step name) by code, the versions one after the other. An event of the type with code c fits
    some of ``guards[c]``; its symbol is ``offsets[c]`` plus 2 to the power of j for each j-th guard that it fits.
    """

    versions: tuple[Version, ...]
    steps: tuple[tuple[int, str], ...]
    event_types: tuple[str, ...]
    guards: tuple[tuple[Guards, ...], ...]
    offsets: tuple[int, ...]
    table: Chart

    @property
    def journey_map(self) -> JourneyMap:
        """The map that is in force now."""
        return self.versions[-1].journey_map

    @property
    def journey(self) -> str:
        return self.journey_map.journey

    @property
    def correlation(self) -> str | None:
        return self.journey_map.correlation

    @property
    def names(self) -> dict[str, list[str]]:
        """What the fold must know of events besides type, time and money: each name, and the event types it asks."""
        wanted: dict[str, list[str]] = {}
        for kind, of_type in zip(self.event_types, self.guards, strict=True):
            for name in sorted({guard.name for guards in of_type for guard in guards}):
                wanted.setdefault(name, []).append(kind)
        return wanted


def compile_map(journey_map: JourneyMap) -> CompiledMap:
    """The table of a map that has had no other version; see ``compile_versions``."""
    return compile_versions([Version(journey_map)])


def compile_versions(versions: Sequence[Version]) -> CompiledMap:
    """One table for all versions, oldest first; raises ``InvalidProject`` with everything that keeps the newest one
    from being sound, or from following the others."""
    maps = [version.journey_map for version in versions]
    if errors := check_versions(maps):
        raise InvalidProject(f"journey map '{maps[-1].journey}'", errors)
    steps = [(n, name) for n, one in enumerate(maps) for name in one.steps]
    code = {step: place for place, step in enumerate(steps)}
    event_types = list(dict.fromkeys(kind for one in maps for kind in [*one.event_types, *one.support_events]))
    guards = [_guards(maps, kind) for kind in event_types]
    sizes = [2 ** len(of_type) for of_type in guards]
    offsets = [0, *itertools.accumulate(sizes)]
    width, part_names = offsets[-1], max((list(one.parts) for one in maps), key=len) or [""]
    remembered = _remembered(maps)
    recalls: list[tuple[int, int]] = []

    def symbols(kind: str, when: Guards) -> list[int]:
        place = event_types.index(kind)
        of_type = guards[place]
        bit = [*map(repr, of_type)].index(repr(when)) if when else None
        return [offsets[place] + bits for bits in range(2 ** len(of_type)) if bit is None or bits & (1 << bit)]

    next_step = np.full((len(steps), width), NOWHERE, np.int32)
    first_step = np.full((len(maps), width), NOWHERE, np.int32)
    on_map, support = np.zeros((2, len(maps), width), np.bool_)
    starts_at = np.full((len(maps), len(part_names)), NOWHERE, np.int32)
    migrate = np.full((len(maps), len(steps)), NOWHERE, np.int32)
    for n, one in enumerate(maps):
        for move in sorted(one.transitions, key=_guarded):
            target = code[n, move.target]
            if move.back:
                recall = (remembered[one.steps[move.target].stage, one.steps[move.target].part], target)
                recalls += [] if recall in recalls else [recall]
                target = FIRST_RECALL - recalls.index(recall)
            for source in move.source:
                next_step[code[n, source], symbols(move.on, tuple(move.when))] = target
        for _, kind, beginning in sorted(one.beginnings(), key=lambda found: _guarded(found[2])):
            first_step[n, symbols(kind, tuple(beginning.when))] = code[n, beginning.target]
        for kind in one.event_types:
            on_map[n, symbols(kind, ())] = True
        for kind in one.support_events:
            support[n, symbols(kind, ())] = True
        for place, part in enumerate(one.parts.values()):
            starts_at[n, place] = code[n, part.starts_at]
        for earlier, moved in one.migrations.items():
            of_version = [place for place, older in enumerate(maps[:n]) if older.version == earlier]
            for place, (old, new) in itertools.product(of_version, moved.items()):
                migrate[n, code[place, old]] = code[n, new]

    declared = [maps[n].steps[name] for n, name in steps]
    waits = [step.abandoned_after_days for step in declared]
    table = Chart(
        next_step=next_step,
        first_step=first_step,
        on_map=on_map,
        support=support,
        wait=np.array([-1 if days is None else round(days * MICROSECONDS_A_DAY) for days in waits], np.int64),
        completes=np.array([step.completes for step in declared], np.bool_),
        version=np.array([n for n, _ in steps], np.int32),
        part=np.array([_part(maps[n], name) for n, name in steps], np.int32),
        memory=np.array([remembered.get((step.stage, step.part), NOWHERE) for step in declared], np.int32),
        parts=np.array([max(1, len(one.parts)) for one in maps], np.int32),
        since=np.array([ALWAYS, *[version.since for version in versions[1:]]], np.int64),
        re_entry=np.array([one.re_entry for one in maps], np.bool_),
        starts_at=starts_at,
        recalled=np.array([place for place, _ in recalls], np.int32),
        otherwise=np.array([step for _, step in recalls], np.int32),
        migrate=migrate,
    )
    return CompiledMap(tuple(versions), tuple(steps), tuple(event_types), tuple(guards), tuple(offsets[:-1]), table)


def _guarded(declared: Transition | Beginning) -> bool:
    """Sorted by it, what has guards comes last and takes from the others what it fits."""
    return bool(declared.when)


def _guards(maps: Sequence[JourneyMap], kind: str) -> tuple[Guards, ...]:
    """The different guards that any version has on events of one type."""
    found = [tuple(move.when) for one in maps for move in one.transitions if move.on == kind]
    found += [tuple(beginning.when) for one in maps for _, on, beginning in one.beginnings() if on == kind]
    # Told apart as they are written: true equals 1, and yet they are not the same value of an event.
    return tuple({repr(guards): guards for guards in found if guards}.values())


def _remembered(maps: Sequence[JourneyMap]) -> dict[tuple[str, str | None], int]:
    """The stages, by part, whose last step some transition leads back to, and where it is remembered."""
    targets = [one.steps[move.target] for one in maps for move in one.transitions if move.back]
    return {stage: place for place, stage in enumerate(dict.fromkeys((to.stage, to.part) for to in targets))}


def _part(one: JourneyMap, step: str) -> int:
    part = one.steps[step].part
    return 0 if part is None else list(one.parts).index(part)
