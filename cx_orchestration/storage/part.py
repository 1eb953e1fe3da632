"""A text that DuckDB runs over parts of a table, on whichever machine a part lies.

Belongs here: what an executor of a cluster does with the rows that it is given. Does not belong here: the cluster.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from cx_orchestration.storage.engine import Engine

#: Rows of a part: enough that planning the text costs little beside it, few enough for an executor's memory.
_ROWS = 100_000


@dataclass(frozen=True)
class Part:
    """A text over parts of ``over``, with the small tables ``beside`` it. It is sent to executors."""

    sql: str
    over: str
    params: Mapping[str, Any]
    beside: Mapping[str, pa.Table]

    def result(self, rows: pa.Table) -> pa.Table:
        """What the text gives for these rows."""
        return Engine().query(self.sql, {**self.beside, self.over: rows}, self.params, threads=1)

    def results(self, batches: Iterable[pa.RecordBatch], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        """What it gives for all of these, in columns of these types."""
        waiting: list[pa.RecordBatch] = []
        for batch in batches:
            waiting.append(batch)
            if sum(each.num_rows for each in waiting) >= _ROWS:
                yield from self.result(pa.Table.from_batches(waiting)).cast(schema).to_batches()
                waiting = []
        if waiting:
            yield from self.result(pa.Table.from_batches(waiting)).cast(schema).to_batches()
