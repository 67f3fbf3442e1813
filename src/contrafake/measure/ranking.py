"""How well scores rank generated images above real ones, whatever the threshold.

Every function takes two vectors of scores, (N,) of the real and (M,) of the generated images, higher = more likely
generated. NaN, an empty class or another shape raises `DataError`. Equal scores are never ordered by chance: they
enter together, so no result depends on the order of the images.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from contrafake.measure._checks import classes, fraction

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


def auc(real: ArrayLike, generated: ArrayLike) -> float:
    """Area under the ROC curve: the chance that a generated image scores above a real one, ties counted half.

    The Mann-Whitney statistic U / (N M), by sorting: O((N + M) log(N + M)).

    Args:
        real: (N,) scores of real images.
        generated: (M,) scores of generated images.

    Returns:
        0 to 1; 0.5 is chance.

    Raises:
        DataError: A class is empty, holds NaN or is not a vector.
    """
    real, generated = classes(real, generated)
    ordered = np.sort(real)
    # Sorted queries walk the sorted array in order: much kinder to the cache than random look-ups.
    queries = np.sort(generated)
    below = ordered.searchsorted(queries, side="left").sum(dtype=np.int64)
    not_above = ordered.searchsorted(queries, side="right").sum(dtype=np.int64)
    return float((int(below) + int(not_above)) / (2 * real.size * generated.size))


def average_precision(real: ArrayLike, generated: ArrayLike) -> float:
    """Mean precision over the generated images, sum of (recall step) x (precision), without interpolation.

    Precision depends on the class sizes: compare it only between sets with the same share of generated images.

    Args:
        real: (N,) scores of real images.
        generated: (M,) scores of generated images.

    Returns:
        0 to 1; M / (N + M) is what a constant score gets.

    Raises:
        DataError: A class is empty, holds NaN or is not a vector.
    """
    alarms, hits, _ = _counts(*classes(real, generated))
    return float(np.sum(np.diff(hits) / hits[-1] * (hits[1:] / (alarms[1:] + hits[1:]))))


def roc(real: ArrayLike, generated: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """The whole ROC curve, one point per distinct score, collinear points included.

    Thresholds mean what they mean everywhere in contrafake, generated when score > threshold; scikit-learn's curve
    uses >=, so that its thresholds sit one distinct score higher at the same point.

    Args:
        real: (N,) scores of real images.
        generated: (M,) scores of generated images.

    Returns:
        `fpr`, `tpr` and `thresholds`, each (D + 1,) for D distinct scores, from (0, 0) at the highest score to (1, 1)
        at -inf: `fpr[i] == mean(real > thresholds[i])` and `tpr[i] == mean(generated > thresholds[i])`. (Only a score
        of -inf breaks this, at the last point.)

    Raises:
        DataError: A class is empty, holds NaN or is not a vector.
    """
    alarms, hits, thresholds = _counts(*classes(real, generated))
    return alarms / alarms[-1], hits / hits[-1], thresholds


def tpr_at_fpr(real: ArrayLike, generated: ArrayLike, rate: float) -> float:
    """Share of generated images found at a threshold that flags at most `rate` of the real ones.

    The best such threshold on these very images; nothing is interpolated, so with N real images any rate below 1 / N
    means no false alarm at all.

    Args:
        real: (N,) scores of real images.
        generated: (M,) scores of generated images.
        rate: Largest false positive rate allowed, 0 to 1.

    Returns:
        0 to 1.

    Raises:
        DataError: A class is empty, holds NaN or is not a vector.
        UsageError: `rate` is outside [0, 1].
    """
    fraction("rate", rate)
    fpr, tpr, _ = roc(real, generated)
    return float(tpr[fpr <= rate][-1])


def eer(real: ArrayLike, generated: ArrayLike) -> float:
    """Equal error rate: where the ROC curve, its points joined by straight lines, has misses equal to false alarms.

    The straight line between two points is what choosing at random between their thresholds achieves. (The EER of the
    curve's convex hull, used in speaker verification, is never larger than this one.)

    Args:
        real: (N,) scores of real images.
        generated: (M,) scores of generated images.

    Returns:
        0 to 1; 0.5 is chance.

    Raises:
        DataError: A class is empty, holds NaN or is not a vector.
    """
    fpr, tpr, _ = roc(real, generated)
    excess = fpr - (1 - tpr)
    # The excess rises strictly from -1 to 1, so the crossing is never at the first point.
    after = int(np.argmax(excess >= 0))
    before = after - 1
    share = -excess[before] / (excess[after] - excess[before])
    return float(fpr[before] + share * (fpr[after] - fpr[before]))


def _counts(
    real: NDArray[np.float64], generated: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Real and generated images above each threshold, thresholds falling from the highest score to -inf."""
    scores = np.concatenate([real, generated])
    order = np.argsort(-scores, kind="stable")
    scores = scores[order]
    hits = np.cumsum(order >= real.size, dtype=np.int64)
    alarms = np.arange(1, scores.size + 1, dtype=np.int64) - hits
    last = np.flatnonzero(np.append(scores[1:] != scores[:-1], True))
    start = np.zeros(1, dtype=np.int64)
    return (
        np.concatenate([start, alarms[last]]),
        np.concatenate([start, hits[last]]),
        np.append(scores[last], -np.inf),
    )
