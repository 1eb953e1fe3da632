"""The impact-complexity quadrant as a picture: where marks and labels go, and the SVG that holds them.

Belongs here: geometry. Does not belong here: anything that decides about a service.
"""

import base64
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from cx_orchestration.model.scoring import Band, Disposition
from cx_orchestration.scoring.plan import Plan
from cx_orchestration.scoring.templates import render, words

WIDTH, HEIGHT = 760, 520
LEFT, TOP, RIGHT, BOTTOM = 52, 10, 750, 470
FONT_SIZE = 12
_LINE = 16
_MARK = 7.5
_LABEL_CHARACTERS = 28
_RADII = (11, 18, 26, 36, 50, 68, 90)
_DIRECTIONS = ((1, 0), (-1, 0), (0, -1), (0, 1), (1, -1), (1, 1), (-1, -1), (-1, 1))


@dataclass(frozen=True)
class Box:
    """A rectangle in the picture; ``y`` grows downwards."""

    left: float
    top: float
    right: float
    bottom: float

    def meets(self, other: "Box", gap: float = 0) -> bool:
        return (
            self.left < other.right + gap
            and other.left < self.right + gap
            and self.top < other.bottom + gap
            and other.top < self.bottom + gap
        )

    def holds(self, other: "Box") -> bool:
        return (
            self.left <= other.left
            and self.top <= other.top
            and self.right >= other.right
            and self.bottom >= other.bottom
        )

    def touches_line(self, start: tuple[float, float], end: tuple[float, float]) -> bool:
        """Whether a line has a point in the box (Liang and Barsky's clipping)."""
        low, high = 0.0, 1.0
        for origin, step, least, most in (
            (start[0], end[0] - start[0], self.left, self.right),
            (start[1], end[1] - start[1], self.top, self.bottom),
        ):
            if step == 0:
                if not least <= origin <= most:
                    return False
                continue
            first, second = sorted(((least - origin) / step, (most - origin) / step))
            low, high = max(low, first), min(high, second)
        return low <= high


PLOT = Box(LEFT, TOP, RIGHT, BOTTOM)


@dataclass(frozen=True)
class Mark:
    """One service in the picture.

    ``shown`` is its name as far as it fits: shortened, or empty where only the rank found a place. ``label`` is where
    rank and name stand, ``None`` when not even the rank found a place. ``leader`` is the line from the mark to a label
    that stands apart from it.
    """

    service: str
    name: str
    shown: str
    rank: int
    disposition: Disposition
    decided: bool
    impact: float
    complexity: float
    x: float
    y: float
    label: Box | None
    leader: tuple[tuple[float, float], tuple[float, float]] | None


@dataclass(frozen=True)
class Region:
    """A visible part of a band; ``text`` is its disposition where there is room to say so."""

    disposition: Disposition
    box: Box
    text: str
    text_box: Box | None


@dataclass(frozen=True)
class Quadrant:
    regions: tuple[Region, ...]
    marks: tuple[Mark, ...]

    @property
    def unlabelled(self) -> list[Mark]:
        return [mark for mark in self.marks if mark.label is None]


def layout(plan: Plan) -> Quadrant:
    """Where everything goes: complexity to the right, impact upwards, both 0 to 100.

    Marks that would cover each other are moved apart by a few pixels. Labels overlap neither each other nor a mark, and
    no leader runs through either. The better the rank, the nearer the label; where marks are many, the last ones keep
    their rank only.
    """
    places: list[tuple[float, float]] = []
    for row in plan.rows:
        places.append(_free_place(_x(row.complexity_score), _y(row.impact_score), places))
    marks_at = [Box(x - _MARK, y - _MARK, x + _MARK, y + _MARK) for x, y in places]
    regions = tuple(_regions(plan.config.bands, marks_at))
    taken = [region.text_box for region in regions if region.text_box is not None]
    leaders: list[tuple[tuple[float, float], tuple[float, float]]] = []
    marks = []
    for row, (x, y) in zip(plan.rows, places, strict=True):
        name = plan.names[row.service]
        shown = name if len(name) <= _LABEL_CHARACTERS else name[: _LABEL_CHARACTERS - 1].rstrip() + "…"
        label, leader = _label(f"{row.rank} {shown}", x, y, taken, marks_at, leaders)
        if label is None:
            shown = ""
            label, leader = _label(str(row.rank), x, y, taken, marks_at, leaders)
        if label is not None:
            taken.append(label)
        if leader is not None:
            leaders.append(leader)
        marks.append(
            Mark(
                service=row.service,
                name=name,
                shown=shown,
                rank=row.rank,
                disposition=row.disposition,
                decided=row.decided_on is not None,
                impact=row.impact_score,
                complexity=row.complexity_score,
                x=x,
                y=y,
                label=label,
                leader=leader,
            )
        )
    return Quadrant(regions, tuple(marks))


def quadrant_svg(plan: Plan) -> str:
    """The quadrant as an SVG document of its own, in colours for a light background."""
    return render("quadrant.svg", **quadrant_context(plan), standalone=True)


def quadrant_markdown(plan: Plan) -> str:
    """The quadrant as a Markdown image whose data is in its address: shown wherever Markdown is, without a network."""
    data = base64.b64encode(quadrant_svg(plan).encode()).decode()
    return f"![{description(plan)}](data:image/svg+xml;base64,{data})"


def quadrant_context(plan: Plan) -> dict[str, Any]:
    """What the template ``quadrant.svg`` needs."""
    return {
        "quadrant": layout(plan),
        "quadrant_text": description(plan),
        "plot": PLOT,
        "width": WIDTH,
        "height": HEIGHT,
        "font_size": FONT_SIZE,
        "ticks": [(value, _x(value), _y(value)) for value in (0, 25, 50, 75, 100)],
    }


def description(plan: Plan) -> str:
    """What the picture shows, for those who cannot see it."""
    counts = [
        f"{sum(row.disposition == disposition for row in plan.rows)} {words(disposition).lower()}"
        for disposition in Disposition
        if any(row.disposition == disposition for row in plan.rows)
    ]
    noun = "service" if len(plan.rows) == 1 else "services"
    return f"Impact over complexity of {len(plan.rows)} {noun}: {', '.join(counts)}"


def text_width(text: str, size: float = FONT_SIZE) -> float:
    """About how wide a text is in a sans-serif font, in pixels, rather too wide than too narrow."""
    return size * 1.12 * sum(_character_width(character) for character in text)


def _character_width(character: str) -> float:
    if character in "iljtfrI.,:;'|!()[]- ":
        return 0.33
    if character in "mwMW@%&…":
        return 0.89
    if not character.isascii() and not character.isalpha():
        return 1.0
    if ord(character) > 0x2E80:
        return 1.0
    return 0.68 if character.isupper() else 0.56


def _x(complexity: float) -> float:
    return LEFT + (RIGHT - LEFT) * complexity / 100


def _y(impact: float) -> float:
    return BOTTOM - (BOTTOM - TOP) * impact / 100


def _free_place(x: float, y: float, places: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """The nearest place at which a mark covers no other one; its own if there is none nearby."""
    around = [(x, y)] + [
        (x + distance * math.cos(angle), y + distance * math.sin(angle))
        for distance in range(4, 60, 4)
        for angle in (math.tau * step / 16 for step in range(16))
    ]
    for candidate in around:
        inside = LEFT <= candidate[0] <= RIGHT and TOP <= candidate[1] <= BOTTOM
        if inside and all(math.dist(candidate, other) >= 2 * _MARK for other in places):
            return candidate
    return x, y


def _label(
    text: str,
    x: float,
    y: float,
    taken: Sequence[Box],
    marks: Sequence[Box],
    leaders: Sequence[tuple[tuple[float, float], tuple[float, float]]],
) -> tuple[Box | None, tuple[tuple[float, float], tuple[float, float]] | None]:
    width = text_width(text)
    for radius in _RADII:
        for across, down in _DIRECTIONS:
            box = _beside(x, y, width, radius, across, down)
            if (
                not PLOT.holds(box)
                or any(box.meets(other, gap=2) for other in taken)
                or any(box.meets(mark) for mark in marks)
                or any(box.touches_line(*leader) for leader in leaders)
            ):
                continue
            if radius <= _RADII[1]:
                return box, None
            leader = ((x, y), _nearest(box, x, y))
            own = Box(x - 1, y - 1, x + 1, y + 1)
            if not any(other.touches_line(*leader) for other in (*taken, *(m for m in marks if not m.meets(own)))):
                return box, leader
    return None, None


def _beside(x: float, y: float, width: float, radius: float, across: int, down: int) -> Box:
    reach = radius * (0.75 if across and down else 1)
    left = x - width / 2 if across == 0 else (x + reach if across > 0 else x - reach - width)
    top = y - _LINE / 2 if down == 0 else (y + reach if down > 0 else y - reach - _LINE)
    if down == 0:
        top = min(max(top, PLOT.top), PLOT.bottom - _LINE)
    if across == 0:
        left = min(max(left, PLOT.left), PLOT.right - width)
    return Box(left, top, left + width, top + _LINE)


def _nearest(box: Box, x: float, y: float) -> tuple[float, float]:
    return min(max(x, box.left), box.right), min(max(y, box.top), box.bottom)


def _regions(bands: Sequence[Band], marks: Sequence[Box]) -> Iterator[Region]:
    """The bands as they show, the first over the second and so on, in the order in which to draw them.

    A band's name goes to a corner, from the top left, of a cell that no earlier band covers, where no mark lies.
    """
    impacts = sorted({0.0, 100.0} | {bound for band in bands for bound in (band.min_impact, band.max_impact)})
    cuts = sorted({0.0, 100.0} | {bound for band in bands for bound in (band.min_complexity, band.max_complexity)})
    visible: dict[int, list[Box]] = {}
    for low, high in reversed(list(pairwise(impacts))):
        for left, right in pairwise(cuts):
            holding = (n for n, band in enumerate(bands) if band.holds((low + high) / 2, (left + right) / 2))
            visible.setdefault(next(holding, -1), []).append(Box(_x(left), _y(high), _x(right), _y(low)))
    for number, band in sorted(enumerate(bands), reverse=True):
        box = Box(_x(band.min_complexity), _y(band.max_impact), _x(band.max_complexity), _y(band.min_impact))
        text = words(band.disposition)
        free = (
            place
            for cell in visible.get(number, [])
            for place in _corners(cell, text_width(text, 11))
            if cell.holds(place) and not any(place.meets(mark) for mark in marks)
        )
        yield Region(band.disposition, box, text, next(free, None))


def _corners(cell: Box, width: float) -> Iterator[Box]:
    for top in (cell.top + 5, cell.bottom - 21):
        for left in (cell.left + 8, cell.right - 8 - width):
            yield Box(left, top, left + width, top + 16)
