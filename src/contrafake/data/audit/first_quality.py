"""The quality of a JPEG compression whose file is gone, from the combs it left in the coefficients.

After decoding, coefficients on the old grid lie near multiples of the steps of its table (Fan and de Queiroz,
Identification of Bitmap Compression History, IEEE TIP 2003). Each quality of libjpeg is tried as a whole table, which
settles what a single frequency leaves open (multiples of 6 are multiples of 3, too).
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from contrafake.data.audit.block_dct import QUALITIES, ROUNDING, coefficients, likeliest, standard_steps

if TYPE_CHECKING:
    from numpy.typing import NDArray

_PER_UNIT = 4
_LARGEST = 1024
_ASTRAY = 0.05  # share of coefficients that lie anywhere: clipped pixels, drawn lines


def first_quality(luma: NDArray[np.float32], top: int, left: int) -> int | None:
    """Estimates the quality of the compression that left a grid.

    Args:
        luma: (h, w) float32, 0 to 255, at least 16 each way.
        top: Row of the grid's first block.
        left: Its column.

    Returns:
        On libjpeg's scale, 25 to 100; for foreign tables the nearest; None if no table explains the coefficients.
    """
    bins = np.rint(np.abs(coefficients(luma, top, left)) * _PER_UNIT).astype(np.intp)
    np.minimum(bins, _LARGEST * _PER_UNIT, out=bins)
    size = _LARGEST * _PER_UNIT + 1
    counts = np.stack([np.bincount(column, minlength=size) for column in bins.T])
    gains = counts.astype(np.float32) @ _combs()
    whole = gains[np.arange(len(gains)), standard_steps() - 1].sum(axis=1)
    best = likeliest(whole)
    return QUALITIES[best] if whole[best] > 0 else None


@cache
def _combs() -> NDArray[np.float32]:
    """(bins, steps): log-density of a size that lies near multiples of a step, over that of one that does not."""
    size = np.arange(_LARGEST * _PER_UNIT + 1)[:, None] / _PER_UNIT
    step = np.arange(1, int(standard_steps().max()) + 1)[None]
    distance = size - np.rint(size / step) * step
    # Neighbouring teeth of fine combs overlap.
    teeth = sum(np.exp(-0.5 * ((distance + k * step) / ROUNDING) ** 2) for k in (-2, -1, 0, 1, 2))
    density = (1 - _ASTRAY) * step * teeth / (ROUNDING * np.sqrt(2 * np.pi)) + _ASTRAY
    # What a coarse step rounds to zero would fit every coarser one.
    logs: NDArray[np.float32] = np.where(size > step / 2, np.log(density), 0).astype(np.float32)
    logs[-1] = 0
    return logs
