"""`contrafake data pack`."""

from __future__ import annotations


def pack() -> None:
    """Not there yet."""
