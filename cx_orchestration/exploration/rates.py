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
from cx_orchestration.model.settings import Exploration
from cx_orchestration.storage.engine import Engine, sql_text

#: Outcomes (journey, step, customer_id, hit, amount), given the findings already made, as rows of ``KEY``.
Outcomes: TypeAlias = Callable[[pd.DataFrame], pa.Table]

_NOTHING = pd.DataFrame(columns=[*KEY, "contrary"]).astype({"contrary": bool})


@dataclass(frozen=True)
class RateSearch:
    """All clusters at all steps, compared by one rate of which more is worse."""

    engine: Engine
    clusters: pa.Table
    outcomes: Outcomes
    exploration: Exploration

    def run(self) -> pd.DataFrame:
        """One row a candidate, judged, in the order of ``KEY``; clusters that are too small are no candidates.

        Columns: those of ``rates.sql``, value, baseline, effect, effect_low, effect_high, p_value, and ``judge``'s.
        For the second look at other clusters at a step, the customers of what is already taken there are set aside.
        """
        return judge(
            self._compare(_NOTHING),
            error_rate=self.exploration.error_rate,
            is_worth_it=lambda rows: rows["effect"] >= self.exploration.min_effect,
            look_again=self._compare,
        )

    def _compare(self, taken: pd.DataFrame) -> pd.DataFrame:
        members = self.engine.query(
            sql_text(__package__, "members.sql"), {"clusters": self.clusters, "taken": as_keys(taken)}
        )
        counted: pd.DataFrame = self.engine.query(
            sql_text(__package__, "rates.sql"),
            {"outcomes": self.outcomes(taken[~taken["contrary"]]), "clusters": self.clusters, "set_aside": members},
        ).to_pandas()
        least = self.exploration.min_customers
        counted = counted[(counted["n"] >= least) & (counted["other_n"] >= least)].copy()
        hits, n, other_hits, other_n = (counted[name] for name in ("hits", "n", "other_hits", "other_n"))
        counted["value"] = hits / n
        counted["baseline"] = other_hits / other_n
        counted["effect"] = counted["value"] - counted["baseline"]
        counted["effect_low"], counted["effect_high"] = significance.rate_intervals(hits, n, other_hits, other_n)
        counted["p_value"] = significance.rate_p_values(hits, n, other_hits, other_n, "more")
        counted["p_contrary"] = significance.rate_p_values(hits, n, other_hits, other_n, "less")
        return counted


def as_keys(taken: pd.DataFrame) -> pa.Table:
    """Rows of ``KEY`` as an Arrow table of text, also when there are none."""
    text = pa.schema([(name, pa.string()) for name in KEY])
    return pa.Table.from_pandas(taken[KEY], schema=text, preserve_index=False)
