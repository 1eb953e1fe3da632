"""The drawing as SVG, and as a page of its own in which a step can be chosen.

Belongs here: words and colours (in the templates). Does not belong here: geometry (``layout``), figures.
"""

import base64
import datetime as dt
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from textwrap import shorten, wrap

from jinja2 import DictLoader, Environment, StrictUndefined
from markupsafe import Markup

from cx_orchestration.journeys.drawing.earlier import with_earlier_steps
from cx_orchestration.journeys.drawing.figures import Figures
from cx_orchestration.journeys.drawing.layout import BOX_HEIGHT, BOX_WIDTH, FEELINGS_HEIGHT, Arrow, lay_out
from cx_orchestration.model.journey import JourneyMap
from cx_orchestration.model.words import counted


def drawing_svg(journey_map: JourneyMap, figures: Figures, versions: Sequence[JourneyMap] = ()) -> str:
    """The map as SVG that needs nothing else; the same map and figures give the same text. It names no customer.

    Of ``versions``, those that journeys were folded with, steps are drawn that the map has no more.
    """
    return _svg(journey_map, with_earlier_steps(journey_map, versions, figures), figures)


def _svg(journey_map: JourneyMap, drawn: JourneyMap, figures: Figures) -> str:
    def details(name: str) -> str:
        step = drawn.steps[name]
        facts = [step.layer, step.stance, *[text for text in (step.owner, step.channel) if text]]
        if name not in journey_map.steps:
            facts.append("of an earlier version")
        return f" ({', '.join(facts)})"

    environment = _environment()
    environment.filters["details"] = details
    return environment.get_template("map.svg").render(
        title=journey_map.title or _words(journey_map.journey),
        layout=lay_out(drawn, figures),
        figures=figures,
        steps=drawn.steps,
        earlier=drawn.steps.keys() - journey_map.steps.keys(),
        titles=_titles(drawn),
        marker=f"arrow-{journey_map.journey}",
        box_width=BOX_WIDTH,
        box_height=BOX_HEIGHT,
        feelings_height=FEELINGS_HEIGHT,
    )


def drawing_markdown(journey_map: JourneyMap, figures: Figures, versions: Sequence[JourneyMap] = ()) -> str:
    """The drawing as a Markdown image whose data is in its address: shown in Dagster's UI, without a network."""
    picture = base64.b64encode(drawing_svg(journey_map, figures, versions).encode()).decode("ascii")
    return f"![{_words(journey_map.journey)}](data:image/svg+xml;base64,{picture})"


def drawing_page(
    journey_map: JourneyMap, figures: Figures, versions: Sequence[JourneyMap] = (), *, as_of: dt.datetime
) -> str:
    """A page of HTML with the drawing, whose it is and what it is for; it works without a network."""
    instances = figures.conformance.instances
    began = sum(move.moves for (source, _), move in figures.moves.items() if source is None)
    resumed = f", {instances - began:,} of them resumed after giving up" if instances > began else ""
    behind = sum(number for version, number in figures.open_in.items() if version < journey_map.version)
    facts = [
        ("Customer's goal", journey_map.goal),
        ("Brand's outcome", journey_map.outcome),
        ("Audience", journey_map.audience),
        ("Owner", journey_map.owner),
        (
            "Version",
            f"{journey_map.version}; {counted(behind, 'open instance')} of an earlier one"
            if behind
            else str(journey_map.version),
        ),
        ("As of", f"{as_of:%Y-%m-%d %H:%M} UTC"),
        ("Instances", f"{instances:,}{resumed}"),
    ]
    drawn = with_earlier_steps(journey_map, versions, figures)
    return (
        _environment()
        .get_template("page.html")
        .render(
            journey_map=journey_map,
            facts=[(term, text) for term, text in facts if text],
            conformance=figures.conformance,
            earlier=drawn.steps.keys() - journey_map.steps.keys(),
            titles=_titles(drawn),
            drawing=Markup(_svg(journey_map, drawn, figures)),  # noqa: S704  # made above, its texts escaped
        )
    )


def _titles(drawn: JourneyMap) -> dict[str, str]:
    return {name: step.title or _words(name) for name, step in drawn.steps.items()}


def _words(name: str) -> str:
    return name.replace("_", " ")


def _two_lines(text: str, length: int) -> list[str]:
    """A title on at most two lines of about so many characters; what does not fit is cut."""
    lines = wrap(text, length) or [text]
    return lines if len(lines) <= 2 else [lines[0], shorten(" ".join(lines[1:]), length, placeholder="…")]


def _label(arrow: Arrow) -> str:
    if arrow.figures is None:
        return ""
    half = "" if arrow.figures.median is None else f" · {_duration(arrow.figures.median)}"
    return f"{arrow.figures.moves:,}{half}"


def _thousands(number: int) -> str:
    return f"{number:,}"


def _percent(share: float) -> str:
    return f"{share:.0%}" if share == 0 or share >= 0.01 else "< 1%"


def _duration(time: dt.timedelta) -> str:
    """A time in the unit that people would say it in."""
    seconds = time.total_seconds()
    for length, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * length or (length == 60 and seconds >= 60):
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"


def _told(arrow: Arrow) -> str:
    if arrow.figures is None:
        return "never made"
    half = "" if arrow.figures.median is None else f", half of them within {_duration(arrow.figures.median)}"
    return f"{arrow.figures.moves:,} moves{half}"


@cache
def _templates() -> dict[str, str]:
    folder = files(__package__)
    return {name: folder.joinpath(name).read_text(encoding="utf-8") for name in ("map.svg", "page.html")}


def _environment() -> Environment:
    environment = Environment(
        loader=DictLoader(_templates()), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters |= {
        "words": _words,
        "two_lines": _two_lines,
        "label": _label,
        "thousands": _thousands,
        "percent": _percent,
        "duration": _duration,
        "told": _told,
    }
    return environment
