"""The short way from an ordinary JPEG to pixels: libjpeg-turbo without Pillow.

The settings (exact DCT, smooth upsampling) are Pillow's, so the pixels are Pillow's, bit for bit. Unlike Pillow it
also says when libjpeg had to invent pixels for damaged data.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from contrafake.errors import TruncatedImageError, UnsupportedImageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from contrafake.images.jpeg import JpegFacts

MAX_SCANS = 500
_DAMAGE = ("remature end", "bad Huffman", "bad arithmetic", "instead of RST", "Inconsistent progression")


def is_ordinary(facts: JpegFacts) -> bool:
    """Whether `jpeg_pixels` may decode it: 8 bits, Huffman coded, grey or three components."""
    usual = facts.coding in {"baseline", "extended", "progressive"}
    return usual and facts.precision == 8 and facts.components in {1, 3}


def check_scans(data: bytes, name: str) -> None:
    """Refuse a JPEG of absurdly many scans: each may cost a pass over all pixels and a handful of bytes.

    Raises:
        UnsupportedImageError: More than MAX_SCANS scan headers.
    """
    # Within a scan 0xFF is always followed by 0x00 or a restart marker, so this counts headers only.
    if data.count(b"\xff\xda") > MAX_SCANS:
        raise UnsupportedImageError(name, f"the JPEG has more than {MAX_SCANS} scans")


def jpeg_pixels(data: bytes, facts: JpegFacts, name: str) -> NDArray[np.uint8] | None:
    """Decode an ordinary JPEG as stored (orientation not applied).

    Args:
        data: The file's bytes.
        facts: Its facts, `is_ordinary`.
        name: What errors call it.

    Returns:
        (H, W, 3) uint8 RGB, or None where the decoder complains of something that may be harmless (an odd
        subsampling, stray bytes between segments) and Pillow should have a try.

    Raises:
        TruncatedImageError: The data ends early or is damaged.
    """
    import simplejpeg  # noqa: PLC0415 - other formats do not need it

    try:
        pixels: NDArray[np.uint8] = simplejpeg.decode_jpeg(data, "RGB", fastdct=False, fastupsample=False, strict=True)
    except ValueError as error:
        if any(sign in str(error) for sign in _DAMAGE):
            raise TruncatedImageError(name, f"the JPEG is cut short or damaged: {error}") from error
        return None
    return pixels if pixels.shape == (facts.height, facts.width, 3) else None
