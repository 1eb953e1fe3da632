"""The fold itself: one compiled pass over the integer-coded events of many customers.

Belongs here: the semantics of a journey map, event by event. Does not belong here: names, Arrow, the lake (``fold``),
how a map becomes a table (``charts``).

A **symbol** is an event type together with which of its guards hold. A **thread** is what has instances one after the
other: a customer, or a customer's one value of the correlation key. Times are microseconds.
"""

from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

#: The status of a thread that has had no instance, and of instances.
NEVER, ACTIVE, COMPLETED, ABANDONED = -1, 0, 1, 2

#: In a transition table: no step. Smaller numbers are recalls: ``FIRST_RECALL`` - n is the n-th.
NOWHERE, FIRST_RECALL = -1, -2

Ints = NDArray[np.int64]
Codes = NDArray[np.int32]
Flags = NDArray[np.bool_]


class Chart(NamedTuple):
    """All versions of one journey map as one table; steps of different versions have different codes.

    ``next_step[step, symbol]`` is a step, ``NOWHERE``, or a recall; ``first_step[version, symbol]`` a step or
    ``NOWHERE``. ``on_map`` and ``support`` are by version and symbol; ``wait`` (-1: for ever), ``completes``,
    ``version``, ``part`` and ``memory`` (where it is remembered as the last of its stage, or -1) by step; ``parts``,
    ``since`` (in force from then on), ``re_entry`` by version; ``starts_at`` by version and part.
    ``recalled`` and ``otherwise`` say of each recall whose memory it is and which step it is without one.
    ``migrate[version, step]`` is where an instance of an earlier version goes on, or ``NOWHERE``.
    """

    next_step: Codes
    first_step: Codes
    on_map: Flags
    support: Flags
    wait: Ints
    completes: Flags
    version: Codes
    part: Codes
    memory: Codes
    parts: Codes
    since: Ints
    re_entry: Flags
    starts_at: Codes
    recalled: Codes
    otherwise: Codes
    migrate: Codes


class Threads(NamedTuple):
    """Where each thread stands: in its last ``instance``, whose ``status`` this is.

    ``seen`` is the newest version that it has been compared with, ``parts`` how many parts the instance has; ``step``
    and ``since`` (when the rest began) are by part, ``memory`` by place; ``last`` is the part that moved last.
    """

    instance: Ints
    status: Codes
    seen: Codes
    parts: Codes
    last: Codes
    step: Codes
    since: Ints
    memory: Codes


class Instances(NamedTuple):
    """What became of each instance; the first ``Threads`` point to are those that were there before.

    ``first_event`` and ``last_event`` (the last that is a row) are places in the input, ``ended_at`` counts unless it
    is active, ``state`` is the step of the part that moved last or rested too long, ``standing`` the steps by part.
    """

    thread: Ints
    first_event: Ints
    last_event: Ints
    moved_at: Ints
    ended_at: Ints
    state: Codes
    status: Codes
    moves: Codes
    deviations: Codes
    contacts: Codes
    amount: Ints
    standing: Codes


class Rows(NamedTuple):
    """Moves and deviations in the order of the input: event, instance, from step (-1 where it begins), to step, place
    in the instance from 1."""

    event: Ints
    instance: Ints
    source: Codes
    target: Codes
    place: Codes
    deviation: Flags


class Used(NamedTuple):
    """How much of the rows and instances was used, and events without a row: inside an instance but off its map, in no
    instance; ``jointly`` are rows of events that moved another part already."""

    rows: int
    instances: int
    off_map: int
    outside: int
    jointly: int


@numba.njit(cache=True)  # type: ignore[untyped-decorator]  # numba has no type stubs
def _keep_standing(threads: Threads, made: Instances, t: int) -> None:
    k = threads.instance[t]
    for part in range(threads.parts[t]):
        made.standing[k, part] = threads.step[t, part]


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _migrate(chart: Chart, threads: Threads, made: Instances, t: int, version: int) -> None:
    for part in range(threads.parts[t]):
        if chart.migrate[version, threads.step[t, part]] < 0:
            return
    for part in range(threads.parts[t]):
        threads.step[t, part] = chart.migrate[version, threads.step[t, part]]
        threads.since[t, part] = chart.since[version]
    # Where it stood before is a step of a map that it has left.
    threads.memory[t, :] = NOWHERE
    for part in range(threads.parts[t]):
        step = threads.step[t, part]
        if chart.memory[step] >= 0:
            threads.memory[t, chart.memory[step]] = step
    if threads.status[t] == ACTIVE:
        made.state[threads.instance[t]] = threads.step[t, threads.last[t]]


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _catch_up(chart: Chart, threads: Threads, made: Instances, t: int, now: int) -> None:
    """What became of a thread by itself before ``now``: rests that were too long, versions that moved it on."""
    while True:
        version = threads.seen[t] + 1
        newer = version < len(chart.since) and chart.since[version] <= now
        until = chart.since[version] if newer else now
        if threads.status[t] == ACTIVE:
            too_long = -1
            deadline = until
            for part in range(threads.parts[t]):
                wait = chart.wait[threads.step[t, part]]
                if wait >= 0 and threads.since[t, part] + wait < deadline:
                    too_long = part
                    deadline = threads.since[t, part] + wait
            if too_long >= 0:
                k = threads.instance[t]
                threads.status[t] = ABANDONED
                made.status[k] = ABANDONED
                made.ended_at[k] = deadline
                made.state[k] = threads.step[t, too_long]
                _keep_standing(threads, made, t)
        if not newer:
            return
        if threads.status[t] in (ACTIVE, ABANDONED):
            _migrate(chart, threads, made, t, version)
        threads.seen[t] = version


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def fold_events(
    chart: Chart,
    customer: Ints,
    at: Ints,
    symbol: Codes,
    thread: Ints,
    amount: Ints,
    threads_of: Ints,
    threads: Threads,
    made: Instances,
    instances: int,
    rows: Rows,
    as_of: int,
) -> Used:
    """Fold events that lie sorted by customer and time over a map; ``threads``, ``made`` and ``rows`` are filled in.

    ``symbol`` is -1 for what no version names, ``thread`` -1 for an event without the correlation key. The threads of
    customer c are ``threads_of[c]`` to ``threads_of[c + 1]``. ``instances`` are made already, by an earlier fold of
    these threads; ``made`` and ``rows`` must have room for all that the events can add.
    """
    k = instances - 1
    row = off_map = outside = jointly = version = 0
    versions = len(chart.since)
    waiting = np.empty(len(threads.status), np.int64)  # threads of the customer that have been open
    listed = np.zeros(len(threads.status), np.bool_)
    open_threads = 0

    for i in range(len(customer)):
        now = at[i]
        c = customer[i]
        if i == 0 or c != customer[i - 1]:
            version = 0
            for place in range(open_threads):
                listed[waiting[place]] = False
            open_threads = 0
            for t in range(threads_of[c], threads_of[c + 1]):
                if threads.status[t] == ACTIVE:
                    waiting[open_threads] = t
                    listed[t] = True
                    open_threads += 1
        while version + 1 < versions and chart.since[version + 1] <= now:
            version += 1

        t = thread[i]
        if t >= 0:
            if threads.status[t] in (ACTIVE, ABANDONED):
                _catch_up(chart, threads, made, t, now)
        else:
            place = found = 0
            while place < open_threads and found < 2:
                other = waiting[place]
                _catch_up(chart, threads, made, other, now)
                if threads.status[other] == ACTIVE:
                    t = other
                    found += 1
                    place += 1
                else:
                    listed[other] = False
                    open_threads -= 1
                    waiting[place] = waiting[open_threads]
            if found != 1:
                outside += 1
                continue

        a = symbol[i]
        status = threads.status[t]
        takers = 0
        if a >= 0 and status in (ACTIVE, ABANDONED):
            for part in range(threads.parts[t]):
                takers += chart.next_step[threads.step[t, part], a] != NOWHERE

        if status != ACTIVE:
            first = NOWHERE
            if takers == 0 and a >= 0 and (status == NEVER or chart.re_entry[version]):
                first = chart.first_step[version, a]
            if takers == 0 and first < 0:
                outside += 1
                continue
            k += 1
            made.thread[k] = t
            made.first_event[k] = i
            made.status[k] = ACTIVE
            made.moves[k] = made.deviations[k] = made.contacts[k] = 0
            made.amount[k] = 0
            threads.instance[t] = k
            threads.status[t] = ACTIVE
            if not listed[t]:
                listed[t] = True
                waiting[open_threads] = t
                open_threads += 1
            if takers == 0:
                threads.seen[t] = version
                threads.parts[t] = chart.parts[version]
                threads.memory[t, :] = NOWHERE
                for part in range(threads.parts[t]):
                    step = first if chart.part[first] == part else chart.starts_at[version, part]
                    threads.step[t, part] = step
                    if chart.memory[step] >= 0:
                        threads.memory[t, chart.memory[step]] = step
            for part in range(threads.parts[t]):
                threads.since[t, part] = now
            if takers == 0:
                threads.last[t] = chart.part[first]
                made.state[k] = first
                made.moves[k] = 1
                made.moved_at[k] = now
                made.last_event[k] = i
                rows.event[row] = i
                rows.instance[row] = k
                rows.source[row] = NOWHERE
                rows.target[row] = first
                rows.place[row] = 1
                rows.deviation[row] = False
                row += 1

        own = threads.instance[t]
        of_version = chart.version[threads.step[t, 0]]
        made.amount[own] += amount[i]
        if a >= 0:
            made.contacts[own] += chart.support[of_version, a]

        if takers > 0:
            jointly += takers - 1
            for part in range(threads.parts[t]):
                source = threads.step[t, part]
                target = chart.next_step[source, a]
                if target == NOWHERE:
                    continue
                if target <= FIRST_RECALL:
                    recall = FIRST_RECALL - target
                    target = threads.memory[t, chart.recalled[recall]]
                    if target < 0:
                        target = chart.otherwise[recall]
                threads.step[t, part] = target
                threads.since[t, part] = now
                threads.last[t] = part
                if chart.memory[target] >= 0:
                    threads.memory[t, chart.memory[target]] = target
                made.state[own] = target
                made.moves[own] += 1
                made.moved_at[own] = now
                made.last_event[own] = i
                rows.event[row] = i
                rows.instance[row] = own
                rows.source[row] = source
                rows.target[row] = target
                rows.place[row] = made.moves[own] + made.deviations[own]
                rows.deviation[row] = False
                row += 1
        elif status == ACTIVE and a >= 0 and chart.on_map[of_version, a]:
            made.deviations[own] += 1
            made.last_event[own] = i
            rows.event[row] = i
            rows.instance[row] = own
            rows.source[row] = made.state[own]
            rows.target[row] = made.state[own]
            rows.place[row] = made.moves[own] + made.deviations[own]
            rows.deviation[row] = True
            row += 1
        elif status == ACTIVE:
            off_map += 1
            continue

        if takers > 0 or status != ACTIVE:
            done = True
            for part in range(threads.parts[t]):
                done = done and chart.completes[threads.step[t, part]]
            if done:
                threads.status[t] = COMPLETED
                made.status[own] = COMPLETED
                made.ended_at[own] = now
                _keep_standing(threads, made, t)

    for t in range(len(threads.status)):
        if threads.status[t] == ACTIVE:
            _catch_up(chart, threads, made, t, as_of)
            if threads.status[t] == ACTIVE:
                _keep_standing(threads, made, t)
    return Used(row, k + 1, off_map, outside, jointly)


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def code_threads(customer: Ints, key: Ints, keys: int) -> tuple[Ints, Ints, Ints]:
    """The thread of each event, in the order in which they first come, and whose and of which key each thread is.

    ``customer`` ascends; ``key`` is -1 without the correlation key, and so is then the thread.
    """
    thread = np.full(len(customer), -1, np.int64)
    owner = np.full(keys, -1, np.int64)
    current = np.full(keys, -1, np.int64)
    thread_customer = np.empty(len(customer), np.int64)
    thread_key = np.empty(len(customer), np.int64)
    n = 0
    for i in range(len(customer)):
        if key[i] < 0:
            continue
        if owner[key[i]] != customer[i]:
            owner[key[i]] = customer[i]
            current[key[i]] = n
            thread_customer[n] = customer[i]
            thread_key[n] = key[i]
            n += 1
        thread[i] = current[key[i]]
    return thread, thread_customer[:n].copy(), thread_key[:n].copy()
