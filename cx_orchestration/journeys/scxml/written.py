"""A journey map as an SCXML document.

Belongs here: which element stands for what of a map. Does not belong here: reading one (``read``).
"""

import re
import xml.etree.ElementTree as ET
from decimal import Decimal

from cx_orchestration.journeys.scxml.words import (
    ABANDONED,
    LAST,
    NOT_BEGUN,
    OURS,
    PART,
    PARTS,
    RESTED,
    SCXML,
    SECONDS_A_DAY,
    SHAPE_OF_MAP,
    SHAPE_OF_MOVE,
    SHAPE_OF_PART,
    SHAPE_OF_STEP,
    STAGE,
    cond_of,
    ours,
    tag,
    write_words,
)
from cx_orchestration.model.failures import PermanentFailure
from cx_orchestration.model.journey import Beginning, JourneyMap, Step, Transition

_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def to_scxml(journey_map: JourneyMap) -> str:
    """The map as an SCXML document; the same map gives the same text.

    Of the transitions from a state on one event an engine takes the first that holds, so those without guards stand
    last; ``place`` says where each stands in the file. Raises ``PermanentFailure`` for a text that XML cannot have.
    """
    ET.register_namespace("", SCXML)
    ET.register_namespace("cx", OURS)
    root = ET.Element(tag("scxml"), {"version": "1.0", "name": journey_map.journey, "initial": NOT_BEGUN})
    root.set(ours("stages"), " ".join(journey_map.stages))
    root.set(ours("steps"), " ".join(journey_map.steps))
    write_words(root, journey_map, SHAPE_OF_MAP)
    outside = ET.SubElement(root, tag("state"), {"id": NOT_BEGUN})
    beginnings = [(kind, one, f"{n}") for n, (_, kind, one) in enumerate(journey_map.beginnings())]
    for kind, beginning, place in sorted(beginnings, key=lambda found: not found[1].when):
        _add_transition(outside, kind, beginning.target, place, beginning)
    if journey_map.parts:
        side_by_side = ET.SubElement(root, tag("parallel"), {"id": PARTS})
        for name, part in journey_map.parts.items():
            region = ET.SubElement(side_by_side, tag("state"), {"id": f"{PART}{name}", "initial": part.starts_at})
            write_words(region, part, SHAPE_OF_PART)
            _add_stages(region, journey_map, name)
    else:
        _add_stages(root, journey_map, None)
    ET.SubElement(root, tag("final"), {"id": ABANDONED})
    ET.indent(root)
    text = ET.tostring(root, encoding="unicode", xml_declaration=False) + "\n"
    if found := _NO_XML.search(text):
        raise PermanentFailure(f"journey '{journey_map.journey}': its texts have {found[0]!r}, which XML cannot have")
    return text


def _add_stages(parent: ET.Element, journey_map: JourneyMap, part: str | None) -> None:
    for stage in journey_map.stages:
        inside = {name: step for name, step in journey_map.steps.items() if (step.stage, step.part) == (stage, part)}
        if not inside:
            continue
        name = stage if part is None else f"{part}.{stage}"
        compound = ET.SubElement(parent, tag("state"), {"id": f"{STAGE}{name}"})
        for step_name, step in inside.items():
            _add_step(compound, journey_map, step_name, step)
        for target in dict.fromkeys(move.target for move in journey_map.transitions if move.back):
            if target in inside:
                history = ET.SubElement(compound, tag("history"), {"id": f"{LAST}{target}", "type": "shallow"})
                ET.SubElement(history, tag("transition"), {"target": target})


def _add_step(parent: ET.Element, journey_map: JourneyMap, name: str, step: Step) -> None:
    state = ET.SubElement(parent, tag("final" if step.completes else "state"), {"id": name})
    write_words(state, step, SHAPE_OF_STEP)
    if step.abandoned_after_days is not None:
        wait = f"{RESTED}{name}"
        entry, leave = ET.SubElement(state, tag("onentry")), ET.SubElement(state, tag("onexit"))
        delay = f"{(Decimal(repr(step.abandoned_after_days)) * SECONDS_A_DAY).normalize():f}s"
        ET.SubElement(entry, tag("send"), {"id": wait, "event": wait, "delay": delay})
        ET.SubElement(leave, tag("cancel"), {"sendid": wait})
        ET.SubElement(state, tag("transition"), {"event": wait, "target": ABANDONED})
    moves = [
        (move, f"{n}.{move.source.index(name)}")
        for n, move in enumerate(journey_map.transitions)
        if name in move.source
    ]
    for move, place in sorted(moves, key=lambda found: not found[0].when):
        _add_transition(state, move.on, f"{LAST}{move.target}" if move.back else move.target, place, move)


def _add_transition(state: ET.Element, event: str, target: str, place: str, declared: Beginning | Transition) -> None:
    move = ET.SubElement(state, tag("transition"), {"event": event, "target": target})
    if declared.when:
        move.set("cond", cond_of(declared.when))
    move.set(ours("place"), place)
    write_words(move, declared, SHAPE_OF_MOVE)
