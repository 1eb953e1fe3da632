"""The names that both directions share, and the words of a map that SCXML lacks, as attributes of our namespace.

Belongs here: names of elements, states and attributes, and declared values as texts. Does not belong here: the shape of
a chart (``written``, ``read``).
"""

import xml.etree.ElementTree as ET
from typing import Any

import orjson

from cx_orchestration.model.base import Declared
from cx_orchestration.model.failures import PermanentFailure

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


def write_words(element: ET.Element, declared: Declared, shape: set[str]) -> None:
    """What the chart's shape does not say and is not as it is by default."""
    for name, value in declared.model_dump(mode="json", exclude_defaults=True, exclude=shape).items():
        if isinstance(value, list) and all(isinstance(one, str) for one in value):
            element.set(ours(name), " ".join(value))
        else:
            element.set(ours(name), value if isinstance(value, str) else orjson.dumps(value).decode())


def read_words(element: ET.Element, kind: type[Declared], shape: set[str]) -> dict[str, Any]:
    """What ``write_words`` has written of such a thing."""
    found: dict[str, Any] = {}
    for name, field in kind.model_fields.items():
        text = element.get(ours(name))
        if text is None or name in shape:
            continue
        default = field.get_default(call_default_factory=True)
        if isinstance(default, list) and not text.startswith("["):
            found[name] = text.split()
        else:
            found[name] = text if default is None or isinstance(default, str) else loaded(text)
    return found


def loaded(text: str) -> Any:
    """The value that an attribute has as JSON; raises ``PermanentFailure`` when it is none."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        raise PermanentFailure(f"SCXML: {text!r} is not the JSON that an export writes") from None
