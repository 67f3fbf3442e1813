"""Thumbnails of a few images of a set, for the pairs that an audit shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from contrafake.data.location import read_bytes
from contrafake.data.sources.source import samples_of
from contrafake.errors import ContrafakeError
from contrafake.images import encode, read

if TYPE_CHECKING:
    from collections.abc import Iterable

    from contrafake.data.location import Location
    from contrafake.data.sources.source import Source

SIDE = 128
QUALITY = 70


def thumbnails(source: Source, keys: Iterable[str], side: int = SIDE) -> dict[str, bytes]:
    """Small copies of some images.

    The set is listed once more, which reads no pixels; then only these images are read, one after the other.

    Args:
        source: The set.
        keys: Keys of the wanted images, at most some hundreds.
        side: Longest side of a thumbnail in pixels; smaller images keep their size.

    Returns:
        JPEG bytes without metadata by key, in the order of the listing. Images that are gone or cannot be read are
        left out.
    """
    wanted = set(keys)
    found: dict[str, bytes] = {}
    for item in source if wanted else ():
        for sample in samples_of(item):
            if sample.key not in wanted:
                continue
            wanted.discard(sample.key)
            if (small := _thumbnail(sample.image, side)) is not None:
                found[sample.key] = small
        if not wanted:
            break
    return found


def _thumbnail(location: Location, side: int) -> bytes | None:
    import numpy as np  # noqa: PLC0415 - with Pillow, only where thumbnails are wanted
    from PIL import Image  # noqa: PLC0415

    try:
        pixels = read(read_bytes(location), name=location.address).pixels
    except ContrafakeError:
        return None  # the audit has named it among the unreadable ones, or it vanished since
    image = Image.fromarray(pixels)
    # Reducing by whole numbers first keeps the cost of a 200 megapixel scan bounded; it never enlarges.
    image.thumbnail((side, side), Image.Resampling.LANCZOS, reducing_gap=2.0)
    return encode(np.asarray(image), "JPEG", QUALITY)
