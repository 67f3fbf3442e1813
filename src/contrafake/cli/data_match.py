"""`contrafake data match`."""

from __future__ import annotations


def match() -> None:
    """Not there yet."""
