"""Operations on colours for a whole batch.

Equal, bit by bit, to the operations of `contrafake.images.transforms` of the same names where Pillow computes single
precision without fused multiply-add (its builds for x86-64); elsewhere a value may differ by 1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from contrafake.train.batched.canvas import Canvas, upload

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from contrafake.images.transforms.colour import Brightness, Contrast, Grayscale, Opacity, Saturation


def brightness(canvas: Canvas, operations: Sequence[Brightness]) -> Canvas:
    """Multiplies channel values by a factor per image; see `Brightness`."""
    black = canvas.pixels.new_zeros(1)
    return Canvas(blend(black, canvas, [operation.factor for operation in operations]), canvas.sizes)


def contrast(canvas: Canvas, operations: Sequence[Contrast]) -> Canvas:
    """Stretches channel values away from each image's mean luminosity; see `Contrast`."""
    total = torch.where(canvas.inside(), luminosity(canvas.pixels), 0).sum((1, 2, 3), keepdim=True)
    count = per_image(canvas, canvas.sizes.prod(axis=1))
    # The mean rounded, a half upwards, in integers.
    mean = (2 * total + count) // (2 * count)
    return Canvas(blend(mean, canvas, [operation.factor for operation in operations]), canvas.sizes)


def saturation(canvas: Canvas, operations: Sequence[Saturation]) -> Canvas:
    """Moves every pixel away from its own grey value; see `Saturation`."""
    grey = luminosity(canvas.pixels)
    return Canvas(blend(grey, canvas, [operation.factor for operation in operations]), canvas.sizes)


def grayscale(canvas: Canvas, operations: Sequence[Grayscale]) -> Canvas:
    """Replaces every pixel by its luminosity; see `Grayscale`."""
    grey = luminosity(canvas.pixels).to(torch.uint8)
    return Canvas(grey.expand_as(canvas.pixels).contiguous(), canvas.sizes)


def opacity(canvas: Canvas, operations: Sequence[Opacity]) -> Canvas:
    """Lays each image, partly transparent, over white; see `Opacity`."""
    level = per_image(canvas, np.array([int(255 * operation.level) for operation in operations], np.int32))
    # Pillow's division by 255, rounded to the nearest.
    weighted = canvas.pixels * level
    weighted += 255 * (255 - level) + 128
    weighted += weighted >> 8
    weighted >>= 8
    return Canvas(weighted.to(torch.uint8), canvas.sizes)


def luminosity(pixels: Tensor) -> Tensor:
    """ITU-R 601 luminosity in Pillow's 16-bit fixed point: (N, 3, H, W) uint8 -> (N, 1, H, W) int32 within [0, 255]."""
    red, green, blue = pixels.to(torch.int32).unbind(1)
    return ((red * 19595 + green * 38470 + blue * 7471 + 0x8000) >> 16)[:, None]


def blend(origin: Tensor, canvas: Canvas, factors: Sequence[float]) -> Tensor:
    """Moves values away from (factor above 1) or towards (below 1) an origin, as Pillow's `Image.blend`.

    Args:
        origin: Whole numbers within [0, 255] of any type, of a shape that broadcasts to the canvas's.
        canvas: The images.
        factors: One for each image, at least 0.

    Returns:
        (N, 3, H, W) uint8: origin + factor * (value - origin) in single precision, clipped, cut to a whole number.
    """
    values = canvas.pixels.to(torch.float32)
    origin = origin.to(torch.float32)
    values -= origin
    values *= per_image(canvas, np.array(factors, np.float32))
    values += origin
    return values.clamp_(0, 255).to(torch.uint8)


def per_image(canvas: Canvas, values: NDArray[np.generic]) -> Tensor:
    """One number for each image, (N,) on the host -> (N, 1, 1, 1) beside the pixels."""
    return upload(values, canvas.pixels.device)[:, None, None, None]
