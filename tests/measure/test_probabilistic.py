from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit
from sklearn import metrics

from contrafake.errors import DataError, UsageError
from contrafake.measure import balanced_weights, brier, calibration_error, cllr, nll, reliability

llrs = st.lists(st.floats(-50, 50), min_size=1, max_size=30)
judged = st.lists(st.tuples(st.sampled_from([0, 0.2, 0.5, 0.9, 1.0]), st.integers(0, 1)), min_size=1, max_size=40)


def test_knowing_nothing_costs_one_bit() -> None:
    assert cllr([0, 0, 0], [0]) == pytest.approx(1, abs=1e-15)
    assert nll([0, 0, 0], [0]) == pytest.approx(np.log(2), abs=1e-15)


def test_worked_by_hand() -> None:
    # Odds 1:3 on a real image cost log2(4/3); odds 3:1 on one generated image the same, odds 1:1 on another one bit.
    right = np.log2(4 / 3)
    assert cllr([-np.log(3)], [np.log(3), 0]) == pytest.approx((right + (right + 1) / 2) / 2)
    assert brier([0.8, 0.5], [1, 0]) == pytest.approx((0.04 + 0.25) / 2)


def test_infinite_ratios() -> None:
    assert cllr([-np.inf], [np.inf]) == 0
    assert cllr([np.inf], [1]) == np.inf
    assert nll([-1000], [1000]) == 0
    assert nll([1000], [1000]) == pytest.approx(500)


@given(st.lists(st.floats(-12, 12), min_size=1, max_size=30))
def test_nll_is_log_loss_where_classes_are_of_equal_size(values: list[float]) -> None:
    real, generated = np.array(values), np.array(values[::-1]) + 1
    chances, labels = expit(np.concatenate([real, generated])), np.repeat([0, 1], len(values))
    # The range is narrow because a probability near 1, which scikit-learn starts from, keeps few digits of its LLR.
    assert nll(real, generated) == pytest.approx(metrics.log_loss(labels, chances), rel=1e-6, abs=1e-9)


@given(llrs, llrs)
def test_cllr_is_nll_in_bits_and_mirrors(real: list[float], generated: list[float]) -> None:
    assert cllr(real, generated) * np.log(2) == pytest.approx(nll(real, generated))
    flipped = cllr([-x for x in generated], [-x for x in real])
    assert flipped == pytest.approx(cllr(real, generated))


def test_brier_as_in_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    chances, labels = rng.random(500), rng.integers(0, 2, 500)
    assert brier(chances, labels) == pytest.approx(metrics.brier_score_loss(labels, chances))


def test_calibration_error_worked_by_hand() -> None:
    # Two bins of two: (0.1, 0.3 | none generated), (0.6, 0.8 | one of two).
    assert calibration_error([0.8, 0.1, 0.6, 0.3], [1, 0, 0, 0], bins=2) == pytest.approx((0.2 + 0.2) / 2)


def test_equal_probabilities_share_a_bin() -> None:
    assert calibration_error([0.5] * 100, [0, 1] * 50) == pytest.approx(0)
    assert calibration_error([0.5] * 50 + [1] * 50, [0, 1] * 25 + [1] * 50) == pytest.approx(0)
    # Cut at 2 of 4 would part the three 0.2: the cut moves behind them.
    assert calibration_error([0.2, 0.2, 0.2, 0.9], [0, 0, 1, 1], bins=2) == pytest.approx((0.4 + 0.1) / 4)


def test_more_bins_than_images_compares_each_value() -> None:
    assert calibration_error([0.1, 0.6], [0, 1], bins=10) == pytest.approx((0.1 + 0.4) / 2)
    assert calibration_error([0.7], [1]) == pytest.approx(0.3)


def test_equal_mass_bins_computed_naively() -> None:
    rng = np.random.default_rng(3)
    chances = rng.random(1000)
    labels = (rng.random(1000) < chances**2).astype(int)
    order = np.argsort(chances)
    expected = np.mean([abs(chances[b].mean() - labels[b].mean()) for b in np.split(order, 10)])
    assert calibration_error(chances, labels) == pytest.approx(expected)
    assert expected > 0.1


def test_honest_probabilities_have_a_small_error() -> None:
    rng = np.random.default_rng(4)
    chances = rng.random(50_000)
    assert calibration_error(chances, rng.random(50_000) < chances) < 0.01


@given(judged, st.integers(1, 12))
def test_calibration_error_is_bounded_and_ignores_order(pairs: list[tuple[float, int]], bins: int) -> None:
    chances, labels = (np.array(column, dtype=float) for column in zip(*pairs, strict=True))
    error = calibration_error(chances, labels, bins)
    assert abs(chances.mean() - labels.mean()) - 1e-12 <= error <= 1 + 1e-12
    assert calibration_error(chances[::-1], labels[::-1], bins) == pytest.approx(error, abs=1e-12)


def test_reliability_worked_by_hand() -> None:
    means, shares, counts = reliability([0.8, 0.1, 0.6, 0.3], [1, 0, 0, 0], bins=2)
    assert means.tolist() == pytest.approx([0.2, 0.7])
    assert shares.tolist() == [0, 0.5]
    assert counts.tolist() == [2, 2]


def test_a_bin_ends_where_its_mass_is_reached() -> None:
    # A third of three images is one image; a half of three is reached with the second.
    assert reliability([0.1, 0.2, 0.3], [0, 0, 1], bins=3)[2].tolist() == [1, 1, 1]
    assert reliability([0.1, 0.2, 0.3], [0, 0, 1], bins=2)[2].tolist() == [2, 1]
    # Weights move the ends: the first image alone is half of the mass.
    means, shares, counts = reliability([0.1, 0.2, 0.4], [0, 0, 1], bins=2, weights=[2, 1, 1])
    assert counts.tolist() == [1, 2]
    assert means.tolist() == pytest.approx([0.1, 0.3])
    assert shares.tolist() == [0, 0.5]


def test_balanced_weights_give_each_class_half() -> None:
    assert balanced_weights([0, 0, 0, 1]).tolist() == pytest.approx([1 / 6, 1 / 6, 1 / 6, 1 / 2])
    with pytest.raises(DataError, match="all are of one class"):
        balanced_weights([1, 1])
    with pytest.raises(DataError, match="neither 0"):
        balanced_weights([0, 2])


@given(judged, st.integers(1, 12))
def test_a_weight_is_so_many_copies(pairs: list[tuple[float, int]], bins: int) -> None:
    chances, labels = (np.array(column, dtype=float) for column in zip(*pairs, strict=True))
    copies = np.arange(len(pairs)) % 3 + 1
    written_out = calibration_error(np.repeat(chances, copies), np.repeat(labels, copies), bins)
    assert calibration_error(chances, labels, bins, copies) == pytest.approx(written_out, abs=1e-12)
    assert calibration_error(chances, labels, bins, copies / 7) == pytest.approx(written_out, abs=1e-12)


@given(judged, st.integers(1, 12))
def test_calibration_error_is_the_mean_gap_of_the_diagram(pairs: list[tuple[float, int]], bins: int) -> None:
    chances, labels = (np.array(column, dtype=float) for column in zip(*pairs, strict=True))
    means, shares, counts = reliability(chances, labels, bins)
    assert counts.sum() == len(pairs)
    assert (np.diff(means) > 0).all()
    assert calibration_error(chances, labels, bins) == pytest.approx(np.average(np.abs(means - shares), weights=counts))


def test_balanced_weights_make_calibration_independent_of_class_sizes() -> None:
    rng = np.random.default_rng(5)
    llr = rng.normal(2, 2, 40_000)  # of generated images; mirrored, of real ones: honest ratios
    real, generated = expit(-llr[:20_000]), expit(llr[20_000:])
    few = generated[:1000]
    labels = np.repeat([0, 1], [20_000, 1000])
    chances = np.concatenate([real, few])
    assert calibration_error(chances, labels) > 0.1
    assert calibration_error(chances, labels, weights=balanced_weights(labels)) < 0.02


def test_unusable_input() -> None:
    with pytest.raises(DataError, match="log-likelihood ratios of real images: is empty"):
        cllr([], [1])
    with pytest.raises(DataError, match="1 of 1 are NaN"):
        nll([1], [np.nan])
    for measure in (brier, calibration_error):
        with pytest.raises(DataError, match="outside 0 to 1"):
            measure([1.1], [1])
        with pytest.raises(DataError, match="neither 0"):
            measure([0.1], [2])
        with pytest.raises(DataError, match="2 labels for 1 probabilities"):
            measure([0.1], [0, 1])
    with pytest.raises(UsageError, match="bins"):
        calibration_error([0.1], [1], bins=0)
    with pytest.raises(DataError, match="2 weights for 1 probabilities"):
        calibration_error([0.1], [1], weights=[1, 1])
    for weight in (0, -1, np.inf):
        with pytest.raises(DataError, match="weights: some are not above 0"):
            reliability([0.1], [1], weights=[weight])
