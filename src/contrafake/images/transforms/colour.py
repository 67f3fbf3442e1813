"""Operations that change colours and leave every pixel in its place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

from PIL import Image, ImageEnhance

from contrafake.images.transforms.operation import Operation, draw, require

if TYPE_CHECKING:
    import numpy as np

_MOST = 100.0


@dataclass(frozen=True)
class Brightness(Operation):
    """Multiplies every channel value by a factor and clips at 255 (AugLy: `brightness`).

    CoDE draws the factor from U[0.5, 2].

    Args:
        factor: 0 gives black, 1 the image itself; within [0, 100].
    """

    name: ClassVar[str] = "brightness"
    RANGE: ClassVar[tuple[float, float]] = (0.5, 2.0)

    factor: float

    def __post_init__(self) -> None:
        require(self, "factor", 0.0, _MOST)

    def __call__(self, image: Image.Image) -> Image.Image:
        """Return the brighter or darker image."""
        return ImageEnhance.Brightness(image).enhance(self.factor)

    @classmethod
    def sample(cls, rng: np.random.Generator) -> Self:
        """Draw the factor uniformly."""
        return cls(float(rng.uniform(*cls.RANGE)))


@dataclass(frozen=True)
class Contrast(Operation):
    """Stretches every channel value away from the image's mean luminosity (AugLy: `contrast`).

    CoDE draws the factor from {0.5, 0.75, 1, 1.25, 1.5}.

    Args:
        factor: 0 gives a flat grey, 1 the image itself; within [0, 100].
    """

    name: ClassVar[str] = "contrast"
    GRID: ClassVar[tuple[float, ...]] = (0.5, 0.75, 1.0, 1.25, 1.5)

    factor: float

    def __post_init__(self) -> None:
        require(self, "factor", 0.0, _MOST)

    def __call__(self, image: Image.Image) -> Image.Image:
        """Return the image with more or less contrast."""
        return ImageEnhance.Contrast(image).enhance(self.factor)

    @classmethod
    def sample(cls, rng: np.random.Generator) -> Self:
        """Draw the factor from the grid."""
        return cls(draw(rng, cls.GRID))


@dataclass(frozen=True)
class Saturation(Operation):
    """Moves every pixel away from its own grey value (AugLy: `saturation`).

    CoDE draws the factor from {0.5, 0.75, 1, 1.25, 1.5}.

    Args:
        factor: 0 gives grey, 1 the image itself; within [0, 100].
    """

    name: ClassVar[str] = "saturation"
    GRID: ClassVar[tuple[float, ...]] = (0.5, 0.75, 1.0, 1.25, 1.5)

    factor: float

    def __post_init__(self) -> None:
        require(self, "factor", 0.0, _MOST)

    def __call__(self, image: Image.Image) -> Image.Image:
        """Return the image with stronger or paler colours."""
        return ImageEnhance.Color(image).enhance(self.factor)

    @classmethod
    def sample(cls, rng: np.random.Generator) -> Self:
        """Draw the factor from the grid."""
        return cls(draw(rng, cls.GRID))


@dataclass(frozen=True)
class Grayscale(Operation):
    """Replaces every pixel by its ITU-R 601 luminosity, in three equal channels (AugLy: `grayscale`, luminosity)."""

    name: ClassVar[str] = "grayscale"

    def __call__(self, image: Image.Image) -> Image.Image:
        """Return the grey image."""
        return image.convert("L").convert("RGB")

    @classmethod
    def sample(cls, rng: np.random.Generator) -> Self:
        """Nothing to draw."""
        return cls()


@dataclass(frozen=True)
class Opacity(Operation):
    """Lays the image, partly transparent, over white (AugLy: `opacity`).

    CoDE draws the level from {0.2, 0.4, 0.6, 0.8, 1}.

    Args:
        level: 0 gives white, 1 the image itself; within [0, 1], in effect rounded down to a multiple of 1/255.
    """

    name: ClassVar[str] = "opacity"
    GRID: ClassVar[tuple[float, ...]] = (0.2, 0.4, 0.6, 0.8, 1.0)

    level: float

    def __post_init__(self) -> None:
        require(self, "level", 0.0, 1.0)

    def __call__(self, image: Image.Image) -> Image.Image:
        """Return the paler image."""
        white = Image.new("RGB", image.size, (255, 255, 255))
        mask = Image.new("L", image.size, int(255 * self.level))
        return Image.composite(image, white, mask)

    @classmethod
    def sample(cls, rng: np.random.Generator) -> Self:
        """Draw the level from the grid."""
        return cls(draw(rng, cls.GRID))
