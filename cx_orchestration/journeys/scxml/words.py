"""The names that both directions share, and the words of a map that SCXML lacks, as attributes of our namespace.

Belongs here: names of elements, states and attributes, and declared values as texts. Does not belong here: the shape of
a chart (``written``, ``read``).
"""

import xml.etree.ElementTree as ET
from collections.abc import Sequence
from typing import Any

import orjson

from cx_orchestration.model.base import Declared
from cx_orchestration.model.failures import PermanentFailure
from cx_orchestration.model.guards import Guard

SCXML, OURS = "http://www.w3.org/2005/07/scxml", "urn:cx-orchestration:journey-map:1"

#: States that are no steps, the delayed event of a wait, and what compound states and histories begin with: a step's
#: name has neither dots nor capitals, nor has an event type capitals.
NOT_BEGUN, ABANDONED, PARTS = "journey.not_begun", "journey.abandoned", "journey.parts"
RESTED, PART, STAGE, LAST = "Rested.", "part.", "stage.", "last."

#: What the shape of the chart says; everything else that a map, a part, a step or a transition declares is a word.
SHAPE_OF_MAP = {"journey", "stages", "parts", "steps", "begins_with", "transitions"}
SHAPE_OF_PART = {"starts_at"}
SHAPE_OF_STEP = {"stage", "part", "completes", "abandoned_after_days"}
SHAPE_OF_MOVE = {"source", "on", "target", "back"}

SECONDS_A_DAY = 86_400


def tag(name: str) -> str:
    """An element of SCXML."""
    return f"{{{SCXML}}}{name}"


def ours(name: str) -> str:
    """An attribute of our namespace."""
    return f"{{{OURS}}}{name}"


def cond_of(guards: Sequence[Guard]) -> str:
    """Guards as a text for people: engines of state charts do not know their language."""
    return " and ".join(map(str, guards))


def write_words(element: ET.Element, declared: Declared, shape: set[str]) -> None:
    """What the chart's shape does not say and is not as it is by default."""
    for name, value in declared.model_dump(mode="json", exclude_defaults=True, exclude=shape).items():
        if isinstance(value, list) and all(isinstance(one, str) for one in value):
            element.set(ours(name), " ".join(value))
        else:
            element.set(ours(name), value if isinstance(value, str) else orjson.dumps(value).decode())


def own_words(element: ET.Element) -> list[str]:
    """The attributes of our namespace that an element has."""
    return [name for name in element.attrib if name.startswith(f"{{{OURS}}}")]


def read_words(element: ET.Element, kind: type[Declared], shape: set[str], *, beside: set[str]) -> dict[str, Any]:
    """What ``write_words`` has written of such a thing; ``beside`` are other attributes of ours that it may have.

    Raises ``PermanentFailure`` for one that it has no meaning for.
    """
    fields = {name: field for name, field in kind.model_fields.items() if name not in shape}
    where = f"'{element.get('id') or element.get('event') or element.get('name', '')}'"
    found: dict[str, Any] = {}
    for attribute in own_words(element):
        name, text = attribute.removeprefix(ours("")), element.get(attribute, "")
        if name in beside:
            continue
        if name not in fields:
            known = ", ".join(sorted(fields.keys() | beside))
            raise PermanentFailure(f"SCXML: {name}='{text}' of {OURS} on {where}, expected one of {known}")
        default = fields[name].get_default(call_default_factory=True)
        if isinstance(default, list) and not text.startswith("["):
            found[name] = text.split()
        else:
            found[name] = text if default is None or isinstance(default, str) else _loaded(name, text, where)
    return found


def _loaded(name: str, text: str, where: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        raise PermanentFailure(f"SCXML: {name}='{text}' on {where} is not the JSON that an export writes") from None
