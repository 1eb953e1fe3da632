"""Incidents: periods in which more visits to a step than at other times end there, or lead to support, and whose.

Belongs here: which periods are findings, what explains a row, and what is told of it. Does not belong here: the scan of
one series (``periods``), which series there are (``series``), rates by week (``weekly``).
"""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from cx_orchestration.exploration import significance
from cx_orchestration.exploration.cohorts import Cohorts
from cx_orchestration.exploration.findings import as_findings, finding_id, judge
from cx_orchestration.exploration.periods import Ints, Period, Scan, Visits, design_effect
from cx_orchestration.exploration.series import ASKED, KEY, Outcomes, Series, day
from cx_orchestration.exploration.weekly import weekly_rates
from cx_orchestration.model import tables
from cx_orchestration.model.settings import Exploration, Settings
from cx_orchestration.storage.engine import Engine

_COMPARED = [
    *("n", "other_n", "visits", "baseline_visits", "value", "baseline", "effect", "effect_low", "effect_high"),
    *("effect_early", "effect_late", "from_day", "until_day", "judged_until", "is_over", "excess"),
    *("p_value", "p_contrary"),
]


@dataclass(frozen=True)
class RatesOverTime:
    """``incidents`` are rows of ``tables.INCIDENTS``, ``weekly`` of ``tables.WEEKLY_RATES``."""

    incidents: pa.Table
    weekly: pa.Table


@dataclass(frozen=True, eq=False)
class Candidate:
    """A series and the period in which its rate stands out most, or stood before something was set aside."""

    series: Series
    period: Period


def rates_over_time(engine: Engine, cohorts: Cohorts, settings: Settings) -> RatesOverTime:
    """All incidents that were looked at, and the rates by week; ``cohorts`` are of every visit.

    For the second look at other candidates, what is already taken is set aside: the visits of its customers to the step
    in its period; and at other steps, all contacts within the window after any visit to its step in its period.
    """
    exploration = settings.exploration
    outcomes = Outcomes(engine, cohorts, settings)
    series = list(outcomes.series())
    candidates = {one.series.key: one for one in _candidates(series, exploration)}
    found = pd.DataFrame([_row(one, exploration) for one in candidates.values()], columns=[*KEY, *_COMPARED])
    level = significance.level(exploration.error_rate)
    near = [candidates[key] for key in found.loc[found["p_value"] <= level, KEY].itertuples(index=False, name=None)]

    def look_again(taken: pd.DataFrame) -> pd.DataFrame:
        known = [candidates[key] for key in taken[KEY].itertuples(index=False, name=None)]
        rows = [_row(one, exploration) for one in _without(known, near, outcomes)]
        near[:] = [one for one, row in zip(near, rows, strict=True) if row["p_value"] <= level]
        return pd.DataFrame(rows, columns=[*KEY, *_COMPARED])

    judged = judge(
        found.sort_values(KEY),
        error_rate=exploration.error_rate,
        is_worth_it=lambda rows: rows["effect"] >= exploration.min_effect,
        look_again=look_again,
        key=KEY,
    )
    keys = judged.loc[judged["is_finding"], KEY].itertuples(index=False, name=None)
    told = {key: candidates[key].period for key in keys}
    return RatesOverTime(as_findings(tables.INCIDENTS, judged, KEY), weekly_rates(series, told))


def _candidates(series: list[Series], exploration: Exploration) -> Iterator[Candidate]:
    """Each series in which periods can be compared, with the strongest one."""
    for one in series:
        if 0 < one.visits.hit.sum() < len(one.visits):
            period = Scan.over(one.visits, one.bins, least=exploration.min_customers).strongest()
            if period is not None:
                yield Candidate(one, period)


def _without(taken: list[Candidate], others: list[Candidate], outcomes: Outcomes) -> Iterator[Candidate]:
    """The others, with everything set aside that ``taken`` explains."""
    asked = [(one.series, one.period) for one in taken if one.series.key[2] == ASKED]
    otherwise = outcomes.asked_otherwise(asked) if asked else None
    for one in others:
        series, visits = one.series, one.series.visits
        aside = [own for own in taken if own.series.key[:3] == series.key[:3]]
        gone = [own.series.entry[own.series.visits.within(own.period)] for own in aside]
        kept = ~np.isin(series.entry, np.concatenate(gone)) if gone else np.ones(len(series.entry), np.bool_)
        if otherwise is not None and series.key[2] == ASKED:
            visits = replace(visits, hit=otherwise[series.entry])
        yield Candidate(replace(series, entry=series.entry[kept], visits=visits.those(kept)), one.period)


def _row(candidate: Candidate, exploration: Exploration) -> dict[str, Any]:
    """What can be told of a candidate alone: ``KEY`` and ``_COMPARED``."""
    series, period = candidate.series, candidate.period
    inside = series.visits.within(period)
    within, others = series.visits.those(inside), series.visits.those(~inside)
    n, other_n = len(np.unique(within.customer)), len(np.unique(others.customer))
    value, baseline = _rate(within.hit), _rate(others.hit)
    early, late = np.array_split(within.hit[np.argsort(within.bin, kind="stable")], 2)
    from_day, until_day = series.days(period)
    judged_until = day(series.judged_until)
    low, high, p_value = np.nan, np.nan, 1.0
    if min(n, other_n) >= exploration.min_customers:
        low, high = _interval(within, others)
        scan = Scan.over(series.visits, series.bins, least=exploration.min_customers)
        p_value = scan.p_value(period, seed=uuid.UUID(finding_id(tables.INCIDENTS, *series.key)).int)
    return dict(zip(KEY, series.key, strict=True)) | {
        "n": n,
        "other_n": other_n,
        "visits": len(within),
        "baseline_visits": len(others),
        "value": value,
        "baseline": baseline,
        "effect": value - baseline,
        "effect_low": low,
        "effect_high": high,
        "effect_early": _rate(early) - baseline,
        "effect_late": _rate(late) - baseline,
        "from_day": from_day,
        "until_day": until_day,
        "judged_until": judged_until,
        "is_over": until_day < judged_until,
        "excess": max(0.0, len(within) * (value - baseline)),
        "p_value": p_value,
        "p_contrary": 1.0,
    }


def _interval(within: Visits, others: Visits) -> tuple[float, float]:
    """Newcombe's, of counts divided by their design effects."""
    counts: list[float] = []
    for part in (within, others):
        worth = design_effect(part.customer, part.hit)
        counts += [float(part.hit.sum()) / worth, len(part) / worth]
    low, high = significance.rate_intervals(*counts)
    return float(low), float(high)


def _rate(hit: Ints) -> float:
    return float(hit.mean()) if len(hit) else float("nan")
