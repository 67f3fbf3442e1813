"""A tiny look at the content: colour and layout on a 4 x 4 grid, far too coarse for any trace of a generator."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from contrafake.data.audit.feature import Feature, Value
from contrafake.data.audit.pixel_facts import thinned

if TYPE_CHECKING:
    from numpy.typing import NDArray

GRID = 4
_PLANES = (("luma", "brightness"), ("blue", "blue against yellow"), ("red", "red against green"))

FEATURES = tuple(
    Feature(
        f"{plane}_{row}{column}",
        f"{title}, row {row + 1}, column {column + 1}",
        "content",
        "number",
        "",
        f"a {title} in row {row + 1}, column {column + 1}",
    )
    for plane, title in _PLANES
    for row in range(GRID)
    for column in range(GRID)
)


def content_facts(pixels: NDArray[np.uint8]) -> dict[str, Value]:
    """The features of the room "content": mean Y, Cb and Cr, 0 to 255, of 16 fields.

    Args:
        pixels: (H, W, 3) uint8 RGB; a thinned copy is used.
    """
    from PIL import Image  # noqa: PLC0415 - heavy

    small = Image.fromarray(np.ascontiguousarray(thinned(pixels))).resize((GRID, GRID), Image.Resampling.BOX)
    planes = np.asarray(small.convert("YCbCr"), np.float64).transpose(2, 0, 1)
    return {feature.name: float(value) for feature, value in zip(FEATURES, planes.ravel(), strict=True)}
