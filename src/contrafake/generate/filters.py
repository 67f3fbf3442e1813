"""Which made images are not used: blank ones, flagged ones, and copies of the real image."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from contrafake.generate.config import FilterSettings

BLANK = "blank"
FLAGGED = "flagged by the generator's safety checker"
COPY = "equal to the real image"

_LUMA = np.array([0.299, 0.587, 0.114], np.float32)


def fault(
    pixels: NDArray[np.uint8], flagged: bool | None, settings: FilterSettings, real: NDArray[np.uint8] | None
) -> str | None:
    """Why an image is not used.

    Flags come before blanks: safety checkers often paint what they refuse black.

    Args:
        pixels: (H, W, 3) uint8 RGB, as it was made.
        flagged: What the generator's own safety checker said; None where it has none.
        settings: What the configuration says.
        real: (H, W, 3) uint8, the real image as the generator was given it; None where it was not.

    Returns:
        One clause, None where the image is used.
    """
    if flagged and settings.flagged:
        return FLAGGED
    # Grey values: luma of ITU-R BT.601, as JPEG has it.
    if float((pixels @ _LUMA).std()) < settings.blank_deviation:
        return BLANK
    if real is not None and np.array_equal(pixels, real):
        return COPY
    return None


def content_hash(pixels: NDArray[np.uint8]) -> str:
    """SHA-256 of size and pixels, in hex: equal for equal images, whatever their files.

    Args:
        pixels: (H, W, 3) uint8 RGB.
    """
    digest = sha256(repr(pixels.shape).encode())
    digest.update(np.ascontiguousarray(pixels).data)
    return digest.hexdigest()
