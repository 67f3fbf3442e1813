"""Scores to likelihood ratios, probabilities and operating points, against naive and independent versions."""

from __future__ import annotations

import json
import math
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from contrafake.errors import UsageError
from contrafake.measure import clopper_pearson, order_statistic_interval
from contrafake.model.calibration import Calibration, OperatingPoint, fit_calibration, probability

Scores = NDArray[np.float64]


def fit(real: Scores, generated: Scores, sources: NDArray[np.int32] | None = None) -> Calibration:
    sources = np.arange(len(real), dtype=np.int32) if sources is None else sources
    return fit_calibration(np.asarray(real, np.float64), np.asarray(generated, np.float64), sources)


def gaussian(n: int, m: int, distance: float = 2.0, seed: int = 0) -> tuple[Scores, Scores]:
    """Scores that are the log-likelihood ratios of two unit Gaussians `distance` apart."""
    rng = np.random.default_rng(seed)
    half = distance**2 / 2
    return rng.normal(-half, distance, n), rng.normal(half, distance, m)


# --- score to likelihood ratio


@pytest.mark.parametrize(("n", "m", "shift", "scale"), [(300, 200, 0, 1), (50, 400, 7, 0.01), (30, 30, -100, 40)])
def test_fit_equals_logistic_regression_with_soft_targets(n: int, m: int, shift: float, scale: float) -> None:
    linear_model = pytest.importorskip("sklearn.linear_model")
    real, generated = (shift + scale * scores for scores in gaussian(n, m, 1.5))
    found = fit(real, generated)
    # Platt's targets, as every image twice: once as generated, once as real, sharing its weight.
    scores = np.concatenate([real, generated])
    target = np.concatenate([np.full(n, 1 / (n + 2)), np.full(m, (m + 1) / (m + 2))])
    weight = np.concatenate([np.full(n, 1 / n), np.full(m, 1 / m)])
    model = linear_model.LogisticRegression(C=1e12, solver="newton-cholesky", tol=1e-12, max_iter=1000)
    standard = (np.tile(scores, 2)[:, None] - scores.mean()) / scores.std()
    labels = np.repeat([1, 0], n + m)
    model.fit(standard, labels, sample_weight=np.concatenate([weight * target, weight * (1 - target)]))
    slope = model.coef_[0, 0] / scores.std()
    assert found.slope == pytest.approx(slope, rel=1e-5)
    assert found.intercept == pytest.approx(model.intercept_[0] - slope * scores.mean(), rel=1e-5, abs=1e-5)


def test_scores_that_are_ratios_already_stay_as_they_are() -> None:
    calibration = fit(*gaussian(20_000, 20_000))
    assert calibration.slope == pytest.approx(1, abs=0.03)
    assert calibration.intercept == pytest.approx(0, abs=0.03)


def test_ratio_is_free_of_the_proportion_of_the_classes() -> None:
    calibration = fit(*gaussian(20_000, 2_000))
    assert calibration.slope == pytest.approx(1, abs=0.06)
    assert calibration.intercept == pytest.approx(0, abs=0.06)


def test_reversed_scores_carry_no_evidence() -> None:
    real, generated = gaussian(200, 200)
    calibration = fit(generated, real)
    assert (calibration.slope, calibration.intercept) == (0, 0)
    assert calibration.llr(1e9) == 0


def test_separable_scores_stay_finite_and_bounded() -> None:
    calibration = fit(np.linspace(-2, -1, 40), np.linspace(1, 2, 60))
    assert 0 < calibration.slope < 1e3
    assert calibration.bound == pytest.approx(math.log(41))
    assert calibration.llr(1e300) == calibration.bound
    assert calibration.llr(-1e300) == -calibration.bound


def test_equal_scores_carry_no_evidence() -> None:
    calibration = fit(np.full(10, 3.0), np.full(20, 3.0))
    assert abs(calibration.llr(3.0)) < 0.2


@given(
    st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=12),
    st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=12),
)
@settings(max_examples=60, deadline=None)
def test_fit_never_overflows(real: list[float], generated: list[float]) -> None:
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        calibration = fit(np.array(real), np.array(generated))
    assert math.isfinite(calibration.slope)
    assert math.isfinite(calibration.intercept)
    assert calibration.slope >= 0


def test_fit_keeps_scores_sorted_with_their_sources() -> None:
    calibration = fit(np.array([3.0, 1.0, 2.0]), np.array([5.0, 4.0]), np.array([30, 10, 20], np.int32))
    assert calibration.real_scores.tolist() == [1, 2, 3]
    assert calibration.real_sources.tolist() == [10, 20, 30]
    assert calibration.generated_scores.tolist() == [4, 5]


@pytest.mark.parametrize(
    ("real", "generated"),
    [([1.0], [2.0, 3.0]), ([1.0, 2.0], []), ([1.0, math.nan], [2.0, 3.0]), ([1, 2], [3, math.inf])],
)
def test_too_little_or_broken_data_is_refused(real: list[float], generated: list[float]) -> None:
    with pytest.raises(UsageError, match="calibration"):
        fit(np.array(real), np.array(generated))


# --- likelihood ratio to probability


def test_without_evidence_the_probability_is_the_prior() -> None:
    for prior in (0.5, 0.01, 0.9):
        assert probability(0.0, prior) == pytest.approx(prior, rel=1e-12)


def test_probability_by_hand() -> None:
    assert probability(math.log(9)) == pytest.approx(0.9)
    assert probability(math.log(9), 0.1) == pytest.approx(0.5)  # odds 9 to 1 against meet a ratio of 9
    assert probability(-math.log(3), 0.25) == pytest.approx(0.1)  # odds 1/3 x 1/3 = 1/9


@given(st.floats(-50, 50), st.floats(0, 1, exclude_min=True, exclude_max=True))
def test_probability_is_one_and_never_overflows(llr: float, prior: float) -> None:
    with np.errstate(over="raise", invalid="raise"):
        assert 0 <= probability(llr, prior) <= 1


@pytest.mark.parametrize("prior", [0.0, 1.0, -0.1, 1.5, math.nan])
def test_impossible_prior_is_refused(prior: float) -> None:
    with pytest.raises(UsageError, match="prior"):
        probability(0.0, prior)


# --- operating points


@pytest.mark.parametrize(
    ("n", "rate", "k"), [(99, 0.05, 5), (400, 0.05, 20), (1999, 0.01, 20), (30, 0.1, 3), (19, 0.05, 1)]
)
def test_threshold_is_the_kth_largest_real_score(n: int, rate: float, k: int) -> None:
    calibration = fit(*gaussian(n, 300))
    point = calibration.operating_point(rate)
    assert (calibration.real_scores > point.threshold).sum() == k - 1
    assert point.false_alarm_rate == pytest.approx(k / (n + 1))
    assert point.interval[0] <= point.false_alarm_rate <= point.interval[1]
    assert (point.real_images, point.generated_images) == (n, 300)
    assert point.name == f"{100 * rate:g}% false alarms"
    assert point.missed_rate == (calibration.generated_scores <= point.uncertain_from).mean()


def test_false_alarms_on_fresh_images_average_what_is_promised() -> None:
    n, rate, repeats = 99, 0.05, 2000
    rng = np.random.default_rng(11)
    seen = []
    with (
        mock.patch.object(Calibration, "_widened", lambda self, low, high, threshold: (low, high)),
        mock.patch("contrafake.model.calibration.order_statistic_interval", return_value=(0.0, 0.05, 1.0)),
    ):  # the intervals are slow, and play no part here
        for _ in range(repeats):
            real = rng.normal(size=n)
            calibration = Calibration(1, 0, 1, np.sort(real), np.zeros(2), np.zeros(n, np.int32))
            fresh = rng.normal(size=200)
            seen.append((fresh > calibration.operating_point(rate).threshold).mean())
    # Standard error of the mean: sqrt(0.05 * 0.95 / 200 + 0.022 ** 2) / sqrt(2000) = 0.0006.
    assert np.mean(seen) == pytest.approx(5 / 100, abs=0.0025)


def test_interval_is_the_exact_one_at_least_and_widened_where_sources_cluster() -> None:
    rng = np.random.default_rng(5)
    sources = np.repeat(np.arange(10, dtype=np.int32), 40)
    real = rng.normal(size=400) + 2 * (sources == 3)  # one camera's photographs look generated
    generated = rng.normal(3, 1, 300)
    exact = order_statistic_interval(20, 400)
    apart = fit(real, generated).operating_point(0.05).interval
    clustered = fit(real, generated, sources).operating_point(0.05).interval
    assert apart[0] <= exact[0] < exact[2] <= apart[1]
    assert clustered[0] <= exact[0] < exact[2] <= clustered[1]
    assert clustered[1] - clustered[0] > 1.5 * (apart[1] - apart[0])


@given(n=st.integers(2, 3000), divisor=st.floats(1.05, 50))
@settings(max_examples=60, deadline=None)
def test_unsupported_rate_is_refused_with_the_least_possible(n: int, divisor: float) -> None:
    calibration = Calibration(1, 0, 1, np.arange(float(n)), np.zeros(2), np.zeros(n, np.int32))
    with pytest.raises(UsageError, match=f"cannot be supported by {n} real images") as caught:
        calibration.operating_point(1 / (n + 1) / divisor)
    least = float(caught.value.remedy.removeprefix("at least "))
    assert 1 / (n + 1) - 1e-12 <= least <= 1.1 / (n + 1)
    with mock.patch.object(Calibration, "_widened", lambda self, low, high, threshold: (low, high)):
        assert calibration.operating_point(least).threshold == n - 1  # what it names is accepted


@pytest.mark.parametrize("rate", [0.0, -0.1, 0.6, 1.0, math.nan])
def test_impossible_rate_is_refused(rate: float) -> None:
    with pytest.raises(UsageError, match=r"0 to 0.5"):
        fit(*gaussian(100, 100)).operating_point(rate)


@given(
    real=st.lists(st.floats(-5, 5), min_size=20, max_size=40),
    generated=st.lists(st.floats(-5, 5), min_size=2, max_size=40),
    apart=st.sampled_from([0.0, 20.0, -20.0]),
    rate=st.floats(0.05, 0.5),
)
@settings(max_examples=40, deadline=None)
def test_three_verdicts_never_overlap(real: list[float], generated: list[float], apart: float, rate: float) -> None:
    point = fit(np.array(real), np.array(generated) + apart).operating_point(rate)
    assert point.uncertain_from <= point.threshold
    assert point.label(point.threshold) in {"real", "uncertain"}
    assert point.label(np.nextafter(point.threshold, np.inf)) == "generated"
    assert point.label(point.uncertain_from) == "real"
    assert 0 <= point.interval[0] <= point.false_alarm_rate <= point.interval[1] <= 1


def test_separated_classes_leave_nothing_uncertain() -> None:
    point = fit(np.linspace(-2, -1, 40), np.linspace(1, 2, 40)).operating_point(0.05)
    assert point.uncertain_from == point.threshold
    assert point.missed_rate == 0


def test_custom_point_reports_what_validation_saw() -> None:
    calibration = fit(*gaussian(200, 100))
    point = calibration.custom_point(1.0)
    flagged = int((calibration.real_scores > 1).sum())
    assert point.threshold == point.uncertain_from == 1.0
    assert point.false_alarm_rate == flagged / 200
    low, high = clopper_pearson(flagged, 200)
    assert point.interval[0] <= low < high <= point.interval[1]
    assert point.missed_rate == (calibration.generated_scores <= 1).mean()
    assert {point.label(score) for score in (0.9, 1.0, 1.1)} == {"real", "generated"}


# --- words


@pytest.mark.parametrize(
    ("rate", "interval", "words"),
    [
        (0.05, (0.03, 0.08), "about 1 in 20 real photos flagged, 3 to 8 in 100 at 95 %"),
        (0.0099, (0.0061, 0.0149), "about 1 in 101 real photos flagged, 0.6 to 1.5 in 100 at 95 %"),
        (0.0, (0.0, 0.012), "almost none of the real photos flagged, 0 to 1.2 in 100 at 95 %"),
        (0.25, (0.2, 0.3), "about 1 in 4 real photos flagged, 20 to 30 in 100 at 95 %"),
        (0.92, (0.9, 1.0), "about 92 in 100 real photos flagged, 90 to 100 in 100 at 95 %"),
        (math.nan, (0.0, 1.0), "false alarms unknown"),
    ],
)
def test_operating_point_in_words(rate: float, interval: tuple[float, float], words: str) -> None:
    assert OperatingPoint("x", 0, 0, rate, interval, 400).describe() == words


def test_operating_point_as_json() -> None:
    point = OperatingPoint("custom threshold", 1.0, 1.0, math.nan, (0.0, 1.0), 0)
    plain = json.loads(json.dumps(point.to_dict(), allow_nan=False))
    assert plain["false_alarm_rate"] is None
    assert plain["missed_rate"] is None
    assert plain["interval"] == [0.0, 1.0]
