"""The law of a record: what its real image and everything that is made for it have in common.

Nothing here knows which image is generated: frame, factor and final encoding are drawn once for a record, and the one
thing that differs, an earlier compression, is there to make up for what the real image has behind it already.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, cast, get_args

from contrafake.data.matching.law import DEFAULT_QUALITY, WEBP_QUALITY
from contrafake.generate.frame import LEAST_SIDE, PERIOD, draw_frame
from contrafake.generate.job import Compression
from contrafake.images.encode import Format, Subsampling

if TYPE_CHECKING:
    from contrafake.generate.config import LawSettings
    from contrafake.generate.frame import Box, Draw
    from contrafake.generate.record import RealFacts


@dataclass(frozen=True)
class RecordLaw:
    """What holds for all images of a record.

    Attributes:
        frame: Part of the upright real image that the record is about.
        factor: Factor by which all are scaled, 1 for none.
        earlier: What generated images go through because the real one did; None for nothing.
        final: How all are stored; None under the d3 law, where each has its own.
    """

    frame: Box
    factor: float
    earlier: Compression | None
    final: Compression | None


def draws(seed: int, record: str, generator: str = "") -> Draw:
    """The numbers that belong to a record, or to one image of it.

    Each is made of BLAKE2b of seed, record, generator and purpose: it changes with none of the other numbers, records
    or generators, and with no version of a library.

    Args:
        seed: Of the build.
        record: Key of the record.
        generator: Name of the generator, "" for what all images of the record share.

    Returns:
        A function from a purpose to a number from 0 to below 1, in steps of 2**-53.
    """

    def draw(purpose: str) -> float:
        # JSON keeps the names apart and spells out what UTF-8 cannot hold.
        text = json.dumps([seed, record, generator, purpose])
        return (int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big") >> 11) / 2**53

    return draw


def draw_law(law: LawSettings, facts: RealFacts, draw: Draw) -> RecordLaw | str:
    """Draws the law of a record.

    Args:
        law: What the configuration says.
        facts: What the real image's file says.
        draw: Numbers of the record.

    Returns:
        The law, or why the record has none, as one clause.
    """
    frame = draw_frame(facts.width, facts.height, law, draw)
    if isinstance(frame, str):
        return frame
    if law.kind == "d3":
        return RecordLaw(frame, 1.0, None, None)
    factor = _factor(frame, law.factor, draw("factor"))
    final = final_encoding(law, facts.format, facts.quality, facts.subsampling, draw)
    return RecordLaw(frame, factor, earlier_compression(facts, frame), final)


def earlier_compression(facts: RealFacts, frame: Box) -> Compression | None:
    """What a generated image must go through to have the real image's history: one compression, on the same grid.

    Where the file does not say its quality, a WebP counts as one of 80, which is libwebp's usual default nearly, and
    anything else as a good JPEG, as in `contrafake.data.matching`.

    Args:
        facts: What the real image's file says.
        frame: Part of it that the record is about.

    Returns:
        None where the real image was stored without losses. The phase says how far left of and above the frame a
        block of the real image's grid begins.
    """
    if not facts.lossy:
        return None
    phase = ((frame[0] - facts.grid[0]) % PERIOD, (frame[1] - facts.grid[1]) % PERIOD)
    if facts.format == "WEBP":
        return Compression("WEBP", facts.quality if facts.quality > 0 else WEBP_QUALITY, None, phase)
    quality = facts.quality if facts.quality > 0 else DEFAULT_QUALITY[1]
    return Compression("JPEG", quality, _subsampling(facts.subsampling), phase)


def final_encoding(law: LawSettings, format_name: str, quality: int, subsampling: str, draw: Draw) -> Compression:
    """How images are stored in the end.

    Args:
        law: What the configuration says: a format and a range of qualities of its own replace the real image's.
        format_name: Format that a real image is or would be written as: "JPEG", "WEBP" or "PNG".
        quality: Its quality, 0 or less where the file does not say it.
        subsampling: Its subsampling, for a JPEG.
        draw: Numbers of the record, or of the image where each has an encoding of its own.
    """
    wanted = format_name if law.format == "real" else law.format.upper()
    if wanted not in get_args(Format):
        wanted = "JPEG"
    if wanted == "PNG":
        return Compression("PNG")
    if law.quality is None and wanted == format_name and quality > 0:
        chosen = quality
    else:
        low, high = law.quality or DEFAULT_QUALITY
        chosen = low + int(draw("quality") * (high - low + 1))
    if wanted == "WEBP":
        return Compression("WEBP", chosen)
    return Compression("JPEG", chosen, _subsampling(subsampling))


def _subsampling(name: str) -> Subsampling:
    return cast("Subsampling", name) if name in get_args(Subsampling) else "4:2:0"


def _factor(frame: Box, bounds: tuple[float, float], share: float) -> float:
    """Drawn evenly on a logarithmic axis, raised where the frame would otherwise become too small."""
    low, high = (math.log(bound) for bound in bounds)
    drawn = math.exp(low + share * (high - low))
    shortest = min(frame[2] - frame[0], frame[3] - frame[1])
    return max(drawn, min(LEAST_SIDE / shortest, 1.0))
