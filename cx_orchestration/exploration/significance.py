"""What may be called a finding: exact and robust tests, intervals, correction for everything looked at, shadows.

Belongs here: statistics on numbers that others counted. Does not belong here: SQL, and what the numbers mean.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats
from statsmodels.duration.survfunc import SurvfuncRight
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import confint_proportions_2indep

#: The analyses E1 to E4 and the search for incidents share a project's error rate in equal parts.
ANALYSES = 5

Reals: TypeAlias = NDArray[np.float64]
Side: TypeAlias = Literal["more", "less"]

_LEVEL = 0.95


@dataclass(frozen=True)
class Comparison:
    """A difference of two groups, cluster minus the others: its 95% interval, and a one-sided p-value."""

    effect: float
    low: float
    high: float
    p_value: float


def rate_p_values(hits: ArrayLike, n: ArrayLike, other_hits: ArrayLike, other_n: ArrayLike, side: Side) -> Reals:
    """One-sided p-values of Fisher's exact test, element by element: does the cluster have ``more`` hits (``less``)?

    No group may be empty. The hits of the cluster are hypergeometric when cluster and outcome have nothing to do with
    each other. Exact at every size, which a normal approximation is not so far out in the tail as a correction for many
    comparisons goes.
    """
    k, draws, other_k, rest = (np.asarray(values, dtype=np.int64) for values in (hits, n, other_hits, other_n))
    law = (draws + rest, k + other_k, draws)
    tail = stats.hypergeom.sf(k - 1, *law) if side == "more" else stats.hypergeom.cdf(k, *law)
    return np.asarray(tail, dtype=np.float64).clip(0, 1)


def rate_intervals(hits: ArrayLike, n: ArrayLike, other_hits: ArrayLike, other_n: ArrayLike) -> tuple[Reals, Reals]:
    """95% intervals of the difference of two rates, element by element: Newcombe's hybrid score interval (1998)."""
    counts = [np.asarray(values, dtype=np.float64) for values in (hits, n, other_hits, other_n)]
    low, high = confint_proportions_2indep(*counts, method="newcomb", compare="diff", alpha=1 - _LEVEL)
    return np.asarray(low, dtype=np.float64), np.asarray(high, dtype=np.float64)


def compare_means(cluster: ArrayLike, others: ArrayLike, side: Side) -> Comparison:
    """Compare the means of two groups whose values may be skewed and mostly zero, such as revenue.

    The p-value is the larger of two: Welch's t test, which holds for unequal variances, and a permutation test, which
    holds for skewed values. The interval is Welch's. Without any variation there is no evidence: p is 1.
    """
    return compare_means_within([(cluster, others)], side)


def compare_means_within(strata: Sequence[tuple[ArrayLike, ArrayLike]], side: Side) -> Comparison:
    """``compare_means`` of a cluster and others who are alike: both, stratum by stratum; neither may be empty.

    The others of a stratum count as often as the cluster has customers there (direct standardisation to the cluster),
    so that a different mix of strata makes no difference. Their means vary with what is in each stratum, the cluster's
    with how its customers differ from them; of one stratum this is Welch's test.
    """
    groups = [(np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)) for x, y in strata]
    n = sum(len(x) for x, _ in groups)
    differences = np.concatenate([x - y.mean() for x, y in groups])
    effect = float(differences.mean())
    if n < 2 or any(len(y) < 2 for _, y in groups) or all(np.ptp(x) == 0 and np.ptp(y) == 0 for x, y in groups):
        return Comparison(effect, effect, effect, 1.0)
    spread = float(differences.var(ddof=1)) / n
    spreads = np.array([(len(x) / n) ** 2 * y.var(ddof=1) / len(y) for x, y in groups])
    freedom_of = np.array([len(y) - 1 for _, y in groups])
    error = float(np.sqrt(spread + spreads.sum()))
    freedom = error**4 / (spread**2 / (n - 1) + float((spreads**2 / freedom_of).sum()))
    margin = float(stats.t.isf((1 - _LEVEL) / 2, freedom)) * error
    tail = stats.t.sf if side == "more" else stats.t.cdf
    p_value = max(float(tail(effect / error, freedom)), permutation_p_value(groups, side))
    return Comparison(effect, effect - margin, effect + margin, p_value)


def permutation_p_value(strata: Sequence[tuple[ArrayLike, ArrayLike]], side: Side) -> float:
    """One-sided p-value of the permutation test, within each stratum, of a difference of means; none are drawn.

    The sum of a cluster drawn without replacement has known mean, variance and third moment (finite population
    sampling); a Pearson type III distribution with these three stands in for the permutation distribution
    (Mielke and Berry, Permutation Methods, 2007). Strata are permuted independently of each other, so their moments add
    up, each times what a sum is worth in the standardised difference. Deterministic, and exact enough far out in the
    tail.
    """
    deviation = variance = third = 0.0
    for cluster, others in strata:
        x, everyone = np.asarray(cluster, dtype=np.float64), np.concatenate([cluster, others]).astype(np.float64)
        n, size = len(x), len(everyone)
        centred = everyone - everyone.mean()
        worth = size / (size - n)
        deviation += worth * float(x.sum() - n * everyone.mean())
        variance += worth**2 * n * (size - n) / (size - 1) * float(np.mean(centred**2))
        if size > 2:  # of two the distribution is symmetric
            skew = n * (size - n) * (size - 2 * n) / ((size - 1) * (size - 2))
            third += worth**3 * skew * float(np.mean(centred**3))
    if variance == 0:
        return 1.0
    score = deviation / np.sqrt(variance)
    tail = stats.pearson3.sf if side == "more" else stats.pearson3.cdf
    return float(tail(score, third / variance**1.5))


def median_time(times: ArrayLike, happened: ArrayLike) -> float:
    """Kaplan and Meier's (1958) estimate of the time until half have got there; NaN where fewer than half do.

    ``happened`` is 0 where the time is only known to be longer (censored).
    """
    known = np.asarray(times, dtype=np.float64)
    if len(known) == 0:
        return float("nan")
    return float(SurvfuncRight(known, np.asarray(happened, dtype=np.float64)).quantile(0.5))


def adjust(p_values: ArrayLike) -> Reals:
    """Benjamini and Hochberg's (1995) adjusted p-values over everything that one analysis looked at."""
    raw = np.asarray(p_values, dtype=np.float64)
    return np.asarray(multipletests(raw, method="fdr_bh")[1], dtype=np.float64) if len(raw) else raw


def level(error_rate: float) -> float:
    """The level of one analysis: all together find something in data without any effect at most at ``error_rate``."""
    return error_rate / ANALYSES


def cutoff(p_values: ArrayLike, adjusted: ArrayLike, at_level: float) -> float:
    """The largest p-value that is significant after adjustment, 0 if none is: what a second look must also pass."""
    passed = np.asarray(p_values, dtype=np.float64)[np.asarray(adjusted, dtype=np.float64) <= at_level]
    return float(passed.max()) if len(passed) else 0.0


def step_down(
    strongest_first: Sequence[int], passes_without: Callable[[Sequence[int], Sequence[int]], Collection[int]]
) -> tuple[list[int], dict[int, int]]:
    """Separate findings from their shadows.

    The strongest candidate is a finding. ``passes_without(findings, remaining)`` looks again at the remaining ones with
    everything set aside that the findings so far explain, and returns those that still pass; the others are shadows of
    the finding just taken. Then the next strongest. Returns the findings, and for each shadow its finding. Candidates
    only ever drop out, so error rates stay what the correction promised.
    """
    findings: list[int] = []
    shadows: dict[int, int] = {}
    remaining = list(strongest_first)
    while remaining:
        findings.append(remaining.pop(0))
        if not remaining:
            break
        passing = set(passes_without(findings, remaining))
        shadows |= {candidate: findings[-1] for candidate in remaining if candidate not in passing}
        remaining = [candidate for candidate in remaining if candidate in passing]
    return findings, shadows
