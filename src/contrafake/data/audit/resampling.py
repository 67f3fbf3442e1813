"""Traces of resampling: interpolated pixels are smoother than the others, and they come at regular places.

The size of the second difference, averaged over rows, has peaks in its spectrum that tell the factor (Gallagher,
Detection of Linear and Cubic Interpolation in JPEG Compressed Images, CRV 2005; Mahdian and Saic, Blind Authentication
Using Periodic Properties of Interpolation, IEEE TIFS 2008). Enlarging by f gives a peak at 1 / f, folded to at most
0.5 cycles a pixel; shrinking with a good filter leaves next to nothing. Enlarging by exactly 2 leaves no peak where the
new pixels lie evenly around the old ones, as they do in most libraries, but an empty band of high frequencies.

Codecs that work on blocks leave peaks, too: JPEG at multiples of 1/8, WebP and video at 1/4. They are told apart from
the others and reported on their own; so is enlarging by 4 or 8, which cannot be told from them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

FOUND = 1.6
"""Strength from which a peak counts as found; `benchmarks/audit_traces.py` shows what it costs and misses."""

_BINS = 1024
_LOWEST = 0.04  # cycles a pixel; below it the scene has peaks of its own
_WIDTH = 3.0  # of a peak, in periods over the shorter side
_STRIPES = 16
_WINDOW = 128


@dataclass(frozen=True)
class Resampling:
    """Peaks of the spectrum; strengths are log10 of a peak's power over that of its surroundings, at least 0.

    Attributes:
        strength: Of the strongest peak that no blocks explain.
        frequency: Its place in cycles a pixel, 0.04 to 0.5.
        every_4: Strength at 1/4: something that repeats every 4 pixels.
        every_8: Strength at 1/8 or 3/8: something that repeats every 8 pixels.
    """

    strength: float
    frequency: float
    every_4: float
    every_8: float

    @property
    def found(self) -> bool:
        """Whether the strongest peak stands out."""
        return self.strength >= FOUND


def resampling(luma: NDArray[np.float32]) -> Resampling:
    """Looks for traces of resampling in both directions together.

    Args:
        luma: (h, w) float32, at least 64 each way.
    """
    stripes = [_stripes(luma), _stripes(luma.T)]
    # The first survives compression better, the second sees weaker traces.
    kinds = ([np.log(s.mean(0) + 0.1) for s in stripes], [np.log(s + 0.1).mean(0) for s in stripes])
    power = np.maximum(*(_spectrum(across) + _spectrum(down) for across, down in kinds))
    eighths = 8 * _frequencies()
    free = (_frequencies() > _LOWEST) & (np.abs(eighths - np.rint(eighths)) > 8 * _WIDTH / min(luma.shape))
    best = int(np.argmax(np.where(free, power, 0)))
    levels = np.log10(np.maximum(power, 1))
    eight, four = _BINS // 8, _BINS // 4
    return Resampling(
        strength=float(levels[best]),
        frequency=float(_frequencies()[best]),
        every_4=float(levels[four]),
        every_8=float(max(levels[eight], levels[3 * eight])),
    )


def high_band(luma: NDArray[np.float32]) -> float:
    """How full the band of the highest frequencies is.

    Args:
        luma: (h, w) float32, at least 64 each way.

    Returns:
        log10 of the power at 0.42 to 0.5 cycles a pixel over that at 0.16 to 0.25. About -1 for photographs; -2 and
        less where the band is empty: enlarged, blurred or denoised images.
    """
    shares = []
    for rows in (luma, luma.T):
        length = min(_WINDOW, rows.shape[1])
        pieces = np.concatenate([rows[::4, i : i + length] for i in range(0, rows.shape[1] - length + 1, length)])
        pieces = (pieces - pieces.mean(axis=1, keepdims=True)) * np.hanning(length).astype(np.float32)
        power = (np.abs(np.fft.rfft(pieces, axis=1)) ** 2).mean(axis=0)
        frequency = np.fft.rfftfreq(length)
        high, middle = power[frequency > 0.42].mean(), power[(frequency > 0.16) & (frequency < 0.25)].mean()
        shares.append(np.log10((high + 1e-3) / (middle + 1e-3)))
    return float(np.mean(shares))


def _stripes(luma: NDArray[np.float32]) -> NDArray[np.float32]:
    """(stripes, w - 2): mean size of the horizontal second difference in each of 16 stripes."""
    rows = luma[: luma.shape[0] // _STRIPES * _STRIPES]
    second = np.abs(2 * rows[:, 1:-1] - rows[:, :-2] - rows[:, 2:])
    means: NDArray[np.float32] = second.reshape(_STRIPES, -1, second.shape[1]).mean(axis=1)
    return means


def _spectrum(profile: NDArray[np.float32]) -> NDArray[np.float64]:
    """(513,) power over the median of its surroundings."""
    from scipy.ndimage import median_filter  # noqa: PLC0415 - comes with scikit-learn

    level = profile - np.convolve(np.pad(profile, 4, mode="reflect"), np.full(9, 1 / 9), "valid")
    power = np.abs(np.fft.rfft(level * np.hanning(len(level)), _BINS)).astype(np.float64) ** 2
    above: NDArray[np.float64] = power / (median_filter(power, 101, mode="reflect") + 1e-12)
    return above


@cache
def _frequencies() -> NDArray[np.float64]:
    frequencies: NDArray[np.float64] = np.arange(_BINS // 2 + 1) / _BINS
    return frequencies
