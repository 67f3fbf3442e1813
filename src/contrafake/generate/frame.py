"""The frame: which part of a real image a record is about, and what sizes generators are asked for to cover it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal, TypeAlias

from contrafake.generate.generators.settings import PAPER_SIZES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from contrafake.generate.config import LawSettings
    from contrafake.generate.generators.settings import Size

Box: TypeAlias = tuple[int, int, int, int]
"""(left, top, right, bottom) in pixels of the upright image."""

Draw: TypeAlias = "Callable[[str], float]"
"""A number from 0 to below 1 for each purpose, always the same."""

BORDER = 4
"""Pixels next to the image's border that no frame contains where there is room: borders and frames drawn by editors."""

PERIOD = 16
"""Offsets after which the block grid of any compression here repeats: 8 pixels, with 4:2:0 or WebP 16."""

LEAST_SIDE = 64
"""Pixels that a finished image has at least each way, unless a listed size is smaller."""


def draw_frame(width: int, height: int, law: LawSettings, draw: Draw) -> Box | str:
    """Draws the frame of a record.

    Under ``sizes: real`` it is as large as the image, `longest` and `multiple` allow, of an aspect as near to the
    image's as multiples come, and room is left to move it over a whole `PERIOD` unless that would make it too small.
    Else it is one of the sizes that fit, each as likely; the paper's also stand upright, in upright images.

    It lies in the middle third of the places it could lie at; where there are `PERIOD` of them or more, an earlier
    grid is as likely at each of the `PERIOD` offsets to it.

    Args:
        width: Upright width of the real image in pixels.
        height: Upright height.
        law: Of the build.
        draw: Numbers of the record.

    Returns:
        The box, or why there is none, as one clause.
    """
    if law.sizes == "real":
        size = _largest(width, height, law)
        if size is None:
            least = 2 * BORDER + _least(law.multiple)
            return f"the real image is smaller than {least} x {least}"
    else:
        sizes = _paper(upright=height > width) if law.sizes == "paper" else law.sizes
        fitting = [size for size in sizes if size[0] <= width and size[1] <= height]
        if not fitting:
            return "the real image is smaller than each size of a frame"
        size = fitting[int(draw("size of the frame") * len(fitting))]
    left = _place(width - size[0], draw("left of the frame"))
    top = _place(height - size[1], draw("top of the frame"))
    return left, top, left + size[0], top + size[1]


def size_to_make(sizes: Literal["frame", "paper"] | Sequence[Size], frame: Size, *, cover: bool) -> Size | None:
    """The size that a generator is asked for: nearest in aspect to the frame, then nearest in area.

    Args:
        sizes: What the generator's settings say; the paper's sizes also stand upright, for upright frames.
        frame: (width, height) of the frame.
        cover: Whether it must be as large as the frame each way.

    Returns:
        (width, height), None where no size covers the frame.
    """
    if sizes == "frame":
        return frame
    offered = _paper(upright=frame[1] > frame[0]) if sizes == "paper" else sizes
    wanted = [size for size in offered if not cover or (size[0] >= frame[0] and size[1] >= frame[1])]

    def distance(size: Size) -> tuple[int, float]:
        # The cross products are compared as logarithms: twice as wide is as far away as half as wide.
        aspect = abs(math.log(size[0] * frame[1] / (size[1] * frame[0])))
        return round(aspect * 1e9), abs(math.log(size[0] * size[1] / (frame[0] * frame[1])))

    return min(wanted, key=distance, default=None)


def _largest(width: int, height: int, law: LawSettings) -> Size | None:
    long, short = max(width, height), min(width, height)
    least, step = _least(law.multiple), law.multiple
    for spare in (2 * BORDER + PERIOD - 1, 2 * BORDER):
        longer = min(law.longest, long - spare) // step * step
        most = (short - spare) // step * step
        if min(longer, most) >= least:
            shorter = min(max(round(longer * short / long / step) * step, least), most)
            return (longer, shorter) if width >= height else (shorter, longer)
    return None


def _least(multiple: int) -> int:
    return -(-LEAST_SIDE // multiple) * multiple


def _paper(*, upright: bool) -> tuple[Size, ...]:
    return tuple((height, width) if upright else (width, height) for width, height in PAPER_SIZES)


def _place(room: int, share: float) -> int:
    """Start of a frame that leaves `room` pixels of its side of the image free."""
    low = min(BORDER, room // 2)
    places = room - 2 * low + 1
    count = max(places // 3 // PERIOD, 1) * PERIOD if places >= PERIOD else places
    return low + (places - count) // 2 + int(share * count)
