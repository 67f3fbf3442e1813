"""The law: what is drawn for a cell, alike for all its members, and what that means for each of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from contrafake.data.matching.settings import MOST_SIDE
from contrafake.data.matching.traits import FORMATS
from contrafake.data.sample import REAL

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from contrafake.data.matching.settings import MatchSettings

BORDER = 4
"""Pixels of the scaled image next to its border that no crop contains: frames, and the resampling filter's edge."""

PERIOD = 16
"""Offsets a crop has at least in each direction: a JPEG grid repeats after 8 pixels, with 4:2:0 its chroma after 16."""

SHIFT = 8
"""Offsets of the grid of an added compression in each direction."""

TOLERANCE = 5
"""Steps of quality that earlier compressions in a cell may differ by; clearly better ones are compressed once more."""

DEFAULT_QUALITY = (75, 95)
WEBP_QUALITY = 80
"""Of earlier WebP compressions: the file does not say it. libwebp's usual default lies near it."""

STEP = 16
"""Pixels that sides are multiples of: a size then belongs to many cells, and no block of a 4:2:0 JPEG is cut."""

_LOST = 2 * BORDER + PERIOD - 1

PLAN = np.dtype(
    [
        ("width", "i4"),
        ("height", "i4"),
        ("factor", "f8"),  # side of the scaled image by side of the original, 1 for no resampling
        ("earlier_format", "i1"),  # of the added compression, -1 for none
        ("earlier_quality", "i1"),
        ("earlier_subsampling", "i1"),
        ("format", "i1"),
        ("quality", "i1"),  # -1 for PNG
        ("subsampling", "i1"),
        ("across", "f8"),  # where the crop lies, 0 leftmost to 1 rightmost
        ("down", "f8"),
    ]
)


def reach(side: NDArray[np.int64], factor: float) -> NDArray[np.int64]:
    """Longest crop that an image side allows: the added grid's shift, the border and the room to move are kept free.

    Args:
        side: (N,) sides in pixels.
        factor: Scale factor.

    Returns:
        (N,) pixels, 0 or less for sides that allow none.
    """
    longest: NDArray[np.int64] = scaled_side(side - (SHIFT - 1), factor) - _LOST
    return longest


def scaled_side(side: Any, factor: float) -> Any:
    """Whole pixels of a scaled side; a factor made for a whole number gives it, whatever was rounded on the way."""
    return np.floor(factor * side + 1e-6).astype(np.int64)


def smallest_factor(side: NDArray[np.int64], settings: MatchSettings) -> NDArray[np.float64]:
    """Scale factor from which on a side reaches what is asked for; above 1 it would have to be enlarged.

    Args:
        side: (N,) sides in pixels.
        settings: What was asked for.

    Returns:
        (N,) factors above 0.
    """
    return _factor_for(np.full(len(side), settings.needed_side), side)


def draw_plan(traits: NDArray[Any], cells: NDArray[np.int64], settings: MatchSettings) -> NDArray[Any]:
    """Draws what is to be done to each image.

    Every draw belongs to a cell and is seeded by the settings' seed and the cell's members, never by its number. Only
    what the final encoding is drawn from reaches further: outside of siblings, the lossy files of the whole split.

    Args:
        traits: (N,) of dtype `TRAITS`.
        cells: (N,) number of the cell, -1 for none.
        settings: What was asked for.

    Returns:
        (N,) of dtype `PLAN`; rows without a cell mean nothing. The order of the listing changes no row.
    """
    plan = np.zeros(len(traits), PLAN)
    order = np.argsort(cells, kind="stable")
    order = order[np.searchsorted(cells[order], 0) :]
    if not len(order):
        return plan
    donors = _donors(traits[order])
    for rows in np.split(order, np.flatnonzero(np.diff(cells[order])) + 1):
        members = traits[rows]
        rng = np.random.default_rng([settings.seed, int(members["key"].min())])
        cell = plan[rows]
        _draw_size(cell, members, settings, rng)
        _draw_compression(cell, members, donors[int(members["split"][0])], settings, rng)
        cell["across"], cell["down"] = rng.random(2)
        plan[rows] = cell
    return plan


def _draw_size(cell: NDArray[Any], members: NDArray[Any], settings: MatchSettings, rng: np.random.Generator) -> None:
    low, high = np.log(settings.factor)
    factor = float(np.exp(rng.uniform(low, high))) if settings.resize != "none" else 1.0
    sides = {"width": members["width"].astype(np.int64), "height": members["height"].astype(np.int64)}
    if settings.resize == "factor":
        # Raised for all alike where the smallest member needs it: within a cell the factor never tells the class.
        needed = max(float(smallest_factor(side, settings).max()) for side in sides.values())
        factor = max(factor, needed)
    for name, side in sides.items():
        if settings.resize == "size":
            reached = max(int(factor * reach(side, 1.0).min()), settings.needed_side)
        else:
            reached = int(reach(side, factor).min())
        # Never below what is asked for, though that may be no multiple.
        cell[name] = settings.size or max(min(reached, MOST_SIDE) // STEP * STEP, settings.needed_side)
    if settings.resize == "size":
        cell["factor"] = np.max([_factor_for(cell[name], side) for name, side in sides.items()], axis=0)
    else:
        cell["factor"] = factor


def _factor_for(length: NDArray[Any], side: NDArray[np.int64]) -> NDArray[np.float64]:
    factor: NDArray[np.float64] = (length + _LOST) / np.maximum(side - (SHIFT - 1), 1)
    return factor


def _donors(traits: NDArray[Any]) -> dict[int, NDArray[Any]]:
    """By split, the images whose files the final encoding is drawn from: the lossy ones, else all; in order of key."""
    donors = {}
    for split in np.unique(traits["split"]):
        inside = traits[traits["split"] == split]
        files = inside[inside["lossy"]] if inside["lossy"].any() else inside
        donors[int(split)] = files[np.argsort(files["key"], kind="stable")]
    return donors


def _draw_compression(
    cell: NDArray[Any], members: NDArray[Any], donors: NDArray[Any], settings: MatchSettings, rng: np.random.Generator
) -> None:
    """Earlier compressions are levelled within the cell; the final one is the real sibling's, else any donor's.

    Were it a member's where there are no siblings, a source whose files share a quality would hand it to the images
    of the other class in its cells, and the quality would tell sources apart.
    """
    siblings = settings.mode != "distribution" and members["group"][0] and len(set(members["group"].tolist())) == 1
    if siblings:
        donors = np.sort(members[members["label"] == REAL], order="key")
    donor = donors[rng.integers(len(donors))]
    lossy = members[members["lossy"]]
    cell["earlier_format"] = -1
    if len(lossy):
        _level(cell, members, lossy)
    elif donor["lossy"]:  # in a split that has lossy files, nobody is compressed for the first time at the end
        _level(cell, members, donor[None])
    drawn = int(rng.integers(*(settings.quality or DEFAULT_QUALITY), endpoint=True))
    wanted = donor["format"] if settings.format == "keep-law" else FORMATS.index(settings.format.upper())
    is_jpeg = FORMATS[wanted] == "JPEG" and donor["quality"] > 0
    quality = int(donor["quality"]) if is_jpeg and settings.quality is None else drawn
    cell["format"] = wanted
    cell["quality"] = -1 if FORMATS[wanted] == "PNG" else quality
    cell["subsampling"] = donor["subsampling"]


def _level(cell: NDArray[Any], members: NDArray[Any], lossy: NDArray[Any]) -> None:
    """The weakest compression of some lossy files is given to whoever in the cell had none, or a clearly better one."""
    weakest = min(lossy, key=lambda file: (file["quality"] < 0, file["quality"], file["key"]))
    quality = int(weakest["quality"])
    if FORMATS[weakest["format"]] == "WEBP":
        quality = WEBP_QUALITY
    elif quality < 0:  # AVIF and HEIF: passed on as a good JPEG
        quality = DEFAULT_QUALITY[1]
    better = members["quality"] > quality + TOLERANCE
    given = ~members["lossy"] | (better & (weakest["quality"] > 0))
    cell["earlier_format"][given] = weakest["format"]
    cell["earlier_quality"][given] = quality
    cell["earlier_subsampling"][given] = weakest["subsampling"]
