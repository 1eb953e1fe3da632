"""Cohorts by what customers are, not by when they came: where each cluster begins, how far it comes, who stays.

Belongs here: shares of each declared segment's values, with intervals. Does not belong here: which of them differ
enough to be a finding (the analyses), cohorts by week and month (``journeys.paths``).
"""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from scipy.stats import norm
from statsmodels.stats.proportion import proportion_confint

from cx_orchestration.exploration.cohorts import Cohorts
from cx_orchestration.model import tables
from cx_orchestration.model.days import MICROSECONDS_A_DAY
from cx_orchestration.model.journey import JourneyMap
from cx_orchestration.storage.engine import Engine, sql_text
from cx_orchestration.storage.lake import Lake

#: For so many weeks after beginning it is told who is active.
WEEKS = 26

#: Of instances, not of customers.
_OF_INSTANCES = ["begins_at", "completed"]


def segment_cohorts(
    lake: Lake, engine: Engine, cohorts: Cohorts, maps: Sequence[JourneyMap], *, least: int
) -> pa.Table:
    """Rows of ``tables.SEGMENT_COHORTS``; ``cohorts`` are of every visit, clusters below ``least`` customers have none.

    Instances of one customer are alike, so the interval of their share is that of a ratio of two sums over customers
    (Cochran, *Sampling Techniques*, 1977, chapter 6), and of customers Wilson's.
    """
    found = engine.query(
        sql_text(__package__, "segment_cohorts.sql"),
        {
            "entries": cohorts.entries,
            "clusters": cohorts.clusters,
            "visits": cohorts.visits,
            "steps": lake.scan(tables.STEPS),
            "instances": lake.scan(tables.INSTANCES),
            "sequences": cohorts.sequences,
            "milestones": _milestones(maps),
            "spans": _spans(maps),
            "weeks": pa.table({"week": pa.array(range(1, WEEKS + 1), pa.int64())}),
        },
        {"as_of": cohorts.as_of},
    ).to_pandas()
    completing = [one.journey for one in maps if any(step.completes for step in one.steps.values())]
    found = found[(found["measure"] != "completed") | found["journey"].isin(completing)]
    found = found[found["customers"] >= least]
    n, hits, customers = (found[name].to_numpy(np.float64) for name in ("n", "hits", "customers"))
    share = hits / n
    spread = found["squares_hits"] - 2 * share * found["products"] + share**2 * found["squares_n"]
    # One customer alone says nothing of how customers differ.
    error = np.sqrt(spread.clip(lower=0) * customers / np.maximum(customers - 1, 1)) / n
    margin = float(norm.ppf(0.975)) * error
    # Where it is true of none or of all, customers do not differ, and it is their number that says how sure that is.
    of_instances = found["measure"].isin(_OF_INSTANCES).to_numpy() & (hits > 0) & (hits < n)
    low, high = proportion_confint(share * customers, customers, method="wilson")
    found["share"] = share
    found["share_low"] = np.where(of_instances, np.maximum(0, share - margin), np.minimum(low, share))
    found["share_high"] = np.where(of_instances, np.minimum(1, share + margin), np.maximum(high, share))
    return pa.Table.from_pandas(
        found[tables.SEGMENT_COHORTS.schema.names], tables.SEGMENT_COHORTS.schema, preserve_index=False
    )


def _spans(maps: Sequence[JourneyMap]) -> pa.Table:
    rows = [
        {"journey": one.journey, "window_us": round(one.conversion_window_days * MICROSECONDS_A_DAY)} for one in maps
    ]
    return pa.Table.from_pylist(rows, pa.schema([("journey", pa.string()), ("window_us", pa.int64())]))


def _milestones(maps: Sequence[JourneyMap]) -> pa.Table:
    """Those that not everybody begins at, as ``journeys/cohort_milestones`` has them."""
    rows = [
        {
            "journey": one.journey,
            "step": name,
            "until_at": round(one.conversion_window_days * MICROSECONDS_A_DAY),
        }
        for one in maps
        for name, step in one.steps.items()
        if step.milestone and {beginning.target for _, _, beginning in one.beginnings()} != {name}
    ]
    schema = pa.schema([("journey", pa.string()), ("step", pa.string()), ("until_at", pa.int64())])
    return pa.Table.from_pylist(rows, schema)
