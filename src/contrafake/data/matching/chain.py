"""What is done to one image: an added compression where one is missing, scaling, a cut, and the final encoding."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import numpy as np

from contrafake.data.matching.law import BORDER, PERIOD, SHIFT, scaled_side
from contrafake.data.matching.traits import FORMATS, SUBSAMPLINGS
from contrafake.images import encode, read

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from contrafake.images.encode import Format, Subsampling


def run_chain(pixels: NDArray[np.uint8], plan: Any, rng: np.random.Generator) -> tuple[bytes, list[dict[str, Any]]]:
    """Takes one image through its chain.

    Args:
        pixels: (H, W, 3) uint8 RGB, large enough for the plan.
        plan: A row of dtype `PLAN`.
        rng: Of what is drawn for this image alone: the phases of the grids.

    Returns:
        The file's bytes, without metadata, and the steps with their parameters.
    """
    steps: list[dict[str, Any]] = []
    shift = [int(offset) for offset in rng.integers(SHIFT, size=2)]
    phases = rng.integers(PERIOD, size=2)
    if plan["earlier_format"] >= 0:
        # Cutting the shift off first puts the grid anywhere: a lossless file may hide an older grid at its origin.
        settings = _encoding(plan["earlier_format"], plan["earlier_quality"], plan["earlier_subsampling"])
        pixels = read(encode(pixels[shift[1] :, shift[0] :], **settings)).pixels
        steps.append({"step": "compress", "shift": shift, **settings})
    factor, width, height = float(plan["factor"]), int(plan["width"]), int(plan["height"])
    scaled = int(scaled_side(pixels.shape[1], factor)), int(scaled_side(pixels.shape[0], factor))
    left = _offset(scaled[0] - width, float(plan["across"]), int(phases[0]))
    top = _offset(scaled[1] - height, float(plan["down"]), int(phases[1]))
    pixels = _scaled_cut(pixels, factor, (left, top, left + width, top + height))
    if factor != 1:
        steps.append({"step": "resize", "factor": factor, "filter": "lanczos", "size": list(scaled)})
    steps.append({"step": "crop", "box": [left, top, left + width, top + height]})
    settings = _encoding(plan["format"], plan["quality"], plan["subsampling"])
    steps.append({"step": "encode", **settings})
    return encode(pixels, **settings), steps


def _encoding(format_place: int, quality: int, subsampling: int) -> dict[str, Any]:
    name = cast("Format", FORMATS[format_place])
    settings: dict[str, Any] = {"format": name}
    if name != "PNG":
        settings["quality"] = int(quality)
    if name == "JPEG":
        settings["subsampling"] = cast("Subsampling", SUBSAMPLINGS[subsampling])
    return settings


def _offset(room: int, place: float, phase: int) -> int:
    """Start of a cut: its place by whole periods is the cell's, its phase within a period the image's own."""
    periods = (room - 2 * BORDER + 1) // PERIOD
    return BORDER + PERIOD * min(int(place * periods), periods - 1) + phase


def _scaled_cut(pixels: NDArray[np.uint8], factor: float, box: tuple[int, int, int, int]) -> NDArray[np.uint8]:
    """A cut of the scaled image; the rest of it is never computed. The factor is exact, not rounded to whole sizes."""
    left, top, right, bottom = box
    if factor == 1:
        return pixels[top:bottom, left:right]
    from PIL import Image  # noqa: PLC0415 - plain cuts do not need it

    source = tuple(edge / factor for edge in box)
    size = right - left, bottom - top
    scaled = Image.fromarray(pixels).resize(size, Image.Resampling.LANCZOS, box=cast("Any", source))
    return np.asarray(scaled)
