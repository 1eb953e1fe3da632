"""What instances of a micro journey did, as events of the customers who are on a macro journey.

Belongs here: making these events, and putting them among the others. Does not belong here: their names and which maps
wait for which (``micro_events``).

A beginning and a completion come right after the event that caused them and carry what it carries. An abandonment
comes at its deadline, after every event of that instant, carries what the instance's first event carried, and is called
by the instance's id. None of them carries money: its cause has counted already.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numba
import numpy as np
import pyarrow as pa

from cx_orchestration.journeys.coding import Events
from cx_orchestration.journeys.kernel import ABANDONED, COMPLETED, Codes, Flags, Instances, Ints
from cx_orchestration.journeys.micro_events import DOINGS, micro_event


@dataclass(frozen=True, eq=False)
class Doings:
    """What one journey's instances did, in columns as those of ``Events``: ``kind`` is a place in ``DOINGS``; ``id`` of
    an abandonment is its instance's place in ``ids``, else that of its cause's id."""

    journey: str
    kind: Codes
    customer: Ints
    at: Ints
    row: Ints
    id: Ints
    anchor: Ints
    instance: Ints
    ids: pa.ChunkedArray

    def some(self, chosen: Flags, ids_before: int) -> "Doings":
        """Those chosen, where the instances' ids come after some others."""
        lost = self.kind == DOINGS.index("abandoned")
        columns = ("kind", "customer", "at", "row", "anchor", "instance")
        kept = {name: getattr(self, name)[chosen] for name in columns}
        return replace(self, **kept, id=(self.id + np.where(lost, ids_before, 0))[chosen])


def doings(journey: str, events: Events, made: Instances, ids: pa.ChunkedArray, carried: int) -> Doings:
    """What the instances that were made of some events did; ``ids`` are theirs, the first ``carried`` had begun."""
    every = np.arange(len(made.thread))
    new, done, lost = every[carried:], every[made.status == COMPLETED], every[made.status == ABANDONED]
    cause = np.concatenate([made.first_event[new], made.last_event[done], made.first_event[lost]])
    is_lost = np.repeat([False, False, True], [len(new), len(done), len(lost)])
    instance = np.concatenate([new, done, lost])
    at = np.where(is_lost, made.ended_at[instance], events.at[cause])
    customer = events.customer[cause]
    happened = events.customer[: len(events)]
    start, end = (np.searchsorted(happened, customer, side=side) for side in ("left", "right"))
    after = np.where(is_lost, _last_until(events.at, start, end, at), cause)
    anchor = np.where(after < start, events.begins[customer] - 1, events.anchor[after])
    return Doings(
        journey=journey,
        kind=np.repeat(np.arange(len(DOINGS), dtype=np.int32), [len(new), len(done), len(lost)]),
        customer=customer,
        at=at,
        row=events.row[cause],
        id=np.where(is_lost, instance, events.id[cause]),
        anchor=anchor,
        instance=instance,
        ids=ids,
    )


def with_doings(events: Events, wanted: Sequence[str], found: Sequence[Doings]) -> Events:
    """The events together with those doings, of journeys in the order of their nesting, whose types are wanted."""
    types = list(events.types)
    more_ids: list[pa.Array] = []
    kinds: list[Codes] = []
    chosen: list[Doings] = []
    for of_journey in found:
        names = [micro_event(of_journey.journey, doing) for doing in DOINGS]
        is_wanted = np.array([name in wanted for name in names])[of_journey.kind]
        if not is_wanted.any():
            continue
        types += [name for name in names if name not in types]
        kinds.append(np.array([types.index(name) for name in names], np.int32)[of_journey.kind[is_wanted]])
        ids_before = events.rows.num_rows + sum(map(len, more_ids))
        chosen.append(of_journey.some(is_wanted, ids_before))
        more_ids += of_journey.ids.chunks
    if not chosen:
        return events
    kind, customer, at = np.concatenate(kinds), _joined(chosen, "customer"), _joined(chosen, "at")
    anchor, instance = _joined(chosen, "anchor"), _joined(chosen, "instance")
    level = np.repeat(np.arange(len(chosen)), [len(one.at) for one in chosen])
    # By time after the same event, the inner journey before the outer. What comes before all events of a customer is
    # anchored at the last one of the customer before.
    order = np.lexsort((kind, instance, level, at, customer, anchor))
    after = anchor[order] + 1
    return replace(
        events,
        customer=np.insert(events.customer, after, customer[order]),
        at=np.insert(events.at, after, at[order]),
        amount=np.insert(events.amount, after, 0),
        types=tuple(types),
        kind=np.insert(events.kind, after, kind[order]),
        row=np.insert(events.row, after, _joined(chosen, "row")[order]),
        id=np.insert(events.id, after, _joined(chosen, "id")[order]),
        anchor=np.insert(events.anchor, after, anchor[order]),
        more_ids=pa.chunked_array(more_ids, pa.string()),
    )


def _joined(chosen: Sequence[Doings], column: str) -> Ints:
    return np.concatenate([getattr(one, column) for one in chosen])


@numba.njit(cache=True)  # type: ignore[untyped-decorator]  # numba has no type stubs
def _last_until(at: Ints, first: Ints, end: Ints, until: Ints) -> Ints:
    """The last event of each stretch ``first`` to ``end`` not later than ``until``; ``first`` - 1 if there is none."""
    last = first - 1
    for n in range(len(first)):
        low, high = first[n] - 1, end[n]
        while high - low > 1:
            middle = (low + high) // 2
            if at[middle] <= until[n]:
                low = middle
            else:
                high = middle
        last[n] = low
    return last
