"""Where to cut: the geometry between a picture of any size and the square crops that an encoder sees.

Nothing here resamples, except `resize_crop`, which repeats the official training geometry: scaling blurs the traces
that a detector lives on.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

import numpy as np

from contrafake.errors import ImageTooLargeError, UsageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

CROP_SIZE = 224
MAX_CROPS = 256
_LATTICE = 16
_MAX_RESIZED_PIXELS = 200_000_000


def extend(pixels: NDArray[np.uint8], size: int, border: Literal["mirror", "black"] = "mirror") -> NDArray[np.uint8]:
    """Extend a picture outwards until both sides are at least `size`.

    Mirroring (the edge pixel is repeated: numpy's "symmetric") is used because a constant border would tell the
    classes apart in any corpus where only one class has small images, and because upsampling destroys traces. It is
    split evenly over both sides, the odd pixel at the right and bottom, and repeats as often as needed.

    Args:
        pixels: (H, W, 3) uint8.
        size: Smallest wanted side, at least 1.
        border: "mirror", or "black" as torchvision's CenterCrop pads, which the published CoDE preprocessing uses.

    Returns:
        (max(H, size), max(W, size), 3) uint8; the input itself, not a copy, where it is large enough.

    Raises:
        UsageError: `pixels` is no (H, W, 3) array with pixels, or `size` is below 1.
    """
    height, width = _check(pixels, size)
    if height >= size and width >= size:
        return pixels
    if border == "black":
        down, across = max(size - height, 0), max(size - width, 0)
        return np.pad(pixels, ((down // 2, down - down // 2), (across // 2, across - across // 2), (0, 0)))
    return pixels[_mirrored(height, size)][:, _mirrored(width, size)]


def _mirrored(length: int, size: int) -> NDArray[np.intp]:
    before = max(size - length, 0) // 2
    index = np.arange(-before, max(length, size) - before) % (2 * length)
    return np.minimum(index, 2 * length - 1 - index)


def crop_origins(height: int, width: int, size: int, count: int) -> list[tuple[int, int]]:
    """Where to cut `count` crops, spread evenly over the picture, the exact centre first.

    The centre is the one torchvision's CenterCrop takes. The others stand in rows, each row evenly filled; of all
    numbers of rows the one is taken that leaves no part of the picture far from a crop (least mean squared distance),
    so the pattern follows the shape of the picture: 5 crops of a square are the centre and one in each quadrant, 5
    crops of a panorama are a row. Odd counts are symmetric. The first k of n are not the k of a smaller count.

    Args:
        height: Height of the picture, at least `size`.
        width: Width of the picture, at least `size`.
        size: Side of a crop.
        count: Wanted crops, 1 to MAX_CROPS.

    Returns:
        Distinct (top, left), each with 0 <= top <= height - size and 0 <= left <= width - size. At least one; fewer
        than `count` where the free range holds fewer positions.

    Raises:
        UsageError: The picture is smaller than a crop, or `size` or `count` is out of range.
    """
    if size < 1 or height < size or width < size:
        raise UsageError("crops", f"a {size} x {size} crop does not fit {height} x {width} pixels", "extend() first")
    if not 1 <= count <= MAX_CROPS:
        raise UsageError("crops", f"count is {count}, not 1 to {MAX_CROPS}")
    return list(_origins(height - size, width - size, count))


@lru_cache(maxsize=256)
def _origins(free_height: int, free_width: int, count: int) -> tuple[tuple[int, int], ...]:
    centre = (round(free_height / 2.0), round(free_width / 2.0))
    square = math.sqrt(count * max(free_height, 1) / max(free_width, 1))
    # Far from the square share of rows no pattern can win; the bounds keep the search short for large counts.
    fewest, most = max(1, min(count, int(square / 2))), min(count + 1, 2 * math.ceil(square) + 1)
    best: tuple[tuple[int, float], list[tuple[int, int]]] = ((0, 0.0), [])
    for rows in range(fewest, most + 1):
        # An even number cannot stand evenly around a centre: there a pattern for one more, less one, may be better.
        for total in (count,) if count % 2 else (count, count + 1):
            for outside_first in (True, False):
                filled = _fill(rows, total, outside_first)
                if count % 2 and filled != filled[::-1]:
                    continue
                pattern = _rows(free_height, free_width, filled)
                pattern.remove(min(pattern, key=lambda point: math.dist(point, centre)))
                points = list(dict.fromkeys([centre, *pattern[: count - 1]]))
                worth = (len(points), -_remoteness(points, free_height, free_width))
                if worth > best[0]:
                    best = (worth, points)
    return tuple(best[1])


def _fill(rows: int, count: int, outside_first: bool) -> list[int]:
    """How many crops each row gets: as equal as possible, the surplus in the outer or in the inner rows."""
    order = sorted(range(rows), key=lambda row: abs(2 * row - (rows - 1)), reverse=outside_first)
    base, surplus = divmod(count, rows)
    filled = [base] * rows
    for row in order[:surplus]:
        filled[row] += 1
    return filled


def _rows(free_height: int, free_width: int, filled: list[int]) -> list[tuple[int, int]]:
    return [
        (round((row + 0.5) / len(filled) * free_height), round((column + 0.5) / number * free_width))
        for row, number in enumerate(filled)
        for column in range(number)
    ]


def _remoteness(points: list[tuple[int, int]], free_height: int, free_width: int) -> float:
    """Mean squared distance from a place in the free range to its nearest crop."""
    share = (np.arange(_LATTICE) + 0.5) / _LATTICE
    tops, lefts = np.asarray(points, dtype=np.float64).T
    down = (share[:, None] * free_height - tops) ** 2
    across = (share[:, None] * free_width - lefts) ** 2
    return float((down[:, None] + across[None]).min(axis=2).mean())


def cut(
    pixels: NDArray[np.uint8], count: int, size: int = CROP_SIZE, border: Literal["mirror", "black"] = "mirror"
) -> NDArray[np.uint8]:
    """Extend where needed, then cut crops at `crop_origins`.

    Args:
        pixels: (H, W, 3) uint8.
        count: Wanted crops.
        size: Side of a crop.
        border: How a smaller picture is extended, as in `extend`.

    Returns:
        (N, size, size, 3) uint8, contiguous, 1 <= N <= count, the centre first.

    Raises:
        UsageError: An argument is out of range.
    """
    pixels = extend(pixels, size, border)
    origins = crop_origins(pixels.shape[0], pixels.shape[1], size, count)
    return np.stack([pixels[top : top + size, left : left + size] for top, left in origins])


def resize_crop(pixels: NDArray[np.uint8], size: int = CROP_SIZE, pct: float = 0.9) -> NDArray[np.uint8]:
    """The geometry of the official train.sh: shorter side to floor(size / pct), bicubic, then the centre crop.

    Args:
        pixels: (H, W, 3) uint8.
        size: Side of the crop.
        pct: Share of the shorter side that the crop keeps, in (0, 1].

    Returns:
        (size, size, 3) uint8, contiguous.

    Raises:
        UsageError: An argument is out of range.
        ImageTooLargeError: The picture is so elongated that its scaled copy would not fit in memory.
    """
    from PIL import Image  # noqa: PLC0415 - the crops at native resolution do not need Pillow

    height, width = _check(pixels, size)
    if not 0 < pct <= 1:
        raise UsageError("resize_crop", f"pct is {pct}, not above 0 and at most 1")
    short = math.floor(size / pct)
    scaled_height = short if height <= width else int(short * height / width)
    scaled_width = short if width <= height else int(short * width / height)
    if scaled_height * scaled_width > _MAX_RESIZED_PIXELS:
        raise ImageTooLargeError("picture", f"{height} x {width} pixels are too elongated to be resized")
    resized = Image.fromarray(pixels).resize((scaled_width, scaled_height), Image.Resampling.BICUBIC)
    top, left = round((scaled_height - size) / 2.0), round((scaled_width - size) / 2.0)
    return np.ascontiguousarray(np.asarray(resized)[top : top + size, left : left + size])


def _check(pixels: NDArray[np.uint8], size: int) -> tuple[int, int]:
    if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.dtype != np.uint8 or pixels.size == 0:
        raise UsageError("crops", f"{pixels.dtype} pixels of shape {pixels.shape}, not (height, width, 3) uint8")
    if size < 1:
        raise UsageError("crops", f"size is {size}, not at least 1")
    return pixels.shape[0], pixels.shape[1]
