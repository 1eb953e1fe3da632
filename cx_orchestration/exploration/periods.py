"""The period in which a rate is higher than at other times: a scan over all periods, and what chance alone would give.

Belongs here: the scan statistic and its p-value, on arrays. Does not belong here: which visits, and what they mean.

The statistic is Kulldorff's for counts of hits among visits (A spatial scan statistic, 1997, Bernoulli model): the
likelihood ratio of a rate that is higher in a period than outside it against one that is the same always, at the period
where it is largest. What chance would give is found by exchanging customers' histories (``Histories``), not by tossing
a coin a visit: visits of one customer depend on each other, and a first visit goes otherwise than a fifth.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray
from scipy import stats

Ints = NDArray[np.int64]
Reals = NDArray[np.float64]

#: Histories up to this length are exchanged whole.
_WHOLE = 4

#: A first look tells what is far from anything; the others are looked at closer.
_FIRST_LOOK, _CLOSER = 99, 499

#: With fewer of the exchanged logs than this beyond what was seen, their share is too rough, and a fit takes its place.
_TELLING = 10


class Period(NamedTuple):
    """From bin ``first`` to bin ``last``, both included."""

    first: int
    last: int


@dataclass(frozen=True, eq=False)
class Visits:
    """One a visit, sorted by customer and then time: ``customer`` (codes), ``bin`` of its time, ``hit`` 0 or 1."""

    customer: Ints
    bin: Ints
    hit: Ints

    def __len__(self) -> int:
        return len(self.customer)

    def within(self, period: Period) -> NDArray[np.bool_]:
        return (self.bin >= period.first) & (self.bin <= period.last)

    def those(self, rows: NDArray[np.bool_]) -> "Visits":
        return Visits(self.customer[rows], self.bin[rows], self.hit[rows])


@dataclass(frozen=True, eq=False)
class Scan:
    """All periods of some visits that may be compared: at most half of ``bins``, and ``least`` customers within.

    ``first`` and ``after`` are the bins at which each period begins and behind which it ends, ``n`` its visits.
    """

    visits: Visits
    bins: int
    first: Ints
    after: Ints
    n: Ints

    @classmethod
    def over(cls, visits: Visits, bins: int, *, least: int) -> "Scan":
        first, after = np.triu_indices(bins + 1, 1)
        counted = np.concatenate([[0], np.bincount(visits.bin, minlength=bins).cumsum()])
        n = counted[after] - counted[first]
        kept = (after - first <= bins // 2) & (n >= least) & (len(visits) - n >= least)
        first, after, n = first[kept], after[kept], n[kept]
        enough = customers_within(visits, bins, first, after) >= least
        return cls(visits, bins, first[enough], after[enough], n[enough])

    def strongest(self) -> Period | None:
        """The period that is hardest to explain by one rate, the earliest of equals; ``None`` if none may be compared,
        or none has a higher rate."""
        if not len(self.first):
            return None
        ratio, place = self._highest(np.bincount(self.visits.bin, self.visits.hit, self.bins)[np.newaxis])
        if ratio[0] <= 0:
            return None
        return Period(int(self.first[place[0]]), int(self.after[place[0]]) - 1)

    def p_value(self, period: Period, *, seed: int) -> float:
        """How often a log without any incident has a period, any one, that stands out as much as this one does.

        The share of such logs among those drawn, or far out, where hardly any is left, the tail of the Gumbel
        distribution with their mean and variance (Abrams, Kulldorff and Kleinman, Gumbel based p-value approximations
        for spatial scan statistics, 2010). The same seed gives the same value.
        """
        seen = _ratio(self.visits, period)
        if seen <= 0 or not len(self.first):
            return 1.0
        histories, rng = Histories(self.visits, self.bins), np.random.default_rng(seed)
        drawn = self._highest(histories.exchanged(_FIRST_LOOK, rng))[0]
        if np.sum(drawn >= seen) < _TELLING:
            drawn = np.concatenate([drawn, self._highest(histories.exchanged(_CLOSER - _FIRST_LOOK, rng))[0]])
        beyond, spread = int(np.sum(drawn >= seen)), float(drawn.std(ddof=1))
        if beyond >= _TELLING or spread == 0:
            return (beyond + 1) / (len(drawn) + 1)
        scale = spread * np.sqrt(6) / np.pi
        return float(stats.gumbel_r.sf(seen, drawn.mean() - np.euler_gamma * scale, scale))

    def _highest(self, hits: NDArray[np.float64] | Ints) -> tuple[Reals, Ints]:
        """Of each row of hits by bin, the largest log likelihood ratio and the place of its period."""
        before = np.zeros((len(hits), self.bins + 1), np.int64)
        np.cumsum(hits, axis=1, out=before[:, 1:], dtype=np.int64)
        found: tuple[Reals, Ints] = _highest(
            before, self.first, self.after, self.n, len(self.visits), _x_log_x(len(self.visits))
        )
        return found


class Histories:
    """What each customer's visits came to, in their order: under no incident, they might have been anybody's who came
    as often, whenever that one came.

    Exchanging them keeps what does not depend on the calendar: how visits of one customer depend on each other, and how
    first visits differ from later ones. A history of more than four visits is cut, first into as many as the largest
    power of two, then the rest alike, since hardly anybody came as often as somebody who came often; only pieces of the
    same length that begin at the same visit are exchanged.
    """

    def __init__(self, visits: Visits, bins: int) -> None:
        self._bins = bins
        starts = np.flatnonzero(np.diff(visits.customer, prepend=-1))
        lengths = np.diff(starts, append=len(visits))
        rows: dict[tuple[int, int], list[Ints]] = {}
        for length in np.unique(lengths).tolist():
            at = starts[lengths == length]
            for offset, size in _pieces(length):
                rows.setdefault((offset, size), []).append(at + offset)
        self._groups = [
            (visits.bin[places], visits.hit[places])
            for (_, size), found in sorted(rows.items())
            for places in [np.sort(np.concatenate(found))[:, np.newaxis] + np.arange(size)]
        ]

    def exchanged(self, times: int, rng: np.random.Generator) -> Ints:
        """Hits by bin, a row for each of so many logs with exchanged histories."""
        hits = np.zeros((times, self._bins), np.int64)
        for bins, came_to in self._groups:
            if bins.shape[1] == 1:  # of single visits only the number of hits in a bin matters
                coming = np.bincount(bins[:, 0], minlength=self._bins)
                hits += rng.multivariate_hypergeometric(coming, int(came_to.sum()), times, method="marginals")
                continue
            _exchange(bins, came_to, hits, int(rng.integers(2**32)))
        return hits


def customers_within(visits: Visits, bins: int, first: Ints, after: Ints) -> Ints:
    """How many different customers came in each period.

    A customer's visit counts in a period that holds it but not the customer's visit before: so many there are.
    """
    new = np.diff(visits.customer, prepend=-1) != 0
    before = np.where(new, -1, np.concatenate([[-1], visits.bin[:-1]]))
    grid = np.zeros((bins + 1, bins + 1), np.int64)
    np.add.at(grid, (before + 1, visits.bin + 1), 1)
    total = grid.cumsum(axis=0).cumsum(axis=1)
    found: Ints = total[first, after] - total[first, first]
    return found


def design_effect(customer: Ints, hit: Ints) -> float:
    """By how much visits of one customer depend on each other, at least 1: the variance of the rate over customers,
    against what it were if all visits were independent (Rao and Scott 1992). Counts divided by it are worth as much as
    independent ones."""
    n, rate = len(hit), float(hit.mean()) if len(hit) else 0.0
    _, codes = np.unique(customer, return_inverse=True)
    number = int(codes.max()) + 1 if n else 0
    if number < 2 or rate in (0.0, 1.0):
        return 1.0
    left = np.bincount(codes, hit - rate)
    return max(1.0, float(number / (number - 1) * np.sum(left**2) / (n * rate * (1 - rate))))


def _pieces(length: int) -> Iterator[tuple[int, int]]:
    """Offset and size of the pieces of a history."""
    offset = 0
    while length > _WHOLE:
        size = 1 << (length.bit_length() - 1)
        yield offset, size
        offset, length = offset + size, length - size
    if length:
        yield offset, length


def _ratio(visits: Visits, period: Period) -> float:
    inside = visits.within(period)
    counts = np.array([[0, visits.hit[inside].sum()]], np.int64)
    n = np.array([inside.sum()], np.int64)
    outside = int(visits.hit.sum() - counts[0, 1])
    before = np.concatenate([counts, counts[:, 1:] + outside], axis=1)
    zero, one = np.zeros(1, np.int64), np.ones(1, np.int64)
    return float(_highest(before, zero, one, n, len(visits), _x_log_x(len(visits)))[0][0])


def _x_log_x(most: int) -> Reals:
    x = np.arange(most + 1, dtype=np.float64)
    return x * np.log(np.maximum(x, 1))


@numba.njit(cache=True)  # type: ignore[untyped-decorator]  # numba has no type stubs
def _exchange(bins: Ints, came_to: Ints, hits: Ints, seed: int) -> None:
    """Add to each row of hits by bin what histories, exchanged, came to; those without a hit need no place."""
    np.random.seed(seed)
    order = np.arange(len(bins))
    with_any = [place for place in range(len(came_to)) if came_to[place].any()]
    for row in range(len(hits)):
        for drawn, place in enumerate(with_any):
            other = np.random.randint(drawn, len(order))
            order[drawn], order[other] = order[other], order[drawn]
            for visit in range(bins.shape[1]):
                hits[row, bins[order[drawn], visit]] += came_to[place, visit]


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _highest(before: Ints, first: Ints, after: Ints, n: Ints, visits: int, x_log_x: Reals) -> tuple[Reals, Ints]:
    """By row, the largest log likelihood ratio of all periods and its place; ``before`` has the hits before a bin."""
    best, place = np.zeros(len(before), np.float64), np.full(len(before), -1, np.int64)
    alone = np.empty(len(n), np.float64)
    for i in range(len(n)):
        alone[i] = x_log_x[n[i]] + x_log_x[visits - n[i]] - x_log_x[visits]
    for row in range(len(before)):
        hits = before[row, -1]
        alike = x_log_x[hits] + x_log_x[visits - hits]
        for i in range(len(n)):
            k = before[row, after[i]] - before[row, first[i]]
            if k * visits <= hits * n[i]:
                continue
            split = x_log_x[k] + x_log_x[n[i] - k] + x_log_x[hits - k] + x_log_x[visits - n[i] - hits + k]
            ratio = split - alone[i] - alike
            if ratio > best[row]:
                best[row], place[row] = ratio, i
    return best, place
