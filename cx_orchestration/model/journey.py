"""A journey map as people declare it in ``journeys/<name>.yaml``: stages, steps and the transitions between them.

Belongs here: the declaration, and what its words mean. Does not belong here: whether a map is sound
(``journeys.maps``) or what a customer's events make of it (``journeys.fold``).
"""

import re
from collections.abc import Collection, Iterator
from typing import Literal

from pydantic import Field

from cx_orchestration.model.base import Declared, EventType, Slug
from cx_orchestration.model.guards import Guard

DEFAULT_STAGES = ["educate", "pre_sales", "sales", "post_sales", "advocacy"]

#: What the first step of a journey's funnel is called: the customer begins. No step may have this name.
BEGIN = "begin"

_MICRO_EVENT = re.compile(r"journey\.([a-z][a-z0-9_]*)\.(begun|completed|abandoned)")


class Action(Declared):
    """What the company offers or does while a customer stands at a step."""

    kind: Literal["call_to_action", "to_do", "next_best_action"]
    title: str
    delivered: Literal["at_once", "later"] = Field(
        default="at_once", description="at_once: in the channel where the customer is; later: sent to them"
    )
    channel: Slug | None = Field(default=None, description="Where it is delivered; absent: where the customer is")


class Step(Declared):
    """A state of the journey: where a customer stands after the event that led there.

    ``abandoned_after_days``: an instance that rests here longer without moving counts as abandoned at this step;
    absent, resting here is no abandonment. ``completes``: reaching this step ends the instance as completed, or its
    part when the map has parts.
    """

    stage: Slug
    title: str = ""
    owner: str = ""
    layer: Literal["product", "relationship"] = "product"
    channel: Slug | None = Field(default=None, description="Where it is meant to happen")
    stance: Literal["own", "empathise"] = Field(
        default="own", description="own: the company answers for what goes wrong here; empathise: it can only stand by"
    )
    milestone: bool = False
    moment_of_truth: bool = False
    actions: list[Action] = Field(default_factory=list)
    part: Slug | None = Field(default=None, description="The part it belongs to, in a map that has parts")
    abandoned_after_days: float | None = Field(default=None, gt=0, le=36_500)
    completes: bool = False


class Part(Declared):
    """One of several things that go on at once in every instance, each at a step of its own."""

    starts_at: Slug = Field(description="Where the part stands until an event moves it")
    title: str = ""
    owner: str = ""


class Beginning(Declared):
    """The step to which a beginning event leads, if its guards hold."""

    target: Slug = Field(alias="to")
    when: list[Guard] = Field(default_factory=list, description="All must hold")


class Transition(Declared):
    """On an event of type ``on`` an instance that stands at one of ``source`` moves to ``target``.

    ``target`` may be the step itself: the customer does there again what led there, and the resting time starts anew.
    ``journey.<micro>.begun``, ``.completed`` and ``.abandoned`` are what instances of another map do.
    """

    source: list[Slug] = Field(min_length=1, alias="from")
    on: EventType
    target: Slug = Field(alias="to")
    when: list[Guard] = Field(
        default_factory=list,
        description="All must hold for the move. Transitions from one step on one event type must exclude each other; "
        "one without guards takes what the others leave",
    )
    back: bool = Field(
        default=False,
        description="The move leads back to the step where the instance stood last in the stage of 'to', and to 'to' "
        "itself if it never stood there",
    )
    requires: list[Slug] = Field(
        default_factory=list,
        description="Metadata the event must carry: amount, currency, channel, score, score_kind, or the name of "
        "an attribute. It does not stop the move; a check says by service how complete it is",
    )


class JourneyMap(Declared):
    """A state chart over customer events; a customer has at most one open instance of it at a time, or one for each
    value of ``correlation``.

    - An instance **begins** with an event of a type in ``begins_with``, which leads to the step named there.
    - While it is open, an event with a transition from the current step **moves** it, whatever else its type means.
    - A type named by ``begins_with`` or a transition, arriving where no transition takes it, is a **deviation**.
      Every other event is off the map.
    - The instance ends as **completed** on a step that ``completes``, and as **abandoned** once it has rested at a step
      longer than ``abandoned_after_days``; deviations and events off the map do not interrupt the rest.
    - A customer who returns to an abandoned instance with an event that has a transition from the step it rested at
      **resumes**: a new instance that starts from that step. Any other return needs a beginning event, and
      ``re_entry``: after an instance has ended, does a beginning event start another one?
    - With ``correlation`` each value of that attribute has instances of its own. An event without it concerns the
      customer's open instance when there is exactly one, and none otherwise; it begins and resumes nothing.
    - With ``parts`` an instance stands at one step of each. An event moves every part that has a transition for it. The
      instance is completed when all parts are, and abandoned when one has rested too long.
    - An instance keeps the ``version`` that it began with, unless ``migrations`` of a later one move it.
    """

    journey: Slug
    version: int = Field(default=1, ge=1)
    title: str = ""
    owner: str = ""
    goal: str = Field(default="", description="What the customer wants")
    outcome: str = Field(default="", description="What the brand wants")
    audience: str = Field(default="", description="Whom it is for")
    stages: list[Slug] = Field(default_factory=lambda: list(DEFAULT_STAGES), min_length=1)
    parts: dict[Slug, Part] = Field(default_factory=dict, description="What goes on at once; every step names its part")
    steps: dict[Slug, Step] = Field(min_length=1)
    begins_with: dict[EventType, Slug | list[Beginning]] = Field(
        min_length=1, description="A step, or several with guards that exclude each other"
    )
    transitions: list[Transition] = Field(default_factory=list)
    correlation: Slug | None = Field(
        default=None, description="An attribute such as order_id: each of its values has instances of its own"
    )
    support_events: list[EventType] = Field(default_factory=list, description="The customer turns to support")
    human_events: list[EventType] = Field(
        default_factory=list,
        description="A person of the company answers: how long one was waited for counts from here",
    )
    friction_events: list[EventType] = Field(
        default_factory=list, description="Things that go wrong and could be changed: candidates for improvements"
    )
    re_entry: bool = True
    conversion_window_days: float = Field(
        default=30, gt=0, le=3660, description="A customer who begins counts for a milestone reached within this time"
    )
    migrations: dict[int, dict[Slug, Slug]] = Field(
        default_factory=dict,
        description="By earlier version: its steps, and where in this version an instance goes on that stands there",
    )
    segments: list[Slug] = Field(
        default_factory=list,
        description="Attributes that clusters of customers are made of. One that events carry is read from events; "
        "otherwise it comes from profiles and must be what a customer is, not what became of them",
    )
    acquisition_cost: Slug | None = Field(
        default=None, description="The attribute, of events or profiles, that says what winning the customer cost"
    )

    def beginnings(self) -> Iterator[tuple[str, str, Beginning]]:
        """Where it stands in the file, event type, and beginning."""
        for event_type, named in self.begins_with.items():
            if isinstance(named, str):
                yield f"begins_with.{event_type}", event_type, Beginning(to=named)
            else:
                for place, beginning in enumerate(named):
                    yield f"begins_with.{event_type}[{place}]", event_type, beginning

    def targets(self, move: Transition) -> list[str]:
        """The steps to which a transition may lead."""
        to = self.steps[move.target]
        found = [name for name, step in self.steps.items() if (step.stage, step.part) == (to.stage, to.part)]
        return found if move.back else [move.target]

    @property
    def event_types(self) -> list[str]:
        """The types that are on the map: those of beginnings and transitions, in the order of the file."""
        return list(dict.fromkeys([*self.begins_with, *(move.on for move in self.transitions)]))

    def types_leading_to(self, step: str) -> list[str]:
        """The event types that may lead to a step, in the order of the file."""
        begins = [event_type for _, event_type, beginning in self.beginnings() if beginning.target == step]
        moves = [move.on for move in self.transitions if step in self.targets(move)]
        return list(dict.fromkeys([*begins, *moves]))

    @property
    def micro_journeys(self) -> list[str]:
        """The journeys whose doings are events on this map."""
        return list(dict.fromkeys(found[1] for kind in self.event_types if (found := _MICRO_EVENT.fullmatch(kind))))

    def event_types_at(self, stages: Collection[str]) -> set[str]:
        """The event types that lead to, or move a customer on from, a step of one of these stages."""
        here = {name for name, step in self.steps.items() if step.stage in stages}
        moves = {move.on for move in self.transitions if move.target in here or not here.isdisjoint(move.source)}
        return moves | {event_type for _, event_type, beginning in self.beginnings() if beginning.target in here}
