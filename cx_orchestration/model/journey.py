"""A journey map as people declare it in ``journeys/<name>.yaml``: stages, steps and the transitions between them."""

from typing import Literal

from pydantic import Field

from cx_orchestration.model.base import Declared, EventType, Slug

DEFAULT_STAGES = ["educate", "pre_sales", "sales", "post_sales", "advocacy"]


class Step(Declared):
    """A state of the journey: where a customer stands after the event that led there.

    ``abandoned_after_days``: an instance that rests here longer without any step counts as abandoned at this step;
    absent, resting here is no abandonment. ``completes``: reaching this step ends the instance as completed.
    """

    stage: Slug
    title: str = ""
    owner: str = ""
    layer: Literal["product", "relationship"] = "product"
    milestone: bool = False
    moment_of_truth: bool = False
    abandoned_after_days: float | None = Field(default=None, gt=0)
    completes: bool = False


class Transition(Declared):
    """On an event of type ``on`` an instance that stands at one of ``source`` moves to ``target``."""

    source: list[Slug] = Field(min_length=1, alias="from")
    on: EventType
    target: Slug = Field(alias="to")
    requires: list[str] = Field(
        default_factory=list, description="Metadata the event must carry (R2): event columns, or names of attributes"
    )


class JourneyMap(Declared):
    """A state chart over customer events.

    An instance begins with an event of a type in ``begins_with``, which leads to the step named there. Events of a type
    that the map names, arriving where no transition takes them, are deviations; other events are off the map.
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
        default_factory=list, description="Things that go wrong and could be changed: candidates for improvements (E4)"
    )
    re_entry: bool = True
    segments: list[Slug] = Field(
        default_factory=list, description="Attributes of profiles or events that clusters of customers are made of"
    )
