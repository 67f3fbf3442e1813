"""Rotation and skew of a batch against Pillow."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from mixture import FUSED, SIZES, as_arrays, check, check_needs_no_values, on_canvas, pictures

from contrafake.images.transforms import Rotation, Skew
from contrafake.train.batched.geometry import rotation, skew

COUNT = len(SIZES)
ANGLES = st.floats(-360, 360) | st.sampled_from([-360.0, -270.0, -90.0, 0.0, 45.0, 90.0, 135.0, 180.0, 270.0, 360.0])
FACTORS = st.floats(-2, 2) | st.sampled_from(Skew.GRID)


@settings(max_examples=30)
@given(angles=st.lists(ANGLES, min_size=COUNT, max_size=COUNT), seed=st.integers(0, 99))
def test_rotation_gives_what_pillow_gives(angles: list[float], seed: int) -> None:
    check(rotation, [Rotation(angle) for angle in angles], pictures(seed))


def test_rotation_of_large_pictures_gives_what_pillow_gives() -> None:
    angles = np.random.default_rng(3).uniform(90, 270, 4)
    check(rotation, [Rotation(angle) for angle in angles], pictures(0, [(400, 300), (37, 611), (512, 512), (5, 700)]))


def test_rotation_of_slivers_gives_what_pillow_gives() -> None:
    # Of an image one pixel wide, part of the result can lie outside: Pillow leaves that black.
    sizes = [size for length in range(2, 50) for size in ((1, length), (length, 1))]
    for low, high in ((80, 100), (-100, -80), (-360, 360)):
        angles = np.random.default_rng(1).uniform(low, high, len(sizes))
        check(rotation, [Rotation(angle) for angle in angles], pictures(0, sizes))


def test_quarter_turns_lose_nothing() -> None:
    images = pictures(5)
    for quarters in range(-4, 5):
        turned = as_arrays(rotation(on_canvas(images), [Rotation(90.0 * quarters)] * COUNT))
        assert all(np.array_equal(t, np.rot90(image, quarters)) for t, image in zip(turned, images, strict=True))


@settings(max_examples=30)
@given(factors=st.lists(FACTORS, min_size=COUNT, max_size=COUNT), seed=st.integers(0, 99))
def test_skew_gives_what_pillow_gives(factors: list[float], seed: int) -> None:
    check(skew, [Skew(factor) for factor in factors], pictures(seed), FUSED)


def test_skew_of_a_large_picture_gives_what_pillow_gives() -> None:
    check(skew, [Skew(0.5), Skew(-1.0), Skew(0.3)], pictures(1, [(301, 401), (400, 300), (224, 224)]), FUSED)


def test_a_skew_by_one_moves_each_row_by_a_pixel_more() -> None:
    image = pictures(0, [(4, 4)])[0]
    slanted = as_arrays(skew(on_canvas([image]), [Skew(1.0)]))[0]
    # Rows lie at 0.5, 1.5, 2.5 and 3.5, the middle at 2: shifts of 1.5, 0.5, -0.5 and -1.5 pixels to the right. What
    # comes from just on the left edge is the edge pixel, what comes from just on the right edge is black.
    halves = (image[:, :-1].astype(int) + image[:, 1:]) // 2
    assert np.array_equal(slanted[0], [[0] * 3, image[0, 0], *halves[0, :2]])
    assert np.array_equal(slanted[1], [image[1, 0], *halves[1]])
    assert np.array_equal(slanted[3], [*halves[3, 1:], [0] * 3, [0] * 3])


def test_nothing_waits_for_the_device() -> None:
    check_needs_no_values(rotation, [Rotation(100.0), Rotation(90.0)] * (COUNT // 2))
    check_needs_no_values(skew, [Skew(0.5)] * COUNT)
