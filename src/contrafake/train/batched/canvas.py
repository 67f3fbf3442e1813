"""Images of different sizes in one tensor, so that one operation changes them all at once."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np
import torch

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray
    from torch import Tensor

MAX_CANVAS = 2**24
"""Pixels of a canvas of several images, read and written together, padding included; bounds the memory of a step."""

_CANVAS_COST = 2**20  # Starting one more canvas costs about as long as computing this many pixels.
_TAKEN_AT_ONCE = 2**24  # Pixels gathered by one index; it has 8 bytes for each.


@dataclass(frozen=True)
class Canvas:
    """A batch of images, each in the upper left corner of its own plane.

    Sizes live on the host: every operation can tell the sizes of its results from them and from its parameters, so
    that nothing waits for the device.

    Attributes:
        pixels: (N, 3, H, W) uint8 RGB; what lies outside an image is undefined.
        sizes: (N, 2) int64 on the host, height and width of each image; the largest are H and W, or smaller.
    """

    pixels: Tensor
    sizes: NDArray[np.int64]

    @classmethod
    def of(cls, images: Sequence[Tensor]) -> Canvas:
        """Lays images, each (3, H, W) uint8 on one device and of any strides, side by side."""
        sizes = sizes_of(images)
        return cut(images, np.zeros_like(sizes), sizes)

    def images(self) -> list[Tensor]:
        """The images again, each (3, H, W) uint8; views of the canvas."""
        sizes = self.sizes.tolist()
        return [plane[:, :height, :width] for plane, (height, width) in zip(self.pixels, sizes, strict=True)]

    def inside(self) -> Tensor:
        """(N, 1, H, W) bool: whether a pixel belongs to its image."""
        heights, widths = upload(self.sizes, self.pixels.device).unbind(1)
        rows = torch.arange(self.pixels.shape[2], device=self.pixels.device) < heights[:, None]
        columns = torch.arange(self.pixels.shape[3], device=self.pixels.device) < widths[:, None]
        return (rows[:, :, None] & columns[:, None, :])[:, None]


def upload(array: NDArray[np.generic], device: torch.device) -> Tensor:
    """A small host array on the device, without waiting for what the device still has to do."""
    return torch.from_numpy(np.ascontiguousarray(array)).to(device, non_blocking=True)


def full_precision(device: torch.device) -> AbstractContextManager[object]:
    """Keeps an autocast around the caller from rounding what is computed within; nothing else."""
    if torch.amp.is_autocast_available(device.type):
        return torch.autocast(device.type, enabled=False)
    return nullcontext()


def sizes_of(images: Sequence[Tensor]) -> NDArray[np.int64]:
    """(N, 2) int64: height and width of images, each (3, H, W)."""
    return np.array([image.shape[1:] for image in images], np.int64).reshape(-1, 2)


def cut(images: Sequence[Tensor], starts: NDArray[np.int64], sizes: NDArray[np.int64]) -> Canvas:
    """Cuts one window out of each image; beyond its edges an image goes on as its own mirror image.

    The edge pixel is repeated, and the mirroring as often as needed, so a window that starts at the width of an image
    is its reflection. Only the windows are read. Images that lie in one storage, one after another in the sequence,
    cost one kernel together: see `pack`.

    Args:
        images: N images, each (3, H, W) uint8 of any strides, all on one device.
        starts: (N, 2) int64, row and column of each window's first pixel, of any sign.
        sizes: (N, 2) int64, height and width of each window.

    Returns:
        The windows.
    """
    device, count = images[0].device, len(images)
    layout = [(image.storage_offset(), *image.stride()[1:], *image.shape[1:]) for image in images]
    facts = upload(np.concatenate([np.array(layout, np.int64), starts], axis=1), device)
    offset, of_row, of_column, height, width, top, left = facts[:, :, None].unbind(1)
    rows, columns = sizes.max(axis=0).tolist()
    row = offset + _mirrored(top + torch.arange(rows, device=device), height) * of_row
    column = _mirrored(left + torch.arange(columns, device=device), width) * of_column
    pixels = torch.empty((count, 3, rows, columns), dtype=torch.uint8, device=device)
    step = max(1, _TAKEN_AT_ONCE // (rows * columns))
    for first, last in _runs(images):
        for start in range(first, last, step):
            some = slice(start, min(start + step, last))
            index = row[some, :, None] + column[some, None, :]
            for plane in range(3):
                torch.take(_plane(images[first], plane), index, out=pixels[some, plane])
    return Canvas(pixels, sizes)


def _runs(images: Sequence[Tensor]) -> Iterator[tuple[int, int]]:
    """First and last + 1 of each run of images in one storage whose colours lie equally far from one another."""
    start = 0
    for _, run in groupby(images, lambda image: (storage(image), image.stride(0))):
        stop = start + sum(1 for _ in run)
        yield start, stop
        start = stop


def _plane(image: Tensor, plane: int) -> Tensor:
    """The storage of an image, flat, from where offsets lead to one of its colours instead of to the first."""
    start = plane * image.stride(0)
    return image.as_strided((image.untyped_storage().nbytes() - start,), (1,), start)


def _mirrored(index: Tensor, length: Tensor) -> Tensor:
    period = index % (2 * length)
    return torch.minimum(period, 2 * length - 1 - period)


def storage(image: Tensor) -> int:
    """What tells whether two images lie in one storage."""
    return image.untyped_storage().data_ptr()


def pack(images: Sequence[Tensor]) -> list[Tensor]:
    """The same images in one storage; themselves where they are in one already.

    A feed that lays its images into one buffer on the host, sends that and hands out views saves this copy.

    Args:
        images: (3, H, W) or (H, W, 3) uint8 on one device, any strides.

    Returns:
        Equal images, each contiguous unless it was not copied.
    """
    if len({storage(image) for image in images}) <= 1:
        return list(images)
    flat = torch.cat([image.reshape(-1) for image in images])
    pieces = torch.split(flat, [image.numel() for image in images])
    return [piece.view(image.shape) for piece, image in zip(pieces, images, strict=True)]


def buckets(read: NDArray[np.int64], written: NDArray[np.int64]) -> list[list[int]]:
    """Which images to lay on one canvas: of similar size, so that little of it is padding.

    Greedy, largest first: an image joins the canvas that grows least by it, unless that costs more than a canvas of
    its own.

    Args:
        read: (N, 2), height and width of each image.
        written: (N, 2), height and width of what becomes of it.

    Returns:
        Places in the arrays, each once. A canvas has at most `MAX_CANVAS` pixels, or one image.
    """
    pairs = np.concatenate([read, written], axis=1)
    order = np.argsort(-(pairs[:, 0] * pairs[:, 1] + pairs[:, 2] * pairs[:, 3]), kind="stable")
    found: list[list[int]] = []
    sides: list[tuple[int, int, int, int]] = []
    for place, (a, b, c, d) in zip(order.tolist(), pairs[order].tolist(), strict=True):
        best, least = -1, a * b + c * d + _CANVAS_COST
        for i, (old_a, old_b, old_c, old_d) in enumerate(sides):
            members = len(found[i])
            grown = (members + 1) * (max(a, old_a) * max(b, old_b) + max(c, old_c) * max(d, old_d))
            growth = grown - members * (old_a * old_b + old_c * old_d)
            if growth < least and grown <= MAX_CANVAS:
                best, least = i, growth
        if best < 0:
            found.append([place])
            sides.append((a, b, c, d))
        else:
            found[best].append(place)
            old = sides[best]
            sides[best] = (max(a, old[0]), max(b, old[1]), max(c, old[2]), max(d, old[3]))
    return found
