"""Clusters whose rate of something bad is higher than the others' at the same step: what E1 and E2 have in common.

Belongs here: counting and testing rates by cluster. Does not belong here: what happened (each analysis).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import pandas as pd
import pyarrow as pa

from cx_orchestration.exploration import significance
from cx_orchestration.exploration.findings import KEY, judge
from cx_orchestration.exploration.rules import with_rules
from cx_orchestration.model.settings import Exploration
from cx_orchestration.storage.engine import Engine, sql_text

#: Outcomes (journey, step, customer_id, hit, amount, early), given the findings already made, as rows of ``KEY``.
Outcomes: TypeAlias = Callable[[pd.DataFrame], pa.Table]

_NOTHING = pd.DataFrame(columns=[*KEY, "contrary"]).astype({"contrary": bool})


@dataclass(frozen=True)
class Searched:
    """``rows``: one a candidate, judged; ``candidates``: who is in which (``candidates.sql``)."""

    rows: pd.DataFrame
    candidates: pa.Table


@dataclass(frozen=True)
class RateSearch:
    """All clusters at all steps, compared by one rate of which more is worse."""

    engine: Engine
    clusters: pa.Table
    outcomes: Outcomes
    exploration: Exploration

    def run(self) -> Searched:
        """All candidates, in the order of ``KEY``; clusters that are too small are no candidates.

        Columns: those of ``rates.sql``, value, baseline, effect, effect_low, effect_high, effect_early, effect_late,
        p_value, and ``judge``'s.
        For the second look at other clusters at a step, the customers of what is already taken there are set aside.
        """
        outcomes = self.outcomes(_NOTHING)
        candidates = with_rules(
            self.engine,
            self.clusters,
            outcomes.select(["journey", "step", "customer_id", "hit"]).rename_columns(
                ["journey", "step", "customer_id", "outcome"]
            ),
            side="more",
            least=self.exploration.min_customers,
            min_effect=self.exploration.min_effect,
        )

        def compare(taken: pd.DataFrame) -> pd.DataFrame:
            return self._compare(
                candidates, outcomes if taken.empty else self.outcomes(taken[~taken["contrary"]]), taken
            )

        judged = judge(
            compare(_NOTHING),
            error_rate=self.exploration.error_rate,
            is_worth_it=lambda rows: rows["effect"] >= self.exploration.min_effect,
            look_again=compare,
        )
        return Searched(judged, candidates)

    def _compare(self, candidates: pa.Table, outcomes: pa.Table, taken: pd.DataFrame) -> pd.DataFrame:
        members = self.engine.query(
            sql_text(__package__, "members.sql"), {"candidates": candidates, "taken": as_keys(taken)}
        )
        counted: pd.DataFrame = self.engine.query(
            sql_text(__package__, "rates.sql"),
            {"outcomes": outcomes, "candidates": candidates, "set_aside": members},
        ).to_pandas()
        least = self.exploration.min_customers
        counted = counted[(counted["n"] >= least) & (counted["other_n"] >= least)].copy()
        hits, n, other_hits, other_n = (counted[name] for name in ("hits", "n", "other_hits", "other_n"))
        counted["value"] = hits / n
        counted["baseline"] = other_hits / other_n
        counted["effect"] = counted["value"] - counted["baseline"]
        counted["effect_low"], counted["effect_high"] = significance.rate_intervals(hits, n, other_hits, other_n)
        early = [counted[f"{of}early_{what}"] for of in ("", "other_") for what in ("hits", "n")]
        counted["effect_early"] = _difference(*early)
        late = (hits - early[0], n - early[1], other_hits - early[2], other_n - early[3])
        counted["effect_late"] = _difference(*late)
        counted["p_value"] = significance.rate_p_values(hits, n, other_hits, other_n, "more")
        counted["p_contrary"] = significance.rate_p_values(hits, n, other_hits, other_n, "less")
        return counted


def _difference(
    hits: "pd.Series[int]", n: "pd.Series[int]", other_hits: "pd.Series[int]", other_n: "pd.Series[int]"
) -> "pd.Series[float]":
    """Of two rates; NaN where a group is empty."""
    return hits / n.where(n > 0) - other_hits / other_n.where(other_n > 0)


def as_keys(taken: pd.DataFrame) -> pa.Table:
    """Rows of ``KEY`` as an Arrow table of text, also when there are none."""
    text = pa.schema([(name, pa.string()) for name in KEY])
    return pa.Table.from_pandas(taken[KEY], schema=text, preserve_index=False)
