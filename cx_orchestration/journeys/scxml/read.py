"""An SCXML document, ours or another's, as a journey map.

Belongs here: what of a chart has a meaning in a journey map, and which step, stage and part it is. Does not belong
here: XML and what has no meaning at all (``charted``), whether the map is sound (``journeys.maps``).
"""

import re
from decimal import Decimal
from typing import Any
from xml.etree.ElementTree import Element

import orjson
from pydantic import TypeAdapter, ValidationError

from cx_orchestration.journeys.scxml.charted import Chart, read_chart
from cx_orchestration.journeys.scxml.words import (
    PART,
    SECONDS_A_DAY,
    SHAPE_OF_MAP,
    SHAPE_OF_MOVE,
    SHAPE_OF_PART,
    SHAPE_OF_STEP,
    STAGE,
    cond_of,
    ours,
    read_words,
    tag,
)
from cx_orchestration.model.base import EVENT_TYPE_PATTERN, SLUG_PATTERN, slug
from cx_orchestration.model.failures import PermanentFailure
from cx_orchestration.model.guards import Guard
from cx_orchestration.model.journey import Beginning, JourneyMap, Part, Step, Transition

#: The stage of steps that lie in no compound state.
ONLY_STAGE = "journey"

#: Events that a chart raises by itself, about itself.
_OF_THE_CHART = ("done.state.", "done.invoke.", "error.execution", "error.communication", "error.platform")


def from_scxml(text: str) -> JourneyMap:
    """The map that an SCXML document describes, ours or another's; whether it is sound, ``check_map`` says.

    The initial state is where no journey has begun: the transitions from it are the events that begin one. Top-level
    compound states are stages; without any there is one stage, ``journey``. The regions of a ``<parallel>`` that has
    all steps in it are parts. Raises ``PermanentFailure`` for what a journey map has no meaning for.
    """
    chart = read_chart(text)
    outside = _outside(chart)
    waiting = [state for state in chart.atomic if state is not outside and state.get("id") not in chart.given_up]
    steps = {state.get("id", ""): _step(chart, state) for state in waiting}
    placed = [name for name in chart.root.get(ours("steps"), "").split() if name in steps]
    stages = [*chart.root.get(ours("stages"), "").split(), *(step["stage"] for step in steps.values())]
    declared = {
        "journey": chart.root.get("name", ""),
        "stages": list(dict.fromkeys(stages)),
        "parts": {_part(region): _declared_part(chart, region) for region in chart.regions},
        "steps": {name: steps[name] for name in dict.fromkeys([*placed, *steps])},
        "begins_with": _beginnings(chart, outside),
        "transitions": _moves(chart, waiting),
        **read_words(chart.root, JourneyMap, SHAPE_OF_MAP, beside={"stages", "steps"}),
    }
    _refuse_names(declared)
    try:
        return JourneyMap.model_validate(declared)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise PermanentFailure(f"SCXML: {where}: {first['msg']}, found {str(first['input'])[:80]!r}") from None


def _refuse_names(declared: dict[str, Any]) -> None:
    """Names that charts may have and maps may not."""
    if not declared["steps"]:
        raise PermanentFailure("SCXML: no state beside the initial one, expected the steps of a journey")
    named = {f"name='{declared['journey']}' on <scxml>": declared["journey"]}
    named |= {f"id='{name}'": name for what in ("stages", "parts", "steps") for name in declared[what]}
    for where, name in named.items():
        if not re.fullmatch(SLUG_PATTERN, name):
            raise PermanentFailure(
                f"SCXML: {where}, expected a name of lower-case letters, digits and '_' such as "
                f"{slug(name) or 'customer_lifecycle'}"
            )


def _outside(chart: Chart) -> Element:
    """The state where no journey has begun."""
    name = chart.initial(chart.root)
    outside = chart.by_id.get(name)
    if outside not in chart.atomic:
        raise PermanentFailure(f"SCXML: initial='{name}' names no state without states in it")
    if any(move.get("target") == name for move in chart.root.iter(tag("transition"))):
        raise PermanentFailure(
            f"SCXML: a transition leads back to the initial state '{name}'; a journey map needs an initial state for "
            "customers who have not begun, to which nothing leads back"
        )
    if chart.regions and chart.parents[outside] is not chart.root:
        raise PermanentFailure(
            f"SCXML: the initial state '{name}' is in <parallel>; a journey map needs one beside it, for customers "
            "who have not begun"
        )
    beside = [state for state in chart.root if state in chart.states and state.get("id") not in {name, *chart.given_up}]
    if chart.regions and beside != [chart.side_by_side]:
        others = ", ".join(f"'{state.get('id')}'" for state in beside if state is not chart.side_by_side)
        raise PermanentFailure(
            f"SCXML: {others} beside <parallel>: an instance of a journey map with parts stands at one step of each "
            "from its beginning to its end, so all steps belong into the regions"
        )
    return outside


# --- steps ------------------------------------------------------------------------------------------------------------


def _step(chart: Chart, state: Element) -> dict[str, Any]:
    region = next((one for one in chart.above(state) if one in chart.regions), None)
    compound = chart.compound_above(state)
    stage = compound[0].get("id", "") if compound else ONLY_STAGE
    step: dict[str, Any] = {
        "stage": stage.rpartition(".")[2] if stage.startswith(STAGE) else stage,
        "part": None if region is None else _part(region),
        "completes": state.tag == tag("final"),
        **read_words(state, Step, SHAPE_OF_STEP, beside=set()),
    }
    if state in chart.waits:
        step["abandoned_after_days"] = _days(chart.waits[state])
    return step


def _part(region: Element) -> str:
    return region.get("id", "").removeprefix(PART)


def _declared_part(chart: Chart, region: Element) -> dict[str, Any]:
    return {"starts_at": chart.entered(region.get("id", "")), **read_words(region, Part, SHAPE_OF_PART, beside=set())}


def _days(delay: str) -> float:
    """A CSS2 time, as SCXML writes delays, in days; in decimals, so that the days are those that were written."""
    number, a_second = (delay[:-2], 1000) if delay.endswith("ms") else (delay.removesuffix("s"), 1)
    if not re.fullmatch(r"[0-9]*\.?[0-9]+", number):
        raise PermanentFailure(f"SCXML: delay='{delay}', expected seconds such as 432000s")
    return float(Decimal(number) / (SECONDS_A_DAY * a_second))


# --- beginnings and transitions ---------------------------------------------------------------------------------------


def _beginnings(chart: Chart, outside: Element) -> dict[str, Any]:
    found: dict[str, list[dict[str, Any]]] = {}
    for move in sorted(outside.findall(tag("transition")), key=_place):
        words = _words(move, Beginning)
        found.setdefault(_event(move), []).append({"to": chart.entered(move.get("target", "")), **words})
    alone = {kind: ways[0]["to"] for kind, ways in found.items() if len(ways) == 1 and list(ways[0]) == ["to"]}
    return {kind: alone.get(kind, ways) for kind, ways in found.items()}


def _moves(chart: Chart, states: list[Element]) -> list[dict[str, Any]]:
    """Transitions that differ in their source alone as one, in the order of their places, those without one last.

    Two that were two when they were written stay two.
    """
    moves = [(_place(move), state, move) for state in states for move in chart.moves(state)]
    together: dict[tuple[float, bytes], dict[str, Any]] = {}
    for (place, _), state, move in sorted(moves, key=lambda found: found[0]):
        target = move.get("target", "")
        if chart.side_by_side is not None and target == chart.side_by_side.get("id"):
            raise PermanentFailure(
                f"SCXML: a transition on '{move.get('event')}' leads to <parallel id='{target}'> and starts all parts "
                "anew; in a journey map that is another instance"
            )
        back = chart.is_history(target)
        rest = {
            "on": _event(move),
            "to": chart.entered(target),
            **({"back": True} if back else {}),
            **_words(move, Transition),
        }
        known = together.setdefault((place, orjson.dumps(rest)), {"from": [], **rest})
        known["from"] += [] if state.get("id") in known["from"] else [state.get("id", "")]
    return list(together.values())


def _place(move: Element) -> tuple[float, float]:
    """Where it stood among the beginnings or transitions of a map, and its source among those of its transition."""
    text = move.get(ours("place"))
    if text is None:
        return float("inf"), float("inf")
    number, _, source = text.partition(".")
    if not number.isdecimal() or not (source or "0").isdecimal():
        raise PermanentFailure(f"SCXML: place='{text}' on '{move.get('event')}', expected numbers such as 3.0")
    return int(number), int(source or "0")


def _event(move: Element) -> str:
    event, target = move.get("event", ""), move.get("target", "")
    if not event or "*" in event or " " in event:
        raise PermanentFailure(
            f"SCXML: the transition to '{target}' has event='{event}'; expected the name of one event type"
        )
    if not re.fullmatch(EVENT_TYPE_PATTERN, event):
        raise PermanentFailure(f"SCXML: event='{event}', expected an event type such as order.completed")
    if event.startswith(_OF_THE_CHART):
        raise PermanentFailure(
            f"SCXML: event='{event}' is raised by the chart itself; a journey moves on what customers do"
        )
    return event


def _words(move: Element, kind: type[Beginning | Transition]) -> dict[str, Any]:
    found = read_words(move, kind, SHAPE_OF_MOVE, beside={"place"})
    cond = move.get("cond", "")
    if cond and "when" not in found:
        raise PermanentFailure(
            f"SCXML: cond='{cond}' on '{move.get('event')}' is in a language that is not read; state it as "
            "guards ('when') in the map"
        )
    meant = cond_of(TypeAdapter(list[Guard]).validate_python(found.get("when", [])))
    if cond != meant:
        raise PermanentFailure(
            f"SCXML: cond='{cond}' on '{move.get('event')}' is not what its guards say ('{meant}'), which alone are "
            "read: edit 'when', and cond to go with it"
        )
    return found
