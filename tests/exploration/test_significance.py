"""The statistics against published values, other implementations and simulated data without effects."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from cx_orchestration.exploration import significance
from cx_orchestration.exploration.significance import (
    compare_means,
    compare_means_within,
    permutation_p_value,
    rate_p_values,
)

COUNTS = st.integers(0, 60)


@settings(max_examples=60, deadline=None)
@given(COUNTS, st.integers(1, 60), COUNTS, st.integers(1, 60), st.sampled_from([("more", "greater"), ("less", "less")]))
def test_rates_are_tested_by_fishers_exact_test(hits, misses, other_hits, other_misses, sides):
    side, alternative = sides
    expected = stats.fisher_exact([[hits, misses], [other_hits, other_misses]], alternative=alternative).pvalue
    (found,) = rate_p_values([hits], [hits + misses], [other_hits], [other_hits + other_misses], side)
    assert found == pytest.approx(expected, rel=1e-6, abs=1e-12)


def test_intervals_of_rates_are_those_newcombe_published():
    low, high = significance.rate_intervals([56, 9], [70, 10], [48, 3], [80, 10])
    assert np.round(low, 4).tolist() == [0.0524, 0.1705]
    assert np.round(high, 4).tolist() == [0.3339, 0.8090]


@pytest.mark.parametrize("side", ["more", "less"])
@pytest.mark.parametrize(("n", "size"), [(30, 200), (150, 300)])
def test_the_permutation_test_gives_what_drawn_permutations_give(n, size, side):
    rng = np.random.default_rng(7)
    everyone = rng.lognormal(3, 1, size) * (rng.random(size) < 0.4)
    sums = np.array([rng.permutation(everyone)[:n].sum() for _ in range(20_000)])
    for share in (0.2, 0.02, 0.005):
        edge = np.quantile(sums, 1 - share if side == "more" else share)
        # Any cluster whose sum lies at this edge of the permutation distribution: only its sum counts.
        closest = rng.permutation(everyone)
        for _ in range(2000):
            i, j = rng.integers(0, n), rng.integers(n, size)
            change = closest[j] - closest[i]
            if abs(closest[:n].sum() + change - edge) < abs(closest[:n].sum() - edge):
                closest[i], closest[j] = closest[j], closest[i]
        p_value = permutation_p_value([(closest[:n], closest[n:])], side)
        assert share / 1.6 < p_value < share * 1.6


@pytest.mark.parametrize("side", ["more", "less"])
def test_skewed_revenue_without_an_effect_is_significant_no_more_often_than_declared(side):
    rng = np.random.default_rng(11)
    draws, level = 1500, 0.01
    hits = 0
    for _ in range(draws):
        revenue = rng.lognormal(3, 1, 430) * (rng.random(430) < 0.3)
        hits += compare_means(revenue[:30], revenue[30:], side).p_value <= level
    assert hits <= stats.binom.ppf(0.999, draws, level)


def test_the_interval_of_means_is_welchs():
    rng = np.random.default_rng(4)
    x, y = rng.normal(5, 1, 40), rng.normal(4, 6, 90)
    expected = stats.ttest_ind(x, y, equal_var=False)
    compared = compare_means(x, y, "more")
    assert (compared.low, compared.high) == pytest.approx(tuple(expected.confidence_interval(0.95)))
    assert compared.p_value >= expected.pvalue / 2 * (1 - 1e-9)


def test_unequal_spread_alone_is_no_difference_of_means():
    rng = np.random.default_rng(3)
    hits = sum(compare_means(rng.normal(0, 10, 30), rng.normal(0, 1, 300), "more").p_value <= 0.05 for _ in range(1000))
    assert hits <= stats.binom.ppf(0.999, 1000, 0.05)


def test_means_differ_by_the_effect_inside_its_interval():
    rng = np.random.default_rng(1)
    compared = compare_means(rng.normal(10, 3, 200), rng.normal(7, 3, 500), "more")
    assert compared.low < 3 < compared.high
    assert compared.p_value < 1e-10
    assert compare_means(rng.normal(10, 3, 200), rng.normal(7, 3, 500), "less").p_value > 0.999


@pytest.mark.parametrize("values", [([0.0] * 40, [0.0] * 50), ([1.0] * 40, [0.0] * 50), ([3.0], [1.0, 2.0, 3.0])])
def test_without_variation_there_is_no_evidence(values):
    compared = compare_means(*values, "more")
    assert (compared.p_value, compared.low, compared.high) == (1.0, compared.effect, compared.effect)


def test_null_rates_give_a_finding_no_more_often_than_the_analysis_may():
    """3,000 companies, each with six attributes of three values at four steps, and nothing in them."""
    rng = np.random.default_rng(2)
    companies, steps, n = 3000, 4, 400
    at_level = significance.level(0.05)
    tables = companies * steps * 6
    sizes = rng.multinomial(n, [0.5, 0.3, 0.2], tables)
    hits = rng.binomial(sizes, np.repeat(rng.uniform(0.1, 0.6, tables // 6), 6)[:, None])
    p_values = rate_p_values(hits, sizes, hits.sum(1, keepdims=True) - hits, n - sizes, "more")
    with_finding = sum(
        (significance.adjust(p_values[part].ravel()) <= at_level).any()
        for part in np.split(np.arange(tables), companies)
    )
    assert with_finding <= stats.binom.ppf(0.999, companies, at_level)


def test_the_median_time_is_that_of_kaplan_and_meier():
    """By hand: of five, one is lost from sight at 2, so the share still waiting is 4/5, 4/5 * 2/3, 4/5 * 1/3."""
    assert significance.median_time([1, 2, 3, 4, 9], [1, 0, 1, 1, 0]) == 4
    assert np.isnan(significance.median_time([1, 2, 3], [1, 0, 0]))
    assert np.isnan(significance.median_time([], []))


def test_five_analyses_share_the_error_rate():
    assert significance.level(0.05) == pytest.approx(0.01)


def test_the_cutoff_is_the_largest_significant_p_value():
    raw = [0.001, 0.02, 0.012, 0.9]
    adjusted = significance.adjust(raw)
    assert adjusted.tolist() == pytest.approx([0.004, 0.0267, 0.024, 0.9], abs=1e-4)
    assert significance.cutoff(raw, adjusted, 0.025) == 0.012
    assert significance.cutoff(raw, adjusted, 0.001) == 0.0
    assert significance.cutoff([], significance.adjust([]), 0.05) == 0.0


def test_shadows_fall_to_the_finding_that_explains_them():
    explains = {1: {2, 4}, 3: {5}}

    def passes_without(findings, remaining):
        return [candidate for candidate in remaining if candidate not in explains.get(findings[-1], set())]

    assert significance.step_down([1, 2, 3, 4, 5], passes_without) == ([1, 3], {2: 1, 4: 1, 5: 3})
    assert significance.step_down([], passes_without) == ([], {})


def test_a_different_mix_of_strata_makes_no_difference():
    """In each stratum both groups are alike; the cluster is mostly poor, the others mostly rich."""
    rng = np.random.default_rng(4)
    poor, rich = (lambda n: rng.normal(10, 3, n)), (lambda n: rng.normal(50, 3, n))
    strata = [(poor(180), poor(40)), (rich(20), rich(400))]
    plain = compare_means(np.concatenate([x for x, _ in strata]), np.concatenate([y for _, y in strata]), "less")
    assert plain.high < -25 and plain.p_value < 1e-9
    within = compare_means_within(strata, "less")
    assert within.low < 0 < within.high
    assert within.p_value > 0.05
    harmed = compare_means_within([(x - 3, y) for x, y in strata], "less")
    assert harmed.effect == pytest.approx(within.effect - 3)
    assert harmed.p_value < 1e-4


def test_without_an_effect_within_strata_few_p_values_are_small():
    rng = np.random.default_rng(9)
    hits = 0
    for _ in range(2000):
        sizes = [(15, 25), (10, 200), (3, 12)]
        strata = [(rng.lognormal(base, 1, n), rng.lognormal(base, 1, m)) for base, (n, m) in enumerate(sizes, 1)]
        hits += compare_means_within(strata, "less").p_value <= 0.05
    assert hits <= 2000 * 0.06
