"""The attributes of an estimator, once its stream is read: plain data and arrays, or refused by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from contrafake.model.inert.arrays import settled
from contrafake.model.inert.construct import describe
from contrafake.model.inert.limits import RAISE_LIMITS, Limits, Refusal, named
from contrafake.model.inert.records import ArrayRecord

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Plain: TypeAlias = (
    "bool | int | float | str | bytes | list[Plain] | tuple[Plain, ...] | dict[str, Plain] | NDArray[np.generic] | None"
)
"""What an attribute can be."""


def plain_attributes(state: dict[str, object], limits: Limits) -> dict[str, Plain]:
    """The attributes without records; what is shared in the stream is shared in the result.

    Raises:
        Refusal: An attribute is or holds something else, is nested too deep, holds itself, or is too much.
    """
    reader = _Reader(limits)
    found: dict[str, Plain] = {}
    total = 0
    for name, value in state.items():
        try:
            found[name], _, size = reader.read(value, 0)
            total += size
            reader.bound(total)
        except Refusal as error:
            raise Refusal(f"its attribute '{named(name)}' {error.cause}", error.remedy) from error
    return found


class _Reader:
    """Reads each distinct object once: its value, how deep it is, and how many values it is when written out."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._done: dict[int, tuple[Plain, int, int]] = {}
        self._open: set[int] = set()

    def bound(self, size: int) -> None:
        """Refuse more values than the limits allow."""
        if size > self._limits.values:
            raise Refusal(f"brings it to more than {self._limits.values:,} values", RAISE_LIMITS)

    def read(self, value: object, depth: int) -> tuple[Plain, int, int]:
        """Value, depth below it and number of values."""
        if value is None or isinstance(value, bool | int | float | str):
            return value, 0, 1
        key = id(value)  # the stream's objects all outlive the reader
        if key in self._open:
            raise Refusal("holds itself")
        if key not in self._done:
            if depth >= self._limits.depth:
                raise Refusal(f"is nested more than {self._limits.depth} deep", RAISE_LIMITS)
            self._open.add(key)
            self._done[key] = self._opened(value, depth)
            self._open.remove(key)
        found, height, size = self._done[key]
        if depth + height > self._limits.depth:
            raise Refusal(f"is nested more than {self._limits.depth} deep", RAISE_LIMITS)
        return found, height, size

    def _opened(self, value: object, depth: int) -> tuple[Plain, int, int]:
        if isinstance(value, memoryview):
            return bytes(value), 0, 1
        if isinstance(value, ArrayRecord) and value.array is not None:
            return settled(value.array), 0, 1
        if not isinstance(value, list | tuple | dict):
            raise Refusal(f"holds {describe(value)}, not plain data")
        height, size = 0, 1
        items: list[Plain] = []
        for item in value.values() if isinstance(value, dict) else value:
            found, below, count = self.read(item, depth + 1)
            items.append(found)
            height, size = max(height, below), size + count
            self.bound(size)
        if isinstance(value, dict):
            return dict(zip(value, items, strict=True)), height + 1, size
        return (tuple(items) if isinstance(value, tuple) else items), height + 1, size
