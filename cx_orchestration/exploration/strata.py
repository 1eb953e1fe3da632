"""Customers who are alike: strata in which those who met something are compared with those who did not.

Belongs here: who is in which stratum. Does not belong here: the comparison within them (``significance``).
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cx_orchestration.exploration.cohorts import Cohorts
from cx_orchestration.storage.engine import Engine, sql_text

#: A stratum with fewer others than that says too little of what they would have done.
LEAST_OTHERS = 10

_CUSTOMER = ["journey", "step", "customer_id"]


def declared_segments(cohorts: Cohorts) -> dict[str, list[str]]:
    """By journey, in the order of the map."""
    found: dict[str, list[str]] = {}
    for row in cohorts.segments.to_pylist():
        found.setdefault(row["journey"], []).append(row["segment"])
    return found


def with_segments(engine: Engine, cohorts: Cohorts, customers: pd.DataFrame) -> pd.DataFrame:
    """The customers with a column for each declared segment: its value as known when they came to the step, or empty.

    The columns are called like the segments, after ``segment:``.
    """
    if customers.empty:
        return customers
    known = engine.query(
        sql_text(__package__, "strata.sql"), {"clusters": cohorts.clusters, "segments": cohorts.segments}
    ).to_pandas()
    wide = known.pivot(index=_CUSTOMER, columns="segment", values="segment_value").add_prefix("segment:")
    joined = customers.merge(wide, how="left", left_on=_CUSTOMER, right_index=True)
    return joined.fillna(dict.fromkeys(wide.columns, ""))


def strata(met: NDArray[np.bool_], values: pd.DataFrame) -> NDArray[np.int64]:
    """The stratum of each customer, -1 of those whom nobody who met it resembles.

    Alike are first those who share all of ``values``, its columns from the most important to the least. Who met it and
    has fewer than ``LEAST_OTHERS`` others left that are so alike is compared with those who share all but the last
    column, and so on; and where too few are left there as well, with the largest stratum that shares as much.
    """
    found = np.full(len(met), -1, np.int64)
    for shared in range(values.shape[1], -1, -1):
        cell = _cells(values.iloc[:, :shared])
        free = found < 0
        met_here, others_here = (np.bincount(cell[free & who], minlength=cell.max() + 1) for who in (met, ~met))
        is_new = free & ((met_here > 0) & (others_here >= LEAST_OTHERS))[cell]
        found[is_new] = cell[is_new] + found.max() + 1
        found[found >= 0] = np.unique(found[found >= 0], return_inverse=True)[1]
        left = met & (found < 0)
        if left.any() and (found >= 0).any():
            size = np.bincount(found[(found >= 0) & ~met])
            largest = np.full(cell.max() + 1, -1, np.int64)
            for stratum in np.argsort(size, kind="stable").tolist():
                largest[cell[found == stratum]] = stratum
            found[left] = largest[cell[left]]
    return np.zeros(len(met), np.int64) if (found < 0).all() else found


def _cells(values: pd.DataFrame) -> NDArray[np.int64]:
    """A number for each combination of values."""
    if values.shape[1] == 0:
        return np.zeros(len(values), np.int64)
    return np.asarray(values.groupby(list(values.columns), sort=True).ngroup(), dtype=np.int64)


def mix(segments: Sequence[str]) -> str:
    """The strata in words."""
    return f", in the same mix of {', '.join(segments)}" if segments else ""
