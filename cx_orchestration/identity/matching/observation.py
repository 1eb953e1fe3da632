"""What entities and pairs look like: coverage of fields, patterns and levels of agreement.

Belongs here: counting. Does not belong here: what is estimated from the counts (``estimation.py``), or how far they
have moved (``drift.py``).
"""

from collections.abc import Sequence

import duckdb
import numpy as np

from cx_orchestration.identity.matching.comparisons import FIELDS, Comparison, key_column
from cx_orchestration.identity.matching.estimation import Patterns


def patterns_of(compared: duckdb.DuckDBPyRelation, comparisons: Sequence[Comparison]) -> dict[str, Patterns]:
    """How many pairs show which pattern, by match_key."""
    columns = ", ".join(comparison.column for comparison in comparisons)
    counted = compared.aggregate(f"match_key, {columns}, count(*)::DOUBLE AS pairs", f"match_key, {columns}")
    rows = counted.order(f"match_key, {columns}").fetchnumpy()
    levels = np.column_stack([rows[comparison.column] for comparison in comparisons]).astype(np.int64)
    kinds = np.asarray(rows["match_key"], dtype=str)
    return {
        str(kind): Patterns(levels[kinds == kind], np.asarray(rows["pairs"][kinds == kind]))
        for kind in np.unique(kinds)
    }


def measure_coverage(connection: duckdb.DuckDBPyConnection, namespaces: Sequence[str]) -> dict[str, float]:
    """The share of entities that have a field or ``key_<namespace>``."""
    names = [*FIELDS, *(key_column(name) for name in namespaces)]
    counts = ", ".join(f"coalesce(count({name}) / nullif(count(*), 0), 0.0)" for name in names)
    row = connection.sql(f"SELECT {counts} FROM fields").fetchone() or ()
    return dict(zip(names, map(float, row), strict=True))


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
