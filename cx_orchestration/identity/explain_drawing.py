"""A customer as a drawing: records as cards, one column a service, and the links between them as numbered lines.

Belongs here: where things are on the drawing. Does not belong here: their looks (``explain_page.css``), what is said.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from cx_orchestration.identity.explain import Explanation, Link, Record

#: More records than this are not drawn: nobody could follow the lines.
MOST_RECORDS = 24

_WIDTH, _HEIGHT, _GAP, _BETWEEN = 210, 56, 26, 150
_LEFT, _TOP = 40, 44


@dataclass(frozen=True)
class Card:
    """A record's card: its upper left corner, and what it says."""

    x: int
    y: int
    title: str
    name: str


@dataclass(frozen=True)
class Line:
    """A link's line as an SVG path, its number where it can be read, and the kind of link."""

    number: int
    path: str
    x: float
    y: float
    kind: str
    width: float
    says: str


@dataclass(frozen=True)
class Column:
    """The heading of a service's column."""

    x: int
    service: str


@dataclass(frozen=True)
class Drawing:
    width: int
    height: int
    columns: tuple[Column, ...]
    cards: tuple[Card, ...]
    lines: tuple[Line, ...]
    card_width: int = _WIDTH
    card_height: int = _HEIGHT


def draw(found: Explanation, numbered: Sequence[Link]) -> Drawing | None:
    """The drawing of a customer's records and links, or ``None`` when there are too many records to follow.

    ``numbered`` are the links in the order in which the page lists them, from 1.
    """
    if len(found.records) > MOST_RECORDS:
        return None
    by_service: dict[str, list[Record]] = {}
    for record in found.records:
        by_service.setdefault(record.name.split("/")[0], []).append(record)
    tallest = max(len(records) for records in by_service.values())
    cards: dict[str, Card] = {}
    for at, records in enumerate(by_service.values()):
        top = _TOP + (tallest - len(records)) * (_HEIGHT + _GAP) // 2
        for row, record in enumerate(records):
            place = _LEFT + at * (_WIDTH + _BETWEEN), top + row * (_HEIGHT + _GAP)
            cards[record.name] = Card(*place, _shortened(record.title or "no name", 26), _shortened(record.name, 30))
    lines = [
        _line(number, link, cards[link.left], cards[link.right])
        for number, link in enumerate(numbered, start=1)
        if link.left in cards and link.right in cards
    ]
    columns = [Column(_LEFT + at * (_WIDTH + _BETWEEN), service) for at, service in enumerate(by_service)]
    width = 2 * _LEFT + len(columns) * (_WIDTH + _BETWEEN) - _BETWEEN + 40
    return Drawing(width, _TOP + tallest * (_HEIGHT + _GAP), tuple(columns), tuple(cards.values()), tuple(lines))


def _line(number: int, link: Link, left: Card, right: Card) -> Line:
    """From side to side; within a column, and past a column, as an arc. Several links of a pair lie apart."""
    if right.x < left.x:
        left, right = right, left
    shift = (number % 3 - 1) * 10
    y1, y2 = left.y + _HEIGHT / 2 + shift, right.y + _HEIGHT / 2 + shift
    if left.x == right.x:
        x1 = x2 = float(left.x + _WIDTH)
        bend = 46 + 12 * (number % 3)
        path = f"M{x1:.0f} {y1:.0f}C{x1 + bend:.0f} {y1:.0f} {x2 + bend:.0f} {y2:.0f} {x2:.0f} {y2:.0f}"
        middle = x1 + 0.75 * bend, (y1 + y2) / 2
    else:
        x1, x2 = float(left.x + _WIDTH), float(right.x)
        bow = 0 if right.x - left.x == _WIDTH + _BETWEEN else -(_HEIGHT + _GAP) * 0.7
        reach = (x2 - x1) / 3
        path = f"M{x1:.0f} {y1:.0f}C{x1 + reach:.0f} {y1 + bow:.0f} {x2 - reach:.0f} {y2 + bow:.0f} {x2:.0f} {y2:.0f}"
        middle = (x1 + x2) / 2, (y1 + y2) / 2 + 0.75 * bow
    width = 1.5 + min(abs(link.weight), 20) / 8
    return Line(number, path, *middle, kind=_kind(link), width=width, says=link.says)


def _kind(link: Link) -> str:
    if link.side == "decided":
        return "always" if link.rule.endswith("always") else "never"
    if link.side == "against":
        return "against"
    return "model" if link.levels else "exact"


def _shortened(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"
