"""One look at every real image: whether it can be used, and what planning needs to know of its file."""

from __future__ import annotations

import hashlib
from collections import deque
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from contrafake.data.location import read_bytes
from contrafake.data.matching.traits import FORMATS, SUBSAMPLINGS, traits_of
from contrafake.data.parallel import map_in_order
from contrafake.errors import ContrafakeError
from contrafake.generate.record import BuildRecord, RealFacts
from contrafake.images import jpeg_facts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from contrafake.data.location import Location
    from contrafake.generate.record import CaptionedReal

BLOCK = 16
"""Side in pixels of the largest unit of a JPEG (with 4:2:0) and of a WebP; blocks of 8 pixels end with it as well."""


@dataclass(frozen=True)
class Unused:
    """A real image that no record is made of.

    Attributes:
        key: Its key.
        reason: Why, as one clause that many images may share.
    """

    key: str
    reason: str


def survey(
    reals: Iterable[CaptionedReal],
    least_side: int,
    workers: int,
    advance: Callable[[int], None] = lambda _steps: None,
) -> Iterator[BuildRecord | Unused]:
    """Decodes every image once.

    Args:
        reals: The images; taken as they are needed.
        least_side: Shorter side of a usable image at least, in pixels.
        workers: Processes.
        advance: Called with the number of images done since the last call.

    Yields:
        For each image, in order, its record, or why there is none.
    """
    waiting: deque[CaptionedReal] = deque()

    def locations() -> Iterator[Location]:
        for real in reals:
            waiting.append(real)
            yield real.image

    for found in map_in_order(partial(_look, least_side=least_side), locations(), workers, ahead=8):
        real = waiting.popleft()
        advance(1)
        yield Unused(real.key, found) if isinstance(found, str) else BuildRecord(real, found)


def facts_of(data: bytes, name: str = "<bytes>") -> RealFacts:
    """What the bytes of an image say.

    Args:
        data: The file.
        name: What errors call it.

    Raises:
        ImageError: It cannot be read.
    """
    traits = traits_of(data, name)
    orientation = jpeg_facts(data, name).orientation if data[:2] == b"\xff\xd8" else 1
    return RealFacts(
        width=traits.width,
        height=traits.height,
        format=FORMATS[traits.format],
        lossy=traits.lossy,
        quality=traits.quality,
        subsampling=SUBSAMPLINGS[traits.subsampling],
        grid=grid_of(traits.width, traits.height, orientation),
        bytes=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
    )


def grid_of(width: int, height: int, orientation: int) -> tuple[int, int]:
    """Where blocks begin in the upright picture.

    Stored blocks begin at multiples of 16. Where the orientation mirrors an axis of length n, the block from 16 k to
    16 k + 15 comes to lie from n - 16 (k + 1), so blocks begin at n modulo 16; exchanging the axes moves nothing.

    Args:
        width: Upright width in pixels.
        height: Upright height in pixels.
        orientation: EXIF orientation, 1 to 8.

    Returns:
        (x, y), each 0 to 15.
    """
    x = width % BLOCK if orientation in {2, 3, 6, 7} else 0
    y = height % BLOCK if orientation in {3, 4, 7, 8} else 0
    return x, y


def _look(image: Location, least_side: int) -> RealFacts | str:
    try:
        facts = facts_of(read_bytes(image), image.address)
    except ContrafakeError as error:
        return error.cause
    if min(facts.width, facts.height) < least_side:
        return f"its shorter side has fewer than {least_side} pixels"
    return facts
