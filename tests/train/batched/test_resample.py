"""Resampling against Pillow on mixed canvases, and by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mixture import FUSED, SIZES, as_arrays, on_canvas, pictures
from PIL import Image
from PIL.Image import Resampling

from contrafake.train.batched.canvas import Canvas
from contrafake.train.batched.resample import BLOCK, _matrices, _resizing, resample, vertical_first

METHODS = (Resampling.BILINEAR, Resampling.BICUBIC, Resampling.LANCZOS)
SEEDS = st.integers(0, 2**32 - 1)


def compare(seed: int, most: int, *, boxed: bool) -> None:
    """Resize pictures to sizes up to `most`, each by a filter of its own, and hold the results to Pillow's."""
    rng = np.random.default_rng(seed)
    images = pictures(seed)
    sizes = rng.integers(1, most + 1, (len(images), 2))
    methods = [METHODS[i] for i in rng.integers(0, 3, len(images))]
    corners = [(0, 0, width, height) for height, width in SIZES]
    if boxed:
        corners = [
            (int(left := rng.integers(width)), int(top := rng.integers(height)),
             int(rng.integers(left + 1, width + 1)), int(rng.integers(top + 1, height + 1)))
            for height, width in SIZES
        ]  # fmt: skip
    boxes = np.array(corners, np.float64) if boxed else None
    results = as_arrays(resample(on_canvas(images, seed), sizes, methods, boxes))
    for image, (height, width), method, box, result in zip(
        images, sizes.tolist(), methods, corners, results, strict=True
    ):
        expected = np.asarray(Image.fromarray(image).resize((width, height), method, box=box))
        assert np.abs(result.astype(int) - expected).max() <= FUSED, (image.shape, (height, width), method, box)


@settings(max_examples=40)
@given(seed=SEEDS, boxed=st.booleans())
def test_gives_what_pillow_gives(seed: int, boxed: bool) -> None:
    compare(seed, 100, boxed=boxed)


@settings(max_examples=10)
@given(seed=SEEDS)
def test_gives_what_pillow_gives_for_thumbnails(seed: int) -> None:
    compare(seed, 4, boxed=False)


@pytest.mark.parametrize("method", METHODS)
def test_filters_of_hundreds_of_pixels(method: Resampling) -> None:
    image = np.random.default_rng(0).integers(0, 256, (5, 1500, 3), dtype=np.uint8)
    for size in ((5, 3), (64, 2), (3, 700)):
        result = as_arrays(resample(on_canvas([image]), np.array([size]), method))[0]
        expected = np.asarray(Image.fromarray(image).resize(size[::-1], method))
        assert np.abs(result.astype(int) - expected).max() <= FUSED


def line(*values: int) -> Canvas:
    return Canvas(torch.tensor(values, dtype=torch.uint8).expand(1, 3, 1, -1), np.array([(1, len(values))]))


def resized(values: tuple[int, ...], width: int, method: Resampling) -> list[int]:
    return resample(line(*values), np.array([(1, width)]), method).pixels[0, 0, 0].tolist()


def test_by_hand() -> None:
    # Centres at 1/4 and 3/4 of the way between two pixels; ties go up.
    assert resized((0, 100), 4, Resampling.BILINEAR) == [0, 25, 75, 100]
    assert resized((0, 2), 4, Resampling.BILINEAR) == [0, 1, 2, 2]
    # Shrunk by two, the bilinear filter spans four pixels: 3 (0 + 40) + 1 * 80 of 7; 1, 3, 3, 1 of 8 inside.
    assert resized((0, 40, 80, 80, 80, 80), 3, Resampling.BILINEAR) == [29, 75, 80]
    # The cubic overshoots, and is clipped.
    assert resized((0, 0, 255, 255), 8, Resampling.BICUBIC)[:2] == [0, 0]
    assert max(resized((100, 100, 200, 200), 8, Resampling.BICUBIC)) > 200


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("value", [0, 1, 127, 255])
def test_a_flat_image_stays_flat(method: Resampling, value: int) -> None:
    assert set(resized((value,) * 29, 67, method) + resized((value,) * 29, 11, method)) == {value}


def test_the_order_of_passes_is_the_installed_pillows() -> None:
    rng, told = np.random.default_rng(0), 0
    for height, width, high, wide in rng.integers(4, 60, (200, 4)).tolist():
        image = Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8))
        whole = np.asarray(image.resize((wide, high), Resampling.BICUBIC))
        across = image.resize((wide, height), Resampling.BICUBIC).resize((wide, high), Resampling.BICUBIC)
        down = image.resize((width, high), Resampling.BICUBIC).resize((wide, high), Resampling.BICUBIC)
        first_across, first_down = (np.array_equal(whole, np.asarray(other)) for other in (across, down))
        if first_across != first_down:  # else it makes no difference
            told += 1
            assert vertical_first(np.array([(height, width)]), np.array([(high, wide)])).tolist() == [first_down]
    assert told > 100


def test_autocast_does_not_reach_it() -> None:
    canvas, sizes = on_canvas(pictures(0)), np.full((len(SIZES), 2), 37)
    with torch.autocast("cpu", torch.bfloat16):
        cast = resample(canvas, sizes)
    assert torch.equal(cast.pixels, resample(canvas, sizes).pixels)


def test_all_factors_are_exact_in_tf32() -> None:
    spans = np.array([(0.0, 97.0), (3.0, 20.0), (0.0, 64.0)])
    taps = _resizing(np.array([97, 31, 64]), spans, np.array([61, 90, 64]), METHODS, torch.device("cpu"))
    matrix = _matrices(taps, taps.first[:, ::BLOCK], BLOCK, taps.reach + taps.weights.shape[2])
    # TF32 keeps 10 of the 23 bits behind a float32's first.
    assert not (matrix.contiguous().view(torch.int32) & 0x1FFF).any()
    high, low = matrix[:, :, :BLOCK].double(), matrix[:, :, BLOCK:].double()
    sums = (high + low * 2.0 ** (taps.low_bits - taps.bits)).sum(dim=3).flatten(1)
    assert ((sums[0, :61] - 1).abs() < 1e-5).all()
