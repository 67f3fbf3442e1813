"""An earlier compression on the same grid: coefficients that were quantised twice, with two tables.

What a single compression would have left is seen on a grid moved by four pixels (calibration: Lukáš and Fridrich,
Estimation of Primary Quantization Matrix in Double Compressed JPEG Images, DFRWS 2003). Quantising that histogram on
paper, with each quality of libjpeg first and then with the known table, gives the histogram that each history would
have left; the likelihood chooses. It cannot see an earlier compression with the same table.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from contrafake.data.audit.block_dct import QUALITIES, ROUNDING, coefficients, likeliest, standard_steps

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

SUPPORT = 0.003
"""Gain of likelihood for each coefficient, in nats, from which an earlier compression counts as found ..."""

ENOUGH = 30.0
"""... if all coefficients together gain at least so much."""

_LARGEST = 120
_COARSEST = 40  # with larger steps too few values are left
_BUSY = 1 / 8  # smallest share of blocks that are not flat; the few edges of a drawing repeat each other
_UNSURE = 0.03  # share of coefficients that may have any history, so that none can veto


@dataclass(frozen=True)
class Earlier:
    """The most likely earlier compression.

    Attributes:
        quality: Its quality on libjpeg's scale.
        support: Gain of log-likelihood over a single compression for each coefficient, in nats, at least 0.
        total: The same for all of them.
    """

    quality: int
    support: float
    total: float

    @property
    def found(self) -> bool:
        """Whether it is more than chance."""
        return self.support >= SUPPORT and self.total >= ENOUGH


def earlier_compression(luma: NDArray[np.float32], steps: Sequence[int], top: int = 0, left: int = 0) -> Earlier:
    """Looks for a compression before the last one, on the same grid.

    Args:
        luma: (h, w) float32, 0 to 255, at least 16 each way.
        steps: Steps of the last compression at `FREQUENCIES`.
        top: Row of the grid's first block.
        left: Its column.
    """
    last = coefficients(luma, top, left)
    never = coefficients(luma, (top + 4) % 8, (left + 4) % 8)
    gains, used = np.zeros(len(QUALITIES)), 0.0
    busy = np.zeros(len(last), bool)
    for column in range(1, len(steps)):
        step = int(steps[column])
        if not 1 <= step <= _COARSEST:
            continue
        expected = _requantised(np.abs(never[:, column]), step)
        levels = np.rint(np.abs(last[:, column]) / step).astype(np.intp)
        busy |= levels > 0
        # Zeros say more about the scene than about its history, and the last level is cut off.
        seen = np.bincount(levels[levels < expected.shape[1]], minlength=expected.shape[1])[1:-1]
        shares = expected[:, 1:-1] / expected[:, 1:-1].sum(axis=1, keepdims=True)
        likelihood = np.log((1 - _UNSURE) * shares + _UNSURE * shares[:1]) @ seen.astype(np.float64)
        gains += (likelihood - likelihood[0])[standard_steps()[:, column] - 1]
        used += float(seen.sum())
    if busy.mean() < _BUSY:
        return Earlier(QUALITIES[-1], 0.0, 0.0)
    best = likeliest(gains)
    return Earlier(QUALITIES[best], max(float(gains[best]), 0.0) / max(used, 1.0), max(float(gains[best]), 0.0))


def _requantised(sizes: NDArray[np.float32], last: int) -> NDArray[np.float32]:
    """(first steps, levels): expected histograms of levels after quantising with each first step, then the last."""
    whole = np.rint(sizes).astype(np.intp)
    counts = np.bincount(whole[whole <= _LARGEST], minlength=_LARGEST + 1)
    histograms: NDArray[np.float32] = (counts + 0.05).astype(np.float32) @ _maps(last) + np.float32(1e-6)
    return histograms


@lru_cache(maxsize=_COARSEST)
def _maps(last: int) -> NDArray[np.float32]:
    """(first steps, sizes, levels): where a coefficient of each size ends up, with the noise of rounding pixels."""
    size = np.arange(_LARGEST + 1)
    edges = (np.arange(-_LARGEST // last, _LARGEST // last + 2) - 0.5) * last
    zero = int(np.flatnonzero(edges > 0)[0]) - 1
    maps = []
    for first in range(1, int(standard_steps().max()) + 1):
        centre = np.rint(size / first) * first
        below = _normal((edges[None] - centre[:, None]) / ROUNDING)
        signed = np.diff(below, axis=1)
        folded = signed[:, zero:].copy()
        folded[:, 1 : zero + 1] += signed[:, zero - 1 :: -1][:, : folded.shape[1] - 1]
        maps.append(folded)
    return np.stack(maps).astype(np.float32)


def _normal(value: NDArray[np.float64]) -> NDArray[np.float64]:
    from scipy.special import ndtr  # noqa: PLC0415 - comes with scikit-learn

    result: NDArray[np.float64] = ndtr(value)
    return result
