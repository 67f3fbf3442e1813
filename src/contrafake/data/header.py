"""Format and size of an image from its first bytes."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from contrafake.data.location import File, Member, read_bytes
from contrafake.errors import ImageError, UnsupportedImageError
from contrafake.images import jpeg_facts
from contrafake.images.container import describe, identify
from contrafake.images.headers import webp_size

if TYPE_CHECKING:
    from contrafake.data.location import Location

HEAD = 2**16
"""Enough for the headers of most files; the whole file is read where it is not."""


def image_header(location: Location) -> tuple[str, int, int]:
    """The container format by its bytes, and the size as stored.

    Args:
        location: Where the image lies.

    Returns:
        (format, width, height): "JPEG", "PNG" ... in pixels.

    Raises:
        ImageError: Not an image, or its headers are damaged.
        DataError: A shard or Parquet file is gone or short.
    """
    head = _first_bytes(location)
    if len(head) == HEAD:
        try:
            return _header(head, location.address)
        except ImageError:
            pass  # a large profile comes first, or the size stands at the end (TIFF)
    return _header(read_bytes(location), location.address)


def size_in_bytes(location: Location) -> int | None:
    """Size of the file, None where only reading it would tell or it is gone."""
    if isinstance(location, Member):
        return location.size
    if isinstance(location, File):
        try:
            return os.stat(location.path).st_size  # noqa: PTH116 - plain strings keep undecodable names
        except OSError:
            return None
    return None


def _first_bytes(location: Location) -> bytes:
    path, offset = (location.shard, location.offset) if isinstance(location, Member) else ("", 0)
    if isinstance(location, File):
        path = location.path
    size = size_in_bytes(location)
    if size is None or size <= HEAD:
        return b""
    try:
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - as above
            file.seek(offset)
            return file.read(HEAD)
    except OSError:
        return b""  # reading the whole file says why


def _header(data: bytes, name: str) -> tuple[str, int, int]:
    found = identify(data)
    if not found:
        raise UnsupportedImageError(name, f"not an image that can be read here: the bytes look like {describe(data)}")
    if found == "JPEG":
        facts = jpeg_facts(data, name)
        return found, facts.width, facts.height
    if found == "WEBP":
        return found, *webp_size(data, name)
    from contrafake.images.through_pillow import open_image, stored_size  # noqa: PLC0415 - not for JPEG and WebP

    image = open_image(data, found, name)
    try:
        return found, *stored_size(image)
    finally:
        image.close()
