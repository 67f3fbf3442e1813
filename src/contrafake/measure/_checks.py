"""What every measure asks of its input before it computes anything."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from contrafake.errors import DataError, UsageError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


def vector(subject: str, values: ArrayLike) -> NDArray[np.float64]:
    """The values as a non-empty float64 vector without NaN.

    Args:
        subject: What the values are, for the error message.
        values: (N,) numbers; infinities are allowed.

    Returns:
        (N,) float64; the same memory where it already was that.

    Raises:
        DataError: The values are not numbers, not one-dimensional, empty, or hold NaN.
    """
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(subject, "not an array of numbers") from error
    if array.ndim != 1:
        raise DataError(subject, f"has {array.ndim} dimensions, not 1", "pass one number per image")
    if array.size == 0:
        raise DataError(subject, "is empty", "a measure needs at least one image of each class")
    unknown = int(np.isnan(array).sum())
    if unknown:
        raise DataError(subject, f"{unknown} of {array.size} are NaN", "leave out images that could not be scored")
    return array


def classes(
    real: ArrayLike, generated: ArrayLike, noun: str = "scores"
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Both classes through `vector`, named "<noun> of real images" and "<noun> of generated images"."""
    return vector(f"{noun} of real images", real), vector(f"{noun} of generated images", generated)


def fraction(subject: str, value: float, *, open_ends: bool = False) -> float:
    """The value, if it lies in [0, 1], or in (0, 1) with `open_ends`.

    Raises:
        UsageError: It does not.
    """
    inside = 0 < value < 1 if open_ends else 0 <= value <= 1
    if not inside:
        raise UsageError(subject, f"{value} is not {'strictly ' if open_ends else ''}between 0 and 1")
    return value
