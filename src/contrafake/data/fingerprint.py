"""Two perceptual hashes of an image: near duplicates differ in few bits of both."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

FLAT = 2.0
"""Standard deviation of the grey values, 0 to 255, below which a picture has no hash: its bits would be noise."""

NO_HASH = (0, 0)
_SIDE = 32
_ENOUGH = 12 * _SIDE


def perceptual_hashes(pixels: NDArray[np.uint8]) -> tuple[int, int]:
    """The DCT hash and the gradient hash of a picture.

    The first (Zauner, Implementation and Benchmarking of Perceptual Image Hash Functions, 2010, section 3.2.1) compares
    the 64 lowest frequencies of a 32 x 32 grey copy, without the mean, with their median; the second (dHash) compares
    neighbours in a 9 x 8 grey copy. Scaling and recompression change few bits, crops and mirroring many.

    Args:
        pixels: (H, W, 3) uint8 RGB.

    Returns:
        Two numbers of 64 bits; `NO_HASH` for flat pictures.
    """
    from PIL import Image  # noqa: PLC0415 - keeps Pillow out of what needs no hash

    if (step := min(pixels.shape[:2]) // _ENOUGH) > 1:
        # Every bit rests on so many pixels that a few of them will do, and large pictures take as long as small ones.
        pixels = np.ascontiguousarray(pixels[::step, ::step])
    picture = Image.fromarray(pixels)
    shorter = min(picture.size)
    if shorter >= 8 * _SIDE:
        picture = picture.reduce(shorter // (4 * _SIDE))
    grey = picture.convert("L")
    small = np.asarray(grey.resize((_SIDE, _SIDE), Image.Resampling.BOX), np.float64)
    if small.std() < FLAT:
        return NO_HASH
    spectrum = (_dct() @ small @ _dct().T)[_low()]
    steps = np.asarray(grey.resize((9, 8), Image.Resampling.BOX), np.int16)
    return _number(spectrum > np.median(spectrum)), _number(np.diff(steps, axis=1).ravel() > 0)


def _number(bits: NDArray[np.bool_]) -> int:
    return int.from_bytes(np.packbits(bits).tobytes(), "big")


@cache
def _dct() -> NDArray[np.float64]:
    """(32, 32) DCT-II without its scale factors, which no comparison with the median of a band needs."""
    place = np.arange(_SIDE)
    basis: NDArray[np.float64] = np.cos(np.pi * np.outer(place, 2 * place + 1) / (2 * _SIDE))
    return basis


@cache
def _low() -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The 64 lowest frequencies but the mean, by diagonal."""
    down, across = np.divmod(np.arange(_SIDE * _SIDE), _SIDE)
    order = np.lexsort((down, down + across))[1:65]
    return down[order], across[order]
