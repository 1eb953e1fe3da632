"""A slice of a partitioned table: the values of its partitions, as one bound a column.

Belongs here: what a slice may name, what lies in it, and how Delta is told. Does not belong here: replacing or reading
one (``lake.py``).
"""

import datetime as dt
from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from cx_orchestration.model.failures import PermanentFailure
from cx_orchestration.model.tables import Table

#: What a slice of a partitioned table may name: one value, an inclusive range of days or numbers, or some numbers.
Bound = str | int | dt.date | tuple[dt.date, dt.date] | tuple[int, int] | frozenset[int]


def refuse_no_slice(table: Table, where: Mapping[str, Bound]) -> None:
    """Raise ``PermanentFailure`` for a partitioned table without a slice, or a slice by other columns."""
    if table.partition_by and not where:
        raise PermanentFailure(
            f"{table.path} is partitioned by {', '.join(table.partition_by)}: name the slice to replace"
        )
    if unknown := set(where) - set(table.partition_by):
        raise PermanentFailure(f"{table.path} is not partitioned by {', '.join(sorted(unknown))}")


def refuse_rows_outside(table: Table, rows: pa.Table, where: Mapping[str, Bound]) -> None:
    """Raise ``PermanentFailure`` for rows that do not lie in the slice; it says how many."""
    for column, bound in where.items():
        values = rows.column(column)
        kind = table.schema.field(column).type
        if isinstance(bound, frozenset):
            inside = pc.is_in(values, pa.array(sorted(bound), kind))
        else:
            low, high = (pa.scalar(end, kind) for end in (bound if isinstance(bound, tuple) else (bound, bound)))
            inside = pc.and_(pc.greater_equal(values, low), pc.less_equal(values, high))
        outside = rows.num_rows - (pc.sum(pc.fill_null(inside, False)).as_py() or 0)
        if outside:
            raise PermanentFailure(
                f"{table.path}: {outside} of {rows.num_rows} rows lie outside the slice {column} = {bound}"
            )


def is_within(value: Any, bound: Bound) -> bool:
    """Whether the value of a partition lies within a bound."""
    if isinstance(bound, frozenset):
        return value in bound
    low, high = bound if isinstance(bound, tuple) else (bound, bound)
    return bool(low <= value <= high)


def partition_filters(where: Mapping[str, Bound]) -> list[tuple[str, str, Any]]:
    """A slice as Delta takes it for what a commit replaces."""
    filters: list[tuple[str, str, Any]] = []
    for column, bound in where.items():
        if isinstance(bound, frozenset):
            filters.append((column, "in", [str(value) for value in sorted(bound)]))
        elif isinstance(bound, tuple):
            filters += [(column, ">=", str(bound[0])), (column, "<=", str(bound[1]))]
        else:
            filters.append((column, "=", str(bound)))
    return filters


def predicate(where: Mapping[str, Bound]) -> str | None:
    """A slice as Delta takes it for choosing files; ``None`` for the whole table."""
    parts = []
    for column, bound in where.items():
        if isinstance(bound, frozenset):
            parts.append(f"{column} IN ({', '.join(map(str, sorted(bound)))})")
        elif isinstance(bound, tuple):
            parts += [f"{column} >= {_literal(bound[0])}", f"{column} <= {_literal(bound[1])}"]
        else:
            parts.append(f"{column} = {_literal(bound)}")
    return " AND ".join(parts) or None


def _literal(value: str | int | dt.date) -> str:
    if isinstance(value, dt.date):
        return f"CAST('{value.isoformat()}' AS DATE)"
    if isinstance(value, int):
        return str(value)
    return "'" + value.replace("'", "''") + "'"
