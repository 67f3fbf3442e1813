"""Simple statistics of the pixels: colour, contrast, clipping, noise, a border of one colour."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from contrafake.data.audit.feature import Feature, Value

if TYPE_CHECKING:
    from numpy.typing import NDArray

FEATURES = (
    Feature("mean_red", "mean red", "pixels", "number", "", "a mean red"),
    Feature("mean_green", "mean green", "pixels", "number", "", "a mean green"),
    Feature("mean_blue", "mean blue", "pixels", "number", "", "a mean blue"),
    Feature("saturation", "mean saturation", "pixels", "number", "", "a mean saturation"),
    Feature("contrast", "contrast (deviation of grey)", "pixels", "number", "", "a contrast"),
    Feature("black", "share of black pixels", "pixels", "number", "", "a share of black pixels"),
    Feature("white", "share of white pixels", "pixels", "number", "", "a share of white pixels"),
    Feature("noise", "noise level", "pixels", "number", "", "a noise level"),
    Feature("border", "width of a border", "pixels", "number", "px", "a border width"),
    Feature(
        "border_colour",
        "colour of the border",
        "pixels",
        "category",
        phrase="have a border that is {value}",
        absent="have no plain border",
    ),
)

SAMPLE_SIDE = 256
"""Pixels taken in each direction for the statistics of colour."""

LUMA = np.array([0.299, 0.587, 0.114], np.float32)
_NOISE_VALUES = 1 << 15
_SAME = 8  # grey levels by which JPEG may disturb a plain border
_DARK, _LIGHT = 12, 243


def thinned(pixels: NDArray[np.uint8], side: int = SAMPLE_SIDE) -> NDArray[np.uint8]:
    """Every n-th pixel in each direction, n as small as leaves fewer than 2 * `side`: enough for means, and cheap."""
    height, width = pixels.shape[:2]
    return pixels[:: max(height // side, 1), :: max(width // side, 1)]


def pixel_facts(pixels: NDArray[np.uint8], luma: NDArray[np.float32]) -> dict[str, Value]:
    """The features of the room "pixels".

    Args:
        pixels: (H, W, 3) uint8 RGB, the whole picture; colours are taken from a thinned copy.
        luma: (h, w) float32, 0 to 255, of its centre; for the noise.
    """
    red, green, blue = np.ascontiguousarray(thinned(pixels).reshape(-1, 3).T)
    high, low = np.maximum(np.maximum(red, green), blue), np.minimum(np.minimum(red, green), blue)
    grey = LUMA @ np.stack([red, green, blue]).astype(np.float32)
    width, colour = _border(pixels)
    return {
        "mean_red": float(red.mean()),
        "mean_green": float(green.mean()),
        "mean_blue": float(blue.mean()),
        "saturation": float(((high - low) / np.maximum(high, 1).astype(np.float32)).mean(dtype=np.float64)),
        "contrast": float(grey.std(dtype=np.float64)),
        "black": float((high == 0).mean()),
        "white": float((low == 255).mean()),
        "noise": noise_level(luma),
        "border": float(width),
        "border_colour": colour,
    }


def noise_level(luma: NDArray[np.float32]) -> float | None:
    """Standard deviation of white noise, from the median of a second difference in both directions.

    The mask is Immerkær's (Fast Noise Variance Estimation, CVIU 1996), which no plane and no straight edge along an
    axis answers; the median instead of his mean leaves texture out.

    Args:
        luma: (h, w) float32.

    Returns:
        In grey levels; None below 3 x 3 pixels.
    """
    if min(luma.shape) < 3:
        return None
    step = max(luma.size // _NOISE_VALUES, 1)  # only some rows are measured
    rows = np.arange(1, luma.shape[0] - 1, step)
    across = luma[rows - 1] - 2 * luma[rows] + luma[rows + 1]
    answer = across[:, :-2] - 2 * across[:, 1:-1] + across[:, 2:]
    sizes = np.sort(np.abs(answer), axis=None)
    return float(sizes[sizes.size // 2]) / (0.6745 * 6)


def _border(pixels: NDArray[np.uint8]) -> tuple[int, str | None]:
    """Width of the wider pair of opposite borders of one colour, and that colour: black, white, other, or None."""
    widest: int = 0
    colour: str | None = None
    for turned in (pixels, pixels.swapaxes(0, 1)):
        limit = turned.shape[0] // 4
        first, last = _plain_rows(turned, limit), _plain_rows(turned[::-1], limit)
        same = np.abs(turned[0, 0].astype(np.int16) - turned[-1, 0]).max() <= 2 * _SAME
        # A sky is plain at one side; a border stands at both.
        if same and min(first, last) > widest:
            widest, colour = min(first, last), _colour(turned[0])
    return widest, colour


def _plain_rows(pixels: NDArray[np.uint8], limit: int) -> int:
    start = pixels[0, 0].astype(np.int16)
    for row in range(limit):
        # A thinned look ends the search at once in nearly every picture.
        if any(np.abs(line - start).max() > _SAME for line in (pixels[row, ::16], pixels[row])):
            return row
    return limit


def _colour(row: NDArray[np.uint8]) -> str:
    mean = row.mean(axis=0)
    return "black" if mean.max() <= _DARK else "white" if mean.min() >= _LIGHT else "other"
