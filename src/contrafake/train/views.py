"""The four training views of one image: clean, transformed, global crop, local crop.

Reference: CoDE, section 3, and the official training code: a view's number of transformations is uniform on 0..K,
kinds are drawn without replacement and applied in the pool's fixed order; crops are cut first and transformed after.
Two things differ, so that no constant border can tell the class: images smaller than a crop are extended by mirroring
(officially white or black), and views that a transformation has resized pass the final step again. A third is a matter
of a few pixels: at the border of a global or local crop the bicubic kernel sees the image around it, where torchvision
cuts first and repeats the edge.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from contrafake.images.crops import extend, resize_crop
from contrafake.images.transforms import apply_chain, sample_chain

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from contrafake.train.config import ViewConfig

VIEWS = ("clean", "transformed", "global", "local")
VIEWS_PER_RECORD = 2 * len(VIEWS)  # of one real and one generated image

ASPECT = (3 / 4, 4 / 3)  # of RandomResizedCrop, as in torchvision


def make_views(pixels: NDArray[np.uint8], config: ViewConfig, size: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Cuts the four views of one image.

    Args:
        pixels: (H, W, 3) uint8 RGB.
        config: Geometry, areas and number of transformations.
        size: Side of the views in pixels.
        rng: Source of all choices.

    Returns:
        (4, size, size, 3) uint8, in the order of `VIEWS`.
    """
    image = Image.fromarray(pixels)
    return np.stack(
        [
            final_step(pixels, config, size, rng),
            transformed_view(image, config, size, rng),
            _crop_view(image, config.global_area, config, size, rng),
            _crop_view(image, config.local_area, config, size, rng),
        ]
    )


def transformed_view(image: Image.Image, config: ViewConfig, size: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """The whole image after 0 to K transformations, through the final step; (size, size, 3) uint8."""
    chain = sample_chain(rng, config.max_operations)
    return final_step(np.asarray(apply_chain(image, chain)), config, size, rng)


def final_step(pixels: NDArray[np.uint8], config: ViewConfig, size: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Brings an image to (size, size, 3): a random native crop, or resize and centre crop."""
    if config.geometry == "resize-crop":
        return resize_crop(pixels, size, config.crop_pct)
    pixels = extend(pixels, size)
    top = int(rng.integers(pixels.shape[0] - size + 1))
    left = int(rng.integers(pixels.shape[1] - size + 1))
    return pixels[top : top + size, left : left + size]


def random_resized_box(
    width: int, height: int, area: tuple[float, float], rng: np.random.Generator
) -> tuple[int, int, int, int]:
    """Left, top, right, bottom of a crop of random area and aspect, as torchvision's RandomResizedCrop draws it.

    Ten attempts; then the largest centred box within the aspect bounds.
    """
    for _ in range(10):
        target = width * height * rng.uniform(*area)
        aspect = np.exp(rng.uniform(np.log(ASPECT[0]), np.log(ASPECT[1])))
        w, h = round(np.sqrt(target * aspect)), round(np.sqrt(target / aspect))
        if 0 < w <= width and 0 < h <= height:
            left, top = int(rng.integers(width - w + 1)), int(rng.integers(height - h + 1))
            return left, top, left + w, top + h
    w = min(width, round(height * ASPECT[1]))
    h = min(height, round(width / ASPECT[0]))
    left, top = (width - w) // 2, (height - h) // 2
    return left, top, left + w, top + h


def _crop_view(
    image: Image.Image, area: tuple[float, float], config: ViewConfig, size: int, rng: np.random.Generator
) -> NDArray[np.uint8]:
    box = random_resized_box(image.width, image.height, area, rng)
    crop = image.resize((size, size), Image.Resampling.BICUBIC, box=box)
    view = apply_chain(crop, sample_chain(rng, config.max_operations))
    pixels = np.asarray(view)
    return pixels if pixels.shape[:2] == (size, size) else final_step(pixels, config, size, rng)
