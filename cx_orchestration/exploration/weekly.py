"""Rates by week with control limits: what a chart of a step's rate over time shows.

Belongs here: counts, limits, and which weeks an incident touches. Does not belong here: which incidents there are.
"""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from cx_orchestration.exploration.periods import Period, design_effect
from cx_orchestration.exploration.series import KEY, Series, day
from cx_orchestration.model import tables

#: Shewhart's: so many standard deviations on either side.
_LIMIT = 3.0


def weekly_rates(series: Sequence[Series], incidents: Mapping[tuple[str, ...], Period]) -> pa.Table:
    """Rows of ``tables.WEEKLY_RATES``: of all customers at each step, and of each series that has an incident.

    The limits are those of a p chart about ``baseline``, the rate at times without an incident of the series, in which
    visits count as many as independent ones (``design_effect``).
    """
    rows = [
        row
        for one in series
        if one.key in incidents or one.key[3] == "all"
        for row in _weeks(one, incidents.get(one.key))
    ]
    return pa.Table.from_pylist(rows, tables.WEEKLY_RATES.schema)


def _weeks(one: Series, incident: Period | None) -> Iterator[dict[str, Any]]:
    visits = one.visits
    usual = ~visits.within(incident) if incident is not None else np.ones(len(visits), np.bool_)
    baseline = float(visits.hit[usual].mean())
    worth = design_effect(visits.customer[usual], visits.hit[usual])
    monday = (one.start + visits.bin * one.width + 3) // 7 * 7 - 3  # day 0 was a Thursday
    from_day, until_day = one.days(incident) if incident is not None else (None, None)
    for week in np.unique(monday).tolist():
        hits = visits.hit[monday == week]
        margin = _LIMIT * float(np.sqrt(worth * baseline * (1 - baseline) / len(hits)))
        begins, ends = day(week), day(week) + dt.timedelta(days=6)
        yield dict(zip(KEY, one.key, strict=True)) | {
            "week": begins,
            "visits": len(hits),
            "hits": int(hits.sum()),
            "value": float(hits.mean()),
            "baseline": baseline,
            "limit_low": max(0.0, baseline - margin),
            "limit_high": min(1.0, baseline + margin),
            "in_incident": from_day is not None and until_day is not None and begins <= until_day and from_day <= ends,
        }
