"""What a company declares about scoring: dimensions, weights, disposition bands (S1 to S3) and decisions (S4)."""

import datetime as dt
from collections.abc import Iterator, Sequence
from enum import StrEnum
from itertools import pairwise
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from cx_orchestration.model.base import Declared, Slug
from cx_orchestration.model.inventory import label_key


class Disposition(StrEnum):
    INTEGRATE = "integrate"
    INTEGRATE_LATER = "integrate_later"
    KEEP = "keep_as_is"
    CONSOLIDATE = "consolidate"
    REPLACE = "replace"
    RETIRE = "retire"


class Strategy(StrEnum):
    """The order in which services are integrated."""

    HIGHEST_IMPACT_FIRST = "highest_impact_least_complexity"
    LOWEST_IMPACT_FIRST = "lowest_impact_highest_complexity"


class Scale(Declared):
    """Maps a number to 0..100: ``lowest`` and below give 0, ``highest`` and above give 100.

    ``log`` grows with ``ln(1 + number)``, so that each tenfold number adds about as much as the one before, and 0 is
    allowed.
    """

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
        labels = [label_key(label) for label in self.values or ()]
        if len(set(labels)) < len(labels):
            raise ValueError("two labels of 'values' are the same but for case, spaces and punctuation")
        return self


class Band(Declared):
    """A rectangle of the impact-complexity plane and the disposition proposed inside it; bounds are inclusive."""

    disposition: Disposition
    min_impact: float = Field(default=0, ge=0, le=100)
    max_impact: float = Field(default=100, ge=0, le=100)
    min_complexity: float = Field(default=0, ge=0, le=100)
    max_complexity: float = Field(default=100, ge=0, le=100)

    @model_validator(mode="after")
    def _is_a_rectangle(self) -> Self:
        for name, low, high in (
            ("impact", self.min_impact, self.max_impact),
            ("complexity", self.min_complexity, self.max_complexity),
        ):
            if high < low:
                raise ValueError(f"max_{name} {high:g} lies below min_{name} {low:g}")
        return self

    def holds(self, impact: float, complexity: float) -> bool:
        return self.min_impact <= impact <= self.max_impact and self.min_complexity <= complexity <= self.max_complexity

    def __str__(self) -> str:
        return (
            f"impact {self.min_impact:g} to {self.max_impact:g}, "
            f"complexity {self.min_complexity:g} to {self.max_complexity:g}"
        )


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

    @model_validator(mode="after")
    def _bands_cover_the_plane(self) -> Self:
        if holes := list(_uncovered(self.bands)):
            raise ValueError(f"bands: no band holds {'; '.join(holes)}; add a last band without bounds for the rest")
        return self


def _uncovered(bands: Sequence[Band]) -> Iterator[str]:
    """The rectangles of the plane that no band holds.

    Bounds cut the plane into cells, and a band holds all of a cell's inside or none of it: the middle stands for it.
    """
    impacts = sorted({0.0, 100.0} | {bound for band in bands for bound in (band.min_impact, band.max_impact)})
    cuts = sorted({0.0, 100.0} | {bound for band in bands for bound in (band.min_complexity, band.max_complexity)})
    for low_impact, high_impact in pairwise(impacts):
        for low, high in pairwise(cuts):
            if not any(band.holds((low_impact + high_impact) / 2, (low + high) / 2) for band in bands):
                yield f"impact {low_impact:g} to {high_impact:g} with complexity {low:g} to {high:g}"


class Decision(Declared):
    """A reviewed disposition: without one a service is not integrated."""

    service: Slug
    disposition: Disposition
    decided_by: str = Field(min_length=1)
    role: str = Field(min_length=1, description="architect, business leader, technical leader, product management ...")
    decided_on: dt.date
    reason: str = Field(min_length=1)


class Decisions(Declared):
    decisions: list[Decision] = Field(default_factory=list)
