"""Operations that add something that was not in the image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np
from PIL import Image

from contrafake.images.transforms.operation import Operation, draw, require

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class OverlayStripes(Operation):
    """Lays opaque white horizontal stripes over the image (AugLy: `overlay_stripes`).

    Stripes are AugLy's defaults: angle 0, density 0.5, white, solid, opacity 1; so they repeat every half of the
    shorter side, and one is centred on the middle row. CoDE draws the width from {0.05, 0.125, 0.2, 0.275, 0.35}.

    AugLy leaves it to the rounding of cosines whether a row exactly on a stripe's edge is covered; here it is.

    Args:
        line_width: Share of the rows that is covered, within (0, 1].
    """

    name: ClassVar[str] = "overlay_stripes"
    GRID: ClassVar[tuple[float, ...]] = (0.05, 0.125, 0.2, 0.275, 0.35)

    line_width: float

    def __post_init__(self) -> None:
        require(self, "line_width", 0.0, 1.0, low_included=False)

    def __call__(self, image: Image.Image) -> Image.Image:
        """Return the striped image."""
        distance = 0.5 * min(image.size)
        from_middle = np.abs(np.arange(image.height) - image.height / 2) % distance
        from_stripe = np.minimum(from_middle, distance - from_middle)
        # The margin keeps rounding errors of the product from deciding about a row exactly on the edge.
        covered = from_stripe <= self.line_width * distance / 2 + 1e-9
        pixels: NDArray[np.uint8] = np.array(image)
        pixels[covered] = 255
        return Image.fromarray(pixels)

    @classmethod
    def sample(cls, rng: np.random.Generator) -> Self:
        """Draw the width from the grid."""
        return cls(draw(rng, cls.GRID))


@dataclass(frozen=True)
class Pad(Operation):
    """Surrounds the image with black (AugLy: `pad`).

    CoDE draws one factor for both axes from {0.01, 0.07, 0.13, 0.19, 0.25}. The result has at most 9 times the pixels
    of the image, 2.25 times within CoDE's range.

    Args:
        w_factor: Width of the left and of the right border by the width of the image, within [0, 1].
        h_factor: Height of the upper and of the lower border by the height of the image, within [0, 1].
    """

    name: ClassVar[str] = "pad"
    GRID: ClassVar[tuple[float, ...]] = (0.01, 0.07, 0.13, 0.19, 0.25)

    w_factor: float
    h_factor: float

    def __post_init__(self) -> None:
        require(self, "w_factor", 0.0, 1.0)
        require(self, "h_factor", 0.0, 1.0)

    def __call__(self, image: Image.Image) -> Image.Image:
        """Return the framed image."""
        left, top = int(self.w_factor * image.width), int(self.h_factor * image.height)
        framed = Image.new("RGB", (image.width + 2 * left, image.height + 2 * top), (0, 0, 0))
        framed.paste(image, (left, top))
        return framed

    @classmethod
    def sample(cls, rng: np.random.Generator) -> Self:
        """Draw one factor from the grid for both axes."""
        factor = draw(rng, cls.GRID)
        return cls(factor, factor)
