"""All passes over all buckets, and their sums: what customers' paths are as of one instant.

Belongs here: which pass is run on which events. Does not belong here: the passes, and their results as tables
(``results``).
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TypeVar, overload

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from cx_orchestration.journeys.paths.choosing import Rows, count_asked
from cx_orchestration.journeys.paths.follows import Follows, directly_follows
from cx_orchestration.journeys.paths.funnel import FunnelCounts
from cx_orchestration.journeys.paths.leaving import Leaving, leaving
from cx_orchestration.journeys.paths.retention import Retention, retention
from cx_orchestration.journeys.paths.selections import AskedFunnel, Selection
from cx_orchestration.journeys.paths.sessions import Sessions, sessions
from cx_orchestration.journeys.paths.variants import Variants, add_variants, variants
from cx_orchestration.journeys.reading import Bucket

SESSION_GAP = 30 * 60 * 1_000_000
WEEK = 7 * 86_400_000_000

#: So many weeks of cohorts are told.
COHORTS = 52

Part = TypeVar("Part", Follows, FunnelCounts, Leaving, Retention, Sessions)


@dataclass
class SelectionPaths:
    """What the events of one selection are."""

    selection: Selection
    customers: int = 0
    events: int = 0
    follows: Follows | None = None
    variants: list[Variants] = field(default_factory=list)
    leaving: Leaving | None = None

    def add(self, other: "SelectionPaths") -> None:
        """Take in what other customers' events are."""
        self.customers += other.customers
        self.events += other.events
        self.follows = _sum(self.follows, other.follows)
        self.variants += other.variants
        self.leaving = _sum(self.leaving, other.leaving)


@dataclass
class Paths:
    """The sums over all buckets; what has no events in them is ``None``."""

    types: list[str]
    channels: list[str]
    selections: list[SelectionPaths]
    asked: list[AskedFunnel]
    as_of: int
    first_monday: int
    sessions: Sessions | None = None
    retention: Retention | None = None
    handoffs: Follows | None = None
    funnels: list[FunnelCounts | None] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.funnels = self.funnels or [None] * len(self.asked)

    def add(self, other: "Paths") -> None:
        """Take in what other customers' paths are."""
        self.funnels = [_sum(own, others) for own, others in zip(self.funnels, other.funnels, strict=True)]
        self.sessions = _sum(self.sessions, other.sessions)
        self.retention = _sum(self.retention, other.retention)
        self.handoffs = _sum(self.handoffs, other.handoffs)
        for own, others in zip(self.selections, other.selections, strict=True):
            own.add(others)


@dataclass(frozen=True)
class Question:
    """What is asked of the paths: of which types and channels, by code, of which selections and funnels, as of which
    instant."""

    types: list[str]
    channels: list[str]
    selections: list[Selection]
    funnels: list[AskedFunnel]
    as_of: int

    def nothing_yet(self) -> Paths:
        """The answer of no bucket."""
        monday = (self.as_of - 1 + 3 * 86_400_000_000) // WEEK * WEEK - 3 * 86_400_000_000
        first = monday - (COHORTS - 1) * WEEK
        asked_of = [SelectionPaths(one) for one in self.selections]
        return Paths(self.types, self.channels, asked_of, self.funnels, self.as_of, first)

    def of_bucket(self, bucket: Bucket) -> Paths:
        """The paths in a bucket, which must have the column ``channel`` and those of ``columns_asked``; events from
        ``as_of`` on do not count."""
        paths = self.nothing_yet()
        _add_bucket(paths, bucket)
        return paths


def add_up(question: Question, parts: Iterable[Paths]) -> Paths:
    """The paths of all buckets, from those of each."""
    paths = question.nothing_yet()
    for part in parts:
        paths.add(part)
    for one in paths.selections:
        one.variants = [add_variants(one.variants)] if one.variants else []
    return paths


def _add_bucket(paths: Paths, bucket: Bucket) -> None:
    before = bucket.at < paths.as_of
    customer, kind, at = bucket.customer[before], bucket.kind[before], bucket.at[before]
    paths.sessions = _sum(paths.sessions, sessions(customer, kind, at, len(paths.types), gap=SESSION_GAP))
    kept = retention(customer, at, origin=paths.first_monday, period=WEEK, cohorts=COHORTS, as_of=paths.as_of)
    paths.retention = _sum(paths.retention, kept)
    channel = pc.fill_null(pc.index_in(bucket.more["channel"], pc.cast(paths.channels, "string")), -1)
    channel = channel.to_numpy().astype(np.int32)[before]
    known = channel >= 0
    handoffs = directly_follows(customer[known], channel[known], at[known], len(paths.channels))
    paths.handoffs = _sum(paths.handoffs, handoffs)
    for one in paths.selections:
        _add_selection(one, customer, kind, at, paths)
    # Over all events: what those who dropped did next may be anything.
    rows = Rows(customer, kind, at, bucket.more.filter(pa.array(before)))
    for place, asked in enumerate(paths.asked):
        counts = count_asked(asked, rows, len(paths.types), as_of=paths.as_of)
        paths.funnels[place] = _sum(paths.funnels[place], counts)


def _add_selection(
    one: SelectionPaths, customer: NDArray[np.int32], kind: NDArray[np.int32], at: NDArray[np.int64], paths: Paths
) -> None:
    kinds, selection = len(paths.types), one.selection
    inside = np.zeros(kinds, np.bool_)
    inside[selection.codes] = True
    chosen = inside[kind]
    customers, codes, times = (customer, kind, at) if chosen.all() else (customer[chosen], kind[chosen], at[chosen])
    if len(codes) == 0:
        return
    found = variants(customers, codes, times)
    one.customers += int(found.customers.sum())
    one.events += len(codes)
    one.variants.append(found)
    one.follows = _sum(one.follows, directly_follows(customers, codes, times, kinds))
    one.leaving = _sum(one.leaving, leaving(customers, codes, times, selection.wait, as_of=paths.as_of))


@overload
def _sum(total: Part | None, part: Part) -> Part: ...
@overload
def _sum(total: Part | None, part: Part | None) -> Part | None: ...
def _sum(total: Part | None, part: Part | None) -> Part | None:
    if total is None or part is None:
        return part if total is None else total
    return total + part
