"""Intervals, Holm's correction and collapsed students, against numbers worked out by hand, SciPy and definitions."""

import math
from itertools import combinations

import numpy as np
import pytest
from scipy.stats import f_oneway, ttest_1samp

from retort.evaluation.spread import collapsed, components, holm, paired_test


def test_an_interval_by_hand():
    """1, 2, 3: mean 2, standard error 1 / sqrt(3), and t of two degrees of freedom is 4.302653 at 97.5 %."""
    low, high, p = paired_test([1.0, 2.0, 3.0])
    reach = 4.30265273 / math.sqrt(3)
    assert (low, high) == (pytest.approx(2 - reach), pytest.approx(2 + reach))
    t = 2 * math.sqrt(3)
    assert p == pytest.approx(1 - t / math.sqrt(t**2 + 2))  # the closed form of two degrees of freedom


@pytest.mark.parametrize("level", [0.8, 0.95, 0.99])
@pytest.mark.parametrize("count", [2, 3, 5, 20])
def test_intervals_and_p_are_scipys(count, level):
    differences = np.random.default_rng(count).normal(3, 5, count)
    theirs = ttest_1samp(differences, 0)
    interval = theirs.confidence_interval(level)
    assert paired_test(differences, level) == pytest.approx((interval.low, interval.high, theirs.pvalue))


@pytest.mark.parametrize("differences", [[], [4.0], [0.1 + 0.2, 0.3, 0.3], [7.0] * 5])
def test_what_has_no_spread_is_not_judged(differences):
    assert all(math.isnan(value) for value in paired_test(differences))


def test_an_interval_holds_the_true_difference_as_often_as_it_says():
    rng = np.random.default_rng(0)
    held = [low <= 2 <= high for low, high, _ in (paired_test(rng.normal(2, 3, 4)) for _ in range(2000))]
    assert np.mean(held) == pytest.approx(0.95, abs=0.015)  # three standard errors


def test_components_by_hand():
    """Sets 1, 3 and 6, 8: means 2 and 7, within 2; among 2 x (2.5^2 + 2.5^2) = 25, less 2, over 2 students a set."""
    assert components([[1, 3], [6, 8]]) == pytest.approx((math.sqrt((25 - 2) / 2), math.sqrt(2)))
    assert components([[1, 3], [2, 2]]) == pytest.approx((0.0, 1.0))  # sets that differ less than their students


@pytest.mark.parametrize("sizes", [(3, 3, 3), (2, 5, 3), (1, 4, 1, 2)])
def test_components_are_scipys_analysis_of_variance(sizes):
    rng = np.random.default_rng(len(sizes))
    sets = [rng.normal(mean, 1, size) for mean, size in zip(rng.normal(50, 6, len(sizes)), sizes, strict=True)]
    between, within = components(sets)
    total = sum(sizes)
    size = (total - sum(n * n for n in sizes) / total) / (len(sizes) - 1)
    assert 1 + size * between**2 / within**2 == pytest.approx(f_oneway(*sets).statistic)


def test_components_find_the_spread_that_values_were_drawn_with():
    rng = np.random.default_rng(0)
    sets = [rng.normal(mean, 2, 3) for mean in rng.normal(50, 5, 3000)]
    assert components(sets) == pytest.approx((5, 2), rel=0.05)


def test_what_cannot_be_told_apart_is_empty():
    assert all(math.isnan(value) for value in components([[1.0], [2.0]]))  # is it the sets, or their students?
    between, within = components([[1.0, 3.0]])
    assert math.isnan(between)
    assert within == pytest.approx(math.sqrt(2))
    assert all(math.isnan(value) for value in components([[1.0]]))


def test_holm_by_hand():
    """Sorted 0.005, 0.01, 0.03, 0.04, times 4, 3, 2, 1: 0.02, 0.03, 0.06, 0.04, and never below the one before."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.5]) == [1.0, 1.0]
    assert holm([]) == []
    corrected = holm([math.nan, 0.02, math.nan, 0.01])
    assert corrected[1::2] == pytest.approx([0.02, 0.02])
    assert math.isnan(corrected[0])
    assert math.isnan(corrected[2])


def closed(p_values: list[float]) -> list[float]:
    """By definition: a hypothesis is refused where Bonferroni refuses every set of hypotheses that it is in."""
    sets = [s for n in range(1, len(p_values) + 1) for s in combinations(range(len(p_values)), n)]
    of = {s: min(1.0, len(s) * min(p_values[i] for i in s)) for s in sets}
    return [max(p for s, p in of.items() if i in s) for i in range(len(p_values))]


@pytest.mark.parametrize("count", range(1, 9))
def test_holm_is_the_closed_test_of_bonferroni(count):
    p_values = (np.random.default_rng(count).random(count) ** 3).round(3).tolist()  # with ties now and then
    assert holm(p_values) == pytest.approx(closed(p_values))


def test_a_student_collapsed_that_is_below_three_quarters_of_the_median():
    assert collapsed([82.6, 83.0, 61.3, 84.0, 82.0]) == 1
    assert collapsed([82.6, 83.0, 62.0, 84.0, 82.0]) == 0  # 0.75 x 82.6 is 61.95
    assert collapsed([40.0]) == 0
    assert collapsed([10.0, 10.0, 40.0, 41.0, 42.0]) == 2
    assert collapsed([0.0, 0.0]) == 0
