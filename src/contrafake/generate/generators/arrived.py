"""What comes back from programs and services: images read within bounds, and words cut short and cleared of secrets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from contrafake.errors import ImageError
from contrafake.generate.generators.generator import GenerationError, Made
from contrafake.images import Limits, read

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

LIMITS = Limits(max_bytes=128 * 2**20, max_pixels=100_000_000, max_frames=100)
"""Bounds on an image from outside; the largest that a generator can be asked for has 67 million pixels."""

_LONGEST = 400
_SHORTEST_SECRET = 6


def arrived(source: Path | bytes, subject: str, flagged: bool | None = None) -> Made | GenerationError:
    """Reads an image that came from outside.

    Args:
        source: File, or its bytes, in any format that `contrafake.images.read` takes.
        subject: Name of the generator.
        flagged: What a safety checker said of it.
    """
    try:
        return Made(read(source, name=subject, limits=LIMITS).pixels, flagged)
    except ImageError as error:
        return GenerationError(subject, f"no image came: {error.cause}")


def excerpt(text: str, hidden: Mapping[str, str], *, end: bool = False) -> str:
    """A short line of what a program or service said; control characters are left to whoever shows it.

    Args:
        text: Its words.
        hidden: Values that must not appear, by the name that takes their place. Values of less than 6 characters
            are taken for no secrets.
        end: Whether the end is kept where the text is long, else its beginning.
    """
    # The longest first: one secret may hold another.
    for name, value in sorted(hidden.items(), key=lambda item: -len(item[1])):
        if len(value) >= _SHORTEST_SECRET:
            text = text.replace(value, name)
    line = " ".join(text.split())
    if len(line) <= _LONGEST:
        return line
    return f"... {line[-_LONGEST:]}" if end else f"{line[:_LONGEST]} ..."
