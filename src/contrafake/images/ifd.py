"""The tag directories that TIFF files, EXIF blocks and multi-picture blocks share, read within bounds."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ORIENTATION = 0x0112
_FORMATS = {1: "B", 3: "H", 4: "I", 13: "I"}
_MAX_ENTRIES = 4096
_MAX_ENTRIES_IN_ALL = 400_000


def directories(data: bytes, limit: int) -> Iterator[dict[int, int]]:
    """Walk the chain of directories of a TIFF structure (classic or BigTIFF).

    Stops silently at the first thing that makes no sense, at a loop, after `limit` directories and after far more
    entries than real files have (directories may overlap), so it is safe on hostile bytes.

    Args:
        data: Bytes that start with the byte-order mark ("II" or "MM").
        limit: Most directories to yield.

    Yields:
        One dict per directory: tag to its first value. Only unsigned integers stored in the entry itself are given
        by value; every other tag maps to -1, which says that it is there.
    """
    order = {b"II": "<", b"MM": ">"}.get(data[:2])
    if order is None or len(data) < 8:
        return
    big = struct.unpack_from(order + "H", data, 2)[0] == 43
    count_format, entry_format, link_format = ("Q", "HHQ", "Q") if big else ("H", "HHI", "I")
    entry_size, inline = (20, 8) if big else (12, 4)
    seen: set[int] = set()
    entries = 0
    try:
        offset = struct.unpack_from(order + link_format, data, 8 if big else 4)[0]
        while offset and offset not in seen and len(seen) < limit:
            seen.add(offset)
            count = struct.unpack_from(order + count_format, data, offset)[0]
            first = offset + struct.calcsize(count_format)
            entries += count
            if count > _MAX_ENTRIES or entries > _MAX_ENTRIES_IN_ALL:
                return
            tags: dict[int, int] = {}
            for start in range(first, first + count * entry_size, entry_size):
                tag, kind, length = struct.unpack_from(order + entry_format, data, start)
                value_format = order + _FORMATS.get(kind, "")
                stored_here = kind in _FORMATS and 0 < length * struct.calcsize(value_format) <= inline
                value = struct.unpack_from(value_format, data, start + entry_size - inline)[0] if stored_here else -1
                tags.setdefault(tag, value)
            yield tags
            offset = struct.unpack_from(order + link_format, data, first + count * entry_size)[0]
    except struct.error:
        return


def exif_orientation(exif: bytes) -> int:
    """The EXIF orientation, 1 to 8; 1 where there is none or it makes no sense.

    Args:
        exif: An EXIF block, with or without its "Exif" prefix.
    """
    tags = next(directories(exif.removeprefix(b"Exif\0\0"), 1), {})
    value = tags.get(ORIENTATION, 1)
    return value if 1 <= value <= 8 else 1
