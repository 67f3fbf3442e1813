"""Small tar files with members given by hand, and what a listing makes of them."""

from __future__ import annotations

import tarfile
from io import BytesIO
from typing import TYPE_CHECKING

from contrafake.data import Listing

if TYPE_CHECKING:
    from pathlib import Path

REAL = b'{"label": "real", "origin": "phone", "source": "s", "group": "g"}'
GOOD = [("good.jpg", b"x"), ("good.json", REAL)]


def tar(path: Path, members: list[tuple[str, bytes]]) -> str:
    """Writes a tar file, names as given."""
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT, encoding="utf-8") as file:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            file.addfile(info, BytesIO(data))
    return str(path)


def listed(path: Path, members: list[tuple[str, bytes]], *, strict: bool = False) -> Listing:
    return Listing.of([tar(path, members)], strict=strict, cache=False)


def names(listing: Listing) -> list[str]:
    return [sample.key for sample in listing]


def record(key: str) -> list[tuple[str, bytes]]:
    """The members of a small paired record."""
    return [(f"{key}.real.jpg", b"x"), (f"{key}.gen_0.jpg", b"y")]
