"""Batched operations that resize, smooth and cut; each gives what its namesake in the pool gives, bit by bit.

Each takes a canvas and one operation for each of its images, and returns a canvas. The agreement needs float32: where
TF32 is allowed, a blur can differ by one level in about a pixel of ten thousand.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL.Image import Resampling

from contrafake.images.transforms import AspectRatio, Pad, RandomCrop, Resize, Scale
from contrafake.images.transforms.sizing import MAX_PIXELS, _start
from contrafake.train.batched.canvas import Canvas, cut, upload
from contrafake.train.batched.resample import BLOCK, COLUMNS, ROWS, Taps, resample, weighted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from contrafake.images.transforms import Blur, HorizontalFlip, Operation, Pixelization

_BLUR_PASSES, _BLUR_BITS = 3, 24


def aspect_ratio(canvas: Canvas, operations: Sequence[AspectRatio]) -> Canvas:
    """Resizes to a ratio of width to height at unchanged area; see `AspectRatio`."""
    return resample(canvas, sizes_after(operations, canvas.sizes))


def resize(canvas: Canvas, operations: Sequence[Resize]) -> Canvas:
    """Resizes to squares; see `Resize`."""
    return resample(canvas, sizes_after(operations, canvas.sizes))


def scale(canvas: Canvas, operations: Sequence[Scale]) -> Canvas:
    """Resizes both sides by a factor; see `Scale`."""
    methods = [Resampling.LANCZOS if operation.factor < 1 else Resampling.BILINEAR for operation in operations]
    return resample(canvas, sizes_after(operations, canvas.sizes), methods)


def pixelization(canvas: Canvas, operations: Sequence[Pixelization]) -> Canvas:
    """Shrinks and enlarges back; see `Pixelization`."""
    ratios = np.array([operation.ratio for operation in operations])
    small = np.maximum((canvas.sizes * ratios[:, None]).astype(np.int64), 1)
    return resample(resample(canvas, small), canvas.sizes)


def random_crop(canvas: Canvas, operations: Sequence[RandomCrop]) -> Canvas:
    """Cuts squares, mirrored at the edges of smaller images; see `RandomCrop`."""
    sides = canvas.sizes.tolist()
    starts = [
        (_start(height, operation.side, operation.y), _start(width, operation.side, operation.x))
        for operation, (height, width) in zip(operations, sides, strict=True)
    ]
    return cut(canvas.images(), np.array(starts, np.int64), sizes_after(operations, canvas.sizes))


def pad(canvas: Canvas, operations: Sequence[Pad]) -> Canvas:
    """Surrounds with black; see `Pad`."""
    sizes = sizes_after(operations, canvas.sizes)
    borders = (sizes - canvas.sizes) // 2
    framed = cut(canvas.images(), -borders, sizes)
    keep = torch.ones((), dtype=torch.bool, device=canvas.pixels.device)
    for axis in (ROWS, COLUMNS):
        first, stop = (upload(ends, keep.device)[:, axis - ROWS, None] for ends in (borders, borders + canvas.sizes))
        place = torch.arange(framed.pixels.shape[axis], device=keep.device)
        within = (place >= first) & (place < stop)
        keep = keep & (within[:, None, :, None] if axis == ROWS else within[:, None, None, :])
    return Canvas(framed.pixels.mul_(keep), sizes)


def horizontal_flip(canvas: Canvas, operations: Sequence[HorizontalFlip]) -> Canvas:
    """Mirrors left and right; see `HorizontalFlip`."""
    starts = np.stack([np.zeros(len(operations), np.int64), canvas.sizes[:, 1]], axis=1)
    return cut(canvas.images(), starts, canvas.sizes)


def blur(canvas: Canvas, operations: Sequence[Blur]) -> Canvas:
    """Three box blurs along each axis; see `Blur`."""
    taps = _box_blurs([operation.radius for operation in operations], canvas.pixels.device)
    pixels = canvas.pixels
    for axis in (COLUMNS, ROWS):
        along = _along(taps, pixels.shape[axis])
        for _ in range(_BLUR_PASSES):
            pixels = weighted(pixels, along, canvas.sizes[:, axis - ROWS], axis)
    return Canvas(pixels, canvas.sizes)


def _box_blurs(radii: Sequence[float], device: torch.device) -> Tensor:
    """(N, K) float64: the weights of box blurs around the middle one, in 2**-24, for Gaussian blurs of radii.

    In the float32 arithmetic of BoxBlur.c, whose rounding decides the last bits.
    """
    one = np.float32(1)
    variance = np.asarray(radii, np.float32) ** 2 / np.float32(_BLUR_PASSES)
    length = np.sqrt(12.0 * variance.astype(np.float64) + 1.0).astype(np.float32)
    whole = np.floor((length.astype(np.float64) - 1.0) / 2.0).astype(np.float32)
    share = (2 * whole + one) * (whole * (whole + one) - 3 * variance)
    share = share / (6 * (variance - (whole + one) * (whole + one)))
    box = whole + share
    reach = box.astype(np.int64)
    bulk = (np.float32(2**_BLUR_BITS) / (box * 2 + one)).astype(np.int64)
    edge = (2**_BLUR_BITS - (2 * reach + 1) * bulk) // 2
    distance = np.abs(np.arange(-reach.max() - 1, reach.max() + 2))
    weights = np.where(distance <= reach[:, None], bulk[:, None], 0)
    weights = np.where(distance == reach[:, None] + 1, edge[:, None], weights)
    return upload(weights.astype(np.float64), device)


def _along(weights: Tensor, outputs: int) -> Taps:
    """The same weights around every pixel of an axis."""
    count, width = weights.shape
    first = torch.arange(outputs, device=weights.device) - width // 2
    return Taps(first.expand(count, -1), weights[:, None].expand(-1, outputs, -1), _BLUR_BITS, reach=BLOCK)


def sizes_after(operations: Sequence[Operation], sizes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Sizes of the results of operations, where they follow from the sizes of the images; else those of the images.

    Args:
        operations: N operations of the pool.
        sizes: (N, 2), height and width of the image that each is applied to.

    Returns:
        (N, 2) int64.
    """
    pairs = zip(operations, sizes.tolist(), strict=True)
    return np.array([_size_after(operation, height, width) for operation, (height, width) in pairs], np.int64)


def _size_after(operation: Operation, height: int, width: int) -> tuple[int, int]:
    match operation:
        case Resize(side=side) | RandomCrop(side=side):
            return side, side
        case AspectRatio(ratio=ratio):
            area = height * width
            across = min(area, max(1, int(math.sqrt(ratio * area))))
            return area // across, across
        case Scale(factor=factor):
            if factor > 1:
                factor = max(1.0, min(factor, math.sqrt(MAX_PIXELS / (width * height))))
            return max(1, int(height * factor)), max(1, int(width * factor))
        case Pad(w_factor=w_factor, h_factor=h_factor):
            return height + 2 * int(h_factor * height), width + 2 * int(w_factor * width)
        case _:
            return height, width
