"""Whatever a decoder gives, made upright 8-bit RGB; all arithmetic is exact and stated."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from contrafake.errors import UnsupportedImageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

_ROWS = 256


def over_white(pixels: NDArray[Any]) -> NDArray[Any]:
    """Compose over white: round((alpha * colour + (top - alpha) * top) / top), top being 255 or 65535.

    Args:
        pixels: (H, W, 4) uint8 or uint16, straight (not premultiplied) alpha last.

    Returns:
        (H, W, 3) of the same type.
    """
    colour, alpha = pixels[..., :3], pixels[..., 3:]
    top = int(np.iinfo(pixels.dtype).max)
    if bool((alpha == top).all()):
        return np.ascontiguousarray(colour)
    # Both products and the rounding term together stay below top * (top + 2), so twice the width is wide enough.
    wide: type[np.uint16 | np.uint32] = np.uint16 if pixels.dtype == np.uint8 else np.uint32
    white, half = wide(top), wide(top // 2)
    composed = np.empty_like(colour, order="C")
    for start in range(0, len(pixels), _ROWS):
        rows = slice(start, start + _ROWS)
        weight: NDArray[Any] = alpha[rows].astype(wide)
        composed[rows] = (weight * colour[rows] + np.subtract(white, weight) * white + half) // white
    return composed


def to_eight_bits(pixels: NDArray[Any]) -> NDArray[np.uint8]:
    """Scale 16-bit samples by round(value / 257): 0 stays 0, 65535 becomes 255, and 8-bit values times 257 return.

    Args:
        pixels: uint16 of any byte order, any shape.

    Returns:
        uint8 of the same shape.
    """
    scaled = np.empty(pixels.shape, dtype=np.uint8)
    for start in range(0, len(pixels), _ROWS):
        rows = slice(start, start + _ROWS)
        scaled[rows] = (pixels[rows].astype(np.uint32) + 128) // 257
    return scaled


def to_rgb(pixels: NDArray[Any], name: str) -> NDArray[np.uint8]:
    """An array of samples as 8-bit RGB: grey repeated, alpha composed over white, 16 bits scaled to 8, in this order.

    Args:
        pixels: (H, W), (H, W, 3) or (H, W, 4), uint8 or uint16.
        name: What errors call it.

    Returns:
        (H, W, 3) uint8; it may share memory with the input.

    Raises:
        UnsupportedImageError: Another shape, another type of sample, or no pixels.
    """
    if pixels.dtype.kind == "f":
        cause = f"the array holds {pixels.dtype} samples, whose range cannot be known"
        raise UnsupportedImageError(name, cause, "scale them to 0..255 and convert to uint8")
    if pixels.dtype.newbyteorder("=") not in (np.uint8, np.uint16):
        raise UnsupportedImageError(name, f"the array holds {pixels.dtype} samples, not uint8 or uint16")
    if not (pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[2] in {3, 4})):
        cause = f"the array has shape {pixels.shape}"
        raise UnsupportedImageError(name, cause, "give (height, width), (height, width, 3) or (height, width, 4)")
    if pixels.size == 0:
        raise UnsupportedImageError(name, f"the array of shape {pixels.shape} has no pixels")
    if pixels.ndim == 3 and pixels.shape[2] == 4:
        pixels = over_white(pixels)
    eight = pixels if pixels.dtype == np.uint8 else to_eight_bits(pixels)
    return np.repeat(eight[..., None], 3, axis=2) if eight.ndim == 2 else eight


def upright(pixels: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """Undo an EXIF orientation.

    Args:
        pixels: (H, W, 3) uint8 as stored.
        orientation: 1 to 8.

    Returns:
        (H, W, 3) or, for 5 to 8, (W, H, 3) uint8; a view.
    """
    if orientation >= 5:
        pixels = pixels.transpose(1, 0, 2)
    # What is left after the transposition is a mirroring of columns, of rows, or of both.
    if orientation in {2, 3, 6, 7}:
        pixels = pixels[:, ::-1]
    if orientation in {3, 4, 7, 8}:
        pixels = pixels[::-1]
    return pixels
