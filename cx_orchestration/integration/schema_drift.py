"""Schema drift: which JSON paths appeared in, or vanished from, the payloads of some days against the days before them.

Belongs here: comparing two samples. Does not belong here: how paths are found and which may be shown
(``json_paths.py``).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import comb

import orjson

from cx_orchestration.integration.json_paths import PathTree, Place, declared_names
from cx_orchestration.model.days import DayRange
from cx_orchestration.model.service import Stream
from cx_orchestration.model.tables import Table
from cx_orchestration.storage.engine import Engine, sql_text
from cx_orchestration.storage.lake import Lake

#: What a look may cost: records a sample, characters a record, landed days before.
_SAMPLE, _LONGEST, _DAYS_BEFORE = 500, 100_000, 7

#: The chance that two samples of one unchanged stream show any drift at all.
_ERROR_RATE = 0.001

#: How many names of each kind are shown.
MOST_NAMES = 20


@dataclass(frozen=True)
class Drift:
    """Paths that are new and paths that are missing, the topmost ones alone: what lies below them goes with them.

    ``records`` and ``records_before`` are the sizes of the two samples; with either of them small, little is said.
    """

    new: tuple[str, ...]
    missing: tuple[str, ...]
    records: int
    records_before: int


def schema_drift(
    lake: Lake, engine: Engine, table: Table, stream: Stream, days: DayRange, *, usual_share: float
) -> Drift:
    """Compare a sample of these days with one of the landed days before them that have records, seven at most.

    A path is new or missing when one sample lacks it altogether, at least ``usual_share`` of the other has it, and
    Fisher's exact test, corrected by Bonferroni for the number of paths, puts that beyond chance. Paths alone are
    looked at, never values; which names of keys may be shown says ``json_paths``.
    """
    sample = _sample(lake, engine, table, days)
    before = [day for day in lake.days_of(table) if day < days.first][-_DAYS_BEFORE:]
    earlier = _sample(lake, engine, table, DayRange(before[0], before[-1])) if before and sample else []
    if not sample or not earlier:
        return Drift((), (), len(sample), len(earlier))
    tree = PathTree(declared_names(stream))
    for number, document in enumerate([*sample, *earlier]):
        tree.add(number, document)
    places = list(tree.places())
    judge = _Judge(len(sample), len(earlier), usual_share, _ERROR_RATE / max(len(places), 1))
    return Drift(
        tuple(_topmost(place for place in places if judge.is_new(place))),
        tuple(_topmost(place for place in places if judge.is_missing(place))),
        len(sample),
        len(earlier),
    )


@dataclass(frozen=True)
class _Judge:
    sample: int
    earlier: int
    usual_share: float
    error_rate: float

    def is_new(self, place: Place) -> bool:
        now, then = self._seen(place)
        return then == 0 and self._is_more_than_chance(now, self.sample, self.earlier)

    def is_missing(self, place: Place) -> bool:
        now, then = self._seen(place)
        return now == 0 and self._is_more_than_chance(then, self.earlier, self.sample)

    def _seen(self, place: Place) -> tuple[int, int]:
        now = sum(number < self.sample for number in place.records)
        return now, len(place.records) - now

    def _is_more_than_chance(self, seen: int, of: int, others: int) -> bool:
        """Of ``of`` records ``seen`` have the path and none of ``others`` do. One-sided: C(of, seen) / C(all, seen)."""
        return seen >= self.usual_share * of and comb(of, seen) < self.error_rate * comb(of + others, seen)


def _sample(lake: Lake, engine: Engine, table: Table, days: DayRange) -> list[object]:
    scan = lake.scan(table, {"day": (days.first, days.last)})
    limits = {"most": _SAMPLE, "longest": _LONGEST}
    rows = engine.query(sql_text(__package__, "schema_drift.sql"), {"landed": scan}, limits)
    return [document for payload in rows["payload"].to_pylist() for document in _parsed(payload)]


def _parsed(payload: str) -> Iterator[object]:
    try:
        yield orjson.loads(payload)
    except orjson.JSONDecodeError:
        return


def _topmost(places: Iterator[Place]) -> Iterator[str]:
    shown: list[str] = []
    for place in sorted(places, key=lambda place: place.path):
        if not any(place.path.startswith((f"{above}.", f"{above}[")) for above in shown):
            shown.append(place.path)
    yield from shown
