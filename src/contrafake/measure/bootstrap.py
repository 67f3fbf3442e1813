"""Intervals by resampling, over images or over sources and images."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from contrafake.errors import DataError, UsageError
from contrafake.measure._checks import fraction

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import ArrayLike, NDArray

MOST_UNDEFINED = 0.05
"""Largest share of resamples without a defined statistic before the interval is refused."""


def bootstrap_interval(
    statistic: Callable[..., float],
    *samples: ArrayLike,
    groups: Sequence[ArrayLike] | None = None,
    repeats: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> tuple[float, float]:
    """Percentile interval of a statistic, each sample resampled on its own.

    Efron and Tibshirani, An Introduction to the Bootstrap (1993), chapter 13. Given groups, a two-stage cluster
    bootstrap (Davison and Hinkley, Bootstrap Methods (1997), section 3.8): groups are drawn with replacement, then
    images with replacement within each drawn group. Images of one source resemble each other, so that the plain
    interval over them is too narrow for the question "and on other sources?". With only a handful of groups the
    interval is rough, and with one group it says nothing about other sources.

    Args:
        statistic: Called with the resampled samples in order, returns a number; for example `auc`.
        samples: One or more arrays (N_i, ...), resampled along the first axis: for `auc` the scores of real and of
            generated images. Columns of one array stay together, so paired comparisons pass (N, 2).
        groups: For each sample its (N_i,) group labels, of any type numpy can sort.
        repeats: Number of resamples, 1 or more.
        confidence: Central share of the resampled values that the interval spans, strictly between 0 and 1.
        seed: Seed of the generator; the same seed gives the same interval.

    Returns:
        (low, high). It need not contain the statistic of the samples themselves when that is biased.

    Raises:
        DataError: A sample is empty, labels do not fit their sample, or the statistic was undefined (not finite, or
            `DataError`) in more than 5 % of the resamples; fewer are left out.
        UsageError: No samples, or `repeats` or `confidence` out of range.
    """
    if not samples:
        raise UsageError("samples", "none given")
    if repeats < 1:
        raise UsageError("repeats", f"{repeats} is below 1")
    tail = (1 - fraction("confidence", confidence, open_ends=True)) / 2
    arrays = [np.asarray(sample) for sample in samples]
    if any(array.ndim == 0 or len(array) == 0 for array in arrays):
        raise DataError("samples", "one of them is empty", "every sample needs at least one image")
    if groups is not None and len(groups) != len(arrays):
        raise DataError("groups", f"{len(groups)} arrays of labels for {len(arrays)} samples")
    draws = [
        _Images(len(array)) if groups is None else _Clusters(groups[position], len(array))
        for position, array in enumerate(arrays)
    ]
    generator = np.random.default_rng(seed)
    values = np.array(
        [
            _value(statistic, [array[draw(generator)] for array, draw in zip(arrays, draws, strict=True)])
            for _ in range(repeats)
        ]
    )
    undefined = int(np.isnan(values).sum())
    if undefined > MOST_UNDEFINED * repeats:
        raise DataError("bootstrap", f"statistic undefined in {undefined} of {repeats} resamples", "use more images")
    low, high = np.nanquantile(values, [tail, 1 - tail])
    return float(low), float(high)


def _value(statistic: Callable[..., float], resampled: list[NDArray[Any]]) -> float:
    """The statistic of one resample, NaN where undefined."""
    try:
        value = float(statistic(*resampled))
    except DataError:
        return math.nan
    return value if math.isfinite(value) else math.nan


class _Images:
    """Draws as many positions as there are images, with replacement."""

    def __init__(self, size: int) -> None:
        self.size = size

    def __call__(self, generator: np.random.Generator) -> NDArray[np.int64]:
        return generator.integers(self.size, size=self.size)


class _Clusters:
    """Draws as many groups as there are, then within each as many images as it has, all with replacement."""

    def __init__(self, labels: ArrayLike, size: int) -> None:
        names = np.asarray(labels)
        if names.shape != (size,):
            raise DataError("groups", f"labels of shape {names.shape} for a sample of {size}", "one label per image")
        _, index, self.sizes = np.unique(names, return_inverse=True, return_counts=True)
        self.members = np.argsort(index, kind="stable")
        self.starts = np.cumsum(self.sizes) - self.sizes

    def __call__(self, generator: np.random.Generator) -> NDArray[np.int64]:
        drawn = generator.integers(self.sizes.size, size=self.sizes.size)
        sizes = self.sizes[drawn]
        positions = np.repeat(self.starts[drawn], sizes) + generator.integers(np.repeat(sizes, sizes))
        return np.asarray(self.members[positions], dtype=np.int64)
