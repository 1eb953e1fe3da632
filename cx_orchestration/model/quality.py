"""What a service's file says about quality: from when on its days are worth a warning.

Belongs here: thresholds of warnings. Does not belong here: what every landed day must be, which is no matter of degree.
"""

from typing import Self

from pydantic import Field, model_validator

from cx_orchestration.model.base import Declared


class UsualVolume(Declared):
    """A day is unusual when its records differ from the median of the same weekdays before it by more than
    ``tolerance`` times the largest of: their scaled median absolute deviation, the square root of the median, and a
    twentieth of the median."""

    weeks: int = Field(default=12, ge=2, description="How many landed days of the same weekday are looked back at")
    min_weeks: int = Field(default=6, ge=2, description="With fewer of them nothing is said")
    tolerance: float = Field(default=6, gt=0)

    @model_validator(mode="after")
    def _can_be_reached(self) -> Self:
        if self.min_weeks > self.weeks:
            raise ValueError(f"min_weeks {self.min_weeks} lies above weeks {self.weeks}: nothing would ever be said")
        return self


class Quality(Declared):
    """Thresholds of the warning checks of a service. None of them stops a run."""

    max_rejected_share: float = Field(
        default=0.01, ge=0, le=1, description="Of the landed records of a run's days, those that quarantine may hold"
    )
    min_metadata_share: float = Field(
        default=1, ge=0, le=1, description="Of the events of a type, those that must carry what its transitions require"
    )
    usual_path_share: float = Field(
        default=0.05, gt=0, le=1, description="A JSON path in a smaller share of the records is not usual"
    )
    volume: UsualVolume = UsualVolume()
