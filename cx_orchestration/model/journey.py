"""A journey map as people declare it in ``journeys/<name>.yaml``: stages, steps and the transitions between them.

Belongs here: the declaration, and what its words mean. Does not belong here: whether a map is sound
(``journeys.maps``) or what a customer's events make of it (``journeys.fold``).
"""

from collections.abc import Collection
from typing import Literal

from pydantic import Field

from cx_orchestration.model.base import Declared, EventType, Slug

DEFAULT_STAGES = ["educate", "pre_sales", "sales", "post_sales", "advocacy"]


class Step(Declared):
    """A state of the journey: where a customer stands after the event that led there.

    ``abandoned_after_days``: an instance that rests here longer without moving counts as abandoned at this step;
    absent, resting here is no abandonment. ``completes``: reaching this step ends the instance as completed.
    """

    stage: Slug
    title: str = ""
    owner: str = ""
    layer: Literal["product", "relationship"] = "product"
    milestone: bool = False
    moment_of_truth: bool = False
    abandoned_after_days: float | None = Field(default=None, gt=0, le=36_500)
    completes: bool = False


class Transition(Declared):
    """On an event of type ``on`` an instance that stands at one of ``source`` moves to ``target``.

    ``target`` may be the step itself: the customer does there again what led there, and the resting time starts anew.
    """

    source: list[Slug] = Field(min_length=1, alias="from")
    on: EventType
    target: Slug = Field(alias="to")
    requires: list[Slug] = Field(
        default_factory=list,
        description="Metadata the event must carry: amount, currency, channel, score, score_kind, or the name of "
        "an attribute. It does not stop the move; a check says by service how complete it is",
    )


class JourneyMap(Declared):
    """A state chart over customer events; a customer has at most one open instance of it at a time.

    - An instance **begins** with an event of a type in ``begins_with``, which leads to the step named there.
    - While it is open, an event with a transition from the current step **moves** it, whatever else its type means.
    - A type named by ``begins_with`` or a transition, arriving where no transition takes it, is a **deviation**.
      Every other event is off the map.
    - The instance ends as **completed** on a step that ``completes``, and as **abandoned** once it has rested at a step
      longer than ``abandoned_after_days``; deviations and events off the map do not interrupt the rest.
    - A customer who returns to an abandoned instance with an event that has a transition from the step it rested at
      **resumes**: a new instance that starts from that step. Any other return needs a beginning event, and
      ``re_entry``: after an instance has ended, does a beginning event start another one?
    """

    journey: Slug
    version: int = Field(default=1, ge=1)
    title: str = ""
    owner: str = ""
    goal: str = Field(default="", description="What the customer wants")
    outcome: str = Field(default="", description="What the brand wants")
    stages: list[Slug] = Field(default_factory=lambda: list(DEFAULT_STAGES), min_length=1)
    steps: dict[Slug, Step] = Field(min_length=1)
    begins_with: dict[EventType, Slug] = Field(min_length=1)
    transitions: list[Transition] = Field(default_factory=list)
    support_events: list[EventType] = Field(default_factory=list, description="The customer turns to support")
    friction_events: list[EventType] = Field(
        default_factory=list, description="Things that go wrong and could be changed: candidates for improvements"
    )
    re_entry: bool = True
    segments: list[Slug] = Field(
        default_factory=list,
        description="Attributes that clusters of customers are made of. One that events carry is read from events; "
        "otherwise it comes from profiles and must be what a customer is, not what became of them",
    )

    def event_types_at(self, stages: Collection[str]) -> set[str]:
        """The event types that lead to, or move a customer on from, a step of one of these stages."""
        here = {name for name, step in self.steps.items() if step.stage in stages}
        moves = {move.on for move in self.transitions if move.target in here or not here.isdisjoint(move.source)}
        return moves | {event_type for event_type, step in self.begins_with.items() if step in here}
