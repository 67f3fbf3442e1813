"""Crop geometry: hand-worked values, and invariants over all sizes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from contrafake.errors import ImageTooLargeError, UsageError
from contrafake.images import CROP_SIZE, crop_origins, cut, extend, resize_crop

SIDES = st.integers(1, 40)


def noise(height: int, width: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.random.default_rng(height * 1000 + width).integers(0, 256, (height, width, 3), dtype=np.uint8)


# -- extend -----------------------------------------------------------------------------------------------------------


def test_extend_by_hand() -> None:
    row = np.array([[[1] * 3, [2] * 3, [3] * 3]], dtype=np.uint8)
    extended = extend(row, 8)
    # 5 more columns: 2 left, 3 right, mirrored with the edge repeated.
    assert extended[0, :, 0].tolist() == [2, 1, 1, 2, 3, 3, 2, 1]
    assert extended.shape == (8, 8, 3)
    single = np.full((1, 1, 3), 9, dtype=np.uint8)
    assert (extend(single, 5) == 9).all()


def test_large_enough_pictures_are_not_copied() -> None:
    pixels = noise(224, 300)
    assert extend(pixels, 224) is pixels


@settings(max_examples=150, deadline=None)
@given(SIDES, SIDES, st.integers(1, 130))
def test_extend_is_numpys_symmetric_padding(height: int, width: int, size: int) -> None:
    pixels = noise(height, width)
    down, right = max(size - height, 0), max(size - width, 0)
    expected = np.pad(pixels, ((down // 2, down - down // 2), (right // 2, right - right // 2), (0, 0)), "symmetric")
    assert np.array_equal(extend(pixels, size), expected)


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 40), st.integers(2, 40))
def test_extension_has_no_constant_border(height: int, width: int) -> None:
    extended = extend(noise(height, width), 100)
    for edge in (extended[0], extended[-1], extended[:, 0], extended[:, -1]):
        assert len(np.unique(edge, axis=0)) > 1


# -- origins ----------------------------------------------------------------------------------------------------------


def test_one_crop_is_torchvisions_centre() -> None:
    # int(round(x / 2.0)): halves go to the even neighbour.
    assert crop_origins(500, 641, 224, 1) == [(138, 208)]
    assert crop_origins(225, 227, 224, 1) == [(0, 2)]
    assert crop_origins(224, 224, 224, 1) == [(0, 0)]


def test_five_crops_of_a_square_are_the_centre_and_one_per_quadrant() -> None:
    # The free range is 276: rows at 1/6, 1/2, 5/6 of it, columns at 1/4 and 3/4.
    assert crop_origins(500, 500, 224, 5) == [(138, 138), (46, 69), (46, 207), (230, 69), (230, 207)]


def test_pattern_follows_the_shape() -> None:
    # Free ranges 0 x 1000 and 1000 x 0: 5 in a line at 1/10, 3/10 ... of it.
    assert crop_origins(224, 1224, 224, 5) == [(0, 500), (0, 100), (0, 300), (0, 700), (0, 900)]
    assert crop_origins(1224, 224, 224, 5) == [(500, 0), (100, 0), (300, 0), (700, 0), (900, 0)]
    nine = crop_origins(824, 824, 224, 9)
    assert nine[0] == (300, 300)
    assert sorted(nine) == [(top, left) for top in (100, 300, 500) for left in (100, 300, 500)]


def test_no_room_gives_one_crop() -> None:
    assert crop_origins(224, 224, 224, 64) == [(0, 0)]
    assert sorted(crop_origins(225, 224, 224, 9)) == [(0, 0), (1, 0)]


@settings(max_examples=200, deadline=None)
@given(SIDES, st.integers(0, 3000), st.integers(0, 3000), st.integers(1, 64))
def test_origins_are_in_bounds_and_distinct(size: int, down: int, right: int, count: int) -> None:
    origins = crop_origins(size + down, size + right, size, count)
    assert origins[0] == (round(down / 2.0), round(right / 2.0))
    assert 1 <= len(origins) == len(set(origins)) <= count
    assert all(0 <= top <= down and 0 <= left <= right for top, left in origins)
    assert origins == crop_origins(size + down, size + right, size, count)


@settings(max_examples=100, deadline=None)
@given(st.integers(300, 3000), st.integers(300, 3000), st.integers(3, 64))
def test_crops_are_spread(down: int, right: int, count: int) -> None:
    """All come back, and no place is much farther from a crop than in a square lattice of as many."""
    origins = np.array(crop_origins(100 + down, 100 + right, 100, count))
    assert len(origins) == count
    places = np.stack(np.meshgrid(np.linspace(0, down, 25), np.linspace(0, right, 25)), axis=-1).reshape(-1, 1, 2)
    remoteness = np.sqrt(((places - origins) ** 2).sum(axis=2)).min(axis=1)
    step = np.sqrt(down * right / count)
    assert remoteness.mean() < 0.55 * step * max(1, np.sqrt(max(down, right) / min(down, right) / count) * 1.5)


def test_odd_counts_are_symmetric() -> None:
    for count in (3, 5, 7, 9, 15, 25):
        origins = np.array(crop_origins(1100, 824, 224, count), dtype=int)
        mirrored = np.array([876, 600]) - origins
        # Rounding may move a mirrored crop by one pixel.
        for point in mirrored:
            assert np.abs(origins - point).max(axis=1).min() <= 1


def test_origins_refuse_nonsense() -> None:
    for arguments in ((223, 500, 224, 1), (500, 223, 224, 1), (500, 500, 224, 0), (500, 500, 224, 257), (5, 5, 0, 1)):
        with pytest.raises(UsageError):
            crop_origins(*arguments)


# -- cut and resize_crop ----------------------------------------------------------------------------------------------


def test_cut_takes_the_pixels_at_the_origins() -> None:
    pixels = noise(400, 500)
    crops = cut(pixels, 5)
    assert crops.shape == (5, CROP_SIZE, CROP_SIZE, 3)
    assert crops.flags.c_contiguous
    for crop, (top, left) in zip(crops, crop_origins(400, 500, CROP_SIZE, 5), strict=True):
        assert np.array_equal(crop, pixels[top : top + CROP_SIZE, left : left + CROP_SIZE])


def test_cut_of_a_small_picture_is_its_extension() -> None:
    pixels = noise(100, 90)
    crops = cut(pixels, 5)
    assert np.array_equal(crops, extend(pixels, CROP_SIZE)[None])


@pytest.mark.parametrize(("height", "width"), [(5, 9), (9, 5), (4, 4), (5, 7), (1, 8), (8, 8)])
def test_black_borders_are_torchvisions_centre_crop(height: int, width: int) -> None:
    pixels, size = noise(height, width), 7
    # torchvision.transforms.functional.center_crop, written out: pad with zeros, then cut in the middle.
    left, top = max(size - width, 0) // 2, max(size - height, 0) // 2
    right, bottom = (max(size - width, 0) + 1) // 2, (max(size - height, 0) + 1) // 2
    padded = np.pad(pixels, ((top, bottom), (left, right), (0, 0)))
    down, across = round((padded.shape[0] - size) / 2.0), round((padded.shape[1] - size) / 2.0)
    expected = padded[down : down + size, across : across + size]
    assert np.array_equal(cut(pixels, 1, size, "black")[0], expected)


def test_resize_crop_is_the_official_geometry() -> None:
    # Shorter side to floor(224 / 0.9) = 248, the longer to int(248 * 501 / 400) = 310; then (12, 43).
    pixels = noise(400, 501)
    resized = np.asarray(Image.fromarray(pixels).resize((310, 248), Image.Resampling.BICUBIC))
    assert np.array_equal(resize_crop(pixels), resized[12:236, 43:267])
    assert resize_crop(noise(30, 20)).shape == (224, 224, 3)
    assert resize_crop(noise(248, 248)).tolist() == noise(248, 248)[12:236, 12:236].tolist()


def test_bad_arguments() -> None:
    with pytest.raises(UsageError):
        resize_crop(noise(30, 30), pct=0)
    with pytest.raises(ImageTooLargeError):
        resize_crop(noise(1, 60_000))
    wrong: list[Any] = [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3)), np.zeros((0, 4, 3), np.uint8)]
    for pixels in wrong:
        with pytest.raises(UsageError):
            extend(pixels, 8)
    with pytest.raises(UsageError):
        cut(noise(4, 4), 1, 0)
