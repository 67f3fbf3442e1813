"""How much a file may ask for, and the refusal of what asks for more or for anything unknown."""

from __future__ import annotations

from dataclasses import dataclass

_MIB = 1 << 20
_SHOWN = 80
"""Characters of a name out of the stream that an error repeats."""

SAVE_AGAIN = "give a LogisticRegression, KNeighborsClassifier or OneClassSVM as scikit-learn and joblib save it"
FETCH_AGAIN = "fetch the file again"
RAISE_LIMITS = "raise the limits of read_estimator if you trust its size"


@dataclass(frozen=True)
class Limits:
    """Bounds on one file; what exceeds one is refused before the memory is taken.

    The defaults hold a file several times as large as the published nearest-neighbour classifier (40 MB).

    Attributes:
        file_bytes: Largest file.
        decoded_bytes: Most bytes after decompression, and most bytes of all arrays together.
        opcodes: Most steps of a stream; a classifier takes a few hundred.
        values: Most plain values of all attributes, counted as if nothing were shared.
        depth: Deepest nesting of lists, tuples and dicts.
    """

    file_bytes: int = 256 * _MIB
    decoded_bytes: int = 256 * _MIB
    opcodes: int = 100_000
    values: int = 100_000
    depth: int = 32


class Refusal(Exception):  # noqa: N818 -- no error of its own: the reader turns it into a BundleError that names the file
    """Why a stream is not read.

    Args:
        cause: What was found, one clause.
        remedy: What to do about it, one clause.
    """

    def __init__(self, cause: str, remedy: str = SAVE_AGAIN) -> None:
        super().__init__(cause, remedy)
        self.cause = cause
        self.remedy = remedy


class Budget:
    """Counts the bytes that arrays and recoded texts of one stream stand for.

    The same bytes can be named many times over, so what is in the file does not bound what is made of it.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._spent = 0

    def spend(self, count: int) -> None:
        """Count `count` bytes more.

        Raises:
            Refusal: It is more than the bound.
        """
        self._spent += count
        if self._spent > self._size:
            raise Refusal(f"its arrays take more than {self._size:,} bytes", RAISE_LIMITS)


def named(text: str) -> str:
    """A name out of a stream as an error shows it: ASCII, and not longer than a line."""
    shown = text[: _SHOWN + 1].encode("unicode_escape").decode("ascii")
    return shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}..."
