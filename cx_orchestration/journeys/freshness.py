"""Whether journeys know the newest events.

Belongs here: what the tables themselves tell about what they were made of. Does not belong here: how far the events of
each service reach (``project.feeds``, ``exploration.kpis``).
"""

from cx_orchestration.journeys.refolded import last_fold
from cx_orchestration.journeys.sequences import Sources
from cx_orchestration.model import tables
from cx_orchestration.model.tables import Table
from cx_orchestration.storage.lake import Lake


def know_newest_events(lake: Lake) -> bool:
    """Whether identity, sequences and the fold were made one after the other since the last event came in.

    Identity reads no events. The first of its tables that every night writes notes which there were before profiles
    were read; the last must be younger.
    """
    fold, sources = last_fold(lake), Sources.now(lake)
    return (
        fold is not None
        and sources.events is not None
        and lake.note(tables.KEYS_DROPPED).get("events") == sources.events
        and _written(lake, tables.KEYS_DROPPED) <= _written(lake, tables.SCORECARD)
        and Sources.of(lake.note(tables.SEQUENCES)) == sources
        and fold.sequences == lake.state(tables.SEQUENCES)
    )


def _written(lake: Lake, table: Table) -> int:
    """When the newest commit of a table was made, in milliseconds since 1970; 0 without one."""
    commits = lake.history(table)
    return int(commits[0]["timestamp"]) if commits else 0
