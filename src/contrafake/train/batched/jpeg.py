"""One generation of JPEG for a whole batch, in the integer arithmetic of libjpeg-turbo.

Equal, bit by bit, to `contrafake.images.transforms.JpegQuality` with a Pillow on libjpeg-turbo (all of its wheels):
entropy coding loses nothing, so only what is rounded is computed here. That is the conversion to YCbCr, the mean of
2 x 2 chroma samples, the cosine transform, its quantisation, and each of them backwards, with a triangle filter to
enlarge the chroma. Sources: ITU-T T.81, Annex K, for the tables; libjpeg-turbo's jccolor.c, jcsample.c, jcprepct.c,
jfdctint.c, jcdctmgr.c, jcparam.c, jidctint.c, jdsample.c and jdcolor.c for the rounding.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from contrafake.images.transforms.detail import JPEG_MOST_SIDE
from contrafake.train.batched.canvas import Canvas, upload

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from contrafake.images.transforms.detail import JpegQuality

# Quantisation tables of T.81, Annex K, at quality 50, row by row.
_LUMA = (
    (16, 11, 10, 16, 24, 40, 51, 61),
    (12, 12, 14, 19, 26, 58, 60, 55),
    (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62),
    (18, 22, 37, 56, 68, 109, 103, 77),
    (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101),
    (72, 92, 95, 98, 112, 100, 103, 99),
)
_CHROMA = (
    (17, 18, 24, 47, 99, 99, 99, 99),
    (18, 21, 26, 66, 99, 99, 99, 99),
    (24, 26, 56, 99, 99, 99, 99, 99),
    (47, 66, 99, 99, 99, 99, 99, 99),
    *((99,) * 8,) * 4,
)

# The cosine transform of 8 samples in units of 2**-13 / sqrt(8), one row per frequency. libjpeg factors it, and rounds
# its factors, so that some numbers are 1 off the nearest; multiplied out, its integers give exactly these.
_COSINES = (
    (8192, 8192, 8192, 8192, 8192, 8192, 8192, 8192),
    (11363, 9633, 6437, 2260, -2260, -6437, -9633, -11363),
    (10703, 4433, -4433, -10703, -10703, -4433, 4433, 10703),
    (9633, -2259, -11362, -6436, 6436, 11362, 2259, -9633),
    (8192, -8192, -8192, 8192, 8192, -8192, -8192, 8192),
    (6437, -11362, 2261, 9633, -9633, -2261, 11362, -6437),
    (4433, -10704, 10704, -4433, -4433, 10704, -10704, 4433),
    (2260, -6436, 9633, -11363, 11363, -9633, 6436, -2260),
)


def jpeg_quality(canvas: Canvas, operations: Sequence[JpegQuality]) -> Canvas:
    """Encodes each image at a quality and decodes it; see `JpegQuality`."""
    pixels, sizes, device = canvas.pixels, canvas.sizes, canvas.pixels.device
    scales = np.array([_scale(operation.quality) for operation in operations])
    halves = (sizes + 1) // 2
    height, width = ((side + 15) // 16 * 16 for side in pixels.shape[2:])

    luma, chroma = _from_rgb(_extended(pixels, sizes, (0, height), (0, width)))
    # Beside an image libjpeg repeats its last column, but below it the last row of the halved chroma.
    as_wide = np.stack([halves[:, 0], np.full_like(halves[:, 0], width // 2)], axis=1)
    chroma = _extended(_halved(chroma), as_wide, (0, height // 2), (0, width // 2))
    luma, chroma = (
        _through_blocks(planes, upload(_tables(table, scales), device))
        for planes, table in ((luma, _LUMA), (chroma, _CHROMA))
    )
    decoded = _to_rgb(luma[..., : pixels.shape[2], : pixels.shape[3]], _doubled(chroma, halves, pixels.shape[2:]))

    untouched = sizes.max(axis=1) > JPEG_MOST_SIDE
    if untouched.any():
        decoded = torch.where(upload(untouched, device)[:, None, None, None], pixels, decoded)
    return Canvas(decoded, sizes)


def _scale(quality: int) -> int:
    """The percentage of the tables that libjpeg takes at a quality from 0 to 100."""
    quality = max(quality, 1)
    return 5000 // quality if quality < 50 else 200 - 2 * quality


def _tables(table: tuple[tuple[int, ...], ...], scales: NDArray[np.int64]) -> NDArray[np.float64]:
    """Quantisation steps (N, 8, 8) from the table and a percentage for each image."""
    return ((np.array(table) * scales[:, None, None] + 50) // 100).clip(1, 255).astype(np.float64)


def _extended(planes: Tensor, sizes: NDArray[np.int64], rows: tuple[int, int], columns: tuple[int, int]) -> Tensor:
    """A window of (N, C, H, W) planes, in which each image of (N, 2) sizes goes on with its edge pixels."""
    device = planes.device
    last = upload(sizes - 1, device)
    y, x = (
        torch.arange(*span, device=device).clamp_min(0).minimum(last[:, axis, None])
        for axis, span in enumerate((rows, columns))
    )
    images, channels = (torch.arange(length, device=device) for length in planes.shape[:2])
    return planes[images[:, None, None, None], channels[:, None, None], y[:, None, :, None], x[:, None, None, :]]


def _from_rgb(pixels: Tensor) -> tuple[Tensor, Tensor]:
    """(N, 3, H, W) uint8 -> luma (N, 1, H, W) and chroma (N, 2, H, W), int32 within [0, 255]."""
    red, green, blue = pixels.to(torch.int32).unbind(1)
    luma = (19595 * red + 38470 * green + 7471 * blue + 32768) >> 16
    # Around 128; a half is rounded down, so that pure colours stay within 255.
    middle = (128 << 16) + 32767
    blueness = (-11059 * red - 21709 * green + 32768 * blue + middle) >> 16
    redness = (32768 * red - 27439 * green - 5329 * blue + middle) >> 16
    return luma[:, None], torch.stack([blueness, redness], dim=1)


def _to_rgb(luma: Tensor, chroma: Tensor) -> Tensor:
    """The way back, to (N, 3, H, W) uint8."""
    blueness, redness = (chroma - 128).unbind(1)
    luma = luma[:, 0]
    red = luma + ((91881 * redness + 32768) >> 16)
    green = luma + ((-22554 * blueness - 46802 * redness + 32768) >> 16)
    blue = luma + ((116130 * blueness + 32768) >> 16)
    return torch.stack([red, green, blue], dim=1).clamp_(0, 255).to(torch.uint8)


def _halved(planes: Tensor) -> Tensor:
    """Means of 2 x 2 samples, a half rounded down in even columns and up in odd ones."""
    planes = planes[:, :, ::2] + planes[:, :, 1::2]
    planes = planes[..., ::2] + planes[..., 1::2]
    return (planes + 1 + torch.arange(planes.shape[3], device=planes.device, dtype=planes.dtype) % 2) >> 2


def _doubled(planes: Tensor, sizes: NDArray[np.int64], shape: Sequence[int]) -> Tensor:
    """Twice the samples each way, each 3/4 the nearer and 1/4 the further one, then cut to (height, width)."""
    height, width = planes.shape[2:]
    padded = _extended(planes, sizes, (-1, height + 1), (-1, width + 1))
    nearer = 3 * padded[:, :, 1:-1]
    rows = torch.stack([nearer + padded[:, :, :-2], nearer + padded[:, :, 2:]], dim=3).flatten(2, 3)
    nearer = 3 * rows[..., 1:-1]
    # Rounded a half up on the left and a half down on the right.
    smooth = torch.stack([(nearer + rows[..., :-2] + 8) >> 4, (nearer + rows[..., 2:] + 7) >> 4], dim=4).flatten(3)
    narrow = sizes[:, 1] <= 2
    if narrow.any():  # libjpeg repeats the samples where there are no more than two in a row
        repeated = planes.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
        smooth = torch.where(upload(narrow, planes.device)[:, None, None, None], repeated, smooth)
    return smooth[..., : shape[0], : shape[1]]


def _through_blocks(planes: Tensor, steps: Tensor) -> Tensor:
    """Cosine transform of 8 x 8 blocks, quantised, and back.

    libjpeg's transforms are sums of whole numbers, rounded after each direction. In double precision a product of
    matrices gives such sums exactly, whatever the order in which a device adds; and neither autocast nor TF32 touches
    it.

    Args:
        planes: (N, C, H, W) samples within [0, 255], H and W multiples of 8.
        steps: (N, 8, 8) float64 quantisation steps of each image, whole numbers.

    Returns:
        (N, C, H, W) int32 within [0, 255].
    """
    count, channels, height, width = planes.shape
    cosines = upload(np.array(_COSINES, np.float64), planes.device)
    columns, blocks = (-1, 8, width), (count, channels, height // 8, 8, width // 8, 8)
    # Rows first, then columns; two bits more than whole numbers in between. The results are 8 times the coefficients.
    values = _rounded((planes.to(torch.float64) - 128).reshape(-1, 8) @ (cosines.T * 2.0**-11))
    values = _rounded((cosines * 2.0**-15) @ values.reshape(columns))
    steps = steps[:, None, None, :, None, :]
    values = values.reshape(blocks) / (8 * steps)
    # A half is rounded away from zero.
    values = torch.trunc(values + torch.copysign(values.new_full((), 0.5), values)) * steps
    values = _rounded((cosines.T * 2.0**-11) @ values.reshape(columns))
    values = _rounded(values.reshape(-1, 8) @ (cosines * 2.0**-18))
    return (values + 128).clamp_(0, 255).to(torch.int32).reshape(planes.shape)


def _rounded(values: Tensor) -> Tensor:
    """The nearest whole numbers, a half upwards; in place."""
    return values.add_(0.5).floor_()
