"""Lossy compression as an image meets it when it is shared: other codecs, and JPEG twice.

Qualities seen in the world: Signal for Android re-encodes as JPEG at 70 or 75 (its `PushMediaConstraints`), Telegram
for Android at 80 (its `SendMessagesHelper`), WordPress at 82, and WebP at 86 (its `WP_Image_Editor`).
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

from PIL import Image, features

from contrafake.errors import UsageError
from contrafake.images.transforms.choices import draw_name, require_name
from contrafake.images.transforms.operation import Operation, require
from contrafake.images.transforms.rescaling import FILTERS, rescaled

if TYPE_CHECKING:
    import numpy as np

SUBSAMPLINGS = ("4:4:4", "4:2:2", "4:2:0")
"""Chroma at full resolution, at half the width, and at half the width and height."""

_MOST_SIDE = {"JPEG": 65_500, "WEBP": 16_383, "AVIF": 32_768}


def reencoded(image: Image.Image, format: str, **settings: Any) -> Image.Image:  # noqa: A002 - Pillow's own word
    """Encodes and decodes by Pillow; an image with a side longer than the format can hold stays as it is.

    Args:
        image: RGB, at least 1 x 1 pixel.
        format: "JPEG", "WEBP" or "AVIF".
        settings: Pillow's settings for saving.

    Returns:
        A plain RGB image of the same size.
    """
    if max(image.size) > _MOST_SIDE[format]:
        return image
    buffer = io.BytesIO()
    image.save(buffer, format=format, **settings)
    with Image.open(buffer, formats=[format]) as decoded:
        return decoded.convert("RGB")


@dataclass(frozen=True)
class WebpQuality(Operation):
    """Encodes as lossy WebP, chroma at half resolution as always there, and decodes.

    Drawn, by our choice: each whole quality of [40, 95]; the default of libwebp is 75, Pillow's 80. The encoder's
    effort is libwebp's default of 4. An image with a side above 16,383 pixels, which WebP cannot hold, is left as it
    is.

    Args:
        quality: The quality of libwebp, within [0, 100].
    """

    name: ClassVar[str] = "webp_quality"
    RANGE: ClassVar[tuple[int, int]] = (40, 95)

    quality: int

    def __post_init__(self) -> None:
        require(self, "quality", 0, 100)

    def __call__(self, image: Image.Image) -> Image.Image:
        """Return the image after one generation of WebP."""
        return reencoded(image, "WEBP", quality=self.quality)

    @classmethod
    def sample(cls, rng: np.random.Generator) -> Self:
        """Draw the quality uniformly."""
        return cls(int(rng.integers(*cls.RANGE, endpoint=True)))


@dataclass(frozen=True)
class AvifQuality(Operation):
    """Encodes as AVIF, chroma at half resolution, and decodes; needs a Pillow with its AVIF codec.

    Drawn, by our choice: each whole quality of [40, 90]; Pillow's default is 75. The encoder runs at speed 9 of 10, as
    the default, 6, would take several times as long, and in one thread: training keeps the other cores busy, and at
    lower speeds the pixels depend on the number of threads. An image with a side above 32,768 pixels, which libavif
    does not read, is left as it is.

    Args:
        quality: The quality of libavif, within [0, 100].
    """

    name: ClassVar[str] = "avif_quality"
    RANGE: ClassVar[tuple[int, int]] = (40, 90)
    REMEDY: ClassVar[str] = "install Pillow 11.3 or later from its wheel, which has the codec"

    quality: int

    def __post_init__(self) -> None:
        if not self.available():
            raise UsageError(self.name, "this Pillow has no AVIF codec", self.REMEDY)
        require(self, "quality", 0, 100)

    def __call__(self, image: Image.Image) -> Image.Image:
        """Return the image after one generation of AVIF."""
        return reencoded(image, "AVIF", quality=self.quality, speed=9, max_threads=1)

    @classmethod
    def sample(cls, rng: np.random.Generator) -> Self:
        """Draw the quality uniformly."""
        return cls(int(rng.integers(*cls.RANGE, endpoint=True)))

    @staticmethod
    def available() -> bool:
        """Whether Pillow has its AVIF codec."""
        return bool(features.check("avif"))


@dataclass(frozen=True)
class DoubleJpeg(Operation):
    """Two generations of JPEG whose 8 x 8 grids do not coincide: a cut, or a change of size, lies between them.

    What happens to a file that is edited or uploaded. The first generation is the camera's or the editor's, the second
    the platform's. Drawn, by our choice: each whole quality of [60, 95] for either; each subsampling for the first,
    4:2:0, libjpeg's default, for the second; between them, equally likely, a cut at one of the 63 places that move the
    grid, or a reduction by a factor from U[0.5, 1]. A generation is left out where the image has a side above 65,500
    pixels, which JPEG cannot hold.

    Args:
        first_quality: libjpeg's quality of the first generation, within [0, 100].
        first_subsampling: Its chroma subsampling, "4:4:4", "4:2:2" or "4:2:0".
        left: Columns cut off at the left, in pixels, within [0, 7]; at least one column stays.
        top: Rows cut off at the top, in pixels, within [0, 7]; at least one row stays.
        factor: Side after by side before the change of size (Lanczos) that follows the cut, within [0.25, 2].
        second_quality: libjpeg's quality of the second generation, within [0, 100].
        second_subsampling: Its chroma subsampling.
    """

    name: ClassVar[str] = "double_jpeg"
    QUALITIES: ClassVar[tuple[int, int]] = (60, 95)
    FACTORS: ClassVar[tuple[float, float]] = (0.5, 1.0)

    first_quality: int
    first_subsampling: str
    left: int
    top: int
    factor: float
    second_quality: int
    second_subsampling: str

    def __post_init__(self) -> None:
        for generation in ("first", "second"):
            require(self, f"{generation}_quality", 0, 100)
            require_name(self, f"{generation}_subsampling", SUBSAMPLINGS)
        require(self, "left", 0, 7)
        require(self, "top", 0, 7)
        require(self, "factor", 0.25, 2.0)

    def __call__(self, image: Image.Image) -> Image.Image:
        """Return the image after both generations; smaller by the cut and the factor."""
        image = reencoded(image, "JPEG", quality=self.first_quality, subsampling=self.first_subsampling)
        left, top = min(self.left, image.width - 1), min(self.top, image.height - 1)
        if left or top:
            image = image.crop((left, top, image.width, image.height))
        image = rescaled(image, self.factor, FILTERS["lanczos"])
        return reencoded(image, "JPEG", quality=self.second_quality, subsampling=self.second_subsampling)

    @classmethod
    def sample(cls, rng: np.random.Generator) -> Self:
        """Draw both qualities, the first subsampling, and a cut or a factor."""
        first, second = (int(quality) for quality in rng.integers(*cls.QUALITIES, size=2, endpoint=True))
        subsampling = draw_name(rng, SUBSAMPLINGS)
        if rng.integers(2):
            top, left = divmod(int(rng.integers(1, 64)), 8)
            return cls(first, subsampling, left, top, 1.0, second, "4:2:0")
        return cls(first, subsampling, 0, 0, float(rng.uniform(*cls.FACTORS)), second, "4:2:0")
