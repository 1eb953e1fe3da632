"""The compiled passes of clustering: components, constrained union, and sparse average linkage with vetoes.

Belongs here: the loops over integer codes. Does not belong here: which entities need them and what the numbers mean
(``clusters.py``).

A group's values are a linked list, sorted by namespace and value, of the values that one person can have one of:
``heads`` by group the first node, ``spaces``, ``values`` and ``after`` by node; -1 ends a list.
"""

import heapq

import numba
import numpy as np
from numpy.typing import NDArray

Whole = NDArray[np.int64]
Flags = NDArray[np.bool_]


@numba.njit(cache=True)  # type: ignore[untyped-decorator]  # numba has no type stubs
def _root(parent: Whole, node: np.int64 | int) -> np.int64 | int:
    while parent[node] != node:
        parent[node] = parent[parent[node]]
        node = parent[node]
    return node


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def united(left: Whole, right: Whole, chosen: Flags, parent: Whole) -> None:
    """Unite the ends of the ``chosen`` pairs in ``parent``, which comes as ``arange`` or as a former call left it.

    Afterwards it has by entity the first of its component.
    """
    for n in range(len(left)):
        if chosen[n]:
            one, other = _root(parent, left[n]), _root(parent, right[n])
            if one < other:
                parent[other] = one
            elif other < one:
                parent[one] = other
    for n in range(len(parent)):
        # The first of a component comes before its others, so it already has its own.
        parent[n] = parent[parent[n]]


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _conflict(one: int, other: int, spaces: Whole, values: Whole, after: Whole) -> bool:
    """Whether in some namespace each of two groups has a value that the other has not, or has others than it."""
    while one >= 0 and other >= 0:
        if spaces[one] < spaces[other]:
            one = after[one]
        elif spaces[one] > spaces[other]:
            other = after[other]
        else:
            space = spaces[one]
            only_one, only_other = False, False
            while True:
                in_one = one >= 0 and spaces[one] == space
                in_other = other >= 0 and spaces[other] == space
                if not in_one and not in_other:
                    break
                if in_one and in_other and values[one] == values[other]:
                    one, other = after[one], after[other]
                elif in_one and (not in_other or values[one] < values[other]):
                    only_one, one = True, after[one]
                else:
                    only_other, other = True, after[other]
            if only_one and only_other:
                return True
    return False


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _merged(one: int, other: int, spaces: Whole, values: Whole, after: Whole) -> int:
    """The first node of both lists in one, each value once."""
    first, last = -1, -1
    while one >= 0 or other >= 0:
        if one >= 0 and other >= 0 and spaces[one] == spaces[other] and values[one] == values[other]:
            other = after[other]
            continue
        ahead = other < 0 or (
            one >= 0 and (spaces[one] < spaces[other] or (spaces[one] == spaces[other] and values[one] < values[other]))
        )
        if ahead:
            node, one = one, after[one]
        else:
            node, other = other, after[other]
        if last < 0:
            first = node
        else:
            after[last] = node
        last = node
    if last >= 0:
        after[last] = -1
    return first


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _several(node: int, spaces: Whole, after: Whole) -> bool:
    """Whether a list has two values of one namespace."""
    while node >= 0 and after[node] >= 0:
        if spaces[node] == spaces[after[node]]:
            return True
        node = after[node]
    return False


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def constrained_union(
    entities: int,
    left: Whole,
    right: Whole,
    always: Flags,
    never_left: Whole,
    never_right: Whole,
    heads: Whole,
    spaces: Whole,
    values: Whole,
    after: Whole,
) -> Whole:
    """Unite the pairs one after the other, in the order given, unless that is forbidden; the first entity by entity.

    Forbidden is what brings a ``never`` pair together, and, but for ``always`` pairs, what brings two values of a
    namespace together. The lists of values are used up.
    """
    parent = np.arange(entities)
    # A root's never partners, a list that a further one is hung to: first, last and how many.
    partner = np.empty(2 * len(never_left), np.int64)
    following = np.full(2 * len(never_left), -1)
    first, last = np.full(entities, -1), np.full(entities, -1)
    partners = np.zeros(entities, np.int64)
    for n in range(len(never_left)):
        for node, holder, other in (
            (2 * n, never_left[n], never_right[n]),
            (2 * n + 1, never_right[n], never_left[n]),
        ):
            partner[node], following[node] = other, first[holder]
            if first[holder] < 0:
                last[holder] = node
            first[holder] = node
            partners[holder] += 1

    for n in range(len(left)):
        one, other = _root(parent, left[n]), _root(parent, right[n])
        if one == other:
            continue
        fewer, more = (one, other) if partners[one] <= partners[other] else (other, one)
        node = first[fewer]
        while node >= 0 and _root(parent, partner[node]) != more:
            node = following[node]
        if node >= 0:
            continue
        if not always[n] and _conflict(heads[one], heads[other], spaces, values, after):
            continue
        if one > other:
            one, other = other, one
        parent[other] = one
        heads[one] = _merged(heads[one], heads[other], spaces, values, after)
        if first[other] >= 0:
            if first[one] < 0:
                first[one] = first[other]
            else:
                following[last[one]] = first[other]
            last[one] = last[other]
            partners[one] += partners[other]
    for n in range(entities):
        parent[n] = _root(parent, n)
    return parent


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _slot(table: Whole, key: int, keys: Whole) -> np.int64:
    """Where ``key`` is in the open-addressed ``table`` of edges, or the free place where it belongs."""
    mask = len(table) - 1
    place = (key * np.int64(-7046029254386353131) >> 20) & mask
    while table[place] >= 0 and keys[table[place]] != key:
        place = (place + 1) & mask
    return place


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def average_linkage(
    component: Whole,
    left: Whole,
    right: Whole,
    total: Whole,
    count: Whole,
    beside: Whole,
    forbidden: Flags,
    size: Whole,
    tie: Whole,
    heads: Whole,
    spaces: Whole,
    values: Whole,
    after: Whole,
    threshold: float,
    absent: float,
    absent_counts: bool,
) -> Whole:
    """Join groups by the highest average weight between them, down to ``threshold``: by group the group it ends in.

    Groups are coded 0, 1, ...; of each is given how many entities it has (``size``), but for those that are bare.
    Between two groups there is one edge: its ``component`` (edges lie sorted by it), the ``total`` weight and ``count``
    of the pairs between them that were compared, how many of these have a bare end (``beside``), ``tie``, the first of
    these pairs, and whether joining them is ``forbidden``. Equal averages are taken in the order of ``tie``. All of it
    is used up.

    The heap holds an edge under a value that is never behind its true one: without new pairs an average only falls as
    groups grow, and with them the edge is put on the heap anew. A stale value is put back as the true one when it
    comes up.
    """
    groups, edges = len(size), len(left)
    parent = np.arange(groups)
    capacity = 16
    while capacity < 4 * edges:
        capacity *= 2
    table = np.full(capacity, -1)
    used = 0
    keys = np.empty(edges, np.int64)
    # An edge hangs in the lists of both its groups: node 2e in that of left[e], 2e + 1 in that of right[e].
    following = np.full(2 * edges, -1)
    first, final = np.full(groups, -1), np.full(groups, -1)
    degree = np.zeros(groups, np.int64)
    live = np.ones(edges, np.bool_)
    heap = [(0.0, np.int64(0), np.int64(0))]

    start = 0
    while start < edges:
        end = start
        while end < edges and component[end] == component[start]:
            end += 1
        heap.clear()
        for fresh in range(start, end):
            one, other = left[fresh], right[fresh]
            keys[fresh] = min(one, other) * groups + max(one, other)
            table[_slot(table, keys[fresh], keys)] = fresh
            used += 1
            for end_of, group in ((2 * fresh, one), (2 * fresh + 1, other)):
                if first[group] < 0:
                    first[group] = end_of
                else:
                    following[final[group]] = end_of
                final[group] = end_of
                degree[group] += 1
            pairs = float(size[one]) * float(size[other]) + float(beside[fresh])
            value = _average(total[fresh], count[fresh], pairs, absent, absent_counts)
            if not forbidden[fresh] and value >= threshold:
                heap.append((-value, tie[fresh], np.int64(fresh)))
        heapq.heapify(heap)

        while len(heap) > 0:
            entry = heapq.heappop(heap)
            edge = entry[2]
            if not live[edge] or forbidden[edge]:
                continue
            one, other = left[edge], right[edge]
            pairs = float(size[one]) * float(size[other]) + float(beside[edge])
            value = _average(total[edge], count[edge], pairs, absent, absent_counts)
            if value < threshold:
                continue
            now = (-value, tie[edge], edge)
            if now != entry:
                heapq.heappush(heap, now)
                continue
            if _conflict(heads[one], heads[other], spaces, values, after):
                continue

            if degree[one] > degree[other]:
                one, other = other, one
            # ``one`` is taken into ``other``: its edges are hung to the other's, and added where both have one.
            live[edge] = False
            parent[one] = other
            size[other] += size[one]
            node = np.int64(first[one])
            while node >= 0:
                coming = node // 2
                at_right = node % 2 == 1
                node = following[node]
                if not live[coming]:
                    continue
                third = left[coming] if at_right else right[coming]
                if used * 2 > capacity:
                    capacity *= 2
                    table = np.full(capacity, -1)
                    used = 0
                    for kept in range(start, end):
                        if live[kept]:
                            table[_slot(table, keys[kept], keys)] = kept
                            used += 1
                key = min(third, other) * groups + max(third, other)
                place = _slot(table, key, keys)
                there = table[place]
                if there >= 0 and live[there]:
                    total[there] += total[coming]
                    count[there] += count[coming]
                    beside[there] += beside[coming]
                    tie[there] = min(tie[there], tie[coming])
                    forbidden[there] |= forbidden[coming]
                    live[coming] = False
                    degree[third] -= 1
                    pairs = float(size[third]) * float(size[other]) + float(beside[there])
                    value = _average(total[there], count[there], pairs, absent, absent_counts)
                    if not forbidden[there] and value >= threshold:
                        heapq.heappush(heap, (-value, tie[there], there))
                else:
                    if at_right:
                        right[coming] = other
                    else:
                        left[coming] = other
                    keys[coming] = key
                    if there < 0:
                        used += 1
                    table[place] = coming
                    degree[other] += 1
            degree[other] -= 1
            following[final[other]] = first[one]
            final[other] = final[one]
            heads[other] = _merged(heads[one], heads[other], spaces, values, after)
            if _several(heads[other], spaces, after):
                # What was in conflict with one of the two may fit the two together.
                node = first[other]
                while node >= 0:
                    again = node // 2
                    node = following[node]
                    if live[again] and not forbidden[again]:
                        third = left[again] + right[again] - other
                        pairs = float(size[third]) * float(size[other]) + float(beside[again])
                        value = _average(total[again], count[again], pairs, absent, absent_counts)
                        if value >= threshold:
                            heapq.heappush(heap, (-value, tie[again], again))
        start = end
    for group in range(groups):
        parent[group] = _root(parent, group)
    return parent


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _average(total: int, count: int, pairs: float, absent: float, absent_counts: bool) -> float:
    if count == 0:
        return -np.inf
    return (total + absent * (pairs - count)) / pairs if absent_counts else total / count
