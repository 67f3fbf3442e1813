"""Whether likelihood ratios and probabilities mean what they say.

Log-likelihood ratios (LLR) are natural logarithms of p(score | generated) / p(score | real).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from contrafake.errors import DataError, UsageError
from contrafake.measure._checks import classes, vector

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


def nll(llr_real: ArrayLike, llr_generated: ArrayLike) -> float:
    """Negative log-likelihood of the true class under balanced priors, in nats; each class weighs one half.

    Args:
        llr_real: (N,) LLR of real images; infinities allowed.
        llr_generated: (M,) LLR of generated images.

    Returns:
        0 or more; ln 2 = 0.693 is what an LLR of 0 everywhere gets; inf where an infinite LLR is wrong.

    Raises:
        DataError: A class is empty, holds NaN or is not a vector.
    """
    real, generated = classes(llr_real, llr_generated, "log-likelihood ratios")
    return float((np.logaddexp(0, real).mean() + np.logaddexp(0, -generated).mean()) / 2)


def cllr(llr_real: ArrayLike, llr_generated: ArrayLike) -> float:
    """Cost of the log-likelihood ratio, in bits: `nll` with the logarithm to base 2.

    Bruemmer and du Preez, "Application-independent evaluation of speaker detection", Computer Speech and Language
    20 (2006), equation 48. Judges ranking and calibration together.

    Args:
        llr_real: (N,) LLR of real images; infinities allowed.
        llr_generated: (M,) LLR of generated images.

    Returns:
        0 or more; 1 is what knowing nothing (an LLR of 0 everywhere) costs, above 1 is misleading.

    Raises:
        DataError: A class is empty, holds NaN or is not a vector.
    """
    return nll(llr_real, llr_generated) / float(np.log(2))


def brier(probabilities: ArrayLike, labels: ArrayLike) -> float:
    """Mean squared difference between the probability of being generated and the label.

    Args:
        probabilities: (N,) probabilities of being generated, 0 to 1.
        labels: (N,) 0 = real, 1 = generated.

    Returns:
        0 to 1; 0.25 is what 0.5 everywhere gets.

    Raises:
        DataError: Empty, NaN, of unequal length, or values outside [0, 1] or {0, 1}.
    """
    chances, truth = _judged(probabilities, labels)
    return float(np.mean((chances - truth) ** 2))


def reliability(
    probabilities: ArrayLike, labels: ArrayLike, bins: int = 10, weights: ArrayLike | None = None
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    """What a reliability diagram shows: in bins of equal mass, the probability given and the share that came true.

    Bin b ends with the smallest probability at or below which at least b / `bins` of the mass lies. Equal
    probabilities therefore always share a bin, bins differ in size and some vanish (all probabilities equal: one bin),
    and nothing depends on the order of the images. Equal mass is used because probabilities crowd at 0 and 1, where
    bins of equal width would be almost all empty (Nguyen and O'Connor, EMNLP 2015).

    Args:
        probabilities: (N,) probabilities of being generated, 0 to 1.
        labels: (N,) 0 = real, 1 = generated.
        bins: Number of bins before ties are joined, 1 or more.
        weights: (N,) mass of each image, above 0; None gives each the same. `balanced_weights` gives each class half.

    Returns:
        By bin, rising: the mean probability, the share that is generated (both weighted), and the number of images.

    Raises:
        DataError: Empty, NaN, of unequal length, values outside [0, 1] or {0, 1}, or a weight not above 0.
        UsageError: `bins` is below 1.
    """
    chances, truth, mass, counts = _binned(probabilities, labels, bins, weights)
    return chances / mass, truth / mass, counts


def calibration_error(
    probabilities: ArrayLike, labels: ArrayLike, bins: int = 10, weights: ArrayLike | None = None
) -> float:
    """Expected calibration error over bins of equal mass.

    The mean over the bins of `reliability`, by their mass, of the gap between their mean probability and their share of
    generated images. With few images per bin it is biased upwards, even for perfect probabilities.

    Args:
        probabilities: (N,) probabilities of being generated, 0 to 1.
        labels: (N,) 0 = real, 1 = generated.
        bins: Number of bins before ties are joined, 1 or more.
        weights: (N,) mass of each image, above 0; None gives each the same. `balanced_weights` gives each class half.

    Returns:
        0 to 1.

    Raises:
        DataError: Empty, NaN, of unequal length, values outside [0, 1] or {0, 1}, or a weight not above 0.
        UsageError: `bins` is below 1.
    """
    chances, truth, mass, _ = _binned(probabilities, labels, bins, weights)
    # A bin's mass times its gap of means is the gap of its sums.
    return float(np.abs(chances - truth).sum() / mass.sum())


def balanced_weights(labels: ArrayLike) -> NDArray[np.float64]:
    """Weights that give both classes half of the mass, whatever their sizes.

    Args:
        labels: (N,) 0 = real, 1 = generated, both present.

    Returns:
        (N,) float64, 1 / (2 n) for an image of a class of n; their sum is 1.

    Raises:
        DataError: A class is empty, or labels are something else.
    """
    truth = _labels(labels)
    generated = int(truth.sum())
    if not 0 < generated < truth.size:
        raise DataError("labels", "all are of one class", "weights that balance classes need both")
    return np.where(truth == 1, 0.5 / generated, 0.5 / (truth.size - generated))


def _binned(
    probabilities: ArrayLike, labels: ArrayLike, bins: int, weights: ArrayLike | None
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    """By bin: weighted sums of probabilities and labels, mass, and number of images."""
    if bins < 1:
        raise UsageError("bins", f"{bins} is below 1")
    chances, truth = _judged(probabilities, labels)
    mass = np.ones(chances.size) if weights is None else vector("weights", weights)
    if mass.size != chances.size:
        raise DataError("weights", f"{mass.size} weights for {chances.size} probabilities")
    if not (np.isfinite(mass) & (mass > 0)).all():
        raise DataError("weights", "some are not above 0 and finite")
    _, place = np.unique(chances, return_inverse=True)
    of_value = np.bincount(place, mass)
    below = np.cumsum(of_value) - of_value
    # The margin keeps rounding from parting masses that are equal on paper.
    bin_of_value = np.minimum(below / of_value.sum() * bins + 1e-9, bins - 1).astype(np.int64)
    _, bin_of_value = np.unique(bin_of_value, return_inverse=True)
    bin_of_image = bin_of_value[place]
    found, right, whole = (
        np.asarray(np.bincount(bin_of_image, m), np.float64) for m in (mass * chances, mass * truth, mass)
    )
    return found, right, whole, np.bincount(bin_of_image).astype(np.int64)


def _judged(probabilities: ArrayLike, labels: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Probabilities and labels, checked against each other."""
    chances, truth = vector("probabilities", probabilities), _labels(labels)
    if chances.size != truth.size:
        raise DataError("labels", f"{truth.size} labels for {chances.size} probabilities")
    if chances.min() < 0 or chances.max() > 1:
        raise DataError("probabilities", "some lie outside 0 to 1", "turn scores into probabilities by a calibration")
    return chances, truth


def _labels(labels: ArrayLike) -> NDArray[np.float64]:
    """Labels, all of them 0 or 1."""
    truth = vector("labels", labels)
    if not np.isin(truth, (0, 1)).all():
        raise DataError("labels", "some are neither 0 (real) nor 1 (generated)")
    return truth
