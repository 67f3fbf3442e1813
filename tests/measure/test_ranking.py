from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics

from contrafake.errors import DataError, UsageError
from contrafake.measure import auc, average_precision, eer, roc, tpr_at_fpr

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Scores = NDArray[np.float64]

# Few distinct values, so that ties are common.
coarse = st.lists(st.integers(-5, 5).map(float), min_size=1, max_size=30).map(np.array)
fine = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=30).map(np.array)
scores = coarse | fine


def stacked(real: Scores, generated: Scores) -> tuple[Scores, Scores]:
    return np.repeat([0.0, 1.0], [real.size, generated.size]), np.concatenate([real, generated])


def normal(seed: int, real: int, generated: int, shift: float = 1.0, decimals: int = 8) -> tuple[Scores, Scores]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=real).round(decimals), rng.normal(shift, size=generated).round(decimals)


def test_auc_worked_by_hand() -> None:
    # Pairs won: 2 over 1; 2 = 2 (half); 3 over 1 and 2. Of four.
    assert auc([1, 2], [2, 3]) == (1 + 0.5 + 1 + 1) / 4
    assert auc([0], [1]) == 1
    assert auc([1], [0]) == 0
    assert auc([7, 7, 7], [7]) == 0.5
    assert auc([-np.inf, 0], [0, np.inf]) == 3.5 / 4


@given(scores, scores)
def test_auc_counts_pairs(real: Scores, generated: Scores) -> None:
    wins = (generated[:, None] > real).mean() + (generated[:, None] == real).mean() / 2
    assert auc(real, generated) == pytest.approx(wins, abs=1e-12)


@given(scores, scores)
def test_swapping_the_classes_mirrors_auc_and_eer(real: Scores, generated: Scores) -> None:
    assert auc(real, generated) + auc(generated, real) == pytest.approx(1, abs=1e-12)
    assert eer(real, generated) + eer(generated, real) == pytest.approx(1, abs=1e-9)


@given(coarse, coarse)
def test_a_monotone_transform_changes_nothing(real: Scores, generated: Scores) -> None:
    other_real, other_generated = np.exp(real) * 3 - 8, np.exp(generated) * 3 - 8
    for measure in (auc, average_precision, eer):
        assert measure(other_real, other_generated) == measure(real, generated)
    assert tpr_at_fpr(other_real, other_generated, 0.1) == tpr_at_fpr(real, generated, 0.1)


@given(scores, scores, st.integers(0, 1000))
def test_the_order_of_images_changes_nothing(real: Scores, generated: Scores, seed: int) -> None:
    rng = np.random.default_rng(seed)
    for measure in (auc, average_precision, eer):
        assert measure(rng.permutation(real), rng.permutation(generated)) == measure(real, generated)


@pytest.mark.parametrize("decimals", [0, 1, 8])
@pytest.mark.parametrize(("real_size", "generated_size"), [(1, 1), (1, 40), (300, 7), (2000, 1000)])
def test_scikit_learn_agrees(real_size: int, generated_size: int, decimals: int) -> None:
    real, generated = normal(real_size, real_size, generated_size, decimals=decimals)
    labels, values = stacked(real, generated)
    assert auc(real, generated) == pytest.approx(metrics.roc_auc_score(labels, values), abs=1e-12)
    expected = metrics.average_precision_score(labels, values)
    assert average_precision(real, generated) == pytest.approx(expected, abs=1e-12)
    fpr, tpr, thresholds = roc(real, generated)
    their_fpr, their_tpr, their_thresholds = metrics.roc_curve(labels, values, drop_intermediate=False)
    np.testing.assert_allclose(fpr, their_fpr, atol=1e-15)
    np.testing.assert_allclose(tpr, their_tpr, atol=1e-15)
    np.testing.assert_array_equal(thresholds[:-1], their_thresholds[1:])


@given(scores, scores)
def test_roc_points_are_what_their_thresholds_give(real: Scores, generated: Scores) -> None:
    fpr, tpr, thresholds = roc(real, generated)
    assert (fpr[0], tpr[0], fpr[-1], tpr[-1]) == (0, 0, 1, 1)
    assert thresholds[-1] == -np.inf
    assert (np.diff(thresholds) < 0).all()
    assert fpr.size == np.unique(np.concatenate([real, generated])).size + 1
    np.testing.assert_array_equal(fpr, [(real > t).mean() for t in thresholds])
    np.testing.assert_array_equal(tpr, [(generated > t).mean() for t in thresholds])
    assert np.trapezoid(tpr, fpr) == pytest.approx(auc(real, generated), abs=1e-12)


def test_average_precision_worked_by_hand() -> None:
    # Ranked: generated, real, generated. Precision 1 at recall 1/2, 2/3 at recall 1.
    assert average_precision([2], [1, 3]) == pytest.approx((1 + 2 / 3) / 2)
    assert average_precision([5] * 3, [5]) == pytest.approx(1 / 4)


def test_tpr_at_fpr_worked_by_hand() -> None:
    real, generated = np.arange(100.0), np.array([50, 94, 94.5, 98.5, 200])
    assert tpr_at_fpr(real, generated, 0) == 1 / 5
    assert tpr_at_fpr(real, generated, 0.01) == 2 / 5
    assert tpr_at_fpr(real, generated, 0.05) == 3 / 5
    assert tpr_at_fpr(real, generated, 0.0599) == 3 / 5
    assert tpr_at_fpr(real, generated, 1) == 1
    # 0.29 * 100 is 28.999999999999996: the 29th alarm must be allowed all the same.
    assert tpr_at_fpr(real, [70.5], 0.29) == 1
    # A tie with a real image cannot be split.
    assert tpr_at_fpr([1, 2], [2, 2], 0.49) == 0


def test_tpr_at_fpr_refuses_a_rate_outside_the_unit_interval() -> None:
    for rate in (-0.1, 1.1, np.nan):
        with pytest.raises(UsageError, match="rate"):
            tpr_at_fpr([0], [1], rate)


def test_eer_worked_by_hand() -> None:
    assert eer([0, 1], [2, 3]) == 0
    assert eer([2, 3], [0, 1]) == 1
    assert eer([1], [1]) == pytest.approx(0.5)
    # A threshold between 2.5 and 3 misses one generated of four and flags one real of four.
    assert eer([0, 1, 2, 3], [2.5, 4, 5, 6]) == pytest.approx(0.25)


def test_eer_of_two_normal_laws() -> None:
    real, generated = normal(1, 200_000, 200_000, shift=2)
    assert eer(real, generated) == pytest.approx(0.158655, abs=3e-3)


@pytest.mark.parametrize("measure", [auc, average_precision, eer, roc])
def test_unusable_scores_are_named(measure: Callable[..., object]) -> None:
    with pytest.raises(DataError, match="scores of real images: is empty"):
        measure([], [1])
    with pytest.raises(DataError, match="scores of generated images: is empty"):
        measure([1], [])
    with pytest.raises(DataError, match="scores of generated images: 1 of 2 are NaN"):
        measure([1], [1, np.nan])
    with pytest.raises(DataError, match="2 dimensions"):
        measure([[1]], [1])
    with pytest.raises(DataError, match="not an array of numbers"):
        measure(["high"], [1])


def test_a_million_scores_take_moments() -> None:
    real, generated = normal(2, 500_000, 500_000, shift=1, decimals=3)
    assert auc(real, generated) == pytest.approx(0.7602, abs=2e-3)
