"""The low frequencies of the 8 x 8 DCT of an image, from its pixels, as a JPEG encoder would see them."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from contrafake.images import encode, jpeg_facts

if TYPE_CHECKING:
    from numpy.typing import NDArray

FREQUENCIES = ((0, 0), (0, 1), (1, 0), (2, 0), (1, 1), (0, 2), (0, 3), (1, 2), (2, 1), (3, 0))
"""(vertical, horizontal) frequency, in the order of JPEG's zigzag: the mean and nine others, which survive best."""

QUALITIES = tuple(range(25, 101))
"""Qualities that estimates choose from."""

ROUNDING = 0.45
"""Standard deviation of a coefficient after decoding to 8-bit colour: 0.29 from rounding, the rest from colours."""


def coefficients(luma: NDArray[np.float32], top: int = 0, left: int = 0) -> NDArray[np.float32]:
    """DCT coefficients of all whole blocks of a grid.

    Args:
        luma: (h, w) float32, 0 to 255.
        top: Row of the grid's first block.
        left: Its column.

    Returns:
        (blocks, 10) float32, the columns as in `FREQUENCIES`, scaled as in JPEG (level shift of 128 included).
    """
    cut = luma[top:, left:]
    rows, columns = cut.shape[0] // 8, cut.shape[1] // 8
    blocks = cut[: 8 * rows, : 8 * columns].reshape(rows, 8, columns, 8).swapaxes(1, 2).reshape(-1, 64)
    found: NDArray[np.float32] = blocks @ _basis()
    found[:, 0] -= 1024
    return found


@cache
def standard_steps() -> NDArray[np.intp]:
    """(qualities, 10) quantisation steps of libjpeg's luma table at each of `QUALITIES`."""
    black = np.zeros((8, 8, 3), np.uint8)  # libjpeg itself knows its tables best
    tables = np.array([jpeg_facts(encode(black, "JPEG", quality)).tables[0] for quality in QUALITIES])
    return tables[:, [8 * down + across for down, across in FREQUENCIES]].astype(np.intp)


def likeliest(gains: NDArray[np.floating]) -> int:
    """The place in `QUALITIES` of the highest gain; of equals, which have the same steps, a multiple of 5.

    Args:
        gains: (qualities,).
    """
    best = np.flatnonzero(gains >= gains.max() - 1e-6 * abs(gains.max()))
    return int(min(best, key=lambda place: QUALITIES[place] % 5 != 0))


@cache
def _basis() -> NDArray[np.float32]:
    """(64, 10): pixels of a block to coefficients."""
    place = np.arange(8)
    cosines = 0.5 * np.cos((2 * place[None] + 1) * place[:, None] * np.pi / 16)
    cosines[0] *= np.sqrt(0.5)
    return np.stack([np.outer(cosines[v], cosines[u]).ravel() for v, u in FREQUENCIES], axis=1).astype(np.float32)
