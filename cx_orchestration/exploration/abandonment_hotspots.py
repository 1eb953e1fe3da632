"""E1: clusters of customers who abandon the journey at a step more often than the others who came there.

Belongs here: who abandoned, and what it puts at risk. Does not belong here: tests (``rates``, ``significance``).
"""

import numpy as np
import pandas as pd
import pyarrow as pa

from cx_orchestration.exploration.cohorts import Cohorts
from cx_orchestration.exploration.findings import KEY, as_findings
from cx_orchestration.exploration.rates import RateSearch, Searched, as_keys
from cx_orchestration.exploration.significance import median_time
from cx_orchestration.model import tables
from cx_orchestration.model.days import MICROSECONDS_A_DAY
from cx_orchestration.model.settings import Settings
from cx_orchestration.storage.engine import Engine, sql_text


def abandonment_hotspots(engine: Engine, cohorts: Cohorts, settings: Settings) -> pa.Table:
    """All candidates as rows of ``tables.ABANDONMENT_HOTSPOTS``: value and baseline are shares who abandoned.

    ``value_at_risk``, in the project's currency: the abandoners above the baseline, times the mean revenue after the
    step of the others who went on. It assumes that those who gave up would have spent as much.
    """
    outcomes = giving_up(engine, cohorts, settings.currency)
    searched = RateSearch(engine, cohorts.clusters, lambda _: outcomes, settings.exploration).run()
    found = _with_times(engine, cohorts, searched)
    went_on = (found["other_n"] - found["other_hits"]).to_numpy(dtype=np.float64)
    revenue = np.divide(found["other_amount"], went_on, out=np.zeros(len(found)), where=went_on > 0)
    found["value_at_risk"] = np.maximum(found["effect"], 0) * found["n"] * revenue
    return as_findings(tables.ABANDONMENT_HOTSPOTS, found)


def giving_up(engine: Engine, cohorts: Cohorts, currency: str) -> pa.Table:
    """Who gave up at a step, and what the others spent later (``abandonment_hotspots.sql``)."""
    return engine.query(
        sql_text(__package__, "abandonment_hotspots.sql"),
        {
            "entries": cohorts.entries,
            "visits": cohorts.visits,
            "waits": cohorts.waits,
            "sequences": cohorts.sequences,
        },
        {"as_of": cohorts.as_of, "currency": currency},
    )


def _with_times(engine: Engine, cohorts: Cohorts, searched: Searched) -> pd.DataFrame:
    """How long it takes to move on, and to the next milestone, for findings and their shadows: medians of everybody who
    came, those who are still there counted as censored."""
    found = searched.rows.copy()
    times = ["hours_to_move_on", "baseline_hours_to_move_on", "days_to_milestone", "baseline_days_to_milestone"]
    found[times] = np.nan
    told = found[found["is_finding"] | found["shadow_of"].notna()]
    if told.empty:
        return found
    waited: pd.DataFrame = engine.query(
        sql_text(__package__, "waiting.sql"),
        {
            "entries": cohorts.entries,
            "candidates": searched.candidates,
            "milestones": cohorts.milestones,
            "told": as_keys(told),
        },
        {"as_of": cohorts.as_of},
    ).to_pandas()
    for row, at in told[KEY].iterrows():
        own = waited[(waited[KEY] == at).all(axis=1)]
        for prefix, fits in (("", 1), ("baseline_", 0)):
            group = own[own["fits"] == fits]
            move, milestone = (
                median_time(group[time].to_numpy() / unit, group[happened].to_numpy())
                for time, happened, unit in (
                    ("waited", "moved_on", MICROSECONDS_A_DAY / 24),
                    ("until_milestone", "reached", MICROSECONDS_A_DAY),
                )
            )
            found.loc[row, [f"{prefix}hours_to_move_on", f"{prefix}days_to_milestone"]] = [move, milestone]
    return found
