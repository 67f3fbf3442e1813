"""Names met before, kept as short hashes, so that a listing of ten million images still fits in memory."""

from __future__ import annotations

import hashlib
from array import array
from bisect import bisect_left

import numpy as np

_AT_ONCE = 1 << 16


class Seen:
    """A set of names that can only grow, kept as 64-bit hashes.

    Two different names are taken for one with a probability of n^2 / 2^65 among n names: 3 in a million for ten
    million. Where that is too much, the caller looks again.
    """

    def __init__(self) -> None:
        self._sorted = array("Q")
        self._recent: set[int] = set()

    def __len__(self) -> int:
        return len(self._sorted) + len(self._recent)

    def add(self, name: str) -> bool:
        """Adds a name.

        Args:
            name: Any text, surrogates included.

        Returns:
            Whether it is new.
        """
        digest = hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=8).digest()
        number = int.from_bytes(digest)
        at = bisect_left(self._sorted, number)
        if number in self._recent or self._sorted[at : at + 1] == array("Q", [number]):
            return False
        self._recent.add(number)
        if len(self._recent) >= max(
            _AT_ONCE, len(self._sorted) // 8
        ):  # a share, so that each name is moved a few times
            recent = np.fromiter(self._recent, np.uint64, len(self._recent))
            both = np.sort(np.concatenate([np.frombuffer(self._sorted, np.uint64), recent]))
            self._sorted = array("Q", both.tobytes())
            self._recent.clear()
        return True
