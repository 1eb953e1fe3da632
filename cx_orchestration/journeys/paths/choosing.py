"""Which events of a bucket a declared funnel takes for which step, where types alone do not tell.

Belongs here: guards and audiences, evaluated for all events of a bucket at once. Does not belong here: the pass that
follows a customer through the steps (``funnel``).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from cx_orchestration.journeys.coding import asked_of_events
from cx_orchestration.journeys.guards import COLUMNS, fitting
from cx_orchestration.journeys.paths.funnel import Funnel, FunnelCounts, count_funnel
from cx_orchestration.journeys.paths.selections import AskedFunnel, Choice
from cx_orchestration.storage.engine import Engine

Ints = NDArray[np.int64]
Codes = NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class Rows:
    """The events of a bucket in order, and in ``more`` the columns that guards ask for, of the same rows."""

    customer: Codes
    kind: Codes
    at: Ints
    more: pa.Table


def columns_asked(funnels: Sequence[AskedFunnel]) -> list[str]:
    """The columns of ``journeys/sequences`` that these funnels need besides the integers."""
    names = {guard.name for funnel in funnels for choice in funnel.choices for guard in choice.guards}
    return sorted({name if name in COLUMNS else "attributes" for name in names})


def count_asked(asked: AskedFunnel, rows: Rows, kinds: int, *, as_of: int) -> FunnelCounts:
    """The counts of one bucket; what the dropped did next is told by type, whatever guards said of it."""
    if asked.audience is not None:
        rows = _from_the_first_on(rows, _chosen(rows, asked.audience))
    kind, number_of_kinds, steps = rows.kind, kinds, [choice.codes for _, choice in asked.steps]
    if any(choice.guards for _, choice in asked.steps):
        mask = np.zeros(len(kind), np.int64)
        for place, (_, choice) in enumerate(asked.steps):
            mask[_chosen(rows, choice)] |= 1 << place
        # A kind of event is its type together with the steps that it counts for.
        masks, group = np.unique(mask, return_inverse=True)
        kind = (group * kinds + rows.kind).astype(np.int32)
        number_of_kinds = len(masks) * kinds
        steps = [_with_bit(masks, place, kinds) for place in range(len(asked.steps))]
    funnel = Funnel(tuple(steps), asked.window, asked.semantics)
    counts, _ = count_funnel(rows.customer, kind, rows.at, number_of_kinds, funnel, as_of=as_of)
    return counts if number_of_kinds == kinds else counts.by_type(kinds)


def _with_bit(masks: Ints, place: int, kinds: int) -> frozenset[int]:
    groups = np.flatnonzero(masks >> place & 1).tolist()
    return frozenset(group * kinds + code for group in groups for code in range(kinds))


def _from_the_first_on(rows: Rows, chosen: Ints) -> Rows:
    first = np.full(int(rows.customer[-1]) + 1 if len(rows.customer) else 0, len(rows.customer), np.int64)
    first[rows.customer[chosen][::-1]] = chosen[::-1]
    kept = np.flatnonzero(np.arange(len(rows.customer)) >= first[rows.customer])
    return Rows(rows.customer[kept], rows.kind[kept], rows.at[kept], rows.more.take(kept))


def _chosen(rows: Rows, choice: Choice) -> Ints:
    """The rows that a choice takes, in order."""
    places = np.flatnonzero(np.isin(rows.kind, list(choice.codes)))
    if not choice.guards or not len(places):
        return places
    items = [f"{asked_of_events(name)} AS {name}" for name in sorted({guard.name for guard in choice.guards})]
    # The engine of this process: the rows are in its memory already.
    asked = Engine().query(f"SELECT {', '.join(items)} FROM events", {"events": rows.more.take(places)})
    return places[fitting(choice.guards, asked)]
