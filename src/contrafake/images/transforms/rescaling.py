"""Changes of size as programs and platforms make them: any factor, any of the usual filters."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

from PIL import Image

from contrafake.images.transforms.choices import draw_name, require_name
from contrafake.images.transforms.operation import Operation, draw, require
from contrafake.images.transforms.sizing import MAX_PIXELS

if TYPE_CHECKING:
    import numpy as np

FILTERS = {
    "nearest": Image.Resampling.NEAREST,
    "box": Image.Resampling.BOX,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}
"""Pillow's filters by their usual names; when shrinking, "box" is the mean over an area."""


def rescaled(image: Image.Image, factor: float, resampling: Image.Resampling) -> Image.Image:
    """Resizes both sides by a factor, rounded down to whole pixels, at least one.

    Args:
        image: RGB, at least 1 x 1 pixel.
        factor: Side of the result by side of the image, positive. Enlarging stops at `sizing.MAX_PIXELS`: a larger
            result gets the largest factor that keeps to it, and an image above it is not enlarged.
        resampling: Pillow's filter, widened when shrinking (save "nearest", which skips pixels).

    Returns:
        The resized image; the image itself where its size stays.
    """
    if factor > 1:
        factor = max(1.0, min(factor, math.sqrt(MAX_PIXELS / (image.width * image.height))))
    size = (max(1, int(image.width * factor)), max(1, int(image.height * factor)))
    return image if size == image.size else image.resize(size, resampling)


def draw_factor(rng: np.random.Generator, low: float, high: float) -> float:
    """Draw a factor within [low, high], positive, whose logarithm is uniform: halving is then as likely as doubling."""
    return min(high, max(low, math.exp(rng.uniform(math.log(low), math.log(high)))))


@dataclass(frozen=True)
class Rescale(Operation):
    """Resizes both sides by a factor with one of five filters.

    Platforms scale what is uploaded down to a longest side: Signal for Android to 1600, 2048 or 4096 pixels by quality
    level (its `PushMediaConstraints`), Telegram for Android to 1280 (`AndroidUtilities.getPhotoSize`). The factor then
    depends on the image, from 1 to far below it; programs and devices enlarge, too. Drawn, by our choice: the factor
    with uniform logarithm from [0.25, 2], each filter equally likely.

    Args:
        factor: Side of the result by side of the image, within [0.01, 100]; see `rescaled` for its bounds.
        filter: "nearest", "box" (the mean over an area), "bilinear", "bicubic" or "lanczos".
    """

    name: ClassVar[str] = "rescale"
    RANGE: ClassVar[tuple[float, float]] = (0.25, 2.0)

    factor: float
    filter: str

    def __post_init__(self) -> None:
        require(self, "factor", 0.01, 100.0)
        require_name(self, "filter", FILTERS)

    def __call__(self, image: Image.Image) -> Image.Image:
        """Return the smaller or larger image."""
        return rescaled(image, self.factor, FILTERS[self.filter])

    @classmethod
    def sample(cls, rng: np.random.Generator) -> Self:
        """Draw the factor and the filter."""
        return cls(draw_factor(rng, *cls.RANGE), draw_name(rng, tuple(FILTERS)))


@dataclass(frozen=True)
class LongestSide(Operation):
    """Makes an image smaller, aspect ratio kept, until its longest side is no longer than a limit.

    What platforms do to what is uploaded; see `Rescale` for who does. Smaller images stay as they are. Drawn, by our
    choice: one of the limits 1024 (WordPress's size "large"), 1280 (Telegram), 1600, 2048 and 4096 (Signal); each
    filter equally likely. In no pool.

    Args:
        side: The limit in pixels, within [1, 65500].
        filter: "nearest", "box" (the mean over an area), "bilinear", "bicubic" or "lanczos".
    """

    name: ClassVar[str] = "longest_side"
    GRID: ClassVar[tuple[int, ...]] = (1024, 1280, 1600, 2048, 4096)

    side: int
    filter: str

    def __post_init__(self) -> None:
        require(self, "side", 1, 65_500)
        require_name(self, "filter", FILTERS)

    def __call__(self, image: Image.Image) -> Image.Image:
        """Return the image within the limit; the shorter side is rounded, at least one pixel."""
        longest = max(image.size)
        if longest <= self.side:
            return image
        # In whole numbers: the longest side is the limit exactly, whatever floating point makes of the factor.
        width, height = (max(1, (2 * length * self.side + longest) // (2 * longest)) for length in image.size)
        return image.resize((width, height), FILTERS[self.filter])

    @classmethod
    def sample(cls, rng: np.random.Generator) -> Self:
        """Draw the limit and the filter."""
        return cls(draw(rng, cls.GRID), draw_name(rng, tuple(FILTERS)))
