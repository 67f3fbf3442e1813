"""Operations that change the size of the image: by resampling or by cutting."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np
from PIL import Image

from contrafake.images.transforms.operation import Operation, draw, require

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAX_PIXELS = 2**25
"""Scaling up stops at this many pixels (100 MB of RGB); no use of this pool comes near it, a stray huge file does."""

_MOST_SIDE = 4096


@dataclass(frozen=True)
class AspectRatio(Operation):
    """Resizes, bicubic, to a given ratio of width to height at unchanged area (AugLy: `change_aspect_ratio`).

    CoDE draws the ratio from U[0.75, 2]. It is the ratio reached, not one multiplied onto the image's own. The area
    bounds the work. Sides that AugLy rounds to zero, and then fails on, are one pixel here.

    Args:
        ratio: Width by height of the result, within [0.01, 100].
    """

    name: ClassVar[str] = "aspect_ratio"
    RANGE: ClassVar[tuple[float, float]] = (0.75, 2.0)

    ratio: float

    def __post_init__(self) -> None:
        require(self, "ratio", 0.01, 100.0)

    def __call__(self, image: Image.Image) -> Image.Image:
        """Return the stretched or squeezed image."""
        area = image.width * image.height
        width = min(area, max(1, int(math.sqrt(self.ratio * area))))
        return image.resize((width, area // width), Image.Resampling.BICUBIC)

    @classmethod
    def sample(cls, rng: np.random.Generator) -> Self:
        """Draw the ratio uniformly."""
        return cls(float(rng.uniform(*cls.RANGE)))


@dataclass(frozen=True)
class Resize(Operation):
    """Resizes, bicubic, to a square whatever the aspect ratio was (AugLy: `resize`).

    CoDE draws the side from {64, 176, 288, 400, 512}.

    Args:
        side: Side of the result in pixels, within [1, 4096].
    """

    name: ClassVar[str] = "resize"
    GRID: ClassVar[tuple[int, ...]] = (64, 176, 288, 400, 512)

    side: int

    def __post_init__(self) -> None:
        require(self, "side", 1, _MOST_SIDE)

    def __call__(self, image: Image.Image) -> Image.Image:
        """Return the square image."""
        return image.resize((self.side, self.side), Image.Resampling.BICUBIC)

    @classmethod
    def sample(cls, rng: np.random.Generator) -> Self:
        """Draw the side from the grid."""
        return cls(draw(rng, cls.GRID))


@dataclass(frozen=True)
class Scale(Operation):
    """Resizes both sides by a factor: Lanczos when smaller, bilinear when larger (AugLy: `scale`).

    CoDE draws the factor from {0.5, 0.75, 1, 1.25, 1.5}. Unlike AugLy's, a side never becomes zero, and enlarging stops
    at `MAX_PIXELS`: a larger result gets the largest factor that keeps to it, and an image above it is not enlarged.

    Args:
        factor: Side of the result by side of the image, within [0.01, 100].
    """

    name: ClassVar[str] = "scale"
    GRID: ClassVar[tuple[float, ...]] = (0.5, 0.75, 1.0, 1.25, 1.5)

    factor: float

    def __post_init__(self) -> None:
        require(self, "factor", 0.01, 100.0)

    def __call__(self, image: Image.Image) -> Image.Image:
        """Return the smaller or larger image."""
        factor = self.factor
        if factor > 1:
            factor = max(1.0, min(factor, math.sqrt(MAX_PIXELS / (image.width * image.height))))
        size = (max(1, int(image.width * factor)), max(1, int(image.height * factor)))
        if size == image.size:
            return image
        return image.resize(size, Image.Resampling.LANCZOS if factor < 1 else Image.Resampling.BILINEAR)

    @classmethod
    def sample(cls, rng: np.random.Generator) -> Self:
        """Draw the factor from the grid."""
        return cls(draw(rng, cls.GRID))


@dataclass(frozen=True)
class RandomCrop(Operation):
    """Cuts a square at a random place; a smaller image is extended by its mirror image (torchvision: `RandomCrop`).

    CoDE draws the side from {64, 176, 288, 400, 512}. A side of the image shorter than the square lies wholly within
    it, at a random place, as with torchvision's `pad_if_needed`. The official code fills the rest with black. Here the
    rest is the image mirrored at its edges, as often as needed: in training data the size of an image often tells its
    class (generated images come in few, large sizes), and a black border would tell it too.

    Args:
        side: Side of the square in pixels, within [1, 4096].
        x: Where between leftmost (0) and rightmost (towards 1) place the square lies, within [0, 1].
        y: Where between topmost (0) and lowest (towards 1) place the square lies, within [0, 1].
    """

    name: ClassVar[str] = "random_crop"
    GRID: ClassVar[tuple[int, ...]] = (64, 176, 288, 400, 512)

    side: int
    x: float
    y: float

    def __post_init__(self) -> None:
        require(self, "side", 1, _MOST_SIDE)
        require(self, "x", 0.0, 1.0)
        require(self, "y", 0.0, 1.0)

    def __call__(self, image: Image.Image) -> Image.Image:
        """Return the square."""
        left, top = _start(image.width, self.side, self.x), _start(image.height, self.side, self.y)
        right, bottom = left + self.side, top + self.side
        if min(image.size) >= self.side:
            return image.crop((left, top, right, bottom))
        kept = image.crop((max(left, 0), max(top, 0), min(right, image.width), min(bottom, image.height)))
        pixels = np.asarray(kept)
        if kept.height < self.side:
            pixels = pixels[_mirrored(top, self.side, kept.height)]
        if kept.width < self.side:
            pixels = pixels.take(_mirrored(left, self.side, kept.width), axis=1)
        return Image.fromarray(pixels)

    @classmethod
    def sample(cls, rng: np.random.Generator) -> Self:
        """Draw the side from the grid and the place uniformly."""
        return cls(draw(rng, cls.GRID), float(rng.random()), float(rng.random()))


@dataclass(frozen=True)
class CentreCrop(Operation):
    """Cuts off the same at opposite edges, so that the middle stays at its resolution.

    Drawn, by our choice: the share from U[0.5, 1]. In no pool: `RandomCrop` is the cut that training draws.

    Args:
        share: Side of the result by side of the image, within (0, 1]; a side is rounded down, at least one pixel. Where
            an odd number of pixels goes, the right or lower edge loses one more.
    """

    name: ClassVar[str] = "centre_crop"
    RANGE: ClassVar[tuple[float, float]] = (0.5, 1.0)

    share: float

    def __post_init__(self) -> None:
        require(self, "share", 0.0, 1.0, low_included=False)

    def __call__(self, image: Image.Image) -> Image.Image:
        """Return the middle of the image."""
        width, height = max(1, int(image.width * self.share)), max(1, int(image.height * self.share))
        if (width, height) == image.size:
            return image
        left, top = (image.width - width) // 2, (image.height - height) // 2
        return image.crop((left, top, left + width, top + height))

    @classmethod
    def sample(cls, rng: np.random.Generator) -> Self:
        """Draw the share uniformly."""
        return cls(float(rng.uniform(*cls.RANGE)))


def _start(length: int, side: int, place: float) -> int:
    """First pixel of the square along one axis; never positive where the image is shorter than the square."""
    slack = abs(length - side)
    start = min(slack, int(place * (slack + 1)))
    return start if length >= side else -start


def _mirrored(start: int, side: int, length: int) -> NDArray[np.intp]:
    """Indices into an axis of a length, continued beyond both ends by mirroring with the edge pixel repeated."""
    period = np.arange(start, start + side) % (2 * length)
    return np.minimum(period, 2 * length - 1 - period)
