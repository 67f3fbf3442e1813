"""Rotation and skew of a whole batch.

Equal, bit by bit, to the operations of `contrafake.images.transforms` of the same names: `rotation` up to sides of
32,767 pixels, above which Pillow takes another arithmetic; `skew` where Pillow computes without fused multiply-add (its
builds for x86-64), elsewhere a value may differ by 1.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import torch

from contrafake.train.batched.canvas import Canvas, upload

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from contrafake.images.transforms.geometry import Rotation, Skew

_ONE = 1 << 16
"""A pixel in Pillow's fixed point."""


def rotation(canvas: Canvas, operations: Sequence[Rotation]) -> Canvas:
    """Rotates each image and keeps the largest rectangle without empty corners; see `Rotation`."""
    fates = [_turn(op, width, height) for op, (height, width) in zip(operations, canvas.sizes.tolist(), strict=True)]
    sizes = np.array([size for size, _ in fates], np.int64)
    device = canvas.pixels.device
    matrices = upload(np.array([matrix for _, matrix in fates], np.int64), device)
    a, b, c, d, e, f = matrices.T[..., None, None]
    height, width = sizes.max(axis=0).tolist()
    y, x = torch.arange(height, device=device)[:, None], torch.arange(width, device=device)
    return Canvas(_picked(canvas, (d * x + e * y + f) >> 16, (a * x + b * y + c) >> 16), sizes)


def _turn(operation: Rotation, width: int, height: int) -> tuple[tuple[int, int], tuple[int, ...]]:
    """Where a rotation takes its pixels.

    Returns:
        Height and width of the result; and (a, b, c, d, e, f) in units of 2**-16 pixels, so that its pixel in column x,
        row y is the source's in column a x + b y + c, row d x + e y + f, both rounded down.
    """
    right, down = (width - 1) * _ONE, (height - 1) * _ONE
    match operation.degrees % 360:
        case 0:
            return (height, width), (_ONE, 0, 0, 0, _ONE, 0)
        case 90:
            return (width, height), (0, -_ONE, right, _ONE, 0, 0)
        case 180:
            return (height, width), (-_ONE, 0, right, 0, -_ONE, down)
        case 270:
            return (width, height), (0, _ONE, 0, -_ONE, 0, down)
    (columns, rows), (a, b, c, d, e, f) = operation.affine(width, height)
    # Pillow adds half a pixel in x and y to reach the pixel's centre, then rounds each number to its fixed point.
    matrix = (a, b, c + a * 0.5 + b * 0.5, d, e, f + d * 0.5 + e * 0.5)
    return (rows, columns), tuple(math.floor(number * _ONE + 0.5) for number in matrix)


def skew(canvas: Canvas, operations: Sequence[Skew]) -> Canvas:
    """Slants each image along x about its middle row; see `Skew`."""
    device, width = canvas.pixels.device, canvas.pixels.shape[3]
    factors = np.array([operation.factor for operation in operations])
    facts = upload(np.stack([factors, -factors * canvas.sizes[:, 0] / 2, canvas.sizes[:, 1]]), device)
    factor, shift, widths = facts[..., None, None]
    y = torch.arange(canvas.pixels.shape[2], device=device)[:, None] + 0.5
    x = torch.arange(width, device=device) + 0.5
    # Double precision and Pillow's order of operations: the fraction decides how a value is cut to a whole number.
    x = (x + factor * y) + shift
    inside = (x >= 0) & (x < widths)
    x -= 0.5
    left = x.floor()
    fraction = (x - left)[:, None]
    # The last pixel of an image, where the canvas may reach further.
    last = widths - 1
    here = canvas.pixels.gather(3, _channels(left.clamp_min(0).minimum(last)))
    there = canvas.pixels.gather(3, _channels((left + 1).clamp_min(0).minimum(last)))
    slanted = here + (there.to(torch.int16) - here) * fraction
    return Canvas(torch.where(inside[:, None], slanted, 0).to(torch.uint8), canvas.sizes)


def _picked(canvas: Canvas, rows: Tensor, columns: Tensor) -> Tensor:
    """The pixels at (N, H', W') int64 rows and columns, black outside an image: (N, 3, H', W') uint8."""
    plane_height, plane_width = canvas.pixels.shape[2:]
    heights, widths = upload(canvas.sizes, rows.device).T[..., None, None]
    inside = (rows >= 0) & (rows < heights) & (columns >= 0) & (columns < widths)
    places = rows.clamp(0, plane_height - 1) * plane_width + columns.clamp(0, plane_width - 1)
    picked = canvas.pixels.flatten(2).gather(2, _channels(places).flatten(2)).view(-1, 3, *rows.shape[1:])
    return picked.masked_fill(~inside[:, None], 0)


def _channels(places: Tensor) -> Tensor:
    """(N, H, W) -> (N, 3, H, W) int64, without a copy for each channel."""
    return places.to(torch.int64)[:, None].expand(-1, 3, -1, -1)
