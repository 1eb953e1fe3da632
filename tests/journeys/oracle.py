"""A journey map as a state chart of python-statemachine: stages and parts are its compound and parallel states.

The library decides what moves where, guards, ways back (its history) and parts included. What it does not know is said
here: when an instance begins, rests too long, is resumed, and which thread an event belongs to.
"""

from interpreter import Happening
from statemachine import HistoryState, State, StateChart

from cx_orchestration.journeys.guards import fits
from cx_orchestration.model.journey import JourneyMap

#: Where every chart starts; a beginning leaves it.
OUTSIDE = "outside"


class _Chart(StateChart):
    """``moved`` are the steps that the last event led to."""

    moved: frozenset[str] = frozenset()

    def on_enter_state(self, target: State):
        self.moved |= {target.id}


def state_chart(journey_map: JourneyMap) -> type[StateChart]:
    """The map as a class of charts."""
    declared, outside = journey_map.steps, _named(State(initial=True), OUTSIDE)
    steps = {name: _named(State(final=step.completes), name) for name, step in declared.items()}
    back = {move.target: _named(HistoryState(), f"back_{move.target}") for move in journey_map.transitions if move.back}

    def stages(part: str | None, first: str) -> list[State]:
        found = []
        for stage in journey_map.stages:
            inside = [name for name, step in declared.items() if (step.stage, step.part) == (stage, part)]
            if inside:
                steps[first if first in inside else inside[0]]._initial = True
                history = [memory for name, memory in back.items() if name in inside]
                children = [steps[name] for name in inside]
                state = State(initial=part is not None and first in inside, states=children, history=history)
                found.append(_named(state, f"{part}_{stage}"))
        return found

    top = stages(None, next(iter(declared)))
    if journey_map.parts:
        parts = journey_map.parts.items()
        regions = [_named(State(states=stages(name, part.starts_at)), f"part_{name}") for name, part in parts]
        top = [_named(State(parallel=True, states=regions), "side_by_side")]

    arrows = [(outside, steps[one.target], kind, one.when) for _, kind, one in journey_map.beginnings()]
    for move in journey_map.transitions:
        target = back[move.target] if move.back else steps[move.target]
        arrows += [(steps[source], target, move.on, move.when) for source in move.source]
    # The first that may be taken is taken, so those without guards come last.
    for source, target, kind, when in sorted(arrows, key=lambda arrow: not arrow[3]):
        source.to(target, event=kind, cond=_holds(when)) if when else source.to(target, event=kind)
    for otherwise, memory in back.items():
        memory.to(steps[otherwise])
    return type("Chart", (_Chart,), {state.id: state for state in [outside, *top]})


def _holds(when):
    def holds(carried: Happening) -> bool:
        return all(fits(guard, carried.value(guard.name)) for guard in when)

    return holds


def _named(state, name: str):
    state._set_id(name)
    return state


class Machine:
    """One thread's instances after each other: steps where they stand, and status."""

    def __init__(self, journey_map: JourneyMap) -> None:
        self.map, self._class = journey_map, state_chart(journey_map)
        self.ended: list[tuple[set[str], str]] = []
        self._chart: StateChart | None = None
        self._status = "never"
        self._since: dict[str | None, tuple[str, int]] = {}

    def take(self, event: Happening) -> None:
        self._expire(event.day)
        if self._status == "active":
            self._send(self._chart, event)
        elif self._status == "abandoned" and self._send(self._chart, event):
            self._status = "active"
            self._since = {part: (step, event.day) for part, (step, _) in self._standing().items()}
        elif self._status == "never" or self.map.re_entry:
            fresh = self._class()
            if self._send(fresh, event):
                self._chart, self._status = fresh, "active"
                self._since = {part: (step, event.day) for part, (step, _) in self._standing().items()}
        if self._status == "active" and all(self.map.steps[step].completes for step in self._steps()):
            self._end("completed")

    def finish(self, as_of: int) -> list[tuple[set[str], str]]:
        self._expire(as_of)
        return [*self.ended, *([(self._steps(), "active")] if self._status == "active" else [])]

    def _send(self, chart: StateChart, event: Happening) -> bool:
        chart.moved = frozenset()
        chart.send(event.kind, carried=event)
        if chart is self._chart:
            for part, (step, _) in self._standing().items():
                if step in chart.moved:
                    self._since[part] = (step, event.day)
        return bool(chart.moved)

    def _end(self, status: str) -> None:
        self._status = status
        self.ended.append((self._steps(), status))

    def _expire(self, now: int) -> None:
        limits = [(self.map.steps[step].abandoned_after_days, since) for step, since in self._since.values()]
        if self._status == "active" and any(limit is not None and since + limit < now for limit, since in limits):
            self._end("abandoned")

    def _steps(self) -> set[str]:
        return {step for step, _ in self._standing().values()}

    def _standing(self) -> dict[str | None, tuple[str, int]]:
        return {
            self.map.steps[state.id].part: (state.id, 0)
            for state in self._chart.configuration
            if state.id in self.map.steps
        }
