"""Variants: customers whose whole paths are the same, code by code.

Belongs here: the pass and the sum over buckets. Paths are found by a hash and then compared code by code, so two paths
that share a hash stay two variants.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

from cx_orchestration.journeys.paths.durations import LOW_BITS, LOW_MASK, carry, mean_seconds

Ints = NDArray[np.int64]
Codes = NDArray[np.int32]

ALL_BITS = (1 << 63) - 1


@dataclass(frozen=True, eq=False)
class Variants:
    """Variant ``i`` is ``codes[start[i]:start[i + 1]]``, and ``customers[i]`` took it; in no particular order. ``low``
    and ``high`` sum the times from first event to last. ``hashes`` are what paths were found by."""

    codes: Codes
    start: Ints
    hashes: NDArray[np.uint64]
    customers: Ints
    low: Ints
    high: Ints

    @property
    def length(self) -> Ints:
        return np.diff(self.start)

    @property
    def mean_seconds(self) -> NDArray[np.float64]:
        return mean_seconds(self.low, self.high, self.customers)

    def path(self, variant: int) -> list[int]:
        codes: list[int] = self.codes[self.start[variant] : self.start[variant + 1]].tolist()
        return codes

    def most_frequent(self, count: int, names: Sequence[str]) -> list[int]:
        """The variants that most customers took, of equally frequent ones the shorter, then by the ``names`` of their
        codes: which code a type has depends on when it was first seen, and says nothing."""
        length = self.length
        order = np.arange(len(length))
        if count < len(order):
            least = np.partition(self.customers, len(order) - count)[len(order) - count]
            order = np.flatnonzero(self.customers >= least)
            order = order[np.lexsort((length[order], -self.customers[order]))]
            last = order[count - 1]
            order = order[(self.customers[order] > least) | (length[order] <= length[last])]

        def place(variant: int) -> tuple[int, int, list[str]]:
            return -int(self.customers[variant]), int(length[variant]), [names[code] for code in self.path(variant)]

        return sorted(order.tolist(), key=place)[:count]


def variants(customer: Codes, kind: Codes, at: Ints, *, hash_mask: int = ALL_BITS) -> Variants:
    """The variants of one bucket. ``hash_mask`` leaves some bits of the hash only, which costs time and changes
    nothing."""
    start = _starts(customer)
    span = at[start[1:] - 1] - at[start[:-1]]
    hashes = _hashes(kind, start, hash_mask)
    return _grouped(kind, start, hashes, np.ones(len(span), np.int64), span & LOW_MASK, span >> LOW_BITS)


def add_variants(parts: Sequence[Variants]) -> Variants:
    """The variants of several buckets together."""
    if len(parts) == 1:
        return parts[0]
    lengths = np.concatenate([part.length for part in parts])
    start = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])
    codes, hashes, customers, low, high = (
        np.concatenate([getattr(part, name) for part in parts])
        for name in ("codes", "hashes", "customers", "low", "high")
    )
    return _grouped(codes, start, hashes, customers, low, high)


def _grouped(codes: Codes, start: Ints, hashes: NDArray[np.uint64], weight: Ints, low: Ints, high: Ints) -> Variants:
    found, customers, lows, highs = _group(codes, start, hashes, weight, low, high)
    copied, starts = _copy(codes, start, found)
    return Variants(copied, starts, hashes[found], customers, lows, highs)


@numba.njit(cache=True)  # type: ignore[untyped-decorator]  # numba has no type stubs
def _hashes(codes: Codes, start: Ints, mask: int) -> NDArray[np.uint64]:
    paths = len(start) - 1
    hashes = np.empty(paths, np.uint64)
    for path in range(paths):
        begin, end = start[path], start[path + 1]
        mixed = np.uint64(end - begin)
        for i in range(begin, end):
            mixed = (mixed ^ np.uint64(codes[i] + 1)) * np.uint64(0x9E3779B97F4A7C15)
            mixed ^= mixed >> np.uint64(29)
        hashes[path] = mixed & np.uint64(mask)
    return hashes


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _starts(customer: Codes) -> Ints:
    """Where each customer's rows begin, and the end of the last one's."""
    n = len(customer)
    start = np.empty(n + 1, np.int64)
    number = 0
    for i in range(n):
        if i == 0 or customer[i] != customer[i - 1]:
            start[number] = i
            number += 1
    start[number] = n
    return start[: number + 1].copy()


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _group(
    codes: Codes, start: Ints, hashes: NDArray[np.uint64], weight: Ints, low: Ints, high: Ints
) -> tuple[Ints, Ints, Ints, Ints]:
    paths = len(start) - 1
    bits = 4
    while (1 << bits) < 2 * paths:
        bits += 1
    slots = np.full(1 << bits, -1, np.int32)
    found = np.empty(paths, np.int64)
    weights, lows, highs = np.zeros(paths, np.int64), np.zeros(paths, np.int64), np.zeros(paths, np.int64)
    count = 0
    last = (1 << bits) - 1
    for path in range(paths):
        begin, end = start[path], start[path + 1]
        slot = np.int64(hashes[path]) & last
        while True:
            one = slots[slot]
            if one < 0:
                slots[slot] = count
                found[count] = path
                one = count
                count += 1
                break
            if hashes[found[one]] == hashes[path]:
                other = start[found[one]]
                if start[found[one] + 1] - other == end - begin:
                    same = 0
                    while same < end - begin and codes[begin + same] == codes[other + same]:
                        same += 1
                    if same == end - begin:
                        break
            slot = (slot + 1) & last
        weights[one] += weight[path]
        lows[one] += low[path]
        highs[one] += high[path]
    carry(lows, highs)
    return found[:count].copy(), weights[:count].copy(), lows[:count].copy(), highs[:count].copy()


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _copy(codes: Codes, start: Ints, chosen: Ints) -> tuple[Codes, Ints]:
    starts = np.zeros(len(chosen) + 1, np.int64)
    for i in range(len(chosen)):
        starts[i + 1] = starts[i] + start[chosen[i] + 1] - start[chosen[i]]
    copied = np.empty(starts[-1], np.int32)
    for i in range(len(chosen)):
        copied[starts[i] : starts[i + 1]] = codes[start[chosen[i]] : start[chosen[i] + 1]]
    return copied, starts
