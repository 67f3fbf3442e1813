"""JPEG of a batch against libjpeg-turbo itself."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mixture import SIZES, as_arrays, check, check_needs_no_values, on_canvas, pictures
from PIL import Image, features

from contrafake.images.transforms import JpegQuality
from contrafake.train.batched import jpeg
from contrafake.train.batched.jpeg import jpeg_quality

COUNT = len(SIZES)
turbo = pytest.mark.skipif(not features.check_feature("libjpeg_turbo"), reason="this Pillow has another JPEG library")


@turbo
@settings(max_examples=20)
@given(qualities=st.lists(st.integers(0, 100), min_size=COUNT, max_size=COUNT), seed=st.integers(0, 99))
def test_jpeg_gives_what_libjpeg_turbo_gives(qualities: list[int], seed: int) -> None:
    check(jpeg_quality, [JpegQuality(quality) for quality in qualities], pictures(seed))


@turbo
@settings(max_examples=30)
@given(
    sizes=st.lists(st.tuples(st.integers(1, 40), st.integers(1, 40)), min_size=1, max_size=6),
    quality=st.sampled_from(JpegQuality.GRID),
    seed=st.integers(0, 99),
)
def test_jpeg_of_any_size(sizes: list[tuple[int, int]], quality: int, seed: int) -> None:
    check(jpeg_quality, [JpegQuality(quality)] * len(sizes), pictures(seed, sizes))


@turbo
def test_jpeg_of_large_pictures() -> None:
    operations = [JpegQuality(quality) for quality in JpegQuality.GRID[:4]]
    check(jpeg_quality, operations, pictures(2, [(301, 257), (224, 224), (512, 100), (99, 401)]))


@turbo
def test_what_jpeg_cannot_hold_is_left_alone() -> None:
    check(jpeg_quality, [JpegQuality(40)] * 2, pictures(0, [(1, 65_501), (8, 20)]))


def test_mixed_precision_changes_nothing() -> None:
    canvas, operations = on_canvas(pictures(4)), [JpegQuality(90)] * COUNT
    expected = as_arrays(jpeg_quality(canvas, operations))
    with torch.autocast("cpu", torch.bfloat16):
        results = as_arrays(jpeg_quality(canvas, operations))
    assert all(np.array_equal(result, image) for result, image in zip(results, expected, strict=True))


def test_flat_and_grey_pictures_stay_flat_and_grey() -> None:
    flat = np.full((21, 13, 3), 130, np.uint8)
    grey = np.repeat(pictures(0, [(30, 40)])[0][..., :1], 3, axis=2)
    first, second = as_arrays(jpeg_quality(on_canvas([flat, grey]), [JpegQuality(100), JpegQuality(55)]))
    assert np.array_equal(first, flat)
    assert np.ptp(second, axis=2).max() == 0


def test_the_transform_is_the_cosine_transform() -> None:
    frequency, place = np.mgrid[:8, :8]
    cosines = np.cos(np.pi * (2 * place + 1) * frequency / 16) * np.where(frequency == 0, 1, np.sqrt(2))
    # At most 1 off the nearest whole number.
    assert np.abs(jpeg._COSINES - np.rint(8192 * cosines)).max() <= 1


@pytest.mark.parametrize("quality", range(101))
def test_quantisation_tables_are_those_in_the_file(quality: int) -> None:
    file = BytesIO()
    Image.new("RGB", (8, 8)).save(file, "JPEG", quality=quality)
    tables = Image.open(file).quantization  # type: ignore[attr-defined]
    for number, table in enumerate((jpeg._LUMA, jpeg._CHROMA)):
        ours = jpeg._tables(table, np.array([jpeg._scale(quality)]))
        assert ours.flatten().tolist() == tables[number]


def test_nothing_waits_for_the_device() -> None:
    check_needs_no_values(jpeg_quality, [JpegQuality(70)] * COUNT)
