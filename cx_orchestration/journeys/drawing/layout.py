"""Where the parts of a drawn map stand: lanes of stages from left to right, steps in them, moves between steps.

Belongs here: geometry, in pixels of the drawing. Does not belong here: colours and words (``page``, its templates).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from cx_orchestration.journeys.drawing.figures import Feeling, Figures, OnMove
from cx_orchestration.model.journey import JourneyMap

LANE, GAP, BOX_WIDTH, BOX_HEIGHT = 286, 74, 190, 90
TOP, MARGIN, FEELINGS_HEIGHT = 104, 24, 110

#: A move that fewer than this share of the journey's instances made is drawn, but its label waits for the pointer.
_WORTH_A_LABEL = 0.02

#: Labels closer than this would lie on each other.
_LABEL_WIDTH, _LABEL_HEIGHT = 80, 14


@dataclass(frozen=True)
class Lane:
    stage: str
    x: float
    width: float


@dataclass(frozen=True)
class Box:
    """A step; ``x`` and ``y`` of its upper left corner."""

    step: str
    x: float
    y: float
    lane: int

    @property
    def middle(self) -> float:
        return self.x + BOX_WIDTH / 2


@dataclass(frozen=True)
class Arrow:
    """A move: an SVG path, where its label stands, and how thick it is."""

    source: str
    target: str
    path: str
    label_x: float
    label_y: float
    width: float
    back: bool
    labelled: bool
    figures: OnMove | None


@dataclass(frozen=True)
class Start:
    """Instances begin at a step: a dot over its box, at ``x`` and ``y``; ``begun`` of them so far."""

    step: str
    x: float
    y: float
    begun: int


@dataclass(frozen=True)
class Mark:
    """The feeling at a step on the line below the lanes; ``y`` grows downwards, as everywhere."""

    step: str
    x: float
    y: float
    feeling: Feeling


@dataclass(frozen=True)
class Layout:
    width: float
    height: float
    lanes: tuple[Lane, ...]
    boxes: tuple[Box, ...]
    arrows: tuple[Arrow, ...]
    starts: tuple[Start, ...]
    feelings: tuple[Mark, ...]
    feelings_top: float


def lay_out(journey_map: JourneyMap, figures: Figures) -> Layout:
    """The layout of a map: the same map and figures give the same one."""
    stages = [stage for stage in journey_map.stages if any(s.stage == stage for s in journey_map.steps.values())]
    by_stage = {stage: [name for name, s in journey_map.steps.items() if s.stage == stage] for stage in stages}
    rows = max(len(names) for names in by_stage.values())
    over = _levels_over(journey_map, stages)
    top = TOP + 22 * max(0, over - 1)
    boxes = {
        name: Box(
            name,
            x=MARGIN + lane * LANE + (LANE - BOX_WIDTH) / 2,
            y=top + (row + (rows - len(by_stage[stage])) / 2) * (BOX_HEIGHT + GAP),
            lane=lane,
        )
        for lane, stage in enumerate(stages)
        for row, name in enumerate(by_stage[stage])
    }
    bottom = top + rows * (BOX_HEIGHT + GAP) - GAP
    arrows = _arrows(journey_map, figures, boxes, top - 14, bottom)
    feelings_top = bottom + 90
    feelings = tuple(
        Mark(name, box.middle, feelings_top + (1 - feeling.mean) * FEELINGS_HEIGHT, feeling)
        for name, box in sorted(boxes.items(), key=lambda item: (item[1].lane, item[1].y))
        if (feeling := figures.feelings.get(name)) is not None
    )
    return Layout(
        width=2 * MARGIN + len(stages) * LANE,
        height=feelings_top + FEELINGS_HEIGHT + 40 if feelings else bottom + 70,
        lanes=tuple(Lane(stage, MARGIN + lane * LANE, LANE) for lane, stage in enumerate(stages)),
        boxes=tuple(boxes.values()),
        arrows=tuple(arrows),
        starts=tuple(_starts(journey_map, figures, boxes)),
        feelings=_side_by_side(feelings),
        feelings_top=feelings_top,
    )


def _starts(journey_map: JourneyMap, figures: Figures, boxes: Mapping[str, Box]) -> Iterator[Start]:
    for step in dict.fromkeys(beginning.target for _, _, beginning in journey_map.beginnings()):
        begun = figures.moves.get((None, step))
        yield Start(step, boxes[step].x + 14, boxes[step].y - 24, begun.moves if begun else 0)


def _moves(journey_map: JourneyMap) -> list[tuple[str, str]]:
    """The moves between two steps, as declared; one that no map declares any more is not drawn."""
    return list(
        dict.fromkeys(
            (source, target)
            for move in journey_map.transitions
            for source in move.source
            for target in journey_map.targets(move)
            if source != target
        )
    )


def _levels_over(journey_map: JourneyMap, stages: list[str]) -> int:
    """How much room moves that pass over a lane need above the boxes."""
    lane = {name: stages.index(step.stage) for name, step in journey_map.steps.items()}
    return max((lane[target] - lane[source] - 1 for source, target in _moves(journey_map)), default=0)


def _arrows(
    journey_map: JourneyMap, figures: Figures, boxes: Mapping[str, Box], above: float, below: float
) -> list[Arrow]:
    most = max((move.moves for move in figures.moves.values()), default=0)
    began = sum(move.moves for (source, _), move in figures.moves.items() if source is None)
    arrows = []
    for source, target in _moves(journey_map):
        found = figures.moves.get((source, target))
        start, end = boxes[source], boxes[target]
        path, label_x, label_y = _path(start, end, above, below)
        arrows.append(
            Arrow(
                source,
                target,
                path,
                label_x,
                label_y,
                width=1.2 + 7 * (found.moves / most) ** 0.5 if found else 1.2,
                back=end.lane < start.lane or (end.lane == start.lane and end.y < start.y),
                labelled=found is not None and found.moves >= _WORTH_A_LABEL * began,
                figures=found,
            )
        )
    return _labels_apart(sorted(arrows, key=lambda arrow: arrow.width, reverse=True))


def _labels_apart(arrows: list[Arrow]) -> list[Arrow]:
    """Labels that would lie on each other one below the other, that of the strongest move in its place."""
    apart: list[Arrow] = []
    for arrow in arrows:
        y = arrow.label_y
        taken = [one.label_y for one in apart if one.labelled and abs(one.label_x - arrow.label_x) < _LABEL_WIDTH]
        while arrow.labelled and any(abs(other - y) < _LABEL_HEIGHT for other in taken):
            y += _LABEL_HEIGHT
        apart.append(replace(arrow, label_y=y))
    return apart


def _path(start: Box, end: Box, above: float, below: float) -> tuple[str, float, float]:
    """The path of an arrow and where its label stands: straight on, over the lanes between, or back below them."""
    middle = BOX_HEIGHT / 2
    if end.lane == start.lane:
        side = 1 if end.y > start.y else -1
        x = start.x + (BOX_WIDTH if side > 0 else 0)
        if side > 0 and end.y - start.y < 1.5 * (BOX_HEIGHT + GAP):
            from_y, to_y = start.y + BOX_HEIGHT, end.y - 4
            return f"M {start.middle:.1f} {from_y:.1f} L {end.middle:.1f} {to_y:.1f}", start.middle, (from_y + to_y) / 2
        bend = x + side * 40
        path = (
            f"M {x:.1f} {start.y + middle:.1f} C {bend:.1f} {start.y + middle:.1f} "
            f"{bend:.1f} {end.y + middle:.1f} {x + side * 4:.1f} {end.y + middle:.1f}"
        )
        return path, x + side * 30, (start.y + end.y) / 2 + middle
    if end.lane < start.lane:
        lowest = below + 18 + 14 * (start.lane - end.lane)
        low = _control(start.y + BOX_HEIGHT, end.y + BOX_HEIGHT, lowest)
        path = (
            f"M {start.middle:.1f} {start.y + BOX_HEIGHT:.1f} C {start.middle:.1f} {low:.1f} "
            f"{end.middle:.1f} {low:.1f} {end.middle:.1f} {end.y + BOX_HEIGHT + 4:.1f}"
        )
        return path, (start.middle + end.middle) / 2, lowest
    if end.lane == start.lane + 1:
        from_x, from_y, to_x, to_y = start.x + BOX_WIDTH, start.y + middle, end.x - 4, end.y + middle
        half = (from_x + to_x) / 2
        path = f"M {from_x:.1f} {from_y:.1f} C {half:.1f} {from_y:.1f} {half:.1f} {to_y:.1f} {to_x:.1f} {to_y:.1f}"
        return path, half, (from_y + to_y) / 2
    highest = above - 22 * (end.lane - start.lane - 1)
    high = _control(start.y, end.y, highest)
    path = (
        f"M {start.middle + 24:.1f} {start.y:.1f} C {start.middle + 60:.1f} {high:.1f} "
        f"{end.middle - 60:.1f} {high:.1f} {end.middle - 24:.1f} {end.y - 4:.1f}"
    )
    return path, (start.middle + end.middle) / 2, highest


def _control(start: float, end: float, middle: float) -> float:
    """Where both control points of a cubic Bézier curve must be for its middle to be where it shall be."""
    return (8 * middle - start - end) / 6


def _side_by_side(marks: tuple[Mark, ...]) -> tuple[Mark, ...]:
    """Marks of one lane next to each other, in the order of its steps, so that the line does not turn back."""
    together: dict[float, list[Mark]] = {}
    for mark in marks:
        together.setdefault(mark.x, []).append(mark)
    return tuple(
        Mark(mark.step, x + (place - (len(lane) - 1) / 2) * BOX_WIDTH / len(lane), mark.y, mark.feeling)
        for x, lane in sorted(together.items())
        for place, mark in enumerate(lane)
    )
