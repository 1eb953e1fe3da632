"""Steps of earlier versions of a map, drawn beside those of the newest one.

Belongs here: which of them are drawn, and the moves that they had. Does not belong here: what a version means to an
instance (``journeys.versions``).
"""

from collections.abc import Sequence

from cx_orchestration.journeys.drawing.figures import Figures
from cx_orchestration.model.journey import JourneyMap


def with_earlier_steps(journey_map: JourneyMap, versions: Sequence[JourneyMap], figures: Figures) -> JourneyMap:
    """The map and, behind its own, the steps of ``versions`` that it has no more and instances came to.

    It is to be drawn, not to be folded with: nothing says that such a map is sound.
    """
    drawn = journey_map
    earlier = [one for one in versions if one.journey == journey_map.journey and one.version <= journey_map.version]
    for one in sorted(earlier, key=lambda one: one.version, reverse=True):
        steps = {name: step for name, step in one.steps.items() if name not in drawn.steps and name in figures.steps}
        known = {*drawn.steps, *steps}
        moves = [
            move.model_copy(update={"source": sources})
            for move in one.transitions
            if move.target in known and (sources := [name for name in move.source if name in known])
            if move.target in steps or not steps.keys().isdisjoint(sources)
        ]
        stages = [step.stage for step in steps.values()]
        changes = {
            "steps": drawn.steps | steps,
            "stages": list(dict.fromkeys([*drawn.stages, *stages])),
            "transitions": [*drawn.transitions, *moves],
        }
        drawn = drawn.model_copy(update=changes)
    return drawn
