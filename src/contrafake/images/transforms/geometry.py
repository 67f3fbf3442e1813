"""Operations that turn, mirror or slant the image."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

from PIL import Image

from contrafake.images.transforms.operation import Operation, draw, require

if TYPE_CHECKING:
    import numpy as np


def largest_inscribed_rectangle(width: float, height: float, degrees: float) -> tuple[float, float]:
    """Size of the largest upright rectangle within a rotated one (AugLy: `rotated_rect_with_max_area`).

    Args:
        width: Width before rotation, in any unit, positive.
        height: Height before rotation, in the same unit, positive.
        degrees: Rotation angle.

    Returns:
        Width and height of the axis-aligned rectangle of maximal area, centred like the rotated one.
    """
    sine, cosine = abs(math.sin(math.radians(degrees))), abs(math.cos(math.radians(degrees)))
    long, short = max(width, height), min(width, height)
    if short <= 2 * sine * cosine * long or abs(sine - cosine) < 1e-10:
        # Two opposite corners touch the long sides; the short sides do not bind.
        across = 0.5 * short
        return (across / sine, across / cosine) if width >= height else (across / cosine, across / sine)
    spread = cosine * cosine - sine * sine
    return (width * cosine - height * sine) / spread, (height * cosine - width * sine) / spread


@dataclass(frozen=True)
class Rotation(Operation):
    """Rotates counter-clockwise about the centre, keeps the largest rectangle without empty corners (AugLy: `rotate`).

    Nearest-neighbour sampling, as AugLy's. CoDE draws the angle from U[90, 270]. Two differences: AugLy rotates into an
    enlarged canvas and then crops, which for a long thin image is a canvas of hundreds of times its area, while here
    only the rectangle that remains is computed; and AugLy rounds the rectangle towards the upper left, which lets in
    black pixels at its edges (and loses a row or column at 180 and 270 degrees, by rounding error), while here it is
    rounded inwards, so that a side can differ by one pixel.

    Args:
        degrees: Angle, within [-360, 360].
    """

    name: ClassVar[str] = "rotation"
    RANGE: ClassVar[tuple[float, float]] = (90.0, 270.0)

    degrees: float

    def __post_init__(self) -> None:
        require(self, "degrees", -360.0, 360.0)

    def __call__(self, image: Image.Image) -> Image.Image:
        """Return the rotated and cropped image."""
        if self.degrees % 90 == 0:
            return image.rotate(self.degrees, expand=True)
        size, coefficients = self.affine(image.width, image.height)
        return image.transform(size, Image.Transform.AFFINE, coefficients, resample=Image.Resampling.NEAREST)

    def affine(
        self, width: int, height: int
    ) -> tuple[tuple[int, int], tuple[float, float, float, float, float, float]]:
        """What remains of a rotated image, and where it comes from; for angles that are no multiple of 90 degrees.

        Args:
            width: Width of the image in pixels.
            height: Height of the image in pixels.

        Returns:
            Width and height of the result; and (a, b, c, d, e, f): its point (x, y) is the image's point
            (a x + b y + c, d x + e y + f).
        """
        inner = largest_inscribed_rectangle(width, height, self.degrees)
        cosine, sine = math.cos(math.radians(self.degrees)), math.sin(math.radians(self.degrees))
        canvas = _rotated_canvas((width, height), abs(cosine), abs(sine))
        (left, columns), (top, rows) = (_inside(c, i) for c, i in zip(canvas, inner, strict=True))
        # The output pixel (0, 0) as seen from the centre of the canvas, which is the centre of the image.
        x, y = left - canvas[0] / 2, top - canvas[1] / 2
        across, along = cosine * x - sine * y + width / 2, sine * x + cosine * y + height / 2
        return (columns, rows), (cosine, -sine, across, sine, cosine, along)

    @classmethod
    def sample(cls, rng: np.random.Generator) -> Self:
        """Draw the angle uniformly."""
        return cls(float(rng.uniform(*cls.RANGE)))


def _rotated_canvas(size: tuple[int, int], cosine: float, sine: float) -> tuple[int, int]:
    """Size of the canvas that Pillow's `rotate` with `expand` would use."""
    width, height = size
    across, down = width * cosine + height * sine, width * sine + height * cosine
    return (
        math.ceil((width + across) / 2) - math.floor((width - across) / 2),
        math.ceil((height + down) / 2) - math.floor((height - down) / 2),
    )


def _inside(canvas: int, inner: float) -> tuple[int, int]:
    """Whole-pixel start and length of the centred stretch of a length within a canvas, at least one pixel long."""
    start, stop = math.ceil((canvas - inner) / 2), math.floor((canvas + inner) / 2)
    return (start, stop - start) if stop > start else (canvas // 2, 1)


@dataclass(frozen=True)
class HorizontalFlip(Operation):
    """Mirrors left and right (AugLy: `hflip`)."""

    name: ClassVar[str] = "horizontal_flip"

    def __call__(self, image: Image.Image) -> Image.Image:
        """Return the mirrored image."""
        return image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)

    @classmethod
    def sample(cls, rng: np.random.Generator) -> Self:
        """Nothing to draw."""
        return cls()


@dataclass(frozen=True)
class Skew(Operation):
    """Slants the image along x about its middle row, bilinear, at unchanged size (AugLy: `skew`, axis 0).

    The corners that become empty are black, as AugLy's. CoDE draws the factor from {-1, -0.5, 0, 0.5, 1}.

    Args:
        factor: Shift in x per row in pixels, within [-2, 2]; positive moves the upper half to the right.
    """

    name: ClassVar[str] = "skew"
    GRID: ClassVar[tuple[float, ...]] = (-1.0, -0.5, 0.0, 0.5, 1.0)

    factor: float

    def __post_init__(self) -> None:
        require(self, "factor", -2.0, 2.0)

    def __call__(self, image: Image.Image) -> Image.Image:
        """Return the slanted image."""
        if self.factor == 0:
            return image
        return image.transform(
            image.size,
            Image.Transform.AFFINE,
            (1, self.factor, -self.factor * image.height / 2, 0, 1, 0),
            resample=Image.Resampling.BILINEAR,
        )

    @classmethod
    def sample(cls, rng: np.random.Generator) -> Self:
        """Draw the factor from the grid."""
        return cls(draw(rng, cls.GRID))
