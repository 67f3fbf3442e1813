"""Operations that change fine detail: smoothing, sharpening, loss of resolution, compression, displaced pixels."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self, TypeVar

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter

from contrafake.images.transforms.operation import Operation, draw, require

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

_Integers = TypeVar("_Integers", "NDArray[np.int64]", "Tensor")

JPEG_MOST_SIDE = 65500
"""Pixels along the longest side that libjpeg takes."""


@dataclass(frozen=True)
class Blur(Operation):
    """Gaussian blur, as Pillow approximates it by three box blurs (AugLy: `blur`).

    CoDE draws the radius from U[0.1, 2].

    Args:
        radius: Standard deviation of the Gaussian in pixels, within (0, 100].
    """

    name: ClassVar[str] = "blur"
    RANGE: ClassVar[tuple[float, float]] = (0.1, 2.0)

    radius: float

    def __post_init__(self) -> None:
        require(self, "radius", 0.0, 100.0, low_included=False)

    def __call__(self, image: Image.Image) -> Image.Image:
        """Return the blurred image."""
        return image.filter(ImageFilter.GaussianBlur(self.radius))

    @classmethod
    def sample(cls, rng: np.random.Generator) -> Self:
        """Draw the radius uniformly."""
        return cls(float(rng.uniform(*cls.RANGE)))


@dataclass(frozen=True)
class Sharpen(Operation):
    """Moves every pixel away from its 3 x 3 smoothed value (AugLy: `sharpen`).

    CoDE draws the factor from {1.2, 1.4, 1.6, 1.8, 2}.

    Args:
        factor: 0 gives the smoothed image, 1 the image itself, above 1 a sharper one; within [0, 100].
    """

    name: ClassVar[str] = "sharpen"
    GRID: ClassVar[tuple[float, ...]] = (1.2, 1.4, 1.6, 1.8, 2.0)

    factor: float

    def __post_init__(self) -> None:
        require(self, "factor", 0.0, 100.0)

    def __call__(self, image: Image.Image) -> Image.Image:
        """Return the sharper image."""
        return ImageEnhance.Sharpness(image).enhance(self.factor)

    @classmethod
    def sample(cls, rng: np.random.Generator) -> Self:
        """Draw the factor from the grid."""
        return cls(draw(rng, cls.GRID))


@dataclass(frozen=True)
class Pixelization(Operation):
    """Shrinks the image and enlarges it back, both bicubic (AugLy: `pixelization`).

    Despite its name no square blocks appear: AugLy resizes with Pillow's default filter, which has been bicubic since
    Pillow 7. CoDE draws the ratio from U[0.3, 1].

    Args:
        ratio: Side of the intermediate image as a share of the side, within (0, 1].
    """

    name: ClassVar[str] = "pixelization"
    RANGE: ClassVar[tuple[float, float]] = (0.3, 1.0)

    ratio: float

    def __post_init__(self) -> None:
        require(self, "ratio", 0.0, 1.0, low_included=False)

    def __call__(self, image: Image.Image) -> Image.Image:
        """Return the image at its size, with the detail of the smaller one."""
        small = (max(1, int(image.width * self.ratio)), max(1, int(image.height * self.ratio)))
        if small == image.size:
            return image
        return image.resize(small, Image.Resampling.BICUBIC).resize(image.size, Image.Resampling.BICUBIC)

    @classmethod
    def sample(cls, rng: np.random.Generator) -> Self:
        """Draw the ratio uniformly."""
        return cls(float(rng.uniform(*cls.RANGE)))


@dataclass(frozen=True)
class JpegQuality(Operation):
    """Encodes as JPEG and decodes, chroma at half resolution as is Pillow's default (AugLy: `encoding_quality`).

    CoDE draws the quality from {40, 55, 70, 85, 100}. An image with a side above 65,500 pixels, which JPEG cannot hold,
    is left as it is.

    Args:
        quality: The quality of libjpeg, within [0, 100].
    """

    name: ClassVar[str] = "jpeg_quality"
    GRID: ClassVar[tuple[int, ...]] = (40, 55, 70, 85, 100)

    quality: int

    def __post_init__(self) -> None:
        require(self, "quality", 0, 100)

    def __call__(self, image: Image.Image) -> Image.Image:
        """Return the image after one generation of JPEG."""
        if max(image.size) > JPEG_MOST_SIDE:
            return image
        buffer = io.BytesIO()
        image.save(buffer, format="JPEG", quality=self.quality)
        with Image.open(buffer) as decoded:
            return decoded.convert("RGB")

    @classmethod
    def sample(cls, rng: np.random.Generator) -> Self:
        """Draw the quality from the grid."""
        return cls(draw(rng, cls.GRID))


@dataclass(frozen=True)
class ShufflePixels(Operation):
    """Permutes a random share of the pixels among themselves (AugLy: `shuffle_pixels`).

    CoDE draws the fraction from {0, 0.0875, 0.175, 0.2625, 0.35}. The official code gives AugLy one seed for the whole
    run, so that all images of a size are shuffled by the same few permutations, which a network can learn by heart;
    here every sampled operation has a seed of its own, and no global generator is touched.

    `shuffle_keys` brings the places into a random order; the first ones take part, and each takes the pixel of the
    next. So none that takes part keeps its own, while of AugLy's one does on average. No library's generator is
    involved: every device computes the same.

    Args:
        fraction: Share of the pixels that take part, within [0, 1]; rounded down to a whole number of pixels, and none
            where that is one.
        seed: Seed of which pixels take part and where they go, within [0, 2**32 - 1].
    """

    name: ClassVar[str] = "shuffle_pixels"
    GRID: ClassVar[tuple[float, ...]] = (0.0, 0.0875, 0.175, 0.2625, 0.35)

    fraction: float
    seed: int

    def __post_init__(self) -> None:
        require(self, "fraction", 0.0, 1.0)
        require(self, "seed", 0, 2**32 - 1)

    def __call__(self, image: Image.Image) -> Image.Image:
        """Return the image with pixels exchanged; its histogram stays."""
        total = image.width * image.height
        count = int(self.fraction * total)
        if count < 2:
            return image
        keys = shuffle_keys(np.arange(total), np.array(self.seed))
        # Keys with their places in the low bits: numbers sort several times faster than arguments.
        ordered = np.sort(keys.astype(np.uint64) << 32 | np.arange(total, dtype=np.uint64))
        places = (ordered[:count] & 0xFFFFFFFF).astype(np.int64)
        shape = (image.height, image.width, 3)
        pixels: NDArray[np.uint8] = np.array(image).reshape(total, 3)
        pixels[places] = pixels[np.roll(places, -1)]
        return Image.fromarray(pixels.reshape(shape))

    @classmethod
    def sample(cls, rng: np.random.Generator) -> Self:
        """Draw the fraction from the grid, and a seed."""
        return cls(draw(rng, cls.GRID), int(rng.integers(2**32)))


def shuffle_keys(places: _Integers, seeds: _Integers) -> _Integers:
    """Random numbers by which to order the places of an image, each from its place and a seed alone.

    Args:
        places: int64 numbers of pixels, row after row, within [0, 2**32 - 1]; an array, or a tensor on any device.
        seeds: int64 of a shape that broadcasts, within [0, 2**32 - 1].

    Returns:
        int64 within [0, 2**32 - 1]; for one seed no two places have the same.
    """
    return _mix(_mix(places) ^ _mix(seeds))


def _mix(numbers: _Integers) -> _Integers:
    """A bijection of the 32-bit numbers that hides their order (C. Wellons' hash-prospector, "prospector32")."""
    numbers = numbers ^ (numbers >> 15)
    # Both factors have 30 bits: the products stay within 63, where numpy and torch agree without relying on overflow.
    numbers *= 0x2C1B3C6D
    numbers &= 0xFFFFFFFF
    numbers ^= numbers >> 12
    numbers *= 0x297A2D39
    numbers &= 0xFFFFFFFF
    numbers ^= numbers >> 15
    return numbers
