"""Sharpening and shuffled pixels for a whole batch.

Equal, bit by bit, to the operations of `contrafake.images.transforms` of the same names; `sharpen` with the reservation
of `contrafake.train.batched.colour` about fused arithmetic.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from contrafake.images.transforms.detail import shuffle_keys
from contrafake.train.batched.canvas import Canvas
from contrafake.train.batched.colour import blend, per_image

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from contrafake.images.transforms.detail import Sharpen, ShufflePixels


def sharpen(canvas: Canvas, operations: Sequence[Sharpen]) -> Canvas:
    """Moves every pixel away from its smoothed value; see `Sharpen`."""
    return Canvas(blend(_smoothed(canvas), canvas, [operation.factor for operation in operations]), canvas.sizes)


def _smoothed(canvas: Canvas) -> Tensor:
    """Pillow's `SMOOTH`: the mean of 3 x 3 pixels, the middle one five times; the outermost pixels stay. uint8."""
    pixels = canvas.pixels
    values = pixels.to(torch.int16)
    rows = values[:, :, :-2] + values[:, :, 1:-1] + values[:, :, 2:]
    total = rows[..., :-2] + rows[..., 1:-1] + rows[..., 2:] + 4 * values[:, :, 1:-1, 1:-1]
    # The nearest whole number; a half cannot be, as 13 is odd.
    mean = torch.div(total + 6, 13, rounding_mode="floor").to(torch.uint8)
    # A pixel with a neighbour on every side; the canvas may reach beyond the image.
    inner = canvas.inside()[:, :, 2:, 2:]
    smoothed = pixels.clone()
    smoothed[:, :, 1:-1, 1:-1] = torch.where(inner, mean, pixels[:, :, 1:-1, 1:-1])
    return smoothed


def shuffle_pixels(canvas: Canvas, operations: Sequence[ShufflePixels]) -> Canvas:
    """Permutes a random share of each image's pixels among themselves; see `ShufflePixels`."""
    areas = canvas.sizes.prod(axis=1)
    counts = np.array([int(op.fraction * area) for op, area in zip(operations, areas.tolist(), strict=True)], np.int64)
    if counts.max() < 2:
        return canvas
    device = canvas.pixels.device
    seeds = per_image(canvas, np.array([operation.seed for operation in operations], np.int64))[..., 0, 0]
    area, count = (per_image(canvas, values)[..., 0, 0] for values in (areas, counts))
    places = torch.arange(int(areas.max()), device=device)[None]
    # 32-bit keys sort in half the time. The sort is stable: of equal ones, an image's place precedes those beyond it.
    keys = torch.where(places < area, shuffle_keys(places, seeds) - 2**31, 2**31 - 1).to(torch.int32)
    order = keys.sort(dim=1, stable=True).indices[:, : int(counts.max())]
    # Images with fewer participants repeat their first exchange, which changes nothing.
    turn = torch.arange(order.shape[1], device=device)[None]
    turn = torch.where(turn < count, turn, 0)
    following = torch.where(turn + 1 < count, turn + 1, 0)
    width = per_image(canvas, canvas.sizes[:, 1])[..., 0, 0]
    # From a place within the image to one within its plane.
    order = order // width * canvas.pixels.shape[3] + order % width
    channels = (-1, 3, -1)
    pixels = canvas.pixels.flatten(2)
    taken = pixels.gather(2, order.gather(1, following)[:, None].expand(channels))
    shuffled = pixels.scatter(2, order.gather(1, turn)[:, None].expand(channels), taken)
    return Canvas(shuffled.view(canvas.pixels.shape), canvas.sizes)
