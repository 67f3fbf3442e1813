"""What an image operation is: parameters fixed once, then image in, image out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self, TypeVar

from contrafake.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from PIL import Image

_T = TypeVar("_T", int, float)


@dataclass(frozen=True)
class Operation(ABC):
    """One change of an image; a frozen dataclass whose fields are its parameters.

    An operation is a value: two with equal parameters do the same, and the same image always gives the same result.
    Whatever an operation needs of chance (a position, a seed) is a parameter that `sample` drew.

    Input is an RGB image of at least 1 x 1 pixel, which is never modified. Output is an RGB image of at least 1 x 1
    pixel; it may be the input itself where nothing changes.

    Attributes:
        name: The operation's name in descriptions and result tables.
    """

    name: ClassVar[str]

    @abstractmethod
    def __call__(self, image: Image.Image) -> Image.Image:
        """Return the changed image."""

    @classmethod
    @abstractmethod
    def sample(cls, rng: np.random.Generator) -> Self:
        """Draw the parameters from the range that the operation's docstring states."""


def draw(rng: np.random.Generator, grid: Sequence[_T]) -> _T:
    """Draw one value of a grid, each equally likely."""
    return grid[int(rng.integers(len(grid)))]


def require(operation: Operation, parameter: str, low: float, high: float, *, low_included: bool = True) -> None:
    """Refuse a parameter outside its range.

    Args:
        operation: The operation being built.
        parameter: Name of the field to look at.
        low: Smallest allowed value.
        high: Largest allowed value.
        low_included: Whether `low` itself is allowed.

    Raises:
        UsageError: If the value is outside the range; a NaN is.
    """
    value = getattr(operation, parameter)
    if not low <= value <= high or (value == low and not low_included):
        bracket = "[" if low_included else "("
        raise UsageError(
            operation.name,
            f"{parameter} is {value!r}, outside {bracket}{low:g}, {high:g}]",
            f"choose {parameter} within {bracket}{low:g}, {high:g}]",
        )
