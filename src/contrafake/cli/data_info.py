"""`contrafake data info`."""

from __future__ import annotations


def info() -> None:
    """Not there yet."""
