"""The states of an SCXML document, and what of it no journey map has a meaning for.

Belongs here: XML, the tree of states, which state a transition enters. Does not belong here: what that is in a journey
map (``read``).
"""

import xml.etree.ElementTree as ET
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from cx_orchestration.journeys.scxml.words import ABANDONED, SCXML, own_words, tag
from cx_orchestration.model.failures import PermanentFailure

#: A chart that somebody draws is a few kilobytes; more is refused before it is parsed.
MOST_BYTES = 2_000_000

_STATES = {tag(name) for name in ("state", "final", "parallel")}

# The elements that have a meaning, in which others each may lie, and its attributes.
_KNOWN: dict[str, tuple[set[str], set[str]]] = {
    "scxml": (set(), {"version", "name", "initial", "datamodel", "binding"}),
    "state": ({"scxml", "state", "parallel"}, {"id", "initial"}),
    "parallel": ({"scxml", "state", "parallel"}, {"id"}),
    "final": ({"scxml", "state"}, {"id"}),
    "history": ({"scxml", "state", "parallel"}, {"id", "type"}),
    "initial": ({"state"}, set()),
    "transition": ({"state", "parallel", "initial", "history"}, {"event", "target", "cond", "type"}),
    "onentry": ({"state", "parallel", "final"}, set()),
    "onexit": ({"state", "parallel", "final"}, set()),
    "send": ({"onentry"}, {"id", "event", "delay"}),
    "cancel": ({"onexit"}, {"sendid"}),
}
# What may bear words of ours.
_WORDED = {"scxml", "state", "final", "transition"}


@dataclass(frozen=True, eq=False)
class Chart:
    """The states of a document in its order; ``regions`` are those of its one ``side_by_side``, if it has any.

    ``waits`` are the delays of steps that count as given up after a while, and ``given_up`` the final states to which
    these lead, and nothing else.
    """

    root: Element
    parents: dict[Element, Element]
    states: list[Element]
    by_id: dict[str, Element]
    side_by_side: Element | None
    waits: dict[Element, str]
    given_up: frozenset[str]

    @property
    def regions(self) -> list[Element]:
        return [] if self.side_by_side is None else [one for one in self.side_by_side if one.tag in _STATES]

    @property
    def atomic(self) -> list[Element]:
        """The states without states in them."""
        return [state for state in self.states if not _inside(state)]

    def above(self, state: Element) -> list[Element]:
        """The states that it lies in, the outermost first."""
        found: list[Element] = []
        while (state := self.parents[state]) is not self.root:
            found.insert(0, state)
        return found

    def compound_above(self, state: Element) -> list[Element]:
        """Of the states that it lies in, those that are neither side by side nor a region."""
        return [one for one in self.above(state) if one is not self.side_by_side and one not in self.regions]

    def initial(self, state: Element) -> str:
        """The id of what is entered in a state that has states in it."""
        named = state.find(f"{tag('initial')}/{tag('transition')}")
        first = _inside(state)[0].get("id", "") if _inside(state) else ""
        return (named.get("target") if named is not None else state.get("initial")) or first

    def moves(self, state: Element) -> list[Element]:
        """The transitions of a state but the one of its wait."""
        return [move for move in state.findall(tag("transition")) if move.get("target") not in self.given_up]

    def is_history(self, name: str) -> bool:
        return name in self.by_id and self.by_id[name].tag == tag("history")

    def entered(self, name: str) -> str:
        """The step at which a transition to a state arrives; of ``<parallel>``, that of its first region."""
        known = {name}
        while (state := self.by_id.get(name)) is not None:
            if state.tag == tag("history"):
                name = _default(state)
            elif _inside(state):
                name = self.initial(state)
            else:
                return name
            if name in known:
                raise PermanentFailure(f"SCXML: '{name}' has itself as its initial state")
            known.add(name)
        raise PermanentFailure(f"SCXML: target='{name}', expected the id of one state of the document")


def read_chart(text: str) -> Chart:
    """The chart of a document; raises ``PermanentFailure`` for what has no meaning in a journey map."""
    root = _parsed(text)
    parents = {child: parent for parent in root.iter() for child in parent}
    for element in root.iter():
        _refuse_unknown(element, parents.get(element))
    states = [element for element in root.iter() if element.tag in _STATES]
    by_id: dict[str, Element] = {}
    for state in [*states, *root.iter(tag("history"))]:
        name = state.get("id", "")
        if not name or name in by_id:
            raise PermanentFailure(f"SCXML: id='{name}' of <{_name(state)}>, expected an id of its own for every state")
        by_id[name] = state
    at_once = [state for state in states if state.tag == tag("parallel")]
    for state in at_once:
        if len(at_once) > 1 or parents[state] is not root:
            raise PermanentFailure(
                f"SCXML: <parallel id='{state.get('id')}'> is one of {len(at_once)} or lies in another state; a map "
                "has its parts from beginning to end: expected one <parallel>, right in <scxml>"
            )
    waits, given_up = _waits(states, by_id)
    chart = Chart(root, parents, states, by_id, at_once[0] if at_once else None, waits, given_up)
    _refuse_unplaced(chart)
    return chart


def _waits(states: list[Element], by_id: dict[str, Element]) -> tuple[dict[Element, str], frozenset[str]]:
    """The delay of each state that sends itself an event, and the final states to which these events lead."""
    delays: dict[Element, str] = {}
    ways: set[Element] = set()
    for state in states:
        for send in state.findall(f"{tag('onentry')}/{tag('send')}"):
            if state in delays:
                raise PermanentFailure(f"SCXML: '{state.get('id')}' sends two events; a step has one wait")
            delays[state] = send.get("delay", "")
            ways.add(_way_of_wait(state, send.get("event", ""), by_id))
    given_up = frozenset({ABANDONED, *(way.get("target", "") for way in ways)})
    for move in (move for state in states for move in state.findall(tag("transition"))):
        if move.get("target") in given_up and move not in ways:
            raise PermanentFailure(
                f"SCXML: event='{move.get('event')}' leads to '{move.get('target')}', which stands for steps given up "
                "after a wait; a journey map gives up by waiting alone: lead it to a final state of its own"
            )
    return delays, given_up


def _way_of_wait(state: Element, event: str, by_id: dict[str, Element]) -> Element:
    ways = [move for move in state.findall(tag("transition")) if move.get("event") == event]
    end = by_id.get(ways[0].get("target", "")) if len(ways) == 1 else None
    if end is None or end.tag != tag("final"):
        raise PermanentFailure(
            f"SCXML: <send event='{event}'> on '{state.get('id')}': a journey map knows one event that a step sends "
            "itself, that of the wait after which it counts as given up; expected one transition of the same state on "
            f"'{event}', to a final state"
        )
    if ways[0].get("cond") or own_words(ways[0]):
        raise PermanentFailure(
            f"SCXML: the wait of '{state.get('id')}', event='{event}', can have no conditions or words"
        )
    return ways[0]


def _parsed(text: str) -> Element:
    if len(text.encode()) > MOST_BYTES:
        raise PermanentFailure(f"SCXML: the document has more than {MOST_BYTES:,} bytes")
    if "<!DOCTYPE" in text:
        raise PermanentFailure("SCXML: a document type and its entities are not read; remove '<!DOCTYPE ...>'")
    try:
        root = ET.fromstring(text)  # noqa: S314  # no entities but XML's own, and bounded
    except ET.ParseError as error:
        raise PermanentFailure(f"SCXML: no XML: {error}") from None
    if root.tag != tag("scxml"):
        raise PermanentFailure(f"SCXML: the document begins with {root.tag}, expected <scxml xmlns='{SCXML}'>")
    return root


def _refuse_unknown(element: Element, parent: Element | None) -> None:
    name = _name(element)
    around, attributes = _KNOWN.get(name, (set(), set()))
    if name not in _KNOWN or (parent is not None and _name(parent) not in around):
        inside = "" if parent is None else f" in {_shown(parent)}"
        raise PermanentFailure(f"SCXML: <{name}>{inside} has no meaning in a journey map; remove it")
    for key, value in element.attrib.items():
        if key not in attributes and not (key in own_words(element) and name in _WORDED):
            raise PermanentFailure(f"SCXML: {key}='{value}' on {_shown(element)} has no meaning in a journey map")
    for text in (element.text, *(child.tail for child in element)):
        if text and text.strip():
            raise PermanentFailure(f"SCXML: the text '{text.strip()[:40]}' in {_shown(element)} has no meaning")


def _refuse_unplaced(chart: Chart) -> None:
    """What a journey map knows of steps alone, at a state that has states in it, and histories of more than a stage."""
    for state in chart.states:
        inside = _inside(state)
        if inside and (stages := chart.compound_above(state)):
            raise PermanentFailure(
                f"SCXML: '{state.get('id')}' has states in it and lies in '{stages[-1].get('id')}'; a journey map has "
                "stages and, in these, steps: expected one level of compound states"
            )
        if inside and state not in chart.regions and (words := own_words(state)):
            raise PermanentFailure(f"SCXML: {', '.join(words)} on '{state.get('id')}', a stage, which has a name alone")
        if state.get("initial") and state.find(tag("initial")) is not None:
            raise PermanentFailure(f"SCXML: '{state.get('id')}' has initial='{state.get('initial')}' and <initial>")
        for name in ("transition", "onentry", "onexit"):
            if inside and state.find(tag(name)) is not None:
                raise PermanentFailure(
                    f"SCXML: <{name}> on '{state.get('id')}', which has states in it; a journey map has it on steps "
                    "alone: write it for each state inside"
                )
        if not inside and (state is chart.side_by_side or state in chart.regions):
            raise PermanentFailure(f"SCXML: '{state.get('id')}' has no states in it; a part needs a step to start at")
    for history in chart.root.iter(tag("history")):
        name, around = history.get("id", ""), chart.parents[history]
        default = chart.by_id.get(_default(history))
        if around is chart.root or any(_inside(state) for state in _inside(around)):
            raise PermanentFailure(
                f"SCXML: <history id='{name}'> remembers more than the step within a stage; put one into each compound "
                "state that has steps in it"
            )
        if default is None or default not in _inside(around):
            raise PermanentFailure(f"SCXML: <history id='{name}'> leads to no state beside it when there is no history")


def _default(history: Element) -> str:
    """The state that a history leads to when there is none."""
    otherwise = history.find(tag("transition"))
    if otherwise is None:
        raise PermanentFailure(
            f"SCXML: <history id='{history.get('id')}'> needs a transition: where to, without history?"
        )
    return otherwise.get("target", "")


def _inside(state: Element) -> list[Element]:
    return [child for child in state if child.tag in _STATES]


def _name(element: Element) -> str:
    return element.tag.removeprefix(f"{{{SCXML}}}")


def _shown(element: Element) -> str:
    name = element.get("id") or element.get("event")
    return f"<{_name(element)}>" if name is None else f"<{_name(element)}> '{name}'"
