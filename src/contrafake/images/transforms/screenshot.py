"""A picture of a picture: what a screenshot makes of an image on a display."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

from PIL import Image

from contrafake.images.transforms.operation import Operation, draw, require
from contrafake.images.transforms.recompression import reencoded
from contrafake.images.transforms.rescaling import FILTERS, draw_factor, rescaled

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Screenshot(Operation):
    """Scales the image to a display (bilinear), leaves a thin frame of what was around it, and saves PNG or JPEG.

    The display shows the image at whatever size fits; the cut around it is by hand and takes in a pixel or two of the
    background; systems save PNG, which changes nothing, and some phones and most programs that pass it on JPEG. Drawn,
    by our choice: the factor with uniform logarithm from [0.5, 2]; a frame of 0, 0, 1 or 2 pixels; a background of
    black, white or grey 18 (#121212, the dark background of Material Design); PNG, or, as likely, a JPEG of each whole
    quality of [70, 95].

    Args:
        factor: Side on the display by side of the image, within [0.25, 4]; see `rescaled` for its bounds.
        frame: Width of the frame on each side in pixels, within [0, 16].
        shade: Grey level of the frame, within [0, 255].
        quality: libjpeg's quality, within [1, 100], at 4:2:0; 0 is PNG, as is an image with a side above 65,500 pixels,
            which JPEG cannot hold.
    """

    name: ClassVar[str] = "screenshot"
    FACTORS: ClassVar[tuple[float, float]] = (0.5, 2.0)
    FRAMES: ClassVar[tuple[int, ...]] = (0, 0, 1, 2)
    SHADES: ClassVar[tuple[int, ...]] = (0, 18, 255)
    QUALITIES: ClassVar[tuple[int, int]] = (70, 95)

    factor: float
    frame: int
    shade: int
    quality: int

    def __post_init__(self) -> None:
        require(self, "factor", 0.25, 4.0)
        require(self, "frame", 0, 16)
        require(self, "shade", 0, 255)
        require(self, "quality", 0, 100)

    def __call__(self, image: Image.Image) -> Image.Image:
        """Return what the screenshot shows."""
        image = rescaled(image, self.factor, FILTERS["bilinear"])
        if self.frame:
            framed = Image.new("RGB", (image.width + 2 * self.frame, image.height + 2 * self.frame), (self.shade,) * 3)
            framed.paste(image, (self.frame, self.frame))
            image = framed
        if self.quality == 0:
            return image
        return reencoded(image, "JPEG", quality=self.quality, subsampling="4:2:0")

    @classmethod
    def sample(cls, rng: np.random.Generator) -> Self:
        """Draw the factor, the frame, its shade, and the format with its quality."""
        factor, frame, shade = draw_factor(rng, *cls.FACTORS), draw(rng, cls.FRAMES), draw(rng, cls.SHADES)
        quality = int(rng.integers(*cls.QUALITIES, endpoint=True)) if rng.integers(2) else 0
        return cls(factor, frame, shade, quality)
