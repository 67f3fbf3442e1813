from __future__ import annotations

from math import comb

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from contrafake.errors import UsageError
from contrafake.measure import beta_quantile, binomial_tail, clopper_pearson, order_statistic_interval, wilson

counts = st.integers(1, 3000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


def test_binomial_tail_worked_by_hand() -> None:
    assert binomial_tail(3, 2, 0.5) == pytest.approx(0.5)
    assert binomial_tail(10, 10, 0.1) == pytest.approx(1e-10)
    assert binomial_tail(6, 4, 0.25) == pytest.approx(sum(comb(6, j) * 0.25**j * 0.75 ** (6 - j) for j in (4, 5, 6)))


def test_binomial_tail_at_the_ends() -> None:
    assert binomial_tail(5, 0, 0.3) == 1
    assert binomial_tail(5, -2, 0.3) == 1
    assert binomial_tail(5, 6, 0.3) == 0
    assert binomial_tail(5, 1, 0) == 0
    assert binomial_tail(5, 5, 1) == 1
    assert binomial_tail(0, 0, 0.5) == 1
    assert binomial_tail(0, 1, 0.5) == 0


@pytest.mark.parametrize("n", [1, 2, 17, 1000, 1_000_000])
@pytest.mark.parametrize("p", [1e-12, 1e-6, 0.001, 0.3, 0.5, 0.97, 1 - 1e-6])
def test_binomial_tail_as_in_scipy(n: int, p: float) -> None:
    centre, spread = n * p, np.sqrt(n * p * (1 - p))
    for k in {int(centre + spread * z) for z in (-30, -8, -2, -1, 0, 1, 2, 5, 9, 20)} | {1, 2, n}:
        expected = float(stats.binom.sf(k - 1, n, p))
        assert binomial_tail(n, k, p) == pytest.approx(expected, rel=1e-9, abs=1e-290), (n, k, p)


@given(counts, st.floats(0, 1))
def test_binomial_tail_complements_itself(count: tuple[int, int], p: float) -> None:
    k, n = count
    # q is the exact complement of 1 - q; p need not be that of 1 - p.
    q = 1 - p
    assert binomial_tail(n, k, 1 - q) + binomial_tail(n, n - k + 1, q) == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize(
    ("a", "b"), [(1, 1), (1, 50), (50, 1), (3, 8), (500, 500), (10, 100_000), (999_000, 1001), (1, 999_999)]
)
def test_beta_quantile_as_in_scipy(a: int, b: int) -> None:
    for q in (1e-6, 0.025, 0.5, 0.975, 1 - 1e-6):
        assert beta_quantile(q, a, b) == pytest.approx(float(stats.beta.ppf(q, a, b)), rel=1e-8)


def test_beta_quantile_at_the_ends_and_by_hand() -> None:
    assert beta_quantile(0, 2, 3) == 0
    assert beta_quantile(1, 2, 3) == 1
    assert beta_quantile(0.37, 1, 1) == pytest.approx(0.37)
    assert beta_quantile(0.25, 2, 1) == pytest.approx(0.5)
    assert beta_quantile(1e-9, 1, 10**6) == pytest.approx(1e-15, rel=1e-6)


@settings(max_examples=50, deadline=None)
@given(counts, st.sampled_from([0.5, 0.9, 0.95, 0.999]))
def test_rate_intervals_as_in_scipy(count: tuple[int, int], confidence: float) -> None:
    k, n = count
    for interval, method in ((clopper_pearson, "exact"), (wilson, "wilson")):
        low, high = interval(k, n, confidence)
        expected = stats.binomtest(k, n).proportion_ci(confidence, method=method)
        assert low == pytest.approx(expected.low, rel=1e-7, abs=1e-12)
        assert high == pytest.approx(expected.high, rel=1e-7, abs=1e-12)
        assert 0 <= low <= k / n <= high <= 1


def test_no_event_in_n_is_the_rule_of_three() -> None:
    low, high = clopper_pearson(0, 1000, 0.9)
    assert low == 0
    assert high == pytest.approx(3 / 1000, rel=0.01)
    assert clopper_pearson(1000, 1000)[1] == 1


@pytest.mark.parametrize("p", [0.01, 0.1, 0.5])
def test_clopper_pearson_covers_at_least_as_promised(p: float) -> None:
    n = 60
    chance = stats.binom.pmf(np.arange(n + 1), n, p)
    covered = [low <= p <= high for low, high in (clopper_pearson(k, n, 0.9) for k in range(n + 1))]
    assert chance[covered].sum() >= 0.9


def test_order_statistic_interval_as_in_scipy() -> None:
    low, mean, high = order_statistic_interval(10, 1000)
    assert mean == 10 / 1001
    law = stats.beta(10, 991)
    assert low == pytest.approx(law.ppf(0.025), rel=1e-8)
    assert high == pytest.approx(law.ppf(0.975), rel=1e-8)
    assert mean == pytest.approx(law.mean())


def test_order_statistic_interval_covers_the_true_rate() -> None:
    rng = np.random.default_rng(0)
    low, mean, high = order_statistic_interval(5, 100, 0.9)
    thresholds = np.sort(rng.normal(size=(4000, 100)), axis=1)[:, -5]
    rates = stats.norm.sf(thresholds)
    assert rates.mean() == pytest.approx(mean, abs=0.002)
    assert ((low <= rates) & (rates <= high)).mean() == pytest.approx(0.9, abs=0.02)


def test_a_million_trials_are_quick_enough() -> None:
    low, high = clopper_pearson(10_000, 1_000_000)
    expected = stats.beta.ppf(0.025, 10_000, 990_001), stats.beta.ppf(0.975, 10_001, 990_000)
    assert (low, high) == pytest.approx(expected, rel=1e-8)


def test_impossible_input() -> None:
    for interval in (clopper_pearson, wilson, order_statistic_interval):
        for k, n in ((-1, 5), (6, 5), (0, 0)):
            with pytest.raises(UsageError, match="not possible"):
                interval(k, n)
        for confidence in (0, 1, 95):
            with pytest.raises(UsageError, match="confidence"):
                interval(1, 2, confidence)
    with pytest.raises(UsageError, match="0 of 5"):
        order_statistic_interval(0, 5)
    with pytest.raises(UsageError, match="beta"):
        beta_quantile(0.5, 0, 1)
    with pytest.raises(UsageError, match="q"):
        beta_quantile(1.5, 1, 1)
    with pytest.raises(UsageError, match="trials"):
        binomial_tail(-1, 0, 0.5)
    with pytest.raises(UsageError, match="p"):
        binomial_tail(1, 0, 1.5)
