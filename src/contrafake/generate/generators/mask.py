"""Regions for inpainting: rectangles, ellipses and strokes of a brush that take a stated share of an image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SHAPES = ("rectangle", "ellipse", "brush")


def draw_mask(height: int, width: int, area: tuple[float, float], seed: int) -> NDArray[np.bool_]:
    """Draws one connected region.

    The share is drawn uniformly from `area`, then the shape, its place and its aspect. Each shape is a field that
    grows outwards from its middle; the region is the pixels of its least values, so that the share is met exactly.

    Args:
        height: Of the image, in pixels.
        width: Of the image, in pixels.
        area: Smallest and largest share of the image that the region takes, between 0 and 1.
        seed: The same seed draws the same mask.

    Returns:
        (height, width) bool, True within the region; at least one pixel is True.
    """
    # A stream of its own: the pipeline draws its noise from the bare seed.
    rng = np.random.default_rng([seed, 0x6D61736B])
    share = rng.uniform(*area)
    least, most = np.ceil(area[0] * height * width), np.floor(area[1] * height * width)
    count = int(max(1, min(max(round(share * height * width), least), most)))
    shape = _SHAPES[rng.integers(len(_SHAPES))]
    if shape == "brush":
        return _grown(_stroke(height, width, share, rng), count)
    # Sides that give the wanted area with an aspect between 1:2 and 2:1, and fit into the image.
    aspect = 2 ** rng.uniform(-1, 1)
    pixels = count * (1.0 if shape == "rectangle" else 4 / np.pi)
    tall = float(np.clip(np.sqrt(pixels / aspect), pixels / width, height))
    wide = pixels / tall
    middle_y = rng.uniform(min(tall / 2, height / 2), max(height - tall / 2, height / 2))
    middle_x = rng.uniform(min(wide / 2, width / 2), max(width - wide / 2, width / 2))
    y = np.abs(np.arange(height)[:, None] + 0.5 - middle_y) / tall
    x = np.abs(np.arange(width)[None, :] + 0.5 - middle_x) / wide
    return _grown(np.maximum(y, x) if shape == "rectangle" else np.hypot(y, x), count)


def _grown(distance: NDArray[np.float64], count: int) -> NDArray[np.bool_]:
    """The `count` pixels that are nearest to the middle; ties go to the earlier ones."""
    mask = np.zeros(distance.size, bool)
    mask[np.argsort(distance, axis=None, kind="stable")[:count]] = True
    return mask.reshape(distance.shape)


def _stroke(height: int, width: int, share: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """Distance of each pixel to a wandering line of some straight pieces."""
    side = np.sqrt(share * height * width)
    point = np.array([rng.uniform(0.2, 0.8) * height, rng.uniform(0.2, 0.8) * width])
    angle = rng.uniform(0, 2 * np.pi)
    y, x = np.arange(height)[:, None] + 0.5, np.arange(width)[None, :] + 0.5
    nearest = np.full((height, width), np.inf)
    for _ in range(int(rng.integers(3, 7))):
        angle += rng.normal(0, 0.9)
        step = side * rng.uniform(0.2, 0.6) * np.array([np.sin(angle), np.cos(angle)])
        end = np.clip(point + step, 0, [height, width])
        nearest = np.minimum(nearest, _from_piece(y, x, point, end))
        point = end
    return nearest


def _from_piece(
    y: NDArray[Any], x: NDArray[Any], start: NDArray[np.float64], end: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Distance of each pixel to the straight piece between two points."""
    run = end - start
    along = ((y - start[0]) * run[0] + (x - start[1]) * run[1]) / max(float(run @ run), 1e-9)
    along = np.clip(along, 0, 1)
    return np.asarray(np.hypot(y - start[0] - along * run[0], x - start[1] - along * run[1]))
