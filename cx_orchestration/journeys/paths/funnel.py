"""Ordered funnels: how far customers come through some steps within a conversion window, and where the others went.

Belongs here: the pass, and the sum over buckets. The semantics is part of every answer:

- ``first_touch``: a customer enters with the first event of the first step, and only that entry counts. Each further
  step is the first event of it after the step before.
- ``any_start``: the entry that takes the customer furthest counts; of those that come equally far, the first to do so.

In both, an event at the very end of the window is in time, one event stands for one step, and of events of the same
instant the one with the lower id comes first. A customer who could still reach the next step after ``as_of`` is open.
"""

from dataclasses import dataclass, replace
from typing import Self

import numba
import numpy as np
from numpy.typing import NDArray

from cx_orchestration.journeys.paths.durations import LOW_BITS, LOW_MASK, carry, mean_seconds
from cx_orchestration.model.funnel import Semantics

Ints = NDArray[np.int64]
Codes = NDArray[np.int32]
SEMANTICS: tuple[Semantics, ...] = ("first_touch", "any_start")


@dataclass(frozen=True)
class Funnel:
    """``steps`` in order, each the codes that count for it; ``window`` in microseconds from the entry on."""

    steps: tuple[frozenset[int], ...]
    window: int
    semantics: Semantics

    def masks(self, kinds: int) -> Ints:
        """By code, a bit for each step that it counts for."""
        masks = np.zeros(kinds, np.int64)
        for place, codes in enumerate(self.steps):
            masks[[code for code in codes if code < kinds]] |= 1 << place
        return masks


@dataclass(frozen=True, eq=False)
class FunnelCounts:
    """By step: ``reached`` it, of these ``dropped`` for good and ``open`` who came no further, whose window is over or
    not, with the sum of the times since entry. ``next_kind[step, code]`` says what the dropped did next, by its last
    column that they did nothing; so ``reached[i] = dropped[i] + open[i] + reached[i + 1]``.

    ``mature`` are those of ``reached`` whose window is over. Rates are of these alone: among the others, those who
    convert fast are known already and those who do not are not.
    """

    reached: Ints
    mature: Ints
    dropped: Ints
    open: Ints
    low: Ints
    high: Ints
    next_kind: Ints

    def __add__(self, other: Self) -> "FunnelCounts":
        low, high = self.low + other.low, self.high + other.high
        carry(low, high)
        return FunnelCounts(
            self.reached + other.reached,
            self.mature + other.mature,
            self.dropped + other.dropped,
            self.open + other.open,
            low,
            high,
            self.next_kind + other.next_kind,
        )

    def by_type(self, kinds: int) -> "FunnelCounts":
        """The same, where codes stand for a type and something else besides: the type is the code modulo ``kinds``."""
        nothing, steps = self.next_kind[:, -1:], len(self.next_kind)
        of_types = self.next_kind[:, :-1].reshape(steps, -1, kinds).sum(axis=1)
        return replace(self, next_kind=np.concatenate([of_types, nothing], axis=1))

    @property
    def mean_seconds(self) -> NDArray[np.float64]:
        """From entry to the step, of those who reached it."""
        return mean_seconds(self.low, self.high, self.reached)


@dataclass(frozen=True, eq=False)
class Progress:
    """Of each customer who entered: ``depth``, the steps reached; ``row`` where the last of them was first reached;
    ``took[:, step]``, the microseconds from entry to step when it was first reached, -1 if never; ``open_until``, the
    last instant at which the next step may be reached."""

    customer: Codes
    depth: Codes
    row: Ints
    took: Ints
    open_until: Ints


def progress(customer: Codes, kind: Codes, at: Ints, kinds: int, funnel: Funnel) -> Progress:
    """How far each customer of one bucket comes; those who never enter are left out."""
    masks, steps = funnel.masks(kinds), len(funnel.steps)
    passes = _first_touch if funnel.semantics == "first_touch" else _any_start
    return Progress(*passes(customer, kind, at, masks, steps, funnel.window))


def count_funnel(
    customer: Codes, kind: Codes, at: Ints, kinds: int, funnel: Funnel, *, as_of: int
) -> tuple[FunnelCounts, Progress]:
    """The counts of one bucket, as known at ``as_of``, and the customers' progress that they come from."""
    found = progress(customer, kind, at, kinds, funnel)
    return FunnelCounts(*_count(customer, kind, kinds, len(funnel.steps), as_of, *vars(found).values())), found


@numba.njit(cache=True)  # type: ignore[untyped-decorator]  # numba has no type stubs
def _first_touch(
    customer: Codes, kind: Codes, at: Ints, masks: Ints, steps: int, window: int
) -> tuple[Codes, Codes, Ints, Ints, Ints]:
    n = len(customer)
    room = customer[-1] + 1 if n else 0
    who, depth, row = np.empty(room, np.int32), np.zeros(room, np.int32), np.empty(room, np.int64)
    took, open_until = np.full((room, steps), -1, np.int64), np.empty(room, np.int64)
    k = -1
    inside = False
    entered = np.int64(0)
    for i in range(n):
        if i == 0 or customer[i] != customer[i - 1]:
            inside = False
        mask = masks[kind[i]]
        if mask == 0:
            continue
        if not inside:
            if mask & 1:
                inside = True
                entered = at[i]
                k += 1
                who[k], depth[k], row[k], took[k, 0] = customer[i], 1, i, 0
                open_until[k] = entered + window
        elif depth[k] < steps and (mask >> depth[k]) & 1 and at[i] - entered <= window:
            took[k, depth[k]] = at[i] - entered
            depth[k] += 1
            row[k] = i
    m = k + 1
    return who[:m], depth[:m], row[:m], took[:m], open_until[:m]


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _any_start(
    customer: Codes, kind: Codes, at: Ints, masks: Ints, steps: int, window: int
) -> tuple[Codes, Codes, Ints, Ints, Ints]:
    n = len(customer)
    room = customer[-1] + 1 if n else 0
    who, depth, row = np.empty(room, np.int32), np.zeros(room, np.int32), np.empty(room, np.int64)
    took, open_until = np.full((room, steps), -1, np.int64), np.empty(room, np.int64)
    # The latest entry from which each step was reached: any later event in time for an earlier entry is for it too.
    entered = np.zeros(steps, np.int64)
    reached = 0
    k = -1
    for i in range(n):
        if i == 0 or customer[i] != customer[i - 1]:
            reached = 0
        mask = masks[kind[i]]
        if mask == 0:
            continue
        for step in range(min(reached, steps - 1), 0, -1):
            if (mask >> step) & 1 and at[i] - entered[step - 1] <= window:
                entered[step] = entered[step - 1]
                if step == reached:
                    reached += 1
                    took[k, step] = at[i] - entered[step]
                    depth[k] = reached
                    row[k] = i
        if mask & 1:
            entered[0] = at[i]
            if reached == 0:
                reached = 1
                k += 1
                who[k], depth[k], row[k], took[k, 0] = customer[i], 1, i, 0
            # The latest entry may still pass all steps, also those that an earlier one reached.
            open_until[k] = at[i] + window
    m = k + 1
    return who[:m], depth[:m], row[:m], took[:m], open_until[:m]


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _count(
    customer: Codes,
    kind: Codes,
    kinds: int,
    steps: int,
    as_of: int,
    who: Codes,
    depth: Codes,
    row: Ints,
    took: Ints,
    open_until: Ints,
) -> tuple[Ints, Ints, Ints, Ints, Ints, Ints, Ints]:
    n = len(customer)
    mature = np.zeros(steps, np.int64)
    reached, dropped, still_open = np.zeros(steps, np.int64), np.zeros(steps, np.int64), np.zeros(steps, np.int64)
    low, high = np.zeros(steps, np.int64), np.zeros(steps, np.int64)
    next_kind = np.zeros((steps, kinds + 1), np.int64)
    for k in range(len(who)):
        for step in range(depth[k]):
            reached[step] += 1
            mature[step] += open_until[k] < as_of
            low[step] += took[k, step] & LOW_MASK
            high[step] += took[k, step] >> LOW_BITS
        step = depth[k] - 1
        if step == steps - 1:
            continue
        if open_until[k] >= as_of:
            still_open[step] += 1
            continue
        dropped[step] += 1
        after = row[k] + 1
        if after < n and customer[after] == who[k]:
            next_kind[step, kind[after]] += 1
        else:
            next_kind[step, kinds] += 1
    carry(low, high)
    return reached, mature, dropped, still_open, low, high, next_kind
