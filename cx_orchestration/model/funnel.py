"""Funnels as people declare them in ``funnels.yaml``, beside those that follow from journey maps.

Belongs here: the declaration, and what its words mean. Does not belong here: how far customers come
(``journeys.paths.funnel``).
"""

from typing import Literal, Self

from pydantic import Field, model_validator

from cx_orchestration.model.base import Declared, EventType, Slug
from cx_orchestration.model.guards import Guard

Semantics = Literal["first_touch", "any_start"]

MOST_STEPS = 62


class EventChoice(Declared):
    """Events of some types, and what they must carry."""

    on: list[EventType] = Field(min_length=1, description="Any of these types")
    when: list[Guard] = Field(default_factory=list, description="All must hold of the event")


class FunnelStep(EventChoice):
    step: Slug = Field(description="What the step is called")


class DeclaredFunnel(Declared):
    """How far customers come through some steps in this order, within ``window_days`` from the first one on.

    ``first_touch``: a customer's first entry alone counts; ``any_start``: the one that leads furthest.
    """

    title: str = ""
    owner: str = ""
    semantics: Semantics
    window_days: float = Field(gt=0, le=3660, description="A step counts up to this long after the entry")
    audience: EventChoice | None = Field(
        default=None,
        description="Customers from the first such event on, that event included; absent: all customers. What comes "
        "later never decides who is in it",
    )
    steps: list[FunnelStep] = Field(max_length=MOST_STEPS)

    @model_validator(mode="after")
    def _is_a_way(self) -> Self:
        if len(self.steps) < 2:
            raise ValueError("a funnel needs at least two steps: one that customers enter by and one to reach")
        names = [step.step for step in self.steps]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"two steps are called '{twice[0]}'; a step's name stands once in a funnel")
        return self


class Funnels(Declared):
    """``funnels.yaml``: funnels by name."""

    funnels: dict[Slug, DeclaredFunnel] = Field(default_factory=dict)
