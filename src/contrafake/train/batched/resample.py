"""Pillow's separable filters on a batch: resizing and box blurs, bit by bit.

Pillow filters 8-bit images in fixed point: each coefficient is rounded to a multiple of 2**-bits, the products are
summed as integers, one half is added, and the fraction is cut off; horizontally first, then vertically, with 8 bits in
between. Here every pass is a matrix product with the coefficients in two halves, such that all sums are whole numbers
that float32 holds exactly, of up to 256 products; of up to 32, as when an image shrinks fivefold or less, the products
are exact in TF32, too. Outputs are computed in blocks that share a window of inputs, which keeps the matrices small
however large the image: work and memory grow with the number of pixels and with the width of the filter, not with the
square of the side.

Sources: Pillow, src/libImaging/Resample.c and BoxBlur.c.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import PIL
import torch
from PIL.Image import Resampling

from contrafake.train.batched.canvas import Canvas, full_precision, upload

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from torch import Tensor

ROWS, COLUMNS = 2, 3
"""The axes of a canvas's pixels along which a filter runs."""

BLOCK = 32
"""Outputs that share a window of inputs."""

_BITS = 22  # PRECISION_BITS of Resample.c
_CHOOSES_ORDER = int(PIL.__version__.split(".")[0]) >= 13
_SUPPORT = {Resampling.BILINEAR: 1.0, Resampling.BICUBIC: 2.0, Resampling.LANCZOS: 3.0}


@dataclass(frozen=True)
class Taps:
    """A filter along one axis, for each image and output: weights of neighbouring inputs.

    Attributes:
        first: (N, outputs) int64, the input that the first weight belongs to; inputs beyond an image's ends count as
            its end pixels.
        weights: (N, outputs, K) float64, whole multiples of 2**-bits in units of 2**-bits.
        bits: Fractional bits of the weights.
        reach: No image's first input advances by more than this over `BLOCK` outputs.
    """

    first: Tensor
    weights: Tensor
    bits: int
    reach: int

    @property
    def low_bits(self) -> int:
        """How many of the bits form the low half of a weight: float32 holds the sums of both halves times 255."""
        return max(8, min(self.bits // 2, 16 - (self.weights.shape[2] - 1).bit_length()))


def resample(
    canvas: Canvas,
    sizes: NDArray[np.int64],
    methods: Resampling | Sequence[Resampling] = Resampling.BICUBIC,
    boxes: NDArray[np.float64] | None = None,
    tall: NDArray[np.bool_] | None = None,
) -> Canvas:
    """Resizes images as Pillow's `resize` does, bit by bit: none of 60 million values differed.

    Args:
        canvas: The images.
        sizes: (N, 2) int64, height and width of each result.
        methods: Bilinear, bicubic or Lanczos; one for all, or one for each image.
        boxes: (N, 4) left, top, right, bottom of the part of each image that is resized, in pixels, within the image;
            None for the whole images. Pixels around a box are seen by the filter where it reaches over the edge.
        tall: (N,) whether an image is filtered vertically first; None to tell it from its size with
            `vertical_first`.

    Returns:
        The resized images.
    """
    if boxes is None:
        boxes = np.concatenate([np.zeros_like(canvas.sizes), canvas.sizes[:, ::-1]], axis=1).astype(np.float64)
    if tall is None:
        tall = vertical_first(canvas.sizes, sizes)
    methods = [methods] * len(sizes) if isinstance(methods, Resampling) else methods
    if tall.all() or not tall.any():
        order = (ROWS, COLUMNS) if tall[0] else (COLUMNS, ROWS)
        return Canvas(_resampled(canvas, sizes, methods, boxes, order), sizes)
    height, width = sizes.max(axis=0).tolist()
    pixels = canvas.pixels.new_empty((len(sizes), 3, height, width))
    for chosen, order in ((tall, (ROWS, COLUMNS)), (~tall, (COLUMNS, ROWS))):
        places = np.flatnonzero(chosen)
        index = upload(places, pixels.device)
        part = Canvas(canvas.pixels.index_select(0, index), canvas.sizes[places])
        some = _resampled(part, sizes[places], [methods[place] for place in places.tolist()], boxes[places], order)
        pixels[:, :, : some.shape[2], : some.shape[3]].index_copy_(0, index, some)
    return Canvas(pixels, sizes)


def vertical_first(before: NDArray[np.int64], after: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether the installed Pillow filters vertically before horizontally.

    Since version 13 (pull request 9549) it does where that shrinks the image more.

    Args:
        before: (N, 2), height and width of each whole image, also where only a box of it is resized.
        after: (N, 2), height and width of each result.

    Returns:
        (N,) bool.
    """
    lost = before - after
    return (lost[:, 0] > 0) & (lost[:, 0] > 2 * lost[:, 1]) & _CHOOSES_ORDER


def _resampled(
    canvas: Canvas,
    sizes: NDArray[np.int64],
    methods: Sequence[Resampling],
    boxes: NDArray[np.float64],
    order: tuple[int, int],
) -> Tensor:
    pixels = canvas.pixels
    for axis in order:
        side = axis - ROWS  # of sizes; the sides of boxes come the other way round
        lengths = canvas.sizes[:, side]
        taps = _resizing(lengths, boxes[:, 1 - side :: 2], sizes[:, side], methods, pixels.device)
        pixels = weighted(pixels, taps, lengths, axis)
    return pixels


def _resizing(
    lengths: NDArray[np.int64],
    spans: NDArray[np.float64],
    outputs: NDArray[np.int64],
    methods: Sequence[Resampling],
    device: torch.device,
) -> Taps:
    """The taps that bring each span of an axis to a number of outputs (`precompute_coeffs`)."""
    scale = (spans[:, 1] - spans[:, 0]) / outputs
    filter_scale = np.maximum(scale, 1.0)
    support = np.array([_SUPPORT[method] for method in methods]) * filter_scale
    facts = upload(np.stack([lengths, spans[:, 0], scale, filter_scale, support], axis=1), device)
    length, start, scales, filter_scales, supports = facts[:, :, None].unbind(1)
    center = start + (torch.arange(int(outputs.max()), device=device) + 0.5) * scales
    first = (center - supports + 0.5).floor().clamp_(min=0)
    last = torch.minimum((center + supports + 0.5).floor(), length)
    count = 2 * math.ceil(support.max()) + 1
    place = first[:, :, None] + torch.arange(count, device=device)
    distance = (place - center[:, :, None] + 0.5) / filter_scales[:, :, None]
    weights = _curve(distance, methods) * (place < last[:, :, None])
    total = weights.sum(dim=2, keepdim=True)
    weights = weights / torch.where(total == 0, 1.0, total) * 2**_BITS
    # Half away from zero, as C's conversion to int rounds after the half has been added.
    whole = (weights + torch.where(weights < 0, -0.5, 0.5)).trunc_()
    return Taps(first.long(), whole, _BITS, math.ceil((BLOCK - 1) * scale.max()) + 1)


def _curve(distance: Tensor, methods: Sequence[Resampling]) -> Tensor:
    """The filters at distances, (N, ...), each in units of its scale."""
    distinct = sorted(set(methods))
    values = _FILTERS[distinct[0]](distance)
    for method in distinct[1:]:
        chosen = upload(np.array([other is method for other in methods]), distance.device)
        values = torch.where(chosen[:, None, None], _FILTERS[method](distance), values)
    return values


def _bilinear(distance: Tensor) -> Tensor:
    return (1 - distance.abs()).clamp_(min=0)


def _bicubic(distance: Tensor) -> Tensor:
    x = distance.abs()
    near = (1.5 * x - 2.5) * x * x + 1
    far = (((x - 5) * x + 8) * x - 4) * -0.5
    return torch.where(x < 1, near, far * (x < 2))


def _lanczos(distance: Tensor) -> Tensor:
    return torch.sinc(distance) * torch.sinc(distance / 3) * ((distance >= -3) & (distance < 3))


_FILTERS = {Resampling.BILINEAR: _bilinear, Resampling.BICUBIC: _bicubic, Resampling.LANCZOS: _lanczos}


def weighted(pixels: Tensor, taps: Taps, lengths: NDArray[np.int64], axis: int) -> Tensor:
    """Filters along one axis.

    Args:
        pixels: (N, 3, H, W) uint8.
        taps: The filter.
        lengths: (N,) int64, how long each image is along the axis.
        axis: `ROWS` for a filter along the columns of pixels, from row to row; `COLUMNS` for one from column to column.

    Returns:
        (N, 3, outputs, W) or (N, 3, H, outputs) uint8, rounded half up and clipped.
    """
    count, outputs = taps.first.shape
    block = min(BLOCK, outputs)
    blocks = -(-outputs // block)
    start = taps.first[:, ::block]
    window = taps.reach + taps.weights.shape[2]
    ends = upload(lengths - 1, pixels.device)
    inputs = start[:, :, None] + torch.arange(window, device=pixels.device)
    inputs = torch.minimum(inputs.clamp_(min=0), ends[:, None, None])
    matrix = _matrices(taps, start, block, window)
    with full_precision(pixels.device):
        if axis == COLUMNS:
            lines = pixels.reshape(count, 1, -1, pixels.shape[3]).expand(-1, blocks, -1, -1)
            lines = lines.gather(3, inputs[:, :, None].expand(-1, -1, lines.shape[2], -1))
            sums = lines.float() @ matrix.transpose(2, 3)
            values = _rounded(sums[..., :block], sums[..., block:], taps)
            # (N, blocks, 3 H, block)
            values = values.permute(0, 2, 1, 3).reshape(*pixels.shape[:3], blocks * block)
            return values[..., :outputs]
        lines = pixels.transpose(1, 2)[:, None].expand(-1, blocks, -1, -1, -1)
        lines = lines.gather(2, inputs[..., None, None].expand(-1, -1, -1, 3, pixels.shape[3]))
        sums = matrix @ lines.flatten(3).float()
        values = _rounded(sums[:, :, :block], sums[:, :, block:], taps)
        # (N, blocks, block, 3 W)
        return values.reshape(count, blocks * block, 3, -1)[:, :outputs].transpose(1, 2)


def _matrices(taps: Taps, start: Tensor, block: int, window: int) -> Tensor:
    """(N, blocks, 2 block, window) float32: each block's weights of its window, first their high, then low halves.

    The high halves are the weights rounded to even multiples of 2**(low_bits - bits); the low halves are the rest, in
    units of that.
    """
    count, outputs, width = taps.weights.shape
    blocks = start.shape[1]
    unit = 2.0**-taps.low_bits
    high = (taps.weights * (unit / 2)).round_() * 2
    halves = torch.stack([high * 2.0 ** (taps.low_bits - taps.bits), taps.weights * unit - high], dim=2).float()
    within = taps.first - start.repeat_interleave(block, dim=1)[:, :outputs]
    matrix = halves.new_zeros((count, blocks * block, 2, window))
    at = within[:, :, None, None] + torch.arange(width, device=within.device)
    matrix[:, :outputs].scatter_(3, at.expand(-1, -1, 2, -1), halves)
    return matrix.view(count, blocks, block, 2, window).transpose(2, 3).reshape(count, blocks, 2 * block, window)


def _rounded(high: Tensor, low: Tensor, taps: Taps) -> Tensor:
    """uint8 of the sums, half up: no step loses a bit, as whole units of the low sums are split off first."""
    values = torch.add(high, low.floor_(), alpha=2.0 ** (taps.low_bits - taps.bits))
    return values.add_(0.5).clamp_(0, 255).to(torch.uint8)
