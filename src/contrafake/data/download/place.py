"""Where a downloaded image lies: its id alone says it, so that no list is needed to find it again."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

SUFFIXES = {
    "JPEG": ".jpg",
    "MPO": ".jpg",
    "PNG": ".png",
    "WEBP": ".webp",
    "GIF": ".gif",
    "BMP": ".bmp",
    "TIFF": ".tif",
    "AVIF": ".avif",
    "HEIF": ".heic",
}
"""Suffix for each format that is stored; the commonest come first."""

_PLAIN = re.compile(r"[A-Za-z0-9_-]{1,100}")


def place_of(folder: Path, name: str) -> Path:
    """The path of an image without its suffix, in one of 4,096 folders (of 560 images for all of D3).

    Args:
        folder: Where the images lie.
        name: Its id: any text. What is no plain file name is written as its hash.
    """
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()
    return folder / digest[:3] / (name if _PLAIN.fullmatch(name) else digest)


def find_file(folder: Path, name: str) -> Path | None:
    """The image of an id, where it was downloaded or put by hand (then perhaps directly in the folder).

    Args:
        folder: Where the images lie; it may be missing.
        name: Its id.
    """
    stem = place_of(folder, name)
    for place in (stem, folder / stem.name):
        if not place.parent.is_dir():
            continue
        for suffix in dict.fromkeys((*SUFFIXES.values(), ".jpeg")):
            path = place.with_name(place.name + suffix)
            if path.is_file():
                return path
    return None
