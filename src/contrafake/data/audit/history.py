"""Traces of what was done to an image before it was saved: earlier compressions and resampling."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from contrafake.data.audit.block_dct import FREQUENCIES
from contrafake.data.audit.compressions import compressions
from contrafake.data.audit.feature import Feature, Value
from contrafake.data.audit.pixel_facts import LUMA
from contrafake.data.audit.resampling import high_band, resampling
from contrafake.images.pixels import upright

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from contrafake.images import JpegFacts


TOO_SMALL, NO_GRID = "are too small to be examined", "show no earlier JPEG grid"


def _number(name: str, title: str, unit: str = "", absent: str = TOO_SMALL) -> Feature:
    return Feature(name, title, "history", "number", unit, f"a {title}", absent)


FEATURES = (
    Feature(
        "earlier_compressions",
        "JPEG compressions before",
        "history",
        "category",
        phrase="show {value} earlier JPEG compressions",
        absent=TOO_SMALL,
    ),
    Feature(
        "earlier_grid",
        "grid of a JPEG before",
        "history",
        "category",
        phrase="show an earlier JPEG grid that is {value}",
        absent=NO_GRID,
    ),
    _number("earlier_quality", "quality of the JPEG before", "", "do not show the quality of a JPEG before"),
    _number("grid_row", "row of the earlier grid", "px", NO_GRID),
    _number("grid_column", "column of the earlier grid", "px", NO_GRID),
    _number("grid_strength", "strength of the earlier grid"),
    _number("double_quantisation", "strength of double quantisation", "nats", "show no JPEG tables to examine"),
    _number("resampling", "strength of resampling traces"),
    _number("resampling_frequency", "frequency of resampling traces", "1/px", "show no resampling traces"),
    _number("every_4", "strength of traces every 4 pixels"),
    _number("every_8", "strength of traces every 8 pixels"),
    _number("high_band", "fullness of the highest band"),
)

SIDE = 512
"""Longest side, in pixels, of the centre that is examined: 4,096 blocks settle what can be settled."""

SMALLEST = 64
"""Images with a side below this, in pixels, show too little to say anything."""

_BACK = {6: 8, 8: 6}


def centre_luma(pixels: NDArray[np.uint8], jpeg: JpegFacts | None) -> NDArray[np.float32]:
    """Luma of the centre of an image, as it lies in the file, cut on the file's own 8 x 8 grid.

    Args:
        pixels: (H, W, 3) uint8 RGB, upright.
        jpeg: The headers of a JPEG, whose orientation is undone here; None for other formats.

    Returns:
        (h, w) float32, 0 to 255, at most `SIDE` each way.
    """
    orientation = jpeg.orientation if jpeg else 1
    stored = upright(pixels, _BACK.get(orientation, orientation))
    top, left = (max(side - SIDE, 0) // 16 * 8 for side in stored.shape[:2])
    centre = np.ascontiguousarray(stored[top : top + SIDE, left : left + SIDE])  # sums depend on the order in memory
    luma: NDArray[np.float32] = centre.astype(np.float32) @ LUMA
    return luma


def history_facts(luma: NDArray[np.float32], jpeg: JpegFacts | None) -> dict[str, Value]:
    """The features of the room "history".

    In a JPEG, earlier compressions are those before its own: one on the same grid shows in its coefficients, one on
    another grid in the means of that grid's blocks. In any other file the strongest grid is an earlier compression,
    and those before it are looked for as in a JPEG.

    Args:
        luma: From `centre_luma`.
        jpeg: The headers of a JPEG, None for other formats.

    Returns:
        All values; None for what cannot be told, and for all of them where the image is below `SMALLEST`.
    """
    if min(luma.shape) < SMALLEST:
        return dict.fromkeys(feature.name for feature in FEATURES)
    found = compressions(luma, _steps(jpeg) if jpeg else None)
    trace = resampling(luma)
    return {
        "earlier_compressions": "2+" if found.count > 1 else str(found.count),
        "earlier_grid": found.grid or None,
        "earlier_quality": None if found.quality is None else float(found.quality),
        "grid_row": None if found.place is None else float(found.place[0]),
        "grid_column": None if found.place is None else float(found.place[1]),
        "grid_strength": found.strength,
        "double_quantisation": found.support,
        "resampling": trace.strength,
        "resampling_frequency": trace.frequency if trace.found else None,
        "every_4": trace.every_4,
        "every_8": trace.every_8,
        "high_band": high_band(luma),
    }


def _steps(jpeg: JpegFacts) -> list[int]:
    """The luma steps of a JPEG at `FREQUENCIES`; none where its first component is no luma or has no table."""
    is_luma = jpeg.components in {1, 3} and jpeg.adobe_transform != 0 and jpeg.precision == 8
    table = jpeg.tables[0] if is_luma and jpeg.tables else ()
    return [table[8 * down + across] for down, across in FREQUENCIES] if table else []
