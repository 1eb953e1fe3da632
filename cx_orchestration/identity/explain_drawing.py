"""A customer as a drawing: records as cards, the values that they share beside them, scored and decided pairs as arcs.

Belongs here: where things are on the drawing. Does not belong here: their looks (``explain_page.css``), what is said.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cx_orchestration.identity.explain import Explanation
from cx_orchestration.identity.explain_evidence import Evidence

#: More records than this are not drawn: nobody could follow the lines.
MOST_RECORDS = 24

_WIDTH, _CARD, _HEIGHT, _STEP, _TOP = 1040, 330, 52, 66, 8
_LEFT, _VALUES, _VALUE = 150, 700, 330
#: Where on an arc its number may stand, as shares of its course, and from which distance on two numbers are apart.
_ALONG = (0.5, *(0.5 + side * step / 40 for step in range(1, 15) for side in (1, -1)))
_APART = 22.0


@dataclass(frozen=True)
class Box:
    """A record's card or a shared value: its upper left corner, two lines of text, the number of a value."""

    x: int
    y: float
    title: str
    below: str
    number: int | None = None


@dataclass(frozen=True)
class Line:
    """A line as an SVG path; a scored or decided pair has its number on it."""

    kind: str
    path: str
    x: float = 0.0
    y: float = 0.0
    number: int | None = None


@dataclass(frozen=True)
class Drawing:
    height: int
    cards: tuple[Box, ...]
    values: tuple[Box, ...]
    lines: tuple[Line, ...]
    width: int = _WIDTH
    card_width: int = _CARD
    value_width: int = _VALUE
    box_height: int = _HEIGHT


def draw(found: Explanation, evidence: Sequence[Evidence]) -> Drawing | None:
    """The drawing of a customer, or ``None`` when there are too many records to follow.

    ``evidence`` is numbered from 1, as the page lists it.
    """
    if len(found.records) > MOST_RECORDS:
        return None
    rows = {record.name: _TOP + row * _STEP for row, record in enumerate(found.records)}
    cards = tuple(
        Box(_LEFT, rows[record.name], _shortened(record.title or "no name", 36), _shortened(record.name, 44))
        for record in found.records
    )
    numbered = list(enumerate(evidence, start=1))
    shared = [(number, each) for number, each in numbered if each.kind == "exact"]
    height = _TOP + max(len(rows), len(shared)) * _STEP
    gap = height / max(len(shared), 1)
    values, lines = [], []
    for place, (number, each) in enumerate(shared):
        y = (place + 0.5) * gap - _HEIGHT / 2
        name, _, value = each.says.removeprefix("same ").partition(" (")
        values.append(Box(_VALUES, y, _shortened(value.removesuffix(")") or name, 33), name, number))
        lines += [_to_value(rows[record], y) for record in each.records]
    badges: list[tuple[float, float]] = []
    pairs = [(number, each) for number, each in numbered if each.kind != "exact"]
    for place, (number, each) in enumerate(pairs):
        lines.append(_arc(place, number, each, rows, badges))
        badges.append((lines[-1].x, lines[-1].y))
    return Drawing(height, cards, tuple(values), tuple(lines))


def _to_value(record: float, value: float) -> Line:
    start, end = _LEFT + _CARD, _VALUES
    y1, y2, reach = record + _HEIGHT / 2, value + _HEIGHT / 2, (end - start) / 2
    return Line("exact", f"M{start} {y1:.0f}C{start + reach:.0f} {y1:.0f} {end - reach:.0f} {y2:.0f} {end} {y2:.0f}")


def _arc(
    place: int, number: int, each: Evidence, rows: Mapping[str, float], badges: Sequence[tuple[float, float]]
) -> Line:
    """On the left of the cards; the further apart two records are, the wider the arc, and no two arcs are one.

    Its number stands where it is furthest from the ``badges`` that are there, in the middle if that is free.
    """
    y1, y2 = sorted(rows[name] + _HEIGHT / 2 + (place % 5 - 2) * 6 for name in each.records)
    bend = min(50 + 16 * (y2 - y1) / _STEP + 8 * (place % 4), 180)
    path = f"M{_LEFT} {y1:.0f}C{_LEFT - bend:.0f} {y1:.0f} {_LEFT - bend:.0f} {y2:.0f} {_LEFT} {y2:.0f}"
    places = [(_LEFT - 3 * t * (1 - t) * bend, y1 + (y2 - y1) * t * t * (3 - 2 * t)) for t in _ALONG]
    x, y = max(places, key=lambda at: min([_APART, *(math.dist(at, badge) for badge in badges)]))
    return Line(each.kind, path, x, y, number)


def _shortened(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"
