"""A journey map as people read it: a Mermaid state diagram, and tables of what is declared.

Belongs here: maps as pictures. Does not belong here: counts of customers on them.
"""

import re
from collections.abc import Sequence

from cx_orchestration.model.guards import Guard
from cx_orchestration.model.journey import JourneyMap


def to_mermaid(journey_map: JourneyMap) -> str:
    """The map as a Mermaid ``stateDiagram-v2``: stages are boxes, arrows carry event types and waiting times.

    The same map gives the same text. Names are slugs, so titles are the only text that needs quoting.
    """
    lines = ["stateDiagram-v2"]
    for stage in journey_map.stages:
        inside = [name for name, step in journey_map.steps.items() if step.stage == stage]
        if not inside:
            continue
        lines.append(f"  state stage_{stage} {{")
        lines += [f'    state "{_label(journey_map, name)}" as {name}' for name in inside]
        lines.append("  }")
    lines += [
        f"  [*] --> {beginning.target} : {_on(event_type, beginning.when)}"
        for _, event_type, beginning in journey_map.beginnings()
    ]
    for move in journey_map.transitions:
        back = f", back to where it was in {journey_map.steps[move.target].stage}" if move.back else ""
        lines += [f"  {source} --> {move.target} : {_on(move.on, move.when)}{back}" for source in move.source]
    for name, step in journey_map.steps.items():
        if step.completes:
            lines.append(f"  {name} --> [*] : completed")
        if step.abandoned_after_days is not None:
            lines.append(f"  {name} --> [*] : abandoned after {step.abandoned_after_days:g} days")
    return "\n".join(lines) + "\n"


def declared_maps(maps: Sequence[JourneyMap]) -> list[dict[str, str]]:
    """One row a map: whose it is, what the customer wants and what the brand wants."""
    return [
        {
            "journey": one.journey,
            "version": str(one.version),
            "title": _one_line(one.title),
            "owner": _one_line(one.owner),
            "goal of the customer": _one_line(one.goal),
            "outcome for the brand": _one_line(one.outcome),
        }
        for one in maps
    ]


def declared_steps(maps: Sequence[JourneyMap]) -> list[dict[str, str]]:
    """One row a step of a map: its stage and layer, and who owns it."""
    return [
        {
            "journey": one.journey,
            "step": name,
            "title": _one_line(step.title),
            "stage": step.stage,
            "layer": step.layer,
            "owner": _one_line(step.owner),
        }
        for one in maps
        for name, step in one.steps.items()
    ]


def _on(event_type: str, when: Sequence[Guard]) -> str:
    """An event type and its guards; a colon or a semicolon would end the label."""
    guards = " and ".join(map(str, when))
    return f"{event_type} [{re.sub('[:;]', ' ', guards)}]" if guards else event_type


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _label(journey_map: JourneyMap, name: str) -> str:
    step = journey_map.steps[name]
    title = (step.title or name.replace("_", " ")).replace('"', "'").replace("\n", " ")
    marks = [
        word for word, marked in (("milestone", step.milestone), ("moment of truth", step.moment_of_truth)) if marked
    ]
    return f"{title} ({', '.join(marks)})" if marks else title
