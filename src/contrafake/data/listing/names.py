"""Many short texts in two buffers, as a sequence of `str`: Python objects would take several times the memory."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, overload

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Names(Sequence[str]):
    """Texts that never change, one after the other in one buffer.

    Surrogates (undecodable bytes of file names) are kept.
    """

    __slots__ = ("_blob", "_ends")

    def __init__(self, blob: NDArray[np.uint8], ends: NDArray[np.int64]) -> None:
        """Takes (B,) uint8, the texts in UTF-8, and (N,) int64, where each of them ends."""
        self._blob = blob
        self._ends = ends

    @classmethod
    def of(cls, texts: Iterable[str]) -> Names:
        """Packs texts."""
        encoded = [text.encode("utf-8", "surrogatepass") for text in texts]
        ends = np.cumsum(np.fromiter(map(len, encoded), np.int64, len(encoded)), dtype=np.int64)
        return cls(np.frombuffer(b"".join(encoded), np.uint8), ends)

    @classmethod
    def join(cls, parts: Sequence[Names]) -> Names:
        """The texts of all parts, in order."""
        if not parts:
            return cls.of([])
        starts = np.cumsum([0, *(len(part._blob) for part in parts)])
        ends = [part._ends + start for part, start in zip(parts, starts[:-1], strict=True)]
        return cls(np.concatenate([part._blob for part in parts]), np.concatenate(ends))

    def take(self, rows: NDArray[np.int64]) -> Names:
        """The texts in some places, in the order given."""
        starts = self._ends[rows] - self._lengths()[rows]
        lengths = self._ends[rows] - starts
        ends = np.cumsum(lengths, dtype=np.int64)
        # For each byte that is kept, where it stood: its place in the new buffer, moved by its text's shift.
        places = np.arange(ends[-1] if len(ends) else 0) + np.repeat(starts - (ends - lengths), lengths)
        return Names(self._blob[places], ends)

    @property
    def nbytes(self) -> int:
        """Bytes that they take."""
        return self._blob.nbytes + self._ends.nbytes

    @property
    def arrays(self) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        """The two buffers, as `__init__` takes them."""
        return self._blob, self._ends

    def __len__(self) -> int:
        return len(self._ends)

    @overload
    def __getitem__(self, at: int) -> str: ...
    @overload
    def __getitem__(self, at: slice) -> list[str]: ...
    def __getitem__(self, at: int | slice) -> str | list[str]:
        """The text in a place."""
        if isinstance(at, slice):
            return [self[place] for place in range(*at.indices(len(self)))]
        place = range(len(self))[at]
        start = int(self._ends[place - 1]) if place else 0
        return self._blob[start : int(self._ends[place])].tobytes().decode("utf-8", "surrogatepass")

    def _lengths(self) -> NDArray[np.int64]:
        return np.diff(self._ends, prepend=0)


def hash_of(text: str) -> int:
    """A 64-bit hash that is the same in every process and on every machine."""
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest())
