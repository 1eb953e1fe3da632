"""Recommendation (NPS), satisfaction (CSAT) and ease (CES) with their intervals, as rows of ``exploration/experience``.

Belongs here: the formulae. Does not belong here: counting (``counting``).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import sqrt
from typing import Any

import pyarrow as pa
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from cx_orchestration.model import tables

_LEVEL = 0.95
_NORMAL = float(stats.norm.isf((1 - _LEVEL) / 2))


@dataclass(frozen=True)
class Measured:
    """A value and its 95% interval."""

    value: float
    low: float
    high: float


def net_promoter_score(promoters: int, detractors: int, n: int) -> Measured:
    """The share of promoters less that of detractors, in points from -100 to 100.

    An answer stands for 1, 0 or -1, so the mean has the variance ``(p + d - (p - d)^2) / n``, where ``p`` and ``d`` are
    the two shares. Rocks's adjusted Wald interval (Interval Estimation for the Net Promoter Score, The American
    Statistician 70, 2016) takes the shares after adding 3/4 of a promoter, 3/4 of a detractor and 3/2 passives: without
    them the interval has no width where everybody answers alike.
    """
    size = n + 3
    p, d = (promoters + 0.75) / size, (detractors + 0.75) / size
    margin = _NORMAL * sqrt((p + d - (p - d) ** 2) / size)
    value, centre = (promoters - detractors) / n, p - d
    return Measured(100 * value, 100 * max(-1.0, centre - margin), 100 * min(1.0, centre + margin))


def satisfaction(satisfied: int, n: int) -> Measured:
    """The share of satisfied customers, with Wilson's score interval (JASA 22, 1927)."""
    low, high = proportion_confint(satisfied, n, alpha=1 - _LEVEL, method="wilson")
    value = satisfied / n
    return Measured(value, min(value, float(low)), max(value, float(high)))


def effort(total: float, squares: float, n: int, *, lowest: float, highest: float) -> Measured:
    """The mean answer, with Student's t interval, cut off at the ends of the scale; ``n`` is at least 2."""
    mean = total / n
    variance = max(0.0, (squares - n * mean**2) / (n - 1))
    margin = float(stats.t.isf((1 - _LEVEL) / 2, n - 1)) * sqrt(variance / n)
    return Measured(mean, max(lowest, mean - margin), min(highest, mean + margin))


def experience(counts: pa.Table, scales: pa.Table, *, least: int) -> pa.Table:
    """Rows of ``tables.EXPERIENCE`` from those of ``counts.sql``; where fewer than ``least`` customers answered there
    is no value, and ``note`` says so."""
    scale_of = {row["score_kind"]: row for row in scales.to_pylist()}
    rows = [_row(found, scale_of[found["score_kind"]], least) for found in counts.to_pylist()]
    return pa.Table.from_pylist(rows, tables.EXPERIENCE.schema)


def _row(found: Mapping[str, Any], scale: Mapping[str, float], least: int) -> dict[str, Any]:
    shared = ("journey", "map_version", "level", "stage", "step", "layer", "n", "answers", "off_scale")
    row = {name: found[name] for name in shared} | {"measure": found["score_kind"]}
    n = found["n"]
    if n < least:
        return row | {"note": f"{n} of at least {least} customers"}
    match found["score_kind"]:
        case "nps":
            measured = net_promoter_score(found["good"], found["bad"], n)
            row |= {"promoters": found["good"] / n, "detractors": found["bad"] / n}
        case "csat":
            measured = satisfaction(found["good"], n)
        case _:
            ends = {"lowest": scale["lowest"], "highest": scale["highest"]}
            measured = effort(found["total"], found["squares"], n, **ends)
    return row | {"value": measured.value, "value_low": measured.low, "value_high": measured.high}
