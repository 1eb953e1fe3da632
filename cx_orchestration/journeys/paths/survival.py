"""Time to a milestone, with customers who had no time yet counted as censored and not as lost.

Belongs here: the estimate, by statsmodels. Does not belong here: finding the times (``funnel``).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from statsmodels.duration.survfunc import SurvfuncRight

_Z = 1.959963984540054


@dataclass(frozen=True)
class Reached:
    """The share that has reached the milestone by ``days`` after the start, with its 95% interval; ``at_risk`` had
    not yet, and were still followed then."""

    days: float
    share: float
    low: float
    high: float
    at_risk: int


def time_to_reach(took: NDArray[np.int64], followed: NDArray[np.int64], days: NDArray[np.float64]) -> list[Reached]:
    """One minus the Kaplan-Meier estimate at each of some ``days``; ``took`` in microseconds, negative for a customer
    who did not reach it while ``followed`` for so long.

    The interval is on the log-minus-log scale, which keeps it within 0 and 1 (Kalbfleisch and Prentice 1980, 1.4).
    Days after which nobody is followed any more are left out: there is no estimate.
    """
    if not len(took):
        return []
    reached = took >= 0
    time = np.where(reached, took, followed) / 86_400e6
    curve = SurvfuncRight(time, reached.astype(np.int64))
    found = []
    for day in days[days <= time.max()]:
        place = int(np.searchsorted(curve.surv_times, day, side="right")) - 1
        left, error = (1.0, 0.0) if place < 0 else (float(curve.surv_prob[place]), float(curve.surv_prob_se[place]))
        low, high = _interval(left, error)
        found.append(Reached(float(day), 1 - left, 1 - high, 1 - low, int(np.sum(time > day))))
    return found


def _interval(left: float, error: float) -> tuple[float, float]:
    if left in (0.0, 1.0) or error == 0:
        return left, left
    width = _Z * error / (left * abs(np.log(left)))
    return left ** float(np.exp(width)), left ** float(np.exp(-width))
