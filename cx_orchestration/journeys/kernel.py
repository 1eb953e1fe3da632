"""The fold itself: one compiled pass over the integer-coded events of many customers.

Belongs here: the semantics of a journey map, event by event. Does not belong here: names, Arrow, the lake (``fold``).
"""

import numba
import numpy as np
from numpy.typing import NDArray

ACTIVE, COMPLETED, ABANDONED = 0, 1, 2

#: What an event is to the journey: in no instance, inside one but off its map, a move (beginning or resuming
#: included), a deviation.
OUTSIDE, OFF_MAP, MOVE, DEVIATION = 0, 1, 2, 3

Ints = NDArray[np.int64]
Codes = NDArray[np.int32]
Flags = NDArray[np.bool_]


@numba.njit(cache=True)  # type: ignore[untyped-decorator]  # numba has no type stubs
def fold_events(
    customer: Ints,
    at: Ints,
    kind: Codes,
    support: Flags,
    amount: Ints,
    next_step: Codes,
    first_step: Codes,
    wait: Ints,
    completes: Flags,
    re_entry: bool,
    as_of: int,
) -> tuple[tuple[Ints, Codes, Codes, Codes, Codes], tuple[Ints, Ints, Ints, Codes, Codes, Codes, Codes, Codes, Ints]]:
    """Fold events that lie sorted by customer and time; times in microseconds, amounts in units of the caller's.

    ``kind`` is the event type's code in the transition table, or -1. Returns, per event: instance (or -1), role,
    from step (or -1), to step (or -1), place in the instance from 1 (or 0); and per instance: first event, last
    recorded event, time of the last move, step, status, moves, deviations, support events, amount. An instance's end
    follows from status, step and last move.
    """
    n = len(customer)
    instance = np.full(n, -1, np.int64)
    role = np.zeros(n, np.int32)
    source = np.full(n, -1, np.int32)
    target = np.full(n, -1, np.int32)
    place = np.zeros(n, np.int32)

    room = 0
    for i in range(n):
        room += kind[i] >= 0
    first_event = np.zeros(room, np.int64)
    last_event = np.zeros(room, np.int64)
    moved_at = np.zeros(room, np.int64)
    step = np.zeros(room, np.int32)
    status = np.zeros(room, np.int32)
    moves = np.zeros(room, np.int32)
    deviations = np.zeros(room, np.int32)
    contacts = np.zeros(room, np.int32)
    money = np.zeros(room, np.int64)

    k = -1
    is_open = False
    has_begun = False
    for i in range(n):
        if i == 0 or customer[i] != customer[i - 1]:
            if is_open and wait[step[k]] >= 0 and as_of - moved_at[k] > wait[step[k]]:
                status[k] = ABANDONED
            is_open = False
            has_begun = False
        if is_open and wait[step[k]] >= 0 and at[i] - moved_at[k] > wait[step[k]]:
            status[k] = ABANDONED
            is_open = False

        c = kind[i]
        standing = -1
        to = -1
        if has_begun and status[k] != COMPLETED:
            standing = step[k]
            if c >= 0:
                to = next_step[standing, c]
        if is_open:
            role[i] = MOVE if to >= 0 else (DEVIATION if c >= 0 else OFF_MAP)
        else:
            if to < 0 and c >= 0 and (re_entry or not has_begun):
                standing = -1
                to = first_step[c]
            if to < 0:
                continue
            k += 1
            is_open = True
            has_begun = True
            first_event[k] = i
            role[i] = MOVE

        instance[i] = k
        contacts[k] += support[i]
        money[k] += amount[i]
        if role[i] == OFF_MAP:
            continue
        last_event[k] = i
        source[i] = standing
        if role[i] == MOVE:
            target[i] = to
            moves[k] += 1
            moved_at[k] = at[i]
            step[k] = to
            if completes[to]:
                status[k] = COMPLETED
                is_open = False
        else:
            target[i] = standing
            deviations[k] += 1
        place[i] = moves[k] + deviations[k]

    if is_open and wait[step[k]] >= 0 and as_of - moved_at[k] > wait[step[k]]:
        status[k] = ABANDONED

    m = k + 1
    per_event = (instance, role, source, target, place)
    per_instance = (
        first_event[:m],
        last_event[:m],
        moved_at[:m],
        step[:m],
        status[:m],
        moves[:m],
        deviations[:m],
        contacts[:m],
        money[:m],
    )
    return per_event, per_instance
