"""Pixels to bytes: the three formats in which images are shared, at a quality."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from contrafake.errors import ImageTooLargeError, UsageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

Format = Literal["JPEG", "WEBP", "PNG"]
Subsampling = Literal["4:4:4", "4:2:2", "4:2:0"]

DEFAULT_QUALITY = {"JPEG": 75, "WEBP": 80}
_LONGEST_SIDE = {"JPEG": 65_500, "WEBP": 16_383, "PNG": 2**31 - 1}


def encode(
    pixels: NDArray[np.uint8],
    format: Format,  # noqa: A002 - Pillow's own word
    quality: int | None = None,
    subsampling: Subsampling | None = None,
) -> bytes:
    """Encode an RGB picture; the same arguments always give the same bytes, without any metadata.

    Args:
        pixels: (H, W, 3) uint8 RGB, at least 1 x 1.
        format: "JPEG", "WEBP" (lossy) or "PNG" (lossless).
        quality: 1 to 100 for JPEG and WebP; None is 75 for JPEG and 80 for WebP. PNG has none.
        subsampling: Chroma subsampling of a JPEG, None is "4:2:0". The other formats have no choice.

    Returns:
        The file's bytes.

    Raises:
        UsageError: An argument is of the wrong kind or out of range, or the format has no such setting.
        ImageTooLargeError: A side is longer than the format can store.
    """
    if format not in get_args(Format):
        raise UsageError("encode", f"format {format!r} is none of {', '.join(get_args(Format))}")
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.size == 0:
        raise UsageError("encode", f"{pixels.dtype} pixels of shape {pixels.shape}, not (height, width, 3) uint8")
    if quality is not None and (isinstance(quality, bool) or not 1 <= quality <= 100 or quality != int(quality)):
        raise UsageError("encode", f"quality is {quality!r}, not a whole number from 1 to 100")
    if quality is not None and format == "PNG":
        raise UsageError("encode", "PNG is lossless and has no quality")
    if subsampling is not None and (format != "JPEG" or subsampling not in get_args(Subsampling)):
        raise UsageError("encode", f"{format} has no subsampling {subsampling!r}", "JPEG has 4:4:4, 4:2:2 and 4:2:0")
    if max(pixels.shape[:2]) > _LONGEST_SIDE[format]:
        raise ImageTooLargeError("encode", f"{format} stores no side longer than {_LONGEST_SIDE[format]} pixels")

    from PIL import Image  # noqa: PLC0415 - reading JPEG files does not need Pillow

    settings: dict[str, int | str] = {}
    if format in DEFAULT_QUALITY:
        settings["quality"] = DEFAULT_QUALITY[format] if quality is None else int(quality)
    if format == "JPEG":
        settings["subsampling"] = subsampling or "4:2:0"
    target = io.BytesIO()
    Image.fromarray(pixels).save(target, format=format, **settings)
    return target.getvalue()
