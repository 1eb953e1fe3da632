"""What a company declares about scoring: dimensions, weights, disposition bands (S1 to S3) and decisions (S4)."""

import datetime as dt
from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from cx_orchestration.model.base import Declared, Slug


class Disposition(StrEnum):
    INTEGRATE = "integrate"
    INTEGRATE_LATER = "integrate_later"
    KEEP = "keep_as_is"
    CONSOLIDATE = "consolidate"
    REPLACE = "replace"
    RETIRE = "retire"


class Strategy(StrEnum):
    """The order in which services are integrated (S6)."""

    HIGHEST_IMPACT_FIRST = "highest_impact_least_complexity"
    LOWEST_IMPACT_FIRST = "lowest_impact_highest_complexity"


class Scale(Declared):
    """Maps a number to 0..100: ``lowest`` and below give 0, ``highest`` and above give 100."""

    kind: Literal["linear", "log"] = "linear"
    lowest: float = 0
    highest: float

    @model_validator(mode="after")
    def _is_a_range(self) -> Self:
        if self.highest <= self.lowest:
            raise ValueError("highest must be greater than lowest")
        if self.kind == "log" and self.lowest < 0:
            raise ValueError("a log scale cannot start below 0")
        return self


class Dimension(Declared):
    """One weighted part of a score: an inventory column and how its values become 0..100."""

    score: Literal["impact", "complexity"]
    column: Slug = Field(description="Inventory column, by the slug of its header")
    weight: float = Field(ge=0)
    values: dict[str, Annotated[float, Field(ge=0, le=100)]] | None = Field(default=None, description="Score by label")
    scale: Scale | None = Field(default=None, description="Score by number")

    @model_validator(mode="after")
    def _has_one_reading(self) -> Self:
        if (self.values is None) == (self.scale is None):
            raise ValueError("a dimension needs exactly one of 'values' (labels) and 'scale' (numbers)")
        return self


class Band(Declared):
    """A rectangle of the impact-complexity plane and the disposition proposed inside it; bounds are inclusive."""

    disposition: Disposition
    min_impact: float = Field(default=0, ge=0, le=100)
    max_impact: float = Field(default=100, ge=0, le=100)
    min_complexity: float = Field(default=0, ge=0, le=100)
    max_complexity: float = Field(default=100, ge=0, le=100)


class Combine(Declared):
    """How the rows of one service become one value per dimension."""

    impact: Literal["strongest", "mean"] = "strongest"
    complexity: Literal["hardest", "mean"] = "hardest"


class ScoringConfig(Declared):
    formula: Literal["weighted_mean", "weighted_geometric_mean"] = "weighted_mean"
    combine: Combine = Combine()
    dimensions: dict[Slug, Dimension]
    bands: list[Band] = Field(min_length=1, description="The first band that holds a service gives its disposition")

    @model_validator(mode="after")
    def _both_scores_have_weight(self) -> Self:
        for score in ("impact", "complexity"):
            if sum(d.weight for d in self.dimensions.values() if d.score == score) <= 0:
                raise ValueError(f"the {score} score needs at least one dimension with a weight above 0")
        return self


class Decision(Declared):
    """A reviewed disposition: without one a service is not integrated (S4)."""

    service: Slug
    disposition: Disposition
    decided_by: str = Field(min_length=1)
    role: str = Field(min_length=1, description="architect, business leader, technical leader, product management ...")
    decided_on: dt.date
    reason: str = Field(min_length=1)


class Decisions(Declared):
    decisions: list[Decision] = Field(default_factory=list)
