"""Noise that is added to an image, as film-grain filters and careless processing add it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np
from PIL import Image

from contrafake.images.transforms.operation import Operation, require

if TYPE_CHECKING:
    from numpy.typing import NDArray

_STRIP = 2**20


@dataclass(frozen=True)
class GaussianNoise(Operation):
    """Adds Gaussian noise of mean 0 to every pixel, rounds to whole levels and clips at 0 and 255.

    Drawn, by our choice: sigma from U[1, 10]; independent per channel or common to the three (grain of brightness
    only), each equally likely. Noise that depends on the brightness, as a sensor's does, is left out on purpose: it
    arises when a photograph is taken, not on an image's way through the world.

    Args:
        sigma: Standard deviation in levels of 0 to 255, within [0, 100].
        per_channel: Whether red, green and blue get noise of their own; otherwise all three change alike.
        seed: Seed of the noise, within [0, 2**32 - 1]; the same one gives the same noise with the same numpy.
    """

    name: ClassVar[str] = "gaussian_noise"
    RANGE: ClassVar[tuple[float, float]] = (1.0, 10.0)

    sigma: float
    per_channel: bool
    seed: int

    def __post_init__(self) -> None:
        require(self, "sigma", 0.0, 100.0)
        require(self, "seed", 0, 2**32 - 1)

    def __call__(self, image: Image.Image) -> Image.Image:
        """Return the noisy image."""
        rng = np.random.default_rng(self.seed)
        pixels: NDArray[np.uint8] = np.array(image)
        # In strips of rows: floating point takes four times the memory of the image, and large images occur.
        rows = max(1, _STRIP // image.width)
        for top in range(0, image.height, rows):
            strip = pixels[top : top + rows]
            noise = rng.standard_normal((*strip.shape[:2], 3 if self.per_channel else 1), dtype=np.float32)
            noise *= self.sigma
            strip[:] = np.rint(strip + noise).clip(0, 255)
        return Image.fromarray(pixels)

    @classmethod
    def sample(cls, rng: np.random.Generator) -> Self:
        """Draw sigma uniformly, the kind, and a seed."""
        return cls(float(rng.uniform(*cls.RANGE)), bool(rng.integers(2)), int(rng.integers(2**32)))
