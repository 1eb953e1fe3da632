"""E3: segments that bring more revenue per customer and need less support than the others, and the path they take.

Belongs here: comparing segments as known at the beginning of the journey. Does not belong here: tests
(``significance``).
"""

import numpy as np
import pandas as pd
import pyarrow as pa

from cx_orchestration.exploration import significance
from cx_orchestration.exploration.cohorts import Cohorts
from cx_orchestration.exploration.findings import KEY, as_findings, judge
from cx_orchestration.exploration.rules import with_rules
from cx_orchestration.model import tables
from cx_orchestration.model.settings import Exploration, Settings
from cx_orchestration.storage.engine import Engine, sql_text

_COLUMNS = [*KEY, "n", "other_n", "value", "baseline", "effect", "effect_low", "effect_high", "p_value", "p_contrary"]
_COLUMNS += ["effect_early", "effect_late", "path", "support_rate", "baseline_support_rate"]
_COLUMNS += ["acquisition_cost", "baseline_acquisition_cost"]


def profitable_paths(engine: Engine, cohorts: Cohorts, settings: Settings) -> pa.Table:
    """All candidates as rows of ``tables.PROFITABLE_PATHS``: value and baseline are revenue per customer.

    Everybody who was followed long enough counts, with what happened within the same time after the journey began;
    support rates are shares who turned to support in it. A finding has more revenue and less support, both significant:
    its p-value is the larger of the two tests' (intersection-union). ``path`` is the commonest one among the segment's
    customers who brought revenue.
    """
    exploration = settings.exploration
    begun = engine.query(
        sql_text(__package__, "profitable_paths.sql"),
        {
            "entries": cohorts.entries,
            "clusters": cohorts.clusters,
            "support_types": cohorts.support_types,
            "sequences": cohorts.sequences,
        },
        {"as_of": cohorts.as_of, "currency": settings.currency},
    ).to_pandas()
    customers = _with_costs(_with_rules(engine, begun, exploration), cohorts)

    def look_again(taken: pd.DataFrame) -> pd.DataFrame:
        """Without the customers of segments already taken."""
        theirs = customers.merge(taken, on=["journey", "segment", "segment_value"])[["journey", "customer_id"]]
        known = pd.MultiIndex.from_frame(customers[["journey", "customer_id"]])
        return _compare(customers[~known.isin(pd.MultiIndex.from_frame(theirs))], exploration.min_customers)

    judged = judge(
        _compare(customers, exploration.min_customers),
        error_rate=exploration.error_rate,
        is_worth_it=lambda rows: rows["effect"] > 0,
        look_again=look_again,
    )
    return as_findings(tables.PROFITABLE_PATHS, judged.assign(on_frontier=_on_frontier(judged)))


def _with_costs(customers: pd.DataFrame, cohorts: Cohorts) -> pd.DataFrame:
    """With what winning each customer cost, as far as it is known where the journey began; NaN if it is no number."""
    first = cohorts.entries.to_pandas().query("position == 1")[["journey", "step", "customer_id"]]
    costs = cohorts.costs.to_pandas().merge(first, on=["journey", "step", "customer_id"])
    costs = costs.assign(cost=pd.to_numeric(costs["segment_value"], errors="coerce"))
    return customers.merge(costs[["journey", "customer_id", "cost"]], on=["journey", "customer_id"], how="left")


def _on_frontier(rows: pd.DataFrame) -> list[bool]:
    """Whether no other candidate of the journey has at least as much revenue with at most as much support, and more of
    the one or less of the other."""
    revenue, support = rows["value"].to_numpy(dtype=np.float64), rows["support_rate"].to_numpy(dtype=np.float64)
    journey = rows["journey"].to_numpy(dtype=object)
    return [
        not np.any(
            (journey == journey[row])
            & (revenue >= revenue[row])
            & (support <= support[row])
            & ((revenue > revenue[row]) | (support < support[row]))
        )
        for row in range(len(rows))
    ]


def _with_rules(engine: Engine, begun: pd.DataFrame, exploration: Exploration) -> pd.DataFrame:
    """One row a customer and candidate: those of ``candidates.sql``, with what each customer did.

    Rules are searched by revenue less support expense, as the journey as a whole is compared: their step is empty.
    """
    begun = begun.assign(step="", outcome=begun["revenue"] - begun["contacts"] * exploration.support_contact_cost)
    customers = begun.drop_duplicates(["journey", "customer_id"])
    candidates: pd.DataFrame = with_rules(
        engine,
        _as_table(begun, ["journey", "step", "customer_id", "segment", "segment_value"]),
        _as_table(customers, ["journey", "step", "customer_id", "outcome"]),
        side="more",
        least=exploration.min_customers,
    ).to_pandas()
    did = customers.drop(columns=["step", "segment", "segment_value", "outcome"])
    order = ["journey", "segment", "rule", "segment_value", "customer_id"]
    return candidates.merge(did, on=["journey", "customer_id"]).sort_values(order)


def _as_table(rows: pd.DataFrame, columns: list[str]) -> pa.Table:
    schema = pa.schema([(name, pa.float64() if name == "outcome" else pa.string()) for name in columns])
    return pa.Table.from_pandas(rows[columns], schema=schema, preserve_index=False)


def _compare(customers: pd.DataFrame, min_customers: int) -> pd.DataFrame:
    rows = []
    counted = customers[customers["counts"] == 1]
    for (journey, segment, _), known in counted.groupby(["journey", "segment", "rule"], sort=True):
        for value, own in known[known["segment_value"] != ""].groupby("segment_value", sort=True):
            others = known[known["segment_value"] != value]
            if min(len(own), len(others)) < min_customers:
                continue
            early, late = (
                own["revenue"][own["early"] == half].mean() - others["revenue"][others["early"] == half].mean()
                for half in (1, 0)
            )
            more = significance.compare_means(own["revenue"], others["revenue"], "more")
            less = significance.compare_means(own["revenue"], others["revenue"], "less")
            asked, others_asked = int((own["contacts"] > 0).sum()), int((others["contacts"] > 0).sum())
            support = ([asked], [len(own)], [others_asked], [len(others)])
            rows.append(
                {
                    "journey": journey,
                    "step": "",
                    "segment": segment,
                    "segment_value": value,
                    "n": len(own),
                    "other_n": len(others),
                    "value": own["revenue"].mean(),
                    "baseline": others["revenue"].mean(),
                    "effect": more.effect,
                    "effect_low": more.low,
                    "effect_high": more.high,
                    "effect_early": early,
                    "effect_late": late,
                    "p_value": max(more.p_value, significance.rate_p_values(*support, "less").item()),
                    "p_contrary": max(less.p_value, significance.rate_p_values(*support, "more").item()),
                    "path": _commonest_path(own),
                    "support_rate": asked / len(own),
                    "baseline_support_rate": others_asked / len(others),
                    "acquisition_cost": own["cost"].mean(),
                    "baseline_acquisition_cost": others["cost"].mean(),
                }
            )
    return pd.DataFrame(rows, columns=_COLUMNS)


def _commonest_path(own: pd.DataFrame) -> str:
    paying = own[own["revenue"] > 0]
    counts = (paying if len(paying) else own)["path"].value_counts()
    return str(min(counts[counts == counts.max()].index))
