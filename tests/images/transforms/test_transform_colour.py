"""Colour operations against values worked by hand and against the integer formulas written out."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from contrafake.errors import UsageError
from contrafake.images.transforms import Brightness, Contrast, Grayscale, Opacity, Operation, Saturation

Colour = tuple[int, int, int]


def flat(colour: Colour) -> Image.Image:
    return Image.new("RGB", (3, 2), colour)


def noise(width: int = 23, height: int = 17) -> Image.Image:
    return Image.fromarray(np.random.default_rng(5).integers(0, 256, (height, width, 3), dtype=np.uint8))


@pytest.mark.parametrize(
    ("operation", "before", "after"),
    [
        (Brightness(2.0), (100, 127, 128), (200, 254, 255)),
        (Brightness(0.5), (100, 101, 255), (50, 50, 127)),
        (Brightness(0.0), (100, 101, 255), (0, 0, 0)),
        (Brightness(1.0), (7, 8, 9), (7, 8, 9)),
        # Luminosity of (200, 100, 50) is 124.7, in the integers of Pillow 124 or 125 (see the grey test).
        (Saturation(1.0), (200, 100, 50), (200, 100, 50)),
        (Saturation(1.5), (80, 80, 80), (80, 80, 80)),
        (Opacity(0.2), (0, 100, 255), (204, 224, 255)),
        (Opacity(0.6), (0, 100, 255), (102, 162, 255)),
        (Opacity(0.0), (0, 100, 255), (255, 255, 255)),
        (Opacity(1.0), (0, 100, 255), (0, 100, 255)),
        (Grayscale(), (255, 0, 0), (76, 76, 76)),
        (Grayscale(), (0, 255, 0), (150, 150, 150)),
        (Grayscale(), (0, 0, 255), (29, 29, 29)),
    ],
)
def test_a_flat_colour_becomes_the_colour_worked_by_hand(operation: Operation, before: Colour, after: Colour) -> None:
    assert operation(flat(before)).getcolors() == [(6, after)]


def test_grey_is_the_luminosity_of_itu_r_601() -> None:
    exact = np.asarray(noise(), dtype=float) @ np.array([0.299, 0.587, 0.114])
    grey = np.asarray(Grayscale()(noise()), dtype=float)
    assert (grey[..., 0] == grey[..., 1]).all()
    assert (grey[..., 0] == grey[..., 2]).all()
    assert np.abs(grey[..., 0] - exact).max() <= 0.51


def test_contrast_moves_values_away_from_the_mean() -> None:
    pixels = np.full((4, 4, 3), 100, np.uint8)
    pixels[:2] = 200
    image = Image.fromarray(pixels)
    for factor, low, high in [(0.5, 125, 175), (1.5, 75, 225), (0.0, 150, 150), (1.0, 100, 200)]:
        changed = np.asarray(Contrast(factor)(image))
        assert (changed[:2] == high).all()
        assert (changed[2:] == low).all()


@pytest.mark.parametrize("factor", [0.0, 0.5, 0.75, 1.25, 1.5, 4.0])
def test_saturation_moves_values_away_from_the_pixels_own_grey(factor: float) -> None:
    before = np.asarray(noise(), dtype=float)
    grey = np.asarray(noise().convert("L"), dtype=float)[..., None]
    expected = np.clip(grey + factor * (before - grey), 0, 255)
    assert np.abs(np.asarray(Saturation(factor)(noise()), dtype=float) - expected).max() < 1.0


@pytest.mark.parametrize("factor", [0.0, 0.3, 1.0, 1.7, 100.0])
def test_brightness_is_the_clipped_product(factor: float) -> None:
    expected = np.minimum(np.asarray(noise(), dtype=np.float32) * np.float32(factor), 255).astype(np.uint8)
    assert np.array_equal(np.asarray(Brightness(factor)(noise())), expected)


@pytest.mark.parametrize("kind", [Brightness, Contrast, Saturation])
@pytest.mark.parametrize("factor", [-0.1, 101.0, float("nan"), float("inf")])
def test_a_factor_outside_its_range_is_refused(
    kind: type[Brightness] | type[Contrast] | type[Saturation], factor: float
) -> None:
    with pytest.raises(UsageError, match="factor"):
        kind(factor)


def test_an_opacity_outside_its_range_is_refused() -> None:
    with pytest.raises(UsageError, match=r"opacity: level is 1\.1, outside \[0, 1\]"):
        Opacity(1.1)
