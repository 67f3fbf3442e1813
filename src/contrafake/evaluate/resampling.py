"""Intervals by resampling sources and images: how often each image is drawn, for many statistics at once."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

import numpy as np

from contrafake.evaluate.figures import Estimate

if TYPE_CHECKING:
    from numpy.typing import NDArray

CONFIDENCE = 0.95
_BLOCK = 2_000_000
"""Images drawn at once: what keeps memory bounded."""
_KEPT = 128 * 2**20
"""Bytes of draws that are kept for the next row with the same images."""


class Resampler:
    """Draws sources with replacement, then within each drawn source as many images as it has, with replacement.

    The two-stage cluster bootstrap of `contrafake.measure.bootstrap_interval`, told as how often each image is drawn.
    Images of one source alone are drawn as images. The same images are drawn alike whatever else is drawn before, so
    that detectors, variants and generators that share images can be compared resample by resample.
    """

    def __init__(self, source: NDArray[np.object_], repeats: int, seed: int) -> None:
        """Resampling of images whose sources are known.

        Args:
            source: (N,) source of each image.
            repeats: Resamples, 0 or more.
            seed: The same seed draws the same.
        """
        _, self._source = np.unique(source, return_inverse=True)
        self.repeats = repeats
        self.seed = seed
        self._known: dict[bytes, NDArray[np.uint16]] = {}

    def sources(self, rows: NDArray[np.int64]) -> int:
        """Number of sources that images come from."""
        return len(np.unique(self._source[rows]))

    def counts(self, rows: NDArray[np.int64]) -> NDArray[np.uint16]:
        """How often each image is in each resample.

        Args:
            rows: (n,) places of images of one class, 1 or more.

        Returns:
            (repeats, n) uint16. Sums differ between resamples where sources differ in size.
        """
        key = rows.astype("<i8").tobytes()
        if key not in self._known:
            found = self._draw(rows, np.random.default_rng([self.seed, zlib.crc32(key)]))
            if sum(kept.nbytes for kept in self._known.values()) + found.nbytes > _KEPT:
                self._known.clear()
            self._known[key] = found
        return self._known[key]

    def _draw(self, rows: NDArray[np.int64], generator: np.random.Generator) -> NDArray[np.uint16]:
        _, place, sizes = np.unique(self._source[rows], return_inverse=True, return_counts=True)
        members = np.argsort(place, kind="stable")
        starts = np.cumsum(sizes) - sizes
        n = len(rows)
        counts = np.empty((self.repeats, n), np.uint16)
        step = max(1, _BLOCK // n)
        for first in range(0, self.repeats, step):
            repeats = min(step, self.repeats - first)
            drawn = generator.integers(sizes.size, size=(repeats, sizes.size))
            size = sizes[drawn].ravel()
            resample = np.repeat(np.arange(repeats), sizes[drawn].sum(axis=1))
            position = np.repeat(starts[drawn].ravel(), size) + generator.integers(np.repeat(size, size))
            flat = np.bincount(resample * n + members[position], minlength=repeats * n)
            counts[first : first + repeats] = flat.reshape(repeats, n)
        return counts


def estimate(value: float, resampled: NDArray[np.float64] | None, *, shifted: bool = False) -> Estimate:
    """A figure with its 95 % percentile interval.

    Args:
        value: The figure of the images themselves.
        resampled: (R,) the figure of each resample; None or nothing for no interval.
        shifted: The figure grows with the noise in it, and a resample has the noise twice: the interval is shifted so
            that the resamples' mean comes to lie on the figure, and kept within 0 and 1.
    """
    if resampled is None or not resampled.size:
        return Estimate(value)
    low, high = np.quantile(resampled, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    if shifted:
        low, high = np.clip(np.array([low, high]) + (value - resampled.mean()), 0, 1)
    return Estimate(value, float(low), float(high))
