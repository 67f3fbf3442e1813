"""Metrics of many resamples at once, from how often each image was drawn into each.

Every function gives what `contrafake.measure` gives on the resampled images written out, resample by resample.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

_BLOCK = 400_000
"""Cells of a resample-by-score table that are worked on at once: what stays near the processor."""


def mean(values: NDArray[np.float64] | NDArray[np.bool_], counts: NDArray[np.uint16]) -> NDArray[np.float64]:
    """Mean over the images of each resample.

    Args:
        values: (n,) one value an image.
        counts: (R, n) how often each image was drawn.

    Returns:
        (R,) float64.
    """
    found = np.empty(len(counts))
    for block in _blocks(len(counts), counts.shape[1]):
        drawn = counts[block].astype(np.float64)
        found[block] = drawn @ values.astype(np.float64) / drawn.sum(axis=1)
    return found


def ranking(
    real: NDArray[np.float64],
    generated: NDArray[np.float64],
    real_counts: NDArray[np.uint16],
    generated_counts: NDArray[np.uint16],
    metrics: Sequence[str],
) -> dict[str, NDArray[np.float64]]:
    """Metrics of the order of scores.

    Args:
        real: (N,) scores of real images.
        generated: (M,) scores of generated images.
        real_counts: (R, N) how often each real image was drawn.
        generated_counts: (R, M) the same of generated ones.
        metrics: Which: "auc", "average_precision", "best_balanced_accuracy", "tpr_at_1", "tpr_at_5" or "eer".

    Returns:
        (R,) float64 by metric.
    """
    thresholds = np.unique(np.concatenate([real, generated]))[::-1]
    repeats = len(real_counts)
    found = {metric: np.empty(repeats) for metric in metrics}
    for block in _blocks(repeats, thresholds.size):
        alarms = _above(real, real_counts[block], thresholds)
        hits = _above(generated, generated_counts[block], thresholds)
        for metric in metrics:
            found[metric][block] = _CURVE[metric](alarms, hits)
    return found


def calibration_error(
    real: NDArray[np.float64],
    generated: NDArray[np.float64],
    real_counts: NDArray[np.uint16],
    generated_counts: NDArray[np.uint16],
    bins: int = 10,
) -> NDArray[np.float64]:
    """Calibration error with `measure.balanced_weights`: both classes weigh half in each resample.

    Args:
        real: (N,) probabilities of being generated, of real images.
        generated: (M,) those of generated images.
        real_counts: (R, N) how often each real image was drawn.
        generated_counts: (R, M) the same of generated ones.
        bins: Number of bins before ties are joined.

    Returns:
        (R,) float64.
    """
    values = np.unique(np.concatenate([real, generated]))
    found = np.empty(len(real_counts))
    for block in _blocks(len(found), values.size):
        of_real = _share(real, real_counts[block], values)
        of_generated = _share(generated, generated_counts[block], values)
        mass = (of_real + of_generated) / 2
        below = np.cumsum(mass, axis=1) - mass
        place = np.minimum(below * bins + 1e-9, bins - 1).astype(np.int64)
        place += np.arange(len(mass))[:, None] * bins
        gaps = np.bincount(place.ravel(), (mass * values - of_generated / 2).ravel(), minlength=len(mass) * bins)
        found[block] = np.abs(gaps).reshape(len(mass), bins).sum(axis=1)
    return found


def _blocks(repeats: int, width: int) -> Iterator[slice]:
    step = max(1, _BLOCK // max(1, width))
    return (slice(first, min(first + step, repeats)) for first in range(0, repeats, step))


def _above(
    scores: NDArray[np.float64], counts: NDArray[np.uint16], thresholds: NDArray[np.float64]
) -> NDArray[np.float64]:
    """(R, U + 1) images drawn with none of, then at or above each of U falling thresholds."""
    order = np.argsort(-scores, kind="stable")
    running = np.zeros((len(counts), len(scores) + 1))
    np.cumsum(counts[:, order], axis=1, dtype=np.float64, out=running[:, 1:])
    above = np.searchsorted(-scores[order], -thresholds, side="right")
    return np.take(running, np.concatenate([[0], above]), axis=1)


def _share(scores: NDArray[np.float64], counts: NDArray[np.uint16], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """(R, U) share of the images drawn that have each of U rising values."""
    running = _above(-scores, counts, -values)
    return np.diff(running, axis=1) / running[:, -1:]


def _auc(alarms: NDArray[np.float64], hits: NDArray[np.float64]) -> NDArray[np.float64]:
    # Counts are whole and sums of their products exact, so that ties count exactly half.
    twice = ((2 * alarms[:, -1:] - alarms[:, 1:] - alarms[:, :-1]) * np.diff(hits, axis=1)).sum(axis=1)
    return np.asarray(twice / (2 * alarms[:, -1] * hits[:, -1]))


def _average_precision(alarms: NDArray[np.float64], hits: NDArray[np.float64]) -> NDArray[np.float64]:
    flagged = np.maximum(alarms[:, 1:] + hits[:, 1:], 1)
    return np.asarray((np.diff(hits, axis=1) * hits[:, 1:] / flagged).sum(axis=1) / hits[:, -1])


def _best(alarms: NDArray[np.float64], hits: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray((1 + (hits / hits[:, -1:] - alarms / alarms[:, -1:]).max(axis=1)) / 2)


def _found_at(rate: float, alarms: NDArray[np.float64], hits: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.where(alarms / alarms[:, -1:] <= rate, hits, 0).max(axis=1) / hits[:, -1])


def _eer(alarms: NDArray[np.float64], hits: NDArray[np.float64]) -> NDArray[np.float64]:
    alarmed = alarms / alarms[:, -1:]
    excess = alarmed - (1 - hits / hits[:, -1:])
    after = np.argmax(excess >= 0, axis=1)[:, None]
    before = after - 1
    at, ahead = (np.take_along_axis(excess, place, axis=1) for place in (before, after))
    low, high = (np.take_along_axis(alarmed, place, axis=1) for place in (before, after))
    return np.asarray((low - at / (ahead - at) * (high - low))[:, 0])


_CURVE = {
    "auc": _auc,
    "average_precision": _average_precision,
    "best_balanced_accuracy": _best,
    "tpr_at_1": lambda alarms, hits: _found_at(0.01, alarms, hits),
    "tpr_at_5": lambda alarms, hits: _found_at(0.05, alarms, hits),
    "eer": _eer,
}
