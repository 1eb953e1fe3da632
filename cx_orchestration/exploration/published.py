"""Which tables are published for BI tools: results about groups, none about a person.

Belongs here: the list, and reading what changed. Does not belong here: the database (``storage.bi_views``).
"""

import datetime as dt
import hashlib
from dataclasses import dataclass

import pyarrow as pa

from cx_orchestration.model import tables
from cx_orchestration.model.tables import Table
from cx_orchestration.storage.bi_views import VIEWS, BIViews, Publication, view_name
from cx_orchestration.storage.lake import Lake

#: Only tables none of whose rows is about a person: what is erased from the lake need not be looked for elsewhere.
PUBLISHED: tuple[Table, ...] = (
    tables.OVERLAP,
    tables.SERVICE_SCORES,
    tables.SENSITIVITY,
    tables.DISPOSITION_PLAN,
    tables.INTEGRATION_PLAN,
    tables.COVERAGE,
    tables.PROGRESS,
    tables.STEP_FIGURES,
    tables.MOVE_FIGURES,
    *tables.PATHS,
    tables.ABANDONMENT_HOTSPOTS,
    tables.SUPPORT_SHIFTS,
    tables.PROFITABLE_PATHS,
    tables.CHANGE_PRIORITIES,
    tables.INCIDENTS,
    tables.WEEKLY_RATES,
    tables.SEGMENT_COHORTS,
    tables.EXPERIENCE,
    tables.KPIS,
)

#: Who has decided something is named in the lake, not in a database that everybody reads.
LEFT_OUT = frozenset({"decided_by"})


@dataclass(frozen=True)
class Published:
    """A view with its rows, and whether this publication replaced them."""

    view: str
    rows: int
    replaced: bool


def publish_results(lake: Lake, url: str, *, now: dt.datetime) -> list[Published]:
    """Publish the tables that have changed since the last publication; one that no run has written has no rows."""
    views = BIViews(url)
    try:
        published = views.states()
        wanted = {table: _state(lake, table) for table in PUBLISHED}
        changed = [
            Publication(table, state, _rows(lake, table))
            for table, state in wanted.items()
            if published.get(view_name(table)) != state
        ]
        if changed:
            views.publish(changed, now=now)
    finally:
        views.close()
    replaced = {one.name for one in changed}
    return [
        Published(f"{VIEWS}.{view_name(table)}", lake.rows(table), view_name(table) in replaced) for table in PUBLISHED
    ]


def _state(lake: Lake, table: Table) -> str:
    """What tells the rows, columns and words of a view from all others."""
    said = {**table.meanings, **table.further_meanings}
    words = "\n".join([table.grain, *(f"{name} {meaning}" for name, meaning in said.items())])
    return f"{lake.state(table)} {hashlib.sha256(words.encode()).hexdigest()[:12]}"


def _rows(lake: Lake, table: Table) -> pa.Table:
    rows = lake.read(table)
    return rows.drop_columns([name for name in rows.column_names if name in LEFT_OUT])
