"""Pictures of many sizes on one canvas, and what every batched operation must keep to."""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from PIL import Image

from contrafake.train.batched.canvas import Canvas

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from contrafake.images.transforms.operation import Operation

SIZES = ((1, 1), (1, 7), (9, 1), (2, 2), (3, 3), (4, 5), (5, 6), (61, 2), (33, 31), (16, 48), (47, 64), (24, 8))
"""Heights and widths: one pixel, odd ones, tall ones, whole blocks of JPEG."""

FUSED = 0 if platform.machine() in {"x86_64", "AMD64"} else 1
"""By how much Pillow may differ where its compiler fuses a product and a sum, as it does on Arm."""


def pictures(seed: int, sizes: Sequence[tuple[int, int]] = SIZES) -> list[NDArray[np.uint8]]:
    """One picture for each size: noise, black and white, a smooth scene with and without grain, by turns."""
    rng = np.random.default_rng(seed)
    made = []
    for i, (height, width) in enumerate(sizes, seed):
        noise = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
        coarse = rng.integers(0, 256, (height // 8 + 1, width // 8 + 1, 3), dtype=np.uint8)
        smooth = np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))
        grainy = (smooth + rng.normal(0, 6, smooth.shape)).clip(0, 255).astype(np.uint8)
        made.append((noise, noise // 128 * 255, smooth, grainy)[i % 4])
    return made


def on_canvas(images: Sequence[NDArray[np.uint8]], seed: int = 0) -> Canvas:
    """The images with rubbish around them, on a canvas somewhat larger than the largest."""
    rng = np.random.default_rng(seed)
    sizes = np.array([image.shape[:2] for image in images])
    height, width = sizes.max(axis=0) + rng.integers(0, 4, 2)
    pixels = rng.integers(0, 256, (len(images), 3, height, width), dtype=np.uint8)
    for plane, image in zip(pixels, images, strict=True):
        plane[:, : image.shape[0], : image.shape[1]] = image.transpose(2, 0, 1)
    return Canvas(torch.from_numpy(pixels), sizes)


def as_arrays(canvas: Canvas) -> list[NDArray[np.uint8]]:
    return [image.permute(1, 2, 0).numpy() for image in canvas.images()]


def check(
    function: Callable[[Canvas, Sequence[Any]], Canvas],
    operations: Sequence[Operation],
    images: Sequence[NDArray[np.uint8]],
    tolerance: int = 0,
) -> None:
    """Hold a batched operation to its reference, and to what is asked of all of them.

    It gives what the reference gives, to `tolerance`, whatever lies around an image; leaves its input alone; and does
    not mind the order of the images.
    """
    canvas = on_canvas(images)
    before = canvas.pixels.clone()
    results = as_arrays(function(canvas, operations))
    assert torch.equal(canvas.pixels, before), "the input was changed"
    for operation, image, result in zip(operations, images, results, strict=True):
        expected = np.asarray(operation(Image.fromarray(image)))
        assert result.dtype == np.uint8
        assert result.shape == expected.shape, (operation, image.shape)
        assert np.abs(result.astype(int) - expected).max() <= tolerance, (operation, image.shape)

    backwards = as_arrays(function(on_canvas(images[::-1], 1), operations[::-1]))
    for result, again in zip(results, backwards[::-1], strict=True):
        assert np.array_equal(result, again), "order or rubbish matters"


def check_needs_no_values(function: Callable[[Canvas, Sequence[Any]], Canvas], operations: Sequence[Operation]) -> None:
    """Run an operation where pixels have no values: one that waits for the device to tell it some is refused there."""
    canvas = on_canvas(pictures(0))
    elsewhere = function(Canvas(canvas.pixels.to("meta"), canvas.sizes), operations)
    assert elsewhere.pixels.dtype == torch.uint8
    assert np.array_equal(elsewhere.sizes, function(canvas, operations).sizes)
