"""Rotation, flip and skew against brute force and per-pixel definitions."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from contrafake.errors import UsageError
from contrafake.images.transforms import HorizontalFlip, Rotation, Skew
from contrafake.images.transforms.geometry import largest_inscribed_rectangle


def noise(width: int, height: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(2).integers(1, 256, (height, width, 3), dtype=np.uint8))


def gradient(width: int, height: int) -> Image.Image:
    y, x = np.mgrid[:height, :width]
    return Image.fromarray(np.stack([x * 2, y * 2, x + y], axis=-1).astype(np.uint8))


@pytest.mark.parametrize(("width", "height"), [(10.0, 10.0), (16.0, 9.0), (9.0, 16.0), (100.0, 3.0)])
@pytest.mark.parametrize("degrees", [0.0, 10.0, 30.0, 45.0, 70.0, 90.0, 123.0, 200.0, 269.0])
def test_inscribed_rectangle_is_the_largest_by_brute_force(width: float, height: float, degrees: float) -> None:
    sine, cosine = abs(math.sin(math.radians(degrees))), abs(math.cos(math.radians(degrees)))
    # An upright w x h lies within the rotated rectangle if its corners do, seen from the rotated axes.
    w = np.linspace(0, math.hypot(width, height), 200_001)
    with np.errstate(divide="ignore"):
        h = np.minimum((width - w * cosine) / sine, (height - w * sine) / cosine)
    best = float((w * h.clip(min=0)).max())
    inner_width, inner_height = largest_inscribed_rectangle(width, height, degrees)
    assert inner_width * inner_height == pytest.approx(best, rel=1e-4)
    assert inner_width * cosine + inner_height * sine <= width * (1 + 1e-9)
    assert inner_width * sine + inner_height * cosine <= height * (1 + 1e-9)


@pytest.mark.parametrize(("degrees", "quarters"), [(0.0, 0), (90.0, 1), (180.0, 2), (270.0, 3), (-90.0, 3), (360.0, 0)])
def test_right_angles_lose_nothing(degrees: float, quarters: int) -> None:
    image = noise(13, 8)
    assert np.array_equal(np.asarray(Rotation(degrees)(image)), np.rot90(np.asarray(image), quarters))


@pytest.mark.parametrize("degrees", [95.0, 120.0, 135.0, 181.5, 225.0, 260.0])
@pytest.mark.parametrize(("width", "height"), [(120, 120), (120, 71), (71, 120)])
def test_rotation_takes_the_nearest_pixel_counter_clockwise_about_the_centre(
    width: int, height: int, degrees: float
) -> None:
    before = np.asarray(gradient(width, height)).astype(float)
    after = np.asarray(Rotation(degrees)(gradient(width, height))).astype(float)
    rows, columns = after.shape[:2]
    inner = largest_inscribed_rectangle(width, height, degrees)
    assert inner[0] - 2 <= columns <= inner[0]
    assert inner[1] - 2 <= rows <= inner[1]
    angle = math.radians(degrees)
    y, x = np.mgrid[:rows, :columns]
    x, y = x + 0.5 - columns / 2, y + 0.5 - rows / 2
    source_x = (math.cos(angle) * x - math.sin(angle) * y + width / 2).astype(int)
    source_y = (math.sin(angle) * x + math.cos(angle) * y + height / 2).astype(int)
    # Half a pixel of freedom in where the centre of an odd canvas lies: one step of the gradient, 2 grey levels.
    assert np.abs(after - before[source_y, source_x]).max() <= 2


@settings(max_examples=150, deadline=None)
@given(st.integers(1, 90), st.integers(1, 90), st.floats(-360, 360))
def test_rotation_brings_in_no_empty_pixel(width: int, height: int, degrees: float) -> None:
    rotated = Rotation(degrees)(Image.new("RGB", (width, height), (255, 255, 255)))
    assert min(rotated.size) >= 1
    assert rotated.getcolors() == [(rotated.width * rotated.height, (255, 255, 255))]


def test_rotation_of_a_long_thin_image_is_no_more_work_than_its_area() -> None:
    rotated = Rotation(135.0)(Image.new("RGB", (60_000, 20), (9, 9, 9)))
    assert rotated.width * rotated.height <= 60_000 * 20
    assert rotated.getcolors() == [(rotated.width * rotated.height, (9, 9, 9))]


def test_flip_mirrors_columns() -> None:
    image = noise(7, 5)
    assert np.array_equal(np.asarray(HorizontalFlip()(image)), np.asarray(image)[:, ::-1])
    assert np.array_equal(np.asarray(HorizontalFlip()(HorizontalFlip()(image))), np.asarray(image))


@pytest.mark.parametrize("factor", Skew.GRID)
def test_skew_shifts_each_row_by_interpolating_along_it(factor: float) -> None:
    width, height = 33, 24
    image = noise(width, height)
    before, after = np.asarray(image).astype(float), np.asarray(Skew(factor)(image)).astype(float)
    for y in range(height):
        for x in range(width):
            source = x + 0.5 + factor * (y + 0.5 - height / 2)
            if not 0 <= source < width:
                assert (after[y, x] == 0).all()
                continue
            left = math.floor(source - 0.5)
            share = source - 0.5 - left
            first, second = before[y, max(left, 0)], before[y, min(left + 1, width - 1)]
            assert np.abs(after[y, x] - (first + share * (second - first))).max() <= 1


def test_positive_skew_moves_the_upper_half_to_the_right() -> None:
    pixels = np.zeros((21, 21, 3), np.uint8)
    pixels[:, 10] = 255
    columns = np.asarray(Skew(0.5)(Image.fromarray(pixels)))[..., 0].argmax(axis=1)
    assert columns[0] > columns[10] > columns[20]
    assert columns[10] == 10


def test_parameters_outside_their_range_are_refused() -> None:
    with pytest.raises(UsageError):
        Rotation(361.0)
    with pytest.raises(UsageError):
        Skew(-2.1)
