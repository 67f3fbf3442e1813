from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn import metrics

from contrafake.errors import DataError, UsageError
from contrafake.measure import ClassAccuracy, accuracy_at, balanced_accuracy, best_accuracy

Scores = NDArray[np.float64]
scores = st.lists(st.integers(-5, 5).map(float) | st.floats(-1e6, 1e6), min_size=1, max_size=25).map(np.array)


def test_worked_by_hand() -> None:
    result = accuracy_at([0, 1, 2, 3], [2, 3], 2)
    assert result == ClassAccuracy(threshold=2, real=0.75, generated=0.5)
    assert result.balanced == 0.625
    assert balanced_accuracy([0, 1, 2, 3], [2, 3], 2) == 0.625


def test_a_score_at_the_threshold_counts_as_real() -> None:
    assert accuracy_at([1], [1], 1) == ClassAccuracy(threshold=1, real=1, generated=0)


def test_infinite_thresholds_call_everything_one_thing() -> None:
    assert accuracy_at([1], [1], np.inf).real == 1
    assert accuracy_at([1], [1], -np.inf).generated == 1


def test_class_sizes_do_not_matter() -> None:
    assert accuracy_at([0, 5], [5], 1) == accuracy_at([0, 5] * 50, [5] * 3, 1)


def test_scikit_learn_agrees() -> None:
    rng = np.random.default_rng(0)
    real, generated = rng.normal(size=200).round(1), rng.normal(1, size=50).round(1)
    labels, values = np.repeat([0, 1], [200, 50]), np.concatenate([real, generated])
    for threshold in (-1, 0.3, 0.5, 2):
        expected = metrics.balanced_accuracy_score(labels, values > threshold)
        assert balanced_accuracy(real, generated, threshold) == pytest.approx(expected, abs=1e-12)


def test_best_threshold_lies_between_the_scores_it_separates() -> None:
    assert best_accuracy([0, 1], [2, 3]) == ClassAccuracy(threshold=1.5, real=1, generated=1)


def test_among_equally_good_thresholds_the_one_with_fewest_false_alarms() -> None:
    # Between 3 and 1 and between 0 and 1 both give 0.75.
    result = best_accuracy([0, 2], [1, 3])
    assert result == ClassAccuracy(threshold=2.5, real=1, generated=0.5)


def test_no_better_than_chance_calls_everything_real() -> None:
    assert best_accuracy([5, 6], [1, 2]) == ClassAccuracy(threshold=6, real=1, generated=0)
    assert best_accuracy([1], [1]).balanced == 0.5


def test_neighbouring_floats_and_infinities_are_separated() -> None:
    above = float(np.nextafter(1, 2))
    assert best_accuracy([1], [above]) == ClassAccuracy(threshold=1, real=1, generated=1)
    assert best_accuracy([0], [np.inf]).balanced == 1
    assert best_accuracy([-np.inf], [0]).balanced == 1
    assert best_accuracy([-np.inf], [np.inf]).balanced == 1
    assert best_accuracy([-1.7e308], [1.7e308]).threshold == 0


@given(scores, scores)
def test_best_is_the_best_of_all_thresholds(real: Scores, generated: Scores) -> None:
    best = best_accuracy(real, generated)
    thresholds = np.concatenate([real, generated, [-np.inf]])
    every = [balanced_accuracy(real, generated, threshold) for threshold in thresholds]
    assert best.balanced == pytest.approx(max(every), abs=1e-12)
    assert best == accuracy_at(real, generated, best.threshold)


def test_unusable_input() -> None:
    with pytest.raises(DataError, match="scores of real images"):
        accuracy_at([], [1], 0)
    with pytest.raises(DataError, match="NaN"):
        best_accuracy([1], [np.nan])
    with pytest.raises(UsageError, match="threshold: is NaN"):
        accuracy_at([1], [1], np.nan)
