"""The place in a stream: takes the next bytes, numbers and lines, and never more than are left."""

from __future__ import annotations

import struct

from contrafake.model.inert.limits import FETCH_AGAIN, Refusal

_LONGEST_LINE = 200
"""Bytes of a line that holds a number or a name; the longest known name has 63."""


class Cursor:
    """Reads forward over bytes in memory.

    Args:
        data: The whole stream.
    """

    def __init__(self, data: bytes | bytearray) -> None:
        self._data = data
        self._view = memoryview(data).toreadonly()
        self.position = 0

    @property
    def left(self) -> int:
        """How many bytes are left."""
        return len(self._view) - self.position

    def take(self, count: int) -> memoryview:
        """The next bytes, not copied and not writable.

        Raises:
            Refusal: Fewer are left, or `count` is negative.
        """
        if not 0 <= count <= self.left:
            raise Refusal(f"it ends early: {count:,} bytes are announced and {self.left:,} are left", FETCH_AGAIN)
        start = self.position
        self.position += count
        return self._view[start : self.position]

    def number(self, size: int) -> int:
        """An unsigned little-endian number of `size` bytes."""
        return int.from_bytes(self.take(size), "little")

    def signed(self, size: int) -> int:
        """A signed little-endian number of `size` bytes."""
        return int.from_bytes(self.take(size), "little", signed=True)

    def double(self) -> float:
        """A big-endian number of double precision."""
        return float(struct.unpack(">d", self.take(8))[0])

    def line(self, longest: int = _LONGEST_LINE) -> bytes:
        """The bytes up to the next line feed, which is passed over.

        Raises:
            Refusal: There is none within `longest` bytes.
        """
        end = self._data.find(b"\n", self.position, self.position + min(longest, self.left) + 1)
        if end < 0:
            raise Refusal("a line of it does not end", FETCH_AGAIN)
        found = bytes(self._view[self.position : end])
        self.position = end + 1
        return found
