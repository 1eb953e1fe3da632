"""E2: clusters of customers who turn to support after a step more often than the others who came there.

Belongs here: who turned to support, and what it costs. Does not belong here: tests (``rates``, ``significance``).
"""

import numpy as np
import pandas as pd
import pyarrow as pa

from cx_orchestration.exploration.cohorts import MICROSECONDS_A_DAY, Cohorts
from cx_orchestration.exploration.findings import as_findings
from cx_orchestration.exploration.rates import RateSearch, as_keys
from cx_orchestration.model import tables
from cx_orchestration.model.settings import Settings
from cx_orchestration.storage.engine import Engine, sql_text


def support_shifts(engine: Engine, cohorts: Cohorts, settings: Settings) -> pa.Table:
    """All candidates as rows of ``tables.SUPPORT_SHIFTS``: value and baseline are shares who turned to support.

    The time is ``support_window_days`` after the step. ``support_cost`` is in the project's currency: the contacts
    above what as many of the others made, times ``support_contact_cost``.

    Windows of neighbouring steps overlap, so one cause shows at several: a candidate at another step than a stronger
    finding's is looked at again without the contacts that lie in the window of that finding's step.
    """
    exploration = settings.exploration

    def outcomes(taken: pd.DataFrame) -> pa.Table:
        return engine.query(
            sql_text(__package__, "support_shifts.sql"),
            {
                "entries": cohorts.entries,
                "support_types": cohorts.support_types,
                "sequences": cohorts.sequences,
                "claimed": as_keys(taken),
            },
            {"as_of": cohorts.as_of, "window": round(exploration.support_window_days * MICROSECONDS_A_DAY)},
        )

    found = RateSearch(engine, cohorts.clusters, outcomes, exploration).run()
    excess = found["amount"] / found["n"] - found["other_amount"] / found["other_n"]
    found["support_cost"] = np.maximum(excess, 0) * found["n"] * exploration.support_contact_cost
    return as_findings(tables.SUPPORT_SHIFTS, found)
