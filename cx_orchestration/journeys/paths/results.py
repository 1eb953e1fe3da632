"""Paths as the tables that others read.

Belongs here: from arrays of codes to rows with names. Does not belong here: the lake.
"""

import datetime as dt
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from cx_orchestration.journeys.paths.analysis import Paths, SelectionPaths
from cx_orchestration.journeys.paths.follows import Follows
from cx_orchestration.journeys.paths.funnel import FunnelCounts
from cx_orchestration.journeys.paths.selections import AskedFunnel
from cx_orchestration.model import tables
from cx_orchestration.model.days import MICROSECONDS_A_DAY
from cx_orchestration.model.tables import Table

MOST_VARIANTS = 1000

_EPOCH = dt.date(1970, 1, 1)

Row = dict[str, Any]


def path_tables(paths: Paths) -> dict[Table, pa.Table]:
    """The rows of each table that is made of events alone."""
    found: dict[Table, list[Row]] = {
        tables.DIRECTLY_FOLLOWS: [
            {"journey": one.selection.journey, **row}
            for one in paths.selections
            for row in _pairs(one.follows, paths.types, "type")
        ],
        tables.VARIANTS: [row for one in paths.selections for row in _variants(one, paths.types)],
        tables.FUNNELS: [row for asked, counts in _asked(paths) for row in _funnels(asked, counts)],
        tables.FUNNEL_EXITS: [row for asked, counts in _asked(paths) for row in _exits(asked, counts, paths.types)],
        tables.SESSIONS: list(_sessions(paths)),
        tables.LEAVING: [row for one in paths.selections for row in _leaving(one, paths.types)],
        tables.RETENTION: list(_retention(paths)),
        tables.CHANNEL_HANDOFFS: list(_pairs(paths.handoffs, paths.channels, "channel")),
    }
    return {table: pa.Table.from_pylist(rows, table.schema) for table, rows in found.items()}


def _pairs(follows: Follows | None, names: Sequence[str], what: str) -> Iterator[Row]:
    if follows is None:
        return
    share, seconds = follows.share, follows.mean_seconds
    named = [*names, None]
    for source, to in np.argwhere(follows.count).tolist():
        yield {
            f"from_{what}": named[source],
            f"to_{what}": named[to],
            "transitions": int(follows.count[source, to]),
            "customers": int(follows.customers[source, to]),
            "share": float(share[source, to]),
            "mean_seconds": None if None in (named[source], named[to]) else float(seconds[source, to]),
        }


def _variants(one: SelectionPaths, types: Sequence[str]) -> Iterator[Row]:
    for found in one.variants:
        seconds = found.mean_seconds
        ranked = found.most_frequent(MOST_VARIANTS, types)
        others = np.setdiff1d(np.arange(len(found.customers)), ranked)
        groups: list[tuple[int | None, list[int]]] = [(rank, [each]) for rank, each in enumerate(ranked, 1)]
        for rank, members in [*groups, *([(None, others.tolist())] if len(others) else [])]:
            customers = found.customers[members]
            lasting = customers * (found.length[members] > 1)
            yield {
                "journey": one.selection.journey,
                "rank": rank,
                "path": None if rank is None else " > ".join(types[code] for code in found.path(members[0])),
                "events": int((found.length[members] * customers).sum()),
                "customers": int(customers.sum()),
                "variants": len(members),
                "share": float(customers.sum() / one.customers),
                "mean_seconds": float((seconds[members] * lasting).sum() / lasting.sum()) if lasting.any() else None,
            }


def _asked(paths: Paths) -> list[tuple[AskedFunnel, FunnelCounts]]:
    answered = zip(paths.asked, paths.funnels, strict=True)
    return [(asked, counts) for asked, counts in answered if counts is not None]


def _funnels(asked: AskedFunnel, counts: FunnelCounts) -> Iterator[Row]:
    reached, mature, seconds = counts.reached.tolist(), counts.mature.tolist(), counts.mean_seconds
    for place, (name, _) in enumerate(asked.steps):
        before = mature[max(place - 1, 0)]
        yield {
            "journey": asked.journey,
            "funnel": asked.name,
            "semantics": asked.semantics,
            "window_days": asked.window / MICROSECONDS_A_DAY,
            "place": place + 1,
            "step": name,
            "customers": reached[place],
            "dropped": int(counts.dropped[place]),
            "open": int(counts.open[place]),
            "mature": mature[place],
            "of_entered": mature[place] / mature[0] if mature[0] else None,
            "of_previous": mature[place] / before if before else None,
            "mean_seconds": float(seconds[place]) if reached[place] else None,
        }


def _exits(asked: AskedFunnel, counts: FunnelCounts, types: Sequence[str]) -> Iterator[Row]:
    named = [*types, None]
    for place, code in np.argwhere(counts.next_kind).tolist():
        yield {
            "journey": asked.journey,
            "funnel": asked.name,
            "semantics": asked.semantics,
            "place": place + 1,
            "step": asked.steps[place][0],
            "next_type": named[code],
            "customers": int(counts.next_kind[place, code]),
        }


def _sessions(paths: Paths) -> Iterator[Row]:
    if (found := paths.sessions) is None:
        return
    seconds = found.mean_seconds
    for code in np.flatnonzero(found.begun + found.ended).tolist():
        yield {
            "type": paths.types[code],
            "begun": int(found.begun[code]),
            "single": int(found.single[code]),
            "events": int(found.events[code]),
            "mean_seconds": float(seconds[code]) if found.begun[code] else None,
            "ended": int(found.ended[code]),
        }


def _leaving(one: SelectionPaths, types: Sequence[str]) -> Iterator[Row]:
    if (found := one.leaving) is None:
        return
    rate = found.rate
    for code in np.flatnonzero((one.selection.wait >= 0) & (found.visits > 0)).tolist():
        yield {
            "journey": one.selection.journey,
            "type": types[code],
            "wait_days": one.selection.wait[code] / MICROSECONDS_A_DAY,
            "visits": int(found.visits[code]),
            "left": int(found.left[code]),
            "returned": int(found.returned[code]),
            "open": int(found.open[code]),
            "rate": None if np.isnan(rate[code]) else float(rate[code]),
        }


def _retention(paths: Paths) -> Iterator[Row]:
    if (found := paths.retention) is None:
        return
    share = found.share
    for cohort, week in np.argwhere(found.observed).tolist():
        monday = _EPOCH + dt.timedelta(days=paths.first_monday // MICROSECONDS_A_DAY + 7 * cohort)
        yield {
            "cohort": monday,
            "week": week,
            "customers": int(found.customers[cohort]),
            "observed": int(found.observed[cohort, week]),
            "active": int(found.active[cohort, week]),
            "share": float(share[cohort, week]),
        }
