"""Parameters that are one of a few names: how they are drawn, and refused when unknown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from contrafake.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    import numpy as np

    from contrafake.images.transforms.operation import Operation


def draw_name(rng: np.random.Generator, names: Sequence[str]) -> str:
    """Draw one of several names, each equally likely."""
    return names[int(rng.integers(len(names)))]


def require_name(operation: Operation, parameter: str, names: Collection[str]) -> None:
    """Refuse a parameter that is none of the names.

    Args:
        operation: The operation being built.
        parameter: Name of the field to look at.
        names: What the field may be.

    Raises:
        UsageError: If the field is none of them.
    """
    value = getattr(operation, parameter)
    if value not in names:
        allowed = ", ".join(names)
        raise UsageError(operation.name, f"{parameter} is {value!r}, none of {allowed}", f"choose one of {allowed}")
