"""What micro journeys do, as the event types that other maps may name.

Belongs here: the names, and which map waits for which. Does not belong here: making such events (``micro``).
"""

from collections.abc import Iterable, Mapping, Sequence

from cx_orchestration.model.failures import ProjectError
from cx_orchestration.model.journey import JourneyMap
from cx_orchestration.model.words import suggestion

#: The beginning of the types of all such events. No service may give one.
PREFIX = "journey."

#: What an instance of a micro journey does, in the order in which it does it.
DOINGS = ("begun", "completed", "abandoned")


def micro_event(journey: str, doing: str) -> str:
    """The type of the event that an instance of ``journey`` did one of ``DOINGS``."""
    return f"{PREFIX}{journey}.{doing}"


def is_micro_event(event_type: str) -> bool:
    """Whether an event type is of what micro journeys do."""
    return event_type.startswith(PREFIX)


def by_nesting(maps: Sequence[JourneyMap]) -> list[JourneyMap]:
    """The maps, each after those whose doings are events on it; otherwise in their order."""
    known = {one.journey: one for one in maps}
    placed: dict[str, JourneyMap] = {}

    def place(one: JourneyMap, above: tuple[str, ...]) -> None:
        for name in one.micro_journeys:
            if name in known and name not in above:
                place(known[name], (*above, name))
        placed.setdefault(one.journey, one)

    for one in maps:
        place(one, (one.journey,))
    return list(placed.values())


def from_services(event_types: Iterable[str], maps: Mapping[str, JourneyMap]) -> set[str]:
    """The event types that services must give for these: for what a micro journey does, all that are on its map."""
    found: set[str] = set()
    waiting, seen = list(event_types), set[str]()
    while waiting:
        kind = waiting.pop()
        if not is_micro_event(kind):
            found.add(kind)
            continue
        name = kind.removeprefix(PREFIX).rpartition(".")[0]
        if name in maps and name not in seen:
            seen.add(name)
            waiting += maps[name].event_types
    return found


def nesting_errors(journey: JourneyMap, maps: Mapping[str, JourneyMap], file: str) -> Iterable[ProjectError]:
    """Names of micro journeys that do not exist, and a map that waits for itself."""
    known = sorted(set(maps) - {journey.journey})
    doings = f"{', '.join(DOINGS[:-1])} or {DOINGS[-1]}"
    named = [(path, kind) for path, kind, _ in journey.beginnings()]
    named += [(f"transitions[{n}].on", move.on) for n, move in enumerate(journey.transitions)]
    for path, kind in named:
        if not is_micro_event(kind):
            continue
        name, _, doing = kind.removeprefix(PREFIX).rpartition(".")
        if name in maps and doing not in DOINGS:
            yield ProjectError(file, path, kind, f"expected what the journey '{name}' does: {doings}")
        elif name not in maps:
            there = f"those that there are: {', '.join(known)}" if known else "this is the only one"
            expected = (
                f"there is no journey '{name}' in journeys/{suggestion(name, known)}; {there}. An event type that "
                f"begins with '{PREFIX}' is what another journey does: {PREFIX}<name>. and {doings}"
            )
            yield ProjectError(file, path, kind, expected)
        elif (circle := _way_back(name, journey.journey, maps)) is not None:
            expected = (
                f"expected a map that does not wait for this one: {' waits for '.join([journey.journey, *circle])}"
            )
            yield ProjectError(file, path, kind, expected)


def _way_back(name: str, to: str, maps: Mapping[str, JourneyMap]) -> list[str] | None:
    """The maps from ``name`` to ``to``, each nested in the one before it; None if there is no such way."""
    ways, seen = [[name]], {name}
    for way in ways:
        if way[-1] == to:
            return way
        for below in maps[way[-1]].micro_journeys if way[-1] in maps else ():
            if below not in seen:
                seen.add(below)
                ways.append([*way, below])
    return None
