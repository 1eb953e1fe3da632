"""A slow, obvious reading of the words of ``JourneyMap``: one event at a time, one object an instance.

It shares no code with the fold but the maps themselves and what a guard says of one value. Times are whole days.
"""

from collections import Counter
from dataclasses import dataclass, field

from cx_orchestration.journeys.guards import fits
from cx_orchestration.model.journey import JourneyMap


@dataclass(frozen=True)
class Happening:
    """One event of one customer; ``carries`` has attributes and the columns that guards may name, as texts."""

    kind: str
    day: int
    amount: int = 0
    carries: tuple[tuple[str, str], ...] = ()

    def value(self, name: str) -> str | None:
        return dict(self.carries).get(name)


@dataclass
class Instance:
    """``rests`` has, by part, the step where it stands and since when; ``path`` from where, to where, is it a
    deviation, of which version."""

    map: JourneyMap
    key: str | None
    first: Happening
    rests: dict[str | None, tuple[str, float]]
    moved: float
    state: str
    remembered: dict[tuple[str, str | None], str] = field(default_factory=dict)
    status: str = "active"
    ended: float | None = None
    path: list[tuple[str | None, str, bool, int]] = field(default_factory=list)
    as_it_ended: tuple[int, list[str]] | None = None
    contacts: int = 0
    revenue: int = 0
    last: Happening | None = None

    @property
    def standing(self) -> list[str]:
        return [step for step, _ in self.rests.values()]

    @property
    def end(self) -> tuple[int, list[str]]:
        """The version and the steps that it stands at, or ended with."""
        return self.as_it_ended or (self.map.version, self.standing)


class Interpreter:
    """The versions of one map, each from a day on; feed it one customer's events in order, then ``finish``."""

    def __init__(self, versions: list[tuple[float, JourneyMap]]) -> None:
        self.versions = [(float("-inf"), versions[0][1]), *versions[1:]]
        self.instances: list[Instance] = []
        self.fell: Counter = Counter()
        self._compared: dict[int, int] = {}

    def finish(self, as_of: float) -> None:
        for instance in self.instances:
            self._catch_up(instance, as_of)

    def take(self, event: Happening) -> None:
        newest = self.versions[-1][1]
        key, keyed = None, True
        if newest.correlation is not None:
            key = event.value(newest.correlation)
            keyed = key is not None and key.strip() != ""
        for instance in self.instances:
            self._catch_up(instance, event.day)
        if keyed:
            own = [instance for instance in self.instances if instance.key == key]
            last = own[-1] if own else None
        else:
            still_open = [instance for instance in self.instances if instance.status == "active"]
            last = still_open[0] if len(still_open) == 1 else None
            if last is None:
                self.fell["outside"] += 1
                return
        if last is not None and last.status == "active":
            self._inside(last, event)
        elif last is not None and last.status == "abandoned" and self._moves(last, event):
            resumed = Instance(
                last.map,
                key,
                event,
                {part: (step, event.day) for part, (step, _) in last.rests.items()},
                event.day,
                last.state,
                dict(last.remembered),
            )
            self._add(resumed)
            self._inside(resumed, event)
        elif (to := self._beginning(event)) is not None and (last is None or self._in_force(event.day).re_entry):
            self._begin(key, event, to)
        else:
            self.fell["outside"] += 1

    def _in_force(self, day: float) -> JourneyMap:
        return [one for since, one in self.versions if since <= day][-1]

    def _beginning(self, event: Happening) -> str | None:
        named = self._in_force(event.day).begins_with.get(event.kind)
        if named is None or isinstance(named, str):
            return named
        return self._first_fitting([(beginning.when, beginning.target) for beginning in named], event)

    def _moves(self, instance: Instance, event: Happening) -> dict[str | None, str]:
        """By part, where a transition leads."""
        found = {}
        for part, (step, _) in instance.rests.items():
            leaving = [move for move in instance.map.transitions if move.on == event.kind and step in move.source]
            to = self._first_fitting([(move.when, move) for move in leaving], event)
            if to is not None:
                stage = instance.map.steps[to.target].stage
                back = instance.remembered.get((stage, part)) if to.back else None
                found[part] = back or to.target
        return found

    @staticmethod
    def _first_fitting(choices, event):
        guarded = [what for when, what in choices if when and all(fits(g, event.value(g.name)) for g in when)]
        free = [what for when, what in choices if not when]
        assert len(guarded) < 2 and len(free) < 2, "ambiguous"
        return (guarded or free or [None])[0]

    def _begin(self, key, event: Happening, to: str) -> None:
        chart = self._in_force(event.day)
        of_part = {part: declared.starts_at for part, declared in chart.parts.items()} or {None: to}
        of_part[chart.steps[to].part] = to
        rests = {part: (step, event.day) for part, step in of_part.items()}
        instance = Instance(chart, key, event, rests, event.day, to)
        for part, step in of_part.items():
            instance.remembered[chart.steps[step].stage, part] = step
        self._add(instance)
        instance.path.append((None, to, False, chart.version))
        self.fell["moves"] += 1
        self._count(instance, event)

    def _add(self, instance: Instance) -> None:
        self._compared[id(instance)] = self.versions.index(
            [version for version in self.versions if version[0] <= instance.first.day][-1]
        )
        self.instances.append(instance)

    def _inside(self, instance: Instance, event: Happening) -> None:
        found = self._moves(instance, event)
        for part, to in found.items():
            instance.path.append((instance.rests[part][0], to, False, instance.map.version))
            instance.rests[part] = (to, event.day)
            instance.remembered[instance.map.steps[to].stage, part] = to
            instance.moved, instance.state = event.day, to
        if found:
            self.fell["moves"] += len(found)
            self.fell["jointly"] += len(found) - 1
        elif event.kind in {*instance.map.begins_with, *(move.on for move in instance.map.transitions)}:
            instance.path.append((instance.state, instance.state, True, instance.map.version))
            self.fell["deviations"] += 1
        else:
            self.fell["off_map"] += 1
            instance.contacts += event.kind in instance.map.support_events
            instance.revenue += event.amount
            return
        self._count(instance, event)

    def _count(self, instance: Instance, event: Happening) -> None:
        instance.last = event
        instance.contacts += event.kind in instance.map.support_events
        instance.revenue += event.amount
        if all(instance.map.steps[step].completes for step in instance.standing):
            instance.status, instance.ended = "completed", event.day

    def _catch_up(self, instance: Instance, now: float) -> None:
        at = self._compared[id(instance)]
        for place in range(at + 1, len(self.versions)):
            since, newer = self.versions[place]
            if since > now:
                break
            self._expire(instance, since)
            self._migrate(instance, since, newer)
            self._compared[id(instance)] = place
        self._expire(instance, now)

    def _expire(self, instance: Instance, now: float) -> None:
        deadlines = [
            (since + limit, step)
            for step, since in instance.rests.values()
            if (limit := instance.map.steps[step].abandoned_after_days) is not None and since + limit < now
        ]
        if instance.status == "active" and deadlines:
            instance.ended, instance.state = min(deadlines, key=lambda deadline: deadline[0])
            instance.status = "abandoned"
            instance.as_it_ended = (instance.map.version, instance.standing)

    def _migrate(self, instance: Instance, since: float, newer: JourneyMap) -> None:
        """An abandoned instance ended as it stood; what moves on is where a return would go on."""
        moved = newer.migrations.get(instance.map.version, {})
        if instance.status == "completed" or any(step not in moved for step in instance.standing):
            return
        if instance.status == "active":
            instance.state = moved[instance.state]
        instance.map = newer
        instance.rests = {part: (moved[step], since) for part, (step, _) in instance.rests.items()}
        instance.remembered = {(newer.steps[step].stage, part): step for part, (step, _) in instance.rests.items()}
