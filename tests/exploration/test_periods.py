"""The scan for a period with a higher rate: where it is, and how often chance alone gives one."""

import itertools

import numpy as np
import pytest

from cx_orchestration.exploration.periods import Histories, Period, Scan, Visits, customers_within, design_effect

DAYS = 60


def visits(*rows: tuple[int, int, int]) -> Visits:
    """From customer, day and hit."""
    columns = np.array(sorted(rows, key=lambda row: row[:2]), np.int64).reshape(-1, 3)
    return Visits(columns[:, 0], columns[:, 1], columns[:, 2])


def log(
    seed: int, customers: int = 250, *, alike: float = 0.0, tires: float = 0.0, bad: Period | None = None
) -> Visits:
    """Customers who come once or several times within two weeks, with a rate of 0.3; by ``alike`` the visits of one
    depend on each other, with ``tires`` later visits go better, and in a ``bad`` period the rate is 0.8."""
    rng = np.random.default_rng(seed)
    rows = []
    for customer in range(customers):
        days = np.sort(np.minimum(rng.integers(DAYS) + rng.integers(0, 14, rng.geometric(0.4)), DAYS - 1))
        rate = rng.beta(0.3 * (1 - alike) / alike, 0.7 * (1 - alike) / alike) if alike else 0.3
        for nth, day in enumerate(days.tolist()):
            now = 0.8 if bad is not None and bad.first <= day <= bad.last else rate * (1 - tires * min(nth, 4) / 4)
            rows.append((customer, day, int(rng.random() < now)))
    return visits(*rows)


def found(log: Visits, least: int = 20) -> tuple[Period | None, float]:
    scan = Scan.over(log, DAYS, least=least)
    period = scan.strongest()
    return period, 1.0 if period is None else scan.p_value(period, seed=1)


@pytest.mark.parametrize("seed", range(3))
def test_a_bad_fortnight_is_found_where_it_was(seed):
    period, p_value = found(log(seed, alike=0.2, bad=Period(30, 43)))
    assert abs(period.first - 30) <= 2 and abs(period.last - 43) <= 2
    assert p_value < 1e-4


def test_it_is_found_when_it_goes_on_to_the_end_and_when_it_was_at_the_beginning():
    for bad in (Period(0, 12), Period(DAYS - 12, DAYS - 1)):
        period, p_value = found(log(1, bad=bad))
        assert (abs(period.first - bad.first) <= 2, abs(period.last - bad.last) <= 2, p_value < 1e-3) == (True,) * 3


@pytest.mark.parametrize("kind", [{}, {"alike": 0.4}, {"alike": 0.2, "tires": 0.8}], ids=str)
def test_chance_gives_small_p_values_no_more_often_than_they_say(kind):
    """Also where visits of one customer depend on each other, and where first visits go worse than later ones."""
    p_values = np.array([found(log(seed, **kind))[1] for seed in range(100)])
    # Of 100 logs at most so many, but for one in a hundred such tests.
    assert np.sum(p_values <= 0.05) <= 11
    assert np.sum(p_values <= 0.2) <= 30
    assert p_values.min() > 1e-4


def test_visits_of_one_customer_count_for_less_than_those_of_many():
    """Thirty customers with forty hits in one week and forty customers with one each do not weigh the same."""
    rng = np.random.default_rng(5)
    usual = [(n, int(day), int(rng.random() < 0.2)) for n, day in enumerate(rng.integers(0, DAYS, 600))]
    many = [(1000 + n, 20 + n % 7, 1) for n in range(40)]
    few = [(1000 + n % 5, 20 + n % 7, 1) for n in range(40)]
    (_, of_many), (_, of_few) = found(visits(*usual, *many)), found(visits(*usual, *few))
    assert of_many < 1e-5
    assert of_few > 100 * of_many


def test_the_same_seed_gives_the_same_p_value():
    assert found(log(3, bad=Period(20, 24))) == found(log(3, bad=Period(20, 24)))


def test_only_periods_with_customers_enough_and_half_of_the_time_at_most_are_compared():
    some = log(2)
    scan = Scan.over(some, DAYS, least=20)
    lengths = scan.after - scan.first
    assert lengths.max() == DAYS // 2
    for first, after, n in list(zip(scan.first, scan.after, scan.n, strict=True))[::50]:
        within = some.within(Period(int(first), int(after) - 1))
        assert (n, len(np.unique(some.customer[within])) >= 20) == (within.sum(), True)
    assert Scan.over(some, DAYS, least=len(some)).strongest() is None


def test_customers_are_counted_once_in_a_period_whatever_their_visits():
    some = log(4, customers=60)
    first, after = np.triu_indices(DAYS + 1, 1)
    counted = customers_within(some, DAYS, first, after)
    for n in range(0, len(first), 37):
        within = some.within(Period(int(first[n]), int(after[n]) - 1))
        assert counted[n] == len(np.unique(some.customer[within]))


def test_without_a_hit_no_period_stands_out():
    rows = [(n, n % DAYS, 0) for n in range(300)]
    assert found(visits(*rows)) == (None, 1.0)


def test_exchanging_histories_keeps_hits_and_who_has_them_at_which_visit():
    """Two-visit customers whose second visit alone is a hit: no first day may get one, whoever is exchanged."""
    rows = [row for n in range(40) for row in ((n, n % 10, 0), (n, 30 + n % 10, 1))]
    single = [(100 + n, 50, int(n < 5)) for n in range(20)]
    hits = Histories(visits(*rows, *single), DAYS).exchanged(50, np.random.default_rng(1))
    assert (hits.sum(axis=1) == 45).all()
    assert (hits[:, :10] == 0).all()
    assert (hits[:, 50] == 5).all()


def test_a_long_history_is_cut_and_no_visit_of_it_lost():
    rows = [(n, day, int((n + day) % 3 == 0)) for n, days in ((1, 37), (2, 37), (3, 5)) for day in range(days)]
    all_hits = sum(hit for *_, hit in rows)
    hits = Histories(visits(*rows), DAYS).exchanged(20, np.random.default_rng(1))
    assert (hits.sum(axis=1) == all_hits).all()


def test_the_design_effect_is_the_number_of_visits_when_all_of_a_customer_go_alike():
    alike = [(n, day, int(n % 2)) for n, day in itertools.product(range(200), range(5))]
    assert design_effect(*(np.array(column) for column in list(zip(*alike, strict=True))[::2])) == pytest.approx(
        5, rel=0.01
    )
    apart = [(n, int(n % 2)) for n in range(200)]
    assert design_effect(*(np.array(column) for column in zip(*apart, strict=True))) == pytest.approx(1, rel=0.01)
