"""A journey map as SCXML (W3C, State Chart XML 1.0) and back, so that editors and engines of state charts can take it.

Belongs here: the two translations. Does not belong here: whether a map is sound (``maps``), pictures.

Stages are compound states, steps the states in them, a step that completes is final. The state ``not_begun`` waits for
the events that begin a journey; a wait that counts as abandoning is a delayed event to the final state ``abandoned``.
What SCXML has no words for lies in attributes of our own namespace, so nothing is lost on the way there and back.
"""

import xml.etree.ElementTree as ET
from collections.abc import Iterator
from typing import Any

import orjson
from pydantic import ValidationError

from cx_orchestration.model.failures import PermanentFailure
from cx_orchestration.model.guards import Guard
from cx_orchestration.model.journey import JourneyMap, Step, Transition

SCXML, OURS = "http://www.w3.org/2005/07/scxml", "urn:cx-orchestration:journey-map:1"
NOT_BEGUN, ABANDONED = "not_begun", "abandoned"

#: A chart that somebody draws is a few kilobytes; more is refused before it is parsed.
MOST_BYTES = 2_000_000

#: Before a step's name: the history state that leads to it when its stage has no history.
_LAST = "last."

_SECONDS_A_DAY = 86_400
_ON_MAP = ("title", "owner", "goal", "outcome", "audience", "correlation")
_LISTS_ON_MAP = ("support_events", "friction_events", "segments")
_ON_STEP = ("title", "owner", "layer", "channel", "stance")
_FLAGS_ON_STEP = ("milestone", "moment_of_truth")
_KNOWN = {"scxml", "state", "final", "transition", "history", "onentry", "onexit", "send", "cancel"}


def to_scxml(journey_map: JourneyMap) -> str:
    """The map as an SCXML document; the same map gives the same text.

    Raises ``PermanentFailure`` for a map with parts.
    """
    if journey_map.parts:
        raise PermanentFailure(
            f"journey '{journey_map.journey}': its parts go on at once, which is not written as SCXML; take Mermaid"
        )
    ET.register_namespace("", SCXML)
    ET.register_namespace("cx", OURS)
    root = ET.Element(_tag("scxml"), {"version": "1.0", "name": journey_map.journey, "initial": NOT_BEGUN})
    root.set(_ours("version"), str(journey_map.version))
    _set(root, {name: getattr(journey_map, name) for name in _ON_MAP})
    _set(root, {name: " ".join(getattr(journey_map, name)) for name in _LISTS_ON_MAP})
    _set(root, {"re_entry": "" if journey_map.re_entry else "false"})
    if journey_map.migrations:
        root.set(_ours("migrations"), _json(journey_map.migrations))
    outside = ET.SubElement(root, _tag("state"), {"id": NOT_BEGUN})
    for _, event_type, beginning in journey_map.beginnings():
        _transition(outside, event_type, beginning.target, beginning.when)
    for stage in journey_map.stages:
        compound = ET.SubElement(root, _tag("state"), {"id": f"stage.{stage}"})
        for name, step in journey_map.steps.items():
            if step.stage == stage:
                _add_step(compound, journey_map, name, step)
        for target in dict.fromkeys(move.target for move in journey_map.transitions if move.back):
            if journey_map.steps[target].stage == stage:
                _add_history(compound, target)
    ET.SubElement(root, _tag("final"), {"id": ABANDONED})
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=False) + "\n"


def from_scxml(text: str) -> JourneyMap:
    """The map that an SCXML document describes, ours or another's; whether it is sound, ``check_map`` says.

    The initial state is where no journey has begun: the transitions from it are the events that begin one. Top-level
    compound states are stages; without any there is one stage, ``journey``. Raises ``PermanentFailure`` for what a
    journey map has no meaning for: executable content, conditions in a language, transitions without an event.
    """
    root = _parsed(text)
    _refuse_unknown(root)
    outside = _initial(root)
    stages, steps = _steps(root, outside)
    named = {name: value for name in _ON_MAP if (value := root.get(_ours(name)))}
    lists = {name: value.split() for name in _LISTS_ON_MAP if (value := root.get(_ours(name)))}
    whole = {"migrations": _loaded(value)} if (value := root.get(_ours("migrations"))) else {}
    histories = {history.get("id", ""): _default(history) for history in root.iter(_tag("history"))}
    declared = {
        "journey": root.get("name", ""),
        "version": root.get(_ours("version"), "1"),
        "stages": stages,
        "steps": steps,
        "begins_with": _beginnings(outside),
        "transitions": [
            _move(state.get("id", ""), move, histories)
            for state in _states(root)
            if state is not outside
            for move in state.findall(_tag("transition"))
            if move.get("target") != ABANDONED
        ],
        "re_entry": root.get(_ours("re_entry")) != "false",
        **named,
        **lists,
        **whole,
    }
    try:
        read = JourneyMap.model_validate(declared)
    except ValidationError as error:
        first = error.errors()[0]
        raise PermanentFailure(f"SCXML: {'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    return read.model_copy(update={"transitions": _merged(read.transitions)})


# --- there ------------------------------------------------------------------------------------------------------------


def _add_step(parent: ET.Element, journey_map: JourneyMap, name: str, step: Step) -> None:
    state = ET.SubElement(parent, _tag("final" if step.completes else "state"), {"id": name})
    defaults = {key: field.default for key, field in Step.model_fields.items()}
    _set(state, {key: value for key in _ON_STEP if (value := getattr(step, key)) != defaults[key]})
    _set(state, {key: "true" for key in _FLAGS_ON_STEP if getattr(step, key)})
    if step.actions:
        state.set(_ours("actions"), _json([one.model_dump(exclude_defaults=True) for one in step.actions]))
    if step.abandoned_after_days is not None:
        wait = f"{ABANDONED}.{name}"
        entry, leave = ET.SubElement(state, _tag("onentry")), ET.SubElement(state, _tag("onexit"))
        delay = f"{step.abandoned_after_days * _SECONDS_A_DAY:.17g}s"
        ET.SubElement(entry, _tag("send"), {"id": wait, "event": wait, "delay": delay})
        ET.SubElement(leave, _tag("cancel"), {"sendid": wait})
        ET.SubElement(state, _tag("transition"), {"event": wait, "target": ABANDONED})
    for move in journey_map.transitions:
        if name in move.source:
            target = f"{_LAST}{move.target}" if move.back else move.target
            _transition(state, move.on, target, move.when, requires=move.requires)


def _add_history(compound: ET.Element, otherwise: str) -> None:
    history = ET.SubElement(compound, _tag("history"), {"id": f"{_LAST}{otherwise}", "type": "shallow"})
    ET.SubElement(history, _tag("transition"), {"target": otherwise})


def _transition(
    state: ET.Element, event: str, target: str, when: list[Guard], *, requires: list[str] | None = None
) -> None:
    move = ET.SubElement(state, _tag("transition"), {"event": event, "target": target})
    if when:
        move.set("cond", " and ".join(map(str, when)))
        move.set(_ours("when"), _json([guard.model_dump(exclude_none=True) for guard in when]))
    if requires:
        move.set(_ours("requires"), " ".join(requires))


def _set(element: ET.Element, values: dict[str, str | None]) -> None:
    for name, value in values.items():
        if value:
            element.set(_ours(name), value)


# --- and back ---------------------------------------------------------------------------------------------------------


def _parsed(text: str) -> ET.Element:
    if len(text.encode()) > MOST_BYTES:
        raise PermanentFailure(f"SCXML: the document has more than {MOST_BYTES:,} bytes")
    if "<!DOCTYPE" in text:
        raise PermanentFailure("SCXML: a document type and its entities are not read; remove '<!DOCTYPE ...>'")
    try:
        root = ET.fromstring(text)  # noqa: S314  # no entities but XML's own, and bounded
    except ET.ParseError as error:
        raise PermanentFailure(f"SCXML: no XML: {error}") from None
    if root.tag != _tag("scxml"):
        raise PermanentFailure(f"SCXML: the document begins with {root.tag}, expected <scxml xmlns='{SCXML}'>")
    return root


def _refuse_unknown(root: ET.Element) -> None:
    for element in root.iter():
        name = element.tag.removeprefix(f"{{{SCXML}}}")
        if name not in _KNOWN:
            raise PermanentFailure(f"SCXML: <{name}> has no meaning in a journey map; remove it")
        if name == "send" and not element.get("event", "").startswith(f"{ABANDONED}."):
            raise PermanentFailure(f"SCXML: <send event='{element.get('event')}'> has no meaning in a journey map")


def _states(root: ET.Element) -> Iterator[ET.Element]:
    """The states without states in them, but for a stage that is empty."""
    for element in root.iter():
        if element.get("id", "").startswith("stage."):
            continue
        inside = [element.find(_tag(name)) for name in ("state", "final")]
        if element.tag in (_tag("state"), _tag("final")) and inside == [None, None]:
            yield element


def _initial(root: ET.Element) -> ET.Element:
    states = {state.get("id", ""): state for state in _states(root)}
    name = root.get("initial") or next(iter(states), "")
    if name not in states:
        raise PermanentFailure(f"SCXML: initial='{name}' names no state without states in it")
    if any(move.get("target") == name for move in root.iter(_tag("transition"))):
        raise PermanentFailure(
            f"SCXML: a transition leads back to the initial state '{name}'; a journey map needs an initial state for "
            "customers who have not begun, to which nothing leads back"
        )
    return states[name]


def _steps(root: ET.Element, outside: ET.Element) -> tuple[list[str], dict[str, dict[str, Any]]]:
    stages: list[str] = []
    steps: dict[str, dict[str, Any]] = {}
    for top in root:
        inside = [state for state in _states(top) if state is not outside and state.get("id") != ABANDONED]
        stage = "journey" if top in inside else top.get("id", "").removeprefix("stage.")
        if inside or top.get("id", "").startswith("stage."):
            stages.append(stage)
        for state in inside:
            steps[state.get("id", "")] = {"stage": stage, **_declared_step(state)}
    return list(dict.fromkeys(stages)), steps


def _declared_step(state: ET.Element) -> dict[str, Any]:
    step: dict[str, Any] = {name: value for name in _ON_STEP if (value := state.get(_ours(name)))}
    step |= {name: True for name in _FLAGS_ON_STEP if state.get(_ours(name)) == "true"}
    if actions := state.get(_ours("actions")):
        step["actions"] = _loaded(actions)
    if state.tag == _tag("final"):
        step["completes"] = True
    for send in state.iter(_tag("send")):
        step["abandoned_after_days"] = _seconds(send.get("delay", "")) / _SECONDS_A_DAY
    return step


def _seconds(delay: str) -> float:
    """A CSS2 time, as SCXML writes delays."""
    number, factor = (delay[:-2], 0.001) if delay.endswith("ms") else (delay.removesuffix("s"), 1.0)
    try:
        return float(number) * factor
    except ValueError:
        raise PermanentFailure(f"SCXML: delay='{delay}', expected seconds such as 432000s") from None


def _beginnings(outside: ET.Element) -> dict[str, Any]:
    found: dict[str, list[dict[str, Any]]] = {}
    for move in outside.findall(_tag("transition")):
        found.setdefault(_event(move), []).append({"to": move.get("target", ""), "when": _when(move)})
    plain = {kind: ways[0]["to"] for kind, ways in found.items() if len(ways) == 1 and not ways[0]["when"]}
    return {kind: plain.get(kind, ways) for kind, ways in found.items()}


def _move(source: str, move: ET.Element, histories: dict[str, str]) -> dict[str, Any]:
    target = move.get("target", "")
    return {
        "from": [source],
        "on": _event(move),
        "to": histories.get(target, target),
        "back": target in histories,
        "when": _when(move),
        "requires": move.get(_ours("requires"), "").split(),
    }


def _default(history: ET.Element) -> str:
    """The step that a history state leads to when there is no history."""
    otherwise = history.find(_tag("transition"))
    if otherwise is None:
        raise PermanentFailure(
            f"SCXML: <history id='{history.get('id')}'> needs a transition: where to, without history?"
        )
    return otherwise.get("target", "")


def _event(move: ET.Element) -> str:
    event = move.get("event", "")
    if not event or "*" in event or " " in event:
        raise PermanentFailure(
            f"SCXML: the transition to '{move.get('target')}' has event='{event}'; expected the name of one event type"
        )
    return event


def _when(move: ET.Element) -> list[dict[str, Any]]:
    guards = move.get(_ours("when"))
    if guards is None and move.get("cond"):
        raise PermanentFailure(
            f"SCXML: cond='{move.get('cond')}' on '{move.get('event')}' is in a language that is not read; state it as "
            "guards ('when') in the map"
        )
    return _loaded(guards) if guards else []


def _json(value: Any) -> str:
    return orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS).decode()


def _loaded(text: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        raise PermanentFailure(f"SCXML: {text!r} is not the JSON that an export writes") from None


def _tag(name: str) -> str:
    return f"{{{SCXML}}}{name}"


def _ours(name: str) -> str:
    return f"{{{OURS}}}{name}"


def _merged(transitions: list[Transition]) -> list[Transition]:
    """Transitions that differ in their source alone as one, in the order of the first of each."""
    together: dict[str, Transition] = {}
    for move in transitions:
        key = _json(move.model_dump(mode="json", exclude={"source"}))
        if key in together:
            sources = list(dict.fromkeys([*together[key].source, *move.source]))
            together[key] = move.model_copy(update={"source": sources})
        else:
            together[key] = move
    return list(together.values())
