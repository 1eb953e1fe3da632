"""E4: what goes wrong at a step, ranked by what its repair is worth in revenue kept and expense saved.

Belongs here: customers who met something against those at the same step who did not. Does not belong here: tests
(``significance``).
"""

import numpy as np
import pandas as pd
import pyarrow as pa

from cx_orchestration.exploration import significance
from cx_orchestration.exploration.cohorts import Cohorts
from cx_orchestration.exploration.findings import KEY, as_findings, judge
from cx_orchestration.model import tables
from cx_orchestration.model.days import MICROSECONDS_A_DAY
from cx_orchestration.model.settings import Exploration, Settings
from cx_orchestration.storage.engine import Engine, sql_text

#: Who meets an event within this time after coming to a step counts as having met it there.
LANDMARK_DAYS = 2

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
    customer, of those who met the event and those who did not; the other amounts are totals over the ``n`` customers
    who met it. All in the project's currency, within the horizon that ``assumption`` names.
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

    def look_again(taken: pd.DataFrame) -> pd.DataFrame:
        """Without the customers who met what already is a finding, wherever in the journey they are compared."""
        hit = customers[customers["met"] == 1].merge(taken, on=KEY)[["journey", "customer_id"]]
        known = pd.MultiIndex.from_frame(customers[["journey", "customer_id"]])
        return _compare(customers[~known.isin(pd.MultiIndex.from_frame(hit))], exploration)

    judged = judge(
        _compare(customers, exploration),
        error_rate=exploration.error_rate,
        is_worth_it=lambda rows: rows["effect"] < 0,
        look_again=look_again,
    )
    order = judged.sort_values(["is_finding", "net_value", *KEY], ascending=[False, False, *[True] * len(KEY)]).index
    judged["rank"] = pd.Series(np.arange(1, len(order) + 1), index=order)
    return as_findings(tables.CHANGE_PRIORITIES, judged).sort_by("rank")


def _compare(customers: pd.DataFrame, exploration: Exploration) -> pd.DataFrame:
    rows = []
    for (journey, step, segment, event), at_step in customers.groupby(KEY, sort=True):
        met, others = at_step[at_step["met"] == 1], at_step[at_step["met"] == 0]
        n = len(met)
        if min(n, len(others)) < exploration.min_customers:
            continue
        net = at_step["revenue"] - at_step["contacts"] * exploration.support_contact_cost
        compared = significance.compare_means(net[met.index], net[others.index], "less")
        early, late = (
            net[met.index][met["early"] == half].mean() - net[others.index][others["early"] == half].mean()
            for half in (1, 0)
        )
        rows.append(
            {
                "journey": journey,
                "step": step,
                "segment": segment,
                "segment_value": event,
                "n": n,
                "other_n": len(others),
                "value": net[met.index].mean(),
                "baseline": net[others.index].mean(),
                "effect": compared.effect,
                "effect_low": compared.low,
                "effect_high": compared.high,
                "effect_early": early,
                "effect_late": late,
                "p_value": compared.p_value,
                "p_contrary": 1.0,  # who met it and still did better explains nothing: see docs/findings.md
                "change": f"prevent {event} at {step}",
                "revenue_kept": n * (others["revenue"].mean() - met["revenue"].mean()),
                "expense_saved": n
                * (met["contacts"].mean() - others["contacts"].mean())
                * exploration.support_contact_cost,
                "net_value": -n * compared.effect,
                "net_value_low": -n * compared.high,
                "net_value_high": -n * compared.low,
                "assumption": f"Without {event} in the {LANDMARK_DAYS} days after {step}, these {n} customers would "
                f"have done what the {len(others)} others did in the {at_step['horizon_days'].iloc[0]:.0f} days after",
            }
        )
    return pd.DataFrame(rows, columns=_COLUMNS)
