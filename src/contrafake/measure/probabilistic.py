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


def calibration_error(probabilities: ArrayLike, labels: ArrayLike, bins: int = 10) -> float:
    """Expected calibration error over bins of equal mass.

    Images are sorted by probability and cut into `bins` runs of equal length; the error is the mean over images of the
    gap between their run's mean probability and its share of generated images. Equal probabilities always share a bin:
    a cut that would part them moves up to the end of the tie, so bins differ in size and some vanish (all
    probabilities equal: one bin). The result therefore does not depend on the order of the images. Equal mass is used
    because probabilities crowd at 0 and 1, where bins of equal width would be almost all empty (Nguyen and O'Connor,
    EMNLP 2015). With few images per bin the error is biased upwards, even for perfect probabilities.

    Args:
        probabilities: (N,) probabilities of being generated, 0 to 1.
        labels: (N,) 0 = real, 1 = generated.
        bins: Number of bins before ties are joined, 1 or more.

    Returns:
        0 to 1.

    Raises:
        DataError: Empty, NaN, of unequal length, or values outside [0, 1] or {0, 1}.
        UsageError: `bins` is below 1.
    """
    if bins < 1:
        raise UsageError("bins", f"{bins} is below 1")
    chances, truth = _judged(probabilities, labels)
    order = np.argsort(chances, kind="stable")
    chances, truth = chances[order], truth[order]
    cuts = np.arange(1, bins) * chances.size // bins
    cuts = cuts[cuts > 0]
    ends = np.searchsorted(chances, chances[cuts - 1], side="right")
    starts = np.unique(np.concatenate([[0], ends[ends < chances.size]]))
    # A bin's size times its gap of means is the gap of its sums.
    gaps = np.add.reduceat(chances, starts) - np.add.reduceat(truth, starts)
    return float(np.abs(gaps).sum() / chances.size)


def _judged(probabilities: ArrayLike, labels: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Probabilities and labels, checked against each other."""
    chances, truth = vector("probabilities", probabilities), vector("labels", labels)
    if chances.size != truth.size:
        raise DataError("labels", f"{truth.size} labels for {chances.size} probabilities")
    if chances.min() < 0 or chances.max() > 1:
        raise DataError("probabilities", "some lie outside 0 to 1", "turn scores into probabilities by a calibration")
    if not np.isin(truth, (0, 1)).all():
        raise DataError("labels", "some are neither 0 (real) nor 1 (generated)")
    return chances, truth
