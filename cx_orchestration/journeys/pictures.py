"""A journey map drawn as text: a Mermaid state diagram.

Belongs here: maps as pictures. Does not belong here: counts of customers on them.
"""

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
    lines += [f"  [*] --> {step} : {event_type}" for event_type, step in journey_map.begins_with.items()]
    for move in journey_map.transitions:
        lines += [f"  {source} --> {move.target} : {move.on}" for source in move.source]
    for name, step in journey_map.steps.items():
        if step.completes:
            lines.append(f"  {name} --> [*] : completed")
        if step.abandoned_after_days is not None:
            lines.append(f"  {name} --> [*] : abandoned after {step.abandoned_after_days:g} days")
    return "\n".join(lines) + "\n"


def _label(journey_map: JourneyMap, name: str) -> str:
    step = journey_map.steps[name]
    title = (step.title or name.replace("_", " ")).replace('"', "'").replace("\n", " ")
    marks = [
        word for word, marked in (("milestone", step.milestone), ("moment of truth", step.moment_of_truth)) if marked
    ]
    return f"{title} ({', '.join(marks)})" if marks else title
