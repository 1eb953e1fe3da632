"""How far the data have moved from what a model was trained on.

Belongs here: numbers, and which of them are worth a warning. Does not belong here: training again, which a person
asks for.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from cx_orchestration.identity.matching.model import FieldProfile


@dataclass(frozen=True)
class Drift:
    """``coverage`` is the largest change of a field's coverage, ``levels`` the largest total variation distance of a
    comparison's levels among candidates (half the sum of absolute differences), ``candidates`` how many times as many
    candidates an entity has now. What moved most is named; with too few candidates to judge nothing has moved.
    ``new_services`` were not there at the training."""

    coverage: float
    coverage_of: str
    levels: float
    levels_of: str
    candidates: float
    new_services: tuple[str, ...]

    def is_large(self, warning: float) -> bool:
        """Whether a share moved by more than ``warning``, or there are twice or half as many candidates."""
        return max(self.coverage, self.levels) > warning or not 0.5 <= self.candidates <= 2.0


def measure_drift(then: FieldProfile, now: FieldProfile, new_services: tuple[str, ...]) -> Drift:
    """The drift from one profile of the data to another."""
    coverage = {name: abs(now.coverage.get(name, 0.0) - share) for name, share in then.coverage.items()}
    levels = {name: _distance(then.levels[name], shares) for name, shares in now.levels.items()}
    covered, level = max(coverage, key=coverage.__getitem__), max(levels, key=levels.__getitem__, default="")
    times = now.candidates / then.candidates if then.candidates and now.levels else 1.0
    return Drift(coverage[covered], covered, levels.get(level, 0.0), level, times, new_services)


def _distance(one: Mapping[str, float], other: Mapping[str, float]) -> float:
    return sum(abs(one.get(label, 0.0) - other.get(label, 0.0)) for label in one.keys() | other.keys()) / 2
