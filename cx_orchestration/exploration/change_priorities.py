"""E4: what goes wrong at a step, ranked by what its repair is worth in revenue kept and expense saved.

Belongs here: customers who met something against those at the same step who did not. Does not belong here: tests
(``significance``), who is alike (``strata``).
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from cx_orchestration.exploration import significance
from cx_orchestration.exploration.cohorts import Cohorts
from cx_orchestration.exploration.findings import KEY, as_findings, judge
from cx_orchestration.exploration.significance import Reals
from cx_orchestration.exploration.strata import declared_segments, mix, strata, with_segments
from cx_orchestration.model import tables
from cx_orchestration.model.days import MICROSECONDS_A_DAY
from cx_orchestration.model.settings import Exploration, Settings
from cx_orchestration.storage.engine import Engine, sql_text

#: Who meets an event within this time after coming to a step counts as having met it there.
LANDMARK_DAYS = 2

_AMOUNTS = ("revenue", "contacts")

_COLUMNS = [*KEY, "n", "other_n", "value", "baseline", "effect", "effect_low", "effect_high", "p_value", "p_contrary"]
_COLUMNS += [
    "effect_early",
    "effect_late",
    "change",
    "revenue_kept",
    "expense_saved",
    "net_value",
    "net_value_low",
    "net_value_high",
    "assumption",
]


def change_priorities(engine: Engine, cohorts: Cohorts, settings: Settings) -> pa.Table:
    """All candidates as rows of ``tables.CHANGE_PRIORITIES``, findings first, then by net value.

    The segment is ``friction``, its value the event type. Value and baseline are revenue less support expense per
    customer, of those who met the event and those who did not, the latter standardised to the mix of the map's segments
    among the former; the other amounts are totals over the ``n`` customers who met it. All in the project's currency,
    within the horizon that ``assumption`` names.
    """
    exploration = settings.exploration
    customers = engine.query(
        sql_text(__package__, "change_priorities.sql"),
        {
            "entries": cohorts.entries,
            "friction_types": cohorts.friction_types,
            "support_types": cohorts.support_types,
            "sequences": cohorts.sequences,
        },
        {
            "as_of": cohorts.as_of,
            "currency": settings.currency,
            "landmark": LANDMARK_DAYS * MICROSECONDS_A_DAY,
            "least": exploration.min_customers,
        },
    ).to_pandas()
    customers = customers.rename(columns={"type": "segment_value"}).assign(segment="friction")
    customers, segments = with_segments(engine, cohorts, customers), declared_segments(cohorts)

    def look_again(taken: pd.DataFrame) -> pd.DataFrame:
        """Without the customers who met what already is a finding, wherever in the journey they are compared."""
        hit = customers[customers["met"] == 1].merge(taken, on=KEY)[["journey", "customer_id"]]
        known = pd.MultiIndex.from_frame(customers[["journey", "customer_id"]])
        return _compare(customers[~known.isin(pd.MultiIndex.from_frame(hit))], exploration, segments)

    judged = judge(
        _compare(customers, exploration, segments),
        error_rate=exploration.error_rate,
        is_worth_it=lambda rows: rows["effect"] < 0,
        look_again=look_again,
    )
    order = judged.sort_values(["is_finding", "net_value", *KEY], ascending=[False, False, *[True] * len(KEY)]).index
    judged["rank"] = pd.Series(np.arange(1, len(order) + 1), index=order)
    return as_findings(tables.CHANGE_PRIORITIES, judged).sort_by("rank")


def _compare(customers: pd.DataFrame, exploration: Exploration, segments: Mapping[str, Sequence[str]]) -> pd.DataFrame:
    rows = []
    cost = exploration.support_contact_cost
    for (journey, step, segment, event), at_step in customers.groupby(KEY, sort=True):
        is_met = (at_step["met"] == 1).to_numpy()
        n, others = int(is_met.sum()), int((~is_met).sum())
        if min(n, others) < exploration.min_customers:
            continue
        mixed_by = [name for name in segments.get(str(journey), ()) if f"segment:{name}" in at_step]
        stratum = strata(is_met, at_step[[f"segment:{name}" for name in mixed_by]])
        net = (at_step["revenue"] - at_step["contacts"] * cost).to_numpy(np.float64)
        within = [stratum == one for one in range(stratum.max() + 1)]
        compared = significance.compare_means_within(
            [(net[here & is_met], net[here & ~is_met]) for here in within], "less"
        )
        # What somebody who met it brought beyond the others of the same stratum, and likewise for those others.
        beyond = {
            name: values - _of_others(values, is_met, stratum)
            for name, values in (("net", net), *((name, at_step[name].to_numpy(np.float64)) for name in _AMOUNTS))
        }
        counts, early = stratum >= 0, (at_step["early"] == 1).to_numpy()
        effect_early, effect_late = (
            _mean(beyond["net"][is_met & half]) - _mean(beyond["net"][~is_met & counts & half])
            for half in (early, ~early)
        )
        value = float(net[is_met].mean())
        rows.append(
            {
                "journey": journey,
                "step": step,
                "segment": segment,
                "segment_value": event,
                "n": n,
                "other_n": others,
                "value": value,
                "baseline": value - compared.effect,
                "effect": compared.effect,
                "effect_low": compared.low,
                "effect_high": compared.high,
                "effect_early": effect_early,
                "effect_late": effect_late,
                "p_value": compared.p_value,
                "p_contrary": 1.0,  # who met it and still did better explains nothing: see docs/findings.md
                "change": f"prevent {event} at {step}",
                "revenue_kept": -float(beyond["revenue"][is_met].sum()),
                "expense_saved": float(beyond["contacts"][is_met].sum()) * cost,
                "net_value": -n * compared.effect,
                "net_value_low": -n * compared.high,
                "net_value_high": -n * compared.low,
                "assumption": f"Without {event} in the {LANDMARK_DAYS} days after {step}, these {n} customers would "
                f"have done what the {others} others did in the {at_step['horizon_days'].iloc[0]:.0f} days after"
                f"{mix(mixed_by)}",
            }
        )
    return pd.DataFrame(rows, columns=_COLUMNS)


def _of_others(values: Reals, is_met: NDArray[np.bool_], stratum: NDArray[np.int64]) -> Reals:
    """The mean of the others in each customer's stratum; in none, it is of no use and 0."""
    others = ~is_met & (stratum >= 0)
    means = np.bincount(stratum[others], values[others]) / np.bincount(stratum[others])
    return np.where(stratum >= 0, means[stratum], 0.0)


def _mean(values: Reals) -> float:
    return float(values.mean()) if len(values) else float("nan")
