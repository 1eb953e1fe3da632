"""What entities and pairs look like: coverage of fields, patterns and levels of agreement.

Belongs here: counting. Does not belong here: what is estimated from the counts (``estimation.py``), or how far they
have moved (``drift.py``).
"""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from cx_orchestration.identity.matching.comparisons import FIELDS, Comparison, key_column
from cx_orchestration.identity.matching.estimation import Patterns
from cx_orchestration.storage.engine import Session


def levels_of(counted: pa.Table, comparisons: Sequence[Comparison]) -> NDArray[np.int64]:
    """The levels of ``weighing.count_levels``, as ``Patterns`` have them."""
    return np.column_stack([counted[each.column].to_numpy() for each in comparisons]).astype(np.int64)


def patterns_of(counted: pa.Table, comparisons: Sequence[Comparison]) -> dict[str, Patterns]:
    """How many pairs show which pattern, by match_key, from ``weighing.count_levels``."""
    levels = levels_of(counted, comparisons)
    kinds, pairs = np.asarray(counted["match_key"].to_pylist(), dtype=str), counted["pairs"].to_numpy()
    return {str(kind): Patterns(levels[kinds == kind], pairs[kinds == kind]) for kind in np.unique(kinds)}


def measure_coverage(session: Session, namespaces: Sequence[str], of: str = "rows") -> dict[str, float]:
    """The share of the entities of a workspace's table that have a field or ``key_<namespace>``."""
    has = {name: f"{name} IS NOT NULL" for name in FIELDS}
    for name in namespaces:
        has[key_column(name)] = f"len(list_filter(keys, lambda k: k.namespace = '{name}')) > 0"
    counts = ", ".join(
        f"count(CASE WHEN {condition} THEN 1 ELSE NULL END) AS {name}" for name, condition in has.items()
    )
    session.make_in_parts("covered", f"SELECT count(*) AS entities, {counts} FROM {of}", of)
    sums = ", ".join(f"CAST(sum({name}) AS DOUBLE) AS {name}" for name in ("entities", *has))
    (row,) = session.query(f"SELECT {sums} FROM covered").to_pylist()
    return {name: row[name] / row["entities"] if row["entities"] else 0.0 for name in has}


def level_shares(patterns: Patterns, comparisons: Sequence[Comparison]) -> dict[str, dict[str, float]]:
    """By comparison and level, ``missing`` included, its share of the pairs."""
    total = max(patterns.total(), 1.0)
    shares = {}
    for i, comparison in enumerate(comparisons):
        last = len(comparison.levels) - 1
        counts = {"missing": float(patterns.pairs[patterns.levels[:, i] < 0].sum()) / total}
        for position, level in enumerate(comparison.levels):
            counts[level.label] = float(patterns.pairs[patterns.levels[:, i] == last - position].sum()) / total
        shares[comparison.name] = counts
    return shares
