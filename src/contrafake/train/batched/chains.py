"""Chains of operations on a whole batch: all images that have an operation next are changed by it together."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from PIL import Image

from contrafake.images.transforms import (
    EXTENDED,
    AspectRatio,
    Blur,
    Brightness,
    Contrast,
    Grayscale,
    HorizontalFlip,
    JpegQuality,
    Opacity,
    OverlayStripes,
    Pad,
    Pixelization,
    RandomCrop,
    Resize,
    Rotation,
    Saturation,
    Scale,
    Sharpen,
    ShufflePixels,
    Skew,
)
from contrafake.train.batched.canvas import Canvas, buckets, full_precision, sizes_of, storage
from contrafake.train.batched.colour import brightness, contrast, grayscale, opacity, saturation
from contrafake.train.batched.detail import sharpen, shuffle_pixels
from contrafake.train.batched.geometry import rotation, skew
from contrafake.train.batched.jpeg import jpeg_quality
from contrafake.train.batched.overlay import overlay_stripes
from contrafake.train.batched.sizing import (
    aspect_ratio,
    blur,
    horizontal_flip,
    pad,
    pixelization,
    random_crop,
    resize,
    scale,
    sizes_after,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor

    from contrafake.images.transforms import Operation

BATCHED: dict[type[Operation], Callable[[Canvas, Sequence[Any]], Canvas]] = {
    Blur: blur,
    Brightness: brightness,
    AspectRatio: aspect_ratio,
    Pixelization: pixelization,
    Rotation: rotation,
    Contrast: contrast,
    Saturation: saturation,
    JpegQuality: jpeg_quality,
    Grayscale: grayscale,
    HorizontalFlip: horizontal_flip,
    Opacity: opacity,
    OverlayStripes: overlay_stripes,
    Pad: pad,
    Resize: resize,
    RandomCrop: random_crop,
    Scale: scale,
    Sharpen: sharpen,
    ShufflePixels: shuffle_pixels,
    Skew: skew,
}
"""The batched version of each operation that has one: a canvas and an operation for each image, to a canvas."""

_THREADS = 16


def apply_chains(images: Sequence[Tensor], chains: Sequence[Sequence[Operation]]) -> list[Tensor]:
    """Applies a chain to each image.

    Operations run in the order of the extended pool, each once, on canvases of images of similar size; chains in
    another order get what they ask for, too, only in more runs. What is in `BATCHED` runs on the device without waiting
    for it; other operations wait, and run on the host with Pillow.

    Args:
        images: N images, each (3, H, W) uint8 of any strides, all on one device; they are not modified.
        chains: N chains.

    Returns:
        N images, each (3, H', W') uint8: the given one where its chain is empty, else a view of a canvas.
    """
    results = list(images)
    rest = [list(chain) for chain in chains]
    place = {kind: index for index, kind in enumerate(EXTENDED)}
    while kinds := {type(chain[0]) for chain in rest if chain}:
        kind = min(kinds, key=lambda kind: (place.get(kind, len(place)), kind.name))
        members = [index for index, chain in enumerate(rest) if chain and type(chain[0]) is kind]
        operations = [rest[index].pop(0) for index in members]
        changed = _apply([results[index] for index in members], operations, BATCHED.get(kind))
        for index, image in zip(members, changed, strict=True):
            results[index] = image
    return results


def _apply(
    images: list[Tensor], operations: list[Operation], function: Callable[[Canvas, Sequence[Any]], Canvas] | None
) -> list[Tensor]:
    if function is None:
        return _with_pillow(images, operations)
    results = list(images)
    sizes = sizes_of(images)
    for bucket in buckets(sizes, sizes_after(operations, sizes)):
        members = sorted(bucket, key=lambda index: storage(images[index]))  # see `cut`
        canvas = Canvas.of([images[index] for index in members])
        with full_precision(canvas.pixels.device):
            canvas = function(canvas, [operations[index] for index in members])
        for index, image in zip(members, canvas.images(), strict=True):
            results[index] = image
    return results


def _with_pillow(images: list[Tensor], operations: list[Operation]) -> list[Tensor]:
    """The operations themselves, in threads, with one copy to the host and one back."""
    flat = torch.cat([image.permute(1, 2, 0).reshape(-1) for image in images]).cpu()
    pieces = torch.split(flat, [image.numel() for image in images])
    pictures = [
        Image.fromarray(piece.view(*image.shape[1:], 3).numpy()) for piece, image in zip(pieces, images, strict=True)
    ]
    with ThreadPoolExecutor(min(_THREADS, os.cpu_count() or 1, len(images))) as pool:
        arrays = list(pool.map(lambda operation, picture: np.asarray(operation(picture)), operations, pictures))
    back = torch.from_numpy(np.concatenate([array.reshape(-1) for array in arrays])).to(images[0].device)
    pieces = torch.split(back, [array.size for array in arrays])
    return [piece.view(array.shape).permute(2, 0, 1) for piece, array in zip(pieces, arrays, strict=True)]
