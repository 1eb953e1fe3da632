"""E1: clusters of customers who abandon the journey at a step more often than the others who came there.

Belongs here: who abandoned, and what it puts at risk. Does not belong here: tests (``rates``, ``significance``).
"""

import numpy as np
import pyarrow as pa

from cx_orchestration.exploration.cohorts import Cohorts
from cx_orchestration.exploration.findings import as_findings
from cx_orchestration.exploration.rates import RateSearch
from cx_orchestration.model import tables
from cx_orchestration.model.settings import Settings
from cx_orchestration.storage.engine import Engine, sql_text


def abandonment_hotspots(engine: Engine, cohorts: Cohorts, settings: Settings) -> pa.Table:
    """All candidates as rows of ``tables.ABANDONMENT_HOTSPOTS``: value and baseline are shares who abandoned.

    ``value_at_risk``, in the project's currency: the abandoners above the baseline, times the mean revenue after the
    step of the others who went on. It assumes that those who gave up would have spent as much.
    """
    outcomes = engine.query(
        sql_text(__package__, "abandonment_hotspots.sql"),
        {
            "entries": cohorts.entries,
            "visits": cohorts.visits,
            "waits": cohorts.waits,
            "sequences": cohorts.sequences,
        },
        {"as_of": cohorts.as_of, "currency": settings.currency},
    )
    found = RateSearch(engine, cohorts.clusters, lambda _: outcomes, settings.exploration).run()
    went_on = (found["other_n"] - found["other_hits"]).to_numpy(dtype=np.float64)
    revenue = np.divide(found["other_amount"], went_on, out=np.zeros(len(found)), where=went_on > 0)
    found["value_at_risk"] = np.maximum(found["effect"], 0) * found["n"] * revenue
    return as_findings(tables.ABANDONMENT_HOTSPOTS, found)
