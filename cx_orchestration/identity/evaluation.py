"""How right it is: records put together, held against labels that say who is who.

Belongs here: the measures of a clustering against the truth, and their intervals, over plain arrays and frames. Does
not belong here: reading label files and the lake (``labels.py``).

Sources: pairs and whole clusters as in Menestrina, Whang and Garcia-Molina, "Evaluating Entity Resolution Results"
(2010); B-cubed of Bagga and Baldwin, "Entity-Based Cross-Document Coreferencing Using the Vector Space Model" (1998).
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

Reals = NDArray[np.float64]

#: The samples that a bootstrap draws, and where its draws begin: the same labels give the same interval.
_SAMPLES, _SEED = 2_000, 20_261_101

#: The normal quantile of a two-sided 95% interval.
_Z = 1.959964


@dataclass(frozen=True)
class Measure:
    """A share from 0 to 1, and the ends of its 95% interval. Where there is nothing to judge: 1, and 0 to 1."""

    value: float
    low: float
    high: float

    @property
    def judges_nothing(self) -> bool:
        """Whether there was nothing to take a share of; of anything, the share 1 has a lower end above 0."""
        return (self.value, self.low) == (1.0, 0.0)


@dataclass(frozen=True)
class Scores:
    """Precision, recall, and ``f1``, their harmonic mean."""

    precision: Measure
    recall: Measure
    f1: Measure


@dataclass(frozen=True)
class ClusterScores:
    """A clustering against the truth.

    ``pairs`` counts pairs of records: precision is the share of the pairs in one customer that are one person, recall
    the share of the pairs of one person that are in one customer. ``clusters`` counts whole ones: the share of the
    customers that are exactly a person, of the persons that are exactly a customer. ``b_cubed`` counts records: how
    much of its customer is its person, and how much of its person is in its customer, on average.

    A record that is in no customer is a miss: it costs recall, of all three, and is nothing to be precise about.
    """

    pairs: Scores
    clusters: Scores
    b_cubed: Scores


def score_clusters(found: ArrayLike, truth: ArrayLike) -> ClusterScores:
    """Score records by position: ``found`` says which customer each is in, ``truth`` which person it is.

    In ``found`` a missing value (NaN, None) stands for a record that is in no customer.

    The intervals are percentiles of a bootstrap over persons, since the records of one person are right or wrong
    together; a wrong pair is charged to both of its persons by half, and a customer to its persons by their records.
    Where the bootstrap sees no error at all, or nothing but errors, it cannot tell how rare the other is: there the
    interval is Wilson's, over the persons that count.
    """
    sample = _Bootstrap(_by_person(found, truth))
    return ClusterScores(
        pairs=sample.scores(("pairs_right", "pairs_found"), ("pairs_right", "pairs_true")),
        clusters=sample.scores(("clusters_right", "clusters_found"), ("clusters_right", "clusters_true")),
        b_cubed=sample.scores(("b_precision", "records_found"), ("b_recall", "records")),
    )


def score_pairs(together: ArrayLike, same: ArrayLike) -> Scores:
    """Score labelled pairs by position: whether each was put together, and whether it is one person.

    Intervals are Wilson's. That of F1 comes from the share ``tp / (tp + fp + fn)``, of which F1 is a monotone
    function: ``2 j / (1 + j)``.
    """
    found, true = np.asarray(together, bool), np.asarray(same, bool)
    right, either = int((found & true).sum()), int((found | true).sum())
    overlap = wilson(right, either)
    return Scores(
        precision=wilson(right, int(found.sum())),
        recall=wilson(right, int(true.sum())),
        f1=Measure(*(2 * j / (1 + j) for j in (overlap.value, overlap.low, overlap.high))),
    )


def threshold_curve(weights: ArrayLike, same: ArrayLike, true_pairs: int) -> pd.DataFrame:
    """What each threshold would do to scored pairs, were each pair judged by its weight alone.

    One row per whole bit of ``weights`` and columns threshold (bits), pairs (that reach it), right, precision, recall
    (of ``true_pairs``, all pairs of one person, scored or not), f1; ascending.
    """
    bits, right = np.asarray(weights, np.float64), np.asarray(same, bool)
    if not len(bits):
        return pd.DataFrame(columns=["threshold", "pairs", "right", "precision", "recall", "f1"])
    order = np.argsort(-bits, kind="stable")
    ascending, hits = bits[order][::-1], np.concatenate([[0], np.cumsum(right[order])])
    thresholds = np.arange(np.floor(ascending[0]), np.ceil(ascending[-1]) + 1)
    pairs = len(bits) - np.searchsorted(ascending, thresholds, side="left")
    found = hits[pairs]
    precision = np.divide(found, pairs, out=np.ones(len(pairs)), where=pairs > 0)
    recall = found / true_pairs if true_pairs else np.ones(len(pairs))
    return pd.DataFrame(
        {
            "threshold": thresholds,
            "pairs": pairs,
            "right": found,
            "precision": precision,
            "recall": recall,
            "f1": _harmonic(precision, recall),
        }
    )


def wilson(hits: int, n: int) -> Measure:
    """A share of independent trials with its 95% score interval (Wilson 1927)."""
    if not n:
        return Measure(1.0, 0.0, 1.0)
    share, spread = hits / n, _Z**2 / n
    middle = (share + spread / 2) / (1 + spread)
    half = _Z / (1 + spread) * np.sqrt(share * (1 - share) / n + spread / (4 * n))
    return Measure(share, float(max(middle - half, 0.0)), float(min(middle + half, 1.0)))


def _by_person(found: ArrayLike, truth: ArrayLike) -> pd.DataFrame:
    """What each person adds to the numerators and denominators of all measures; one row a person."""
    customer, person = pd.factorize(np.asarray(found))[0], pd.factorize(np.asarray(truth))[0]
    cells = pd.DataFrame({"customer": customer, "person": person}).value_counts(sort=False).rename("n").reset_index()
    n = cells["n"].to_numpy(np.float64)
    of_person = np.bincount(person).astype(np.float64)[cells["person"]] if len(person) else n
    # Records that are in no customer have the number -1; here and below they count where persons do, and only there.
    known = cells["customer"].to_numpy() >= 0
    in_customer = np.where(known, n, 0.0)
    of_customer = n.copy()
    of_customer[known] = np.bincount(customer[customer >= 0])[cells["customer"][known]]
    exact = (known & (n == of_customer) & (n == of_person)).astype(np.float64)
    parts = {
        "records": n,
        "records_found": in_customer,
        "pairs_right": in_customer * (n - 1) / 2,
        # A person's pairs with others in the customer, by half: the other person has the other half.
        "pairs_found": in_customer * (n - 1) / 2 + in_customer * (of_customer - n) / 2,
        "pairs_true": n * (of_person - 1) / 2,
        "clusters_right": exact,
        "clusters_found": in_customer / of_customer,
        "clusters_true": n / of_person,
        "b_precision": in_customer * n / of_customer,
        "b_recall": in_customer * n / of_person,
    }
    return pd.DataFrame(parts).groupby(cells["person"].to_numpy()).sum()


class _Bootstrap:
    """Draws persons with replacement, and gives shares of sums over them.

    Persons that add the same to every sum are one kind, so that a draw is one number for each kind, not each person.
    """

    def __init__(self, persons: pd.DataFrame) -> None:
        kinds = persons.round(9).value_counts(sort=False).rename("persons").reset_index()
        self._persons = kinds["persons"].to_numpy()
        self._kinds = kinds
        total = int(self._persons.sum())
        if total:
            drawn = np.random.default_rng(_SEED).multinomial(total, self._persons / total, size=_SAMPLES)
            self._draws = np.vstack([self._persons, drawn]).astype(np.float64)
        else:
            self._draws = np.zeros((_SAMPLES + 1, 0))

    def scores(self, precision: tuple[str, str], recall: tuple[str, str]) -> Scores:
        """Precision and recall as shares of two sums each, by name: a numerator and a denominator."""
        shares = [self._shares(*names) for names in (precision, recall)]
        judged = [self._judged(over) for _, over in (precision, recall)]
        f1 = _harmonic(*shares)
        return Scores(_measure(shares[0], judged[0]), _measure(shares[1], judged[1]), _measure(f1, max(judged)))

    def _shares(self, numerator: str, denominator: str) -> Reals:
        """The share of the persons as they are, then that of each sample of them."""
        above, below = (self._draws @ self._kinds[name].to_numpy(np.float64) for name in (numerator, denominator))
        shares: Reals = np.divide(above, below, out=np.ones(len(above)), where=below > 0)
        return shares

    def _judged(self, denominator: str) -> int:
        """How many persons have a part in a sum."""
        return int(self._persons[self._kinds[denominator].to_numpy() > 0].sum())


def _measure(shares: Reals, judged: int) -> Measure:
    value = float(min(shares[0], 1.0))
    if not judged:
        return Measure(value, 0.0, 1.0)
    if value in (0.0, 1.0):
        bounds = wilson(judged if value else 0, judged)
        return Measure(value, bounds.low, bounds.high)
    low, high = np.percentile(shares[1:], [2.5, 97.5])
    return Measure(value, float(low), float(min(high, 1.0)))


def _harmonic(precision: Reals, recall: Reals) -> Reals:
    total = precision + recall
    result: Reals = np.divide(2 * precision * recall, total, out=np.zeros(len(total)), where=total > 0)
    return result
