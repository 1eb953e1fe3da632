"""From compared candidates to rows of the ``exploration/...`` tables: which are findings, and their stable ids.

Belongs here: what all analyses share after comparing. Does not belong here: who was compared, and by which test.
"""

import uuid
from collections.abc import Callable, Sequence

import pandas as pd
import pyarrow as pa

from cx_orchestration.exploration import significance
from cx_orchestration.model.tables import Table

#: What identifies a candidate of most analyses; ``step`` is empty where the whole journey counts.
KEY = ["journey", "step", "segment", "segment_value"]

_NAMESPACE = uuid.UUID("b1b0a6a0-5a07-5d1c-9a3f-0f4c1d0c7f52")


def judge(
    found: pd.DataFrame,
    *,
    error_rate: float,
    is_worth_it: Callable[[pd.DataFrame], "pd.Series[bool]"],
    look_again: Callable[[pd.DataFrame], pd.DataFrame],
    key: Sequence[str] = KEY,
) -> pd.DataFrame:
    """Decide which candidates are findings; ``found`` has one row a candidate: ``key``, effect, p_value, p_contrary.

    A finding is significant at the analysis's share of ``error_rate`` after correction for all candidates, has an
    effect in the direction and of the size that matters (``is_worth_it``), and is no shadow of a stronger one.
    ``p_contrary`` is the p-value of the other direction: a cluster that is strikingly better makes all others look
    worse, so it explains shadows too, but is no finding. ``look_again(taken)`` compares anew with everything set aside
    that the rows of ``taken`` (``key`` and the flag contrary) explain, and gives the same columns as ``found``.

    Returns the candidates with a row number from 0, p_adjusted, is_finding, and shadow_of: for a candidate that passes
    but for a stronger one, that one's row number; else null. One cause with many shadows would loosen the correction
    for everything else, so shadows count there as not significant.
    """
    found = found.reset_index(drop=True)
    found["p_adjusted"] = significance.adjust(found["p_value"])
    at_level = significance.level(error_rate)
    limit = significance.cutoff(found["p_value"], found["p_adjusted"], at_level)

    def passing(rows: pd.DataFrame) -> pd.DataFrame:
        """Those that pass in either direction."""
        harmful = (rows["p_value"] <= limit) & is_worth_it(rows)
        contrary = rows["p_contrary"] <= limit
        passed = rows.assign(
            contrary=~harmful, strength=rows[["p_value", "p_contrary"]].min(axis=1), size=rows["effect"].abs()
        )
        return passed[(harmful | contrary) & (limit > 0)]

    candidates = passing(found)
    ascending = [True, True, False, *(True for _ in key)]
    order = candidates.sort_values(["strength", "contrary", "size", *key], ascending=ascending)

    def passes_without(taken: Sequence[int], remaining: Sequence[int]) -> list[int]:
        again = passing(look_again(candidates.loc[list(taken), [*key, "contrary"]]))
        kept = set(again[[*key, "contrary"]].itertuples(index=False, name=None))
        return [row for row in remaining if tuple(candidates.loc[row, [*key, "contrary"]]) in kept]

    taken, shadows = significance.step_down(order.index.tolist(), passes_without)
    harmful = set(candidates.index[~candidates["contrary"].astype(bool)])
    is_shadow = found.index.isin(harmful.intersection(shadows))
    found["shadow_of"] = pd.array([shadows.get(row) if row in harmful else None for row in found.index], dtype="Int64")
    without_credit = significance.adjust(found["p_value"].where(~is_shadow, 1.0))
    found["p_adjusted"] = found["p_adjusted"].where(is_shadow, without_credit)
    found["is_finding"] = found.index.isin(harmful.intersection(taken)) & (found["p_adjusted"] <= at_level)
    return found


def finding_id(table: Table, *key: str) -> str:
    """The id of one candidate of one analysis: the same in every run, whatever the data says about it."""
    return str(uuid.uuid5(_NAMESPACE, "\x1f".join([table.path, *key])))


def as_findings(table: Table, judged: pd.DataFrame, key: Sequence[str] = KEY) -> pa.Table:
    """Judged candidates as rows of an exploration table, in their order.

    Expects all columns of the table but ``finding_id``; ``other_n`` becomes ``baseline_n``. An effect is stable if it
    has the same sign in both halves of the time; in a half that lacks one of the groups there is none.
    """
    halves = judged[["effect_early", "effect_late"]].astype("float64")
    ids = [finding_id(table, *one) for one in judged[list(key)].itertuples(index=False, name=None)]
    values = {name: judged[name].tolist() for name in judged.columns} | {
        "finding_id": ids,
        "step": [step or None for step in judged["step"]],
        "baseline_n": judged["other_n"].tolist(),
        "is_stable": halves.mul(judged["effect"].astype("float64"), axis=0).gt(0).all(axis=1).tolist(),
        "shadow_of": [None if pd.isna(row) else ids[int(row)] for row in judged["shadow_of"]],
    }
    return pa.table(
        [pa.array(values[field.name], field.type, from_pandas=True) for field in table.schema], schema=table.schema
    )
