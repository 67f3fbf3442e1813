"""The same bytes under both labels: one of the two labels is wrong, and any model learns from both."""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from contrafake.data.index import IndexRow


class LabelWatch:
    """Finds the images that occur under both labels, at 9 bytes an image."""

    def __init__(self) -> None:
        self._hashes = array("Q")
        self._labels = bytearray()

    def watch(self, rows: Iterable[IndexRow]) -> Iterator[IndexRow]:
        """Passes rows on, and notes their hashes and labels."""
        for row in rows:
            self._hashes.append(int(row.sha256[:16], 16))
            self._labels.append(row.label)
            yield row

    def conflicts(self, rows: Callable[[], Iterable[IndexRow]]) -> list[list[str]]:
        """The keys of each image that has both labels; real first, then as they come.

        Args:
            rows: Gives all rows again; only called where hashes agree.
        """
        suspects = self._suspects()
        if not suspects:
            return []
        found: dict[str, list[tuple[int, str]]] = {}
        for row in rows():
            if int(row.sha256[:16], 16) in suspects:
                found.setdefault(row.sha256, []).append((row.label, row.key))
        both = [images for images in found.values() if len({label for label, _ in images}) > 1]
        return [[key for _, key in sorted(images, key=lambda image: image[0])] for images in both]

    def _suspects(self) -> set[int]:
        if not self._labels:
            return set()
        hashes, labels = np.frombuffer(self._hashes, np.uint64), np.frombuffer(self._labels, np.uint8)
        return set(np.intersect1d(hashes[labels == 0], hashes[labels == 1]).tolist())
