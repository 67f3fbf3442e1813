"""Frechet and kernel distances against values worked by hand and against other ways to compute them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contrafake.errors import UsageError
from contrafake.generate.tiny.distance import feature_distance, kernel_distance


def test_frechet_in_one_dimension_is_the_distance_of_means_and_deviations() -> None:
    # Means 1 and 4; variances 2 and 18 (divided by N - 1), deviations 1.414... and 4.242...: 9 + (2.828...)^2 = 17.
    assert feature_distance([[0.0], [2.0]], [[1.0], [7.0]]) == pytest.approx(17)


def test_frechet_of_diagonal_covariances_adds_up() -> None:
    square = np.array([[1, 1], [1, -1], [-1, 1], [-1, -1]], float)
    # Each axis: variance 4/3 against 4/3 * 9 and 4/3 * 4; deviations differ by 2 and by 1 times sqrt(4/3).
    assert feature_distance(square, square * [3, 2] + [5, 0]) == pytest.approx(25 + 4 / 3 * (4 + 1))


def test_frechet_equals_the_formula_with_a_matrix_root() -> None:
    from scipy.linalg import sqrtm

    draw = np.random.default_rng(0)
    real, made = draw.normal(size=(40, 6)) @ draw.normal(size=(6, 6)), draw.normal(size=(50, 6)) * 2 + 1
    first, second = np.cov(real.T), np.cov(made.T)
    apart = np.square(real.mean(0) - made.mean(0)).sum()
    expected = apart + np.trace(first + second - 2 * np.real(sqrtm(first @ second)))
    assert feature_distance(real, made) == pytest.approx(expected, rel=1e-8)


def test_kernel_distance_equals_the_sum_over_pairs() -> None:
    draw = np.random.default_rng(1)
    real, made = draw.normal(size=(5, 3)), draw.normal(size=(7, 3)) + 0.5

    def kernel(one: np.ndarray, other: np.ndarray) -> float:
        return float((sum(one * other) / 3 + 1) ** 3)

    within = [kernel(real[i], real[j]) for i in range(5) for j in range(5) if i != j]
    between = [kernel(one, other) for one in real for other in made]
    others = [kernel(made[i], made[j]) for i in range(7) for j in range(7) if i != j]
    expected = np.mean(within) + np.mean(others) - 2 * np.mean(between)
    assert kernel_distance(real, made) == pytest.approx(float(expected))


def test_kernel_distance_of_one_law_is_zero_on_average_and_of_two_is_not() -> None:
    draw = np.random.default_rng(2)
    same = [kernel_distance(draw.normal(size=(30, 4)), draw.normal(size=(30, 4))) for _ in range(200)]
    assert abs(np.mean(same)) < 3 * np.std(same) / np.sqrt(200)
    assert min(same) < 0 < max(same)
    other = [kernel_distance(draw.normal(size=(30, 4)), draw.normal(size=(30, 4)) + 1) for _ in range(20)]
    assert min(other) > max(same)


@given(st.integers(0, 2**32 - 1), st.floats(-3, 3))
def test_frechet_is_symmetric_not_negative_and_moves_with_the_mean(seed: int, shift: float) -> None:
    draw = np.random.default_rng(seed)
    real, made = draw.normal(size=(6, 8)), draw.normal(size=(9, 8))  # fewer images than numbers: singular covariances
    assert feature_distance(real, real) == pytest.approx(0, abs=1e-6)
    assert feature_distance(real, made) == pytest.approx(feature_distance(made, real), abs=1e-6)
    assert feature_distance(real, real + shift) == pytest.approx(8 * shift**2, abs=1e-5)


@pytest.mark.parametrize(
    ("real", "made"),
    [
        ([[1.0]], [[1.0], [2.0]]),
        ([[1.0, 2.0]] * 2, [[1.0]] * 2),
        ([1.0, 2.0], [1.0, 2.0]),
        ([[np.nan]] * 2, [[1.0]] * 2),
    ],
)
def test_features_that_have_no_distance_are_refused(real: list[list[float]], made: list[list[float]]) -> None:
    for distance in (feature_distance, kernel_distance):
        with pytest.raises(UsageError):
            distance(real, made)
