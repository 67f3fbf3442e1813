"""Rescaling against repetition and means of blocks; screenshots against their steps done by hand."""

from __future__ import annotations

import io
import math
from collections import Counter

import numpy as np
import pytest
from PIL import Image

from contrafake.errors import UsageError
from contrafake.images.transforms import Rescale, Screenshot, rescaling


def picture(width: int, height: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(4).integers(0, 256, (height, width, 3), dtype=np.uint8))


def same(first: Image.Image, second: Image.Image) -> bool:
    return first.size == second.size and first.tobytes() == second.tobytes()


@pytest.mark.parametrize("name", rescaling.FILTERS)
@pytest.mark.parametrize(
    ("factor", "size"), [(0.25, (25, 15)), (0.999, (100, 60)), (1.0, (101, 61)), (1.7, (171, 103)), (2.0, (202, 122))]
)
def test_both_sides_are_multiplied_and_rounded_down(name: str, factor: float, size: tuple[int, int]) -> None:
    assert Rescale(factor, name)(picture(101, 61)).size == size


@pytest.mark.parametrize("name", ["nearest", "box"])
def test_doubling_by_nearest_or_box_repeats_pixels(name: str) -> None:
    image = picture(31, 20)
    expected = np.asarray(image).repeat(2, axis=0).repeat(2, axis=1)
    assert np.array_equal(np.asarray(Rescale(2.0, name)(image)), expected)


@pytest.mark.parametrize("step", [2, 4])
def test_box_shrinks_to_the_mean_of_blocks(step: int) -> None:
    image = picture(40, 28)
    blocks = np.asarray(image, dtype=float).reshape(28 // step, step, 40 // step, step, 3).mean(axis=(1, 3))
    # Pillow rounds after each of its two passes.
    assert np.abs(np.asarray(Rescale(1 / step, "box")(image)) - blocks).max() <= 1


def test_nearest_shrinks_by_skipping() -> None:
    image = picture(40, 28)
    assert np.array_equal(np.asarray(Rescale(0.5, "nearest")(image)), np.asarray(image)[1::2, 1::2])


@pytest.mark.parametrize("name", ["bilinear", "bicubic", "lanczos"])
@pytest.mark.parametrize("factor", [0.4, 1.6])
def test_the_smooth_filters_are_pillows(name: str, factor: float) -> None:
    image = picture(50, 30)
    size = (20, 12) if factor < 1 else (80, 48)
    assert same(Rescale(factor, name)(image), image.resize(size, Image.Resampling[name.upper()]))


def test_a_side_never_vanishes_and_enlarging_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Rescale(0.25, "lanczos")(picture(1, 3)).size == (1, 1)
    monkeypatch.setattr(rescaling, "MAX_PIXELS", 10_000)
    assert Rescale(2.0, "bicubic")(picture(80, 80)).size == (100, 100)
    assert Rescale(2.0, "bicubic")(picture(200, 100)).size == (200, 100)
    assert Rescale(0.5, "bicubic")(picture(200, 100)).size == (100, 50)
    assert Screenshot(2.0, 1, 0, 0)(picture(80, 80)).size == (102, 102)


def test_factors_are_drawn_with_uniform_logarithm_and_filters_equally() -> None:
    rng = np.random.default_rng(1)
    draws = [Rescale.sample(rng) for _ in range(4000)]
    factors = np.array([draw.factor for draw in draws])
    assert 0.25 <= factors.min() < 0.26
    assert 1.95 < factors.max() <= 2.0
    # ln 4 of ln 8 lie below 1; a standard error is 0.0075.
    assert (factors < 1).mean() == pytest.approx(math.log(4) / math.log(8), abs=0.03)
    assert (factors < 0.5).mean() == pytest.approx(1 / 3, abs=0.03)
    assert set(Counter(draw.filter for draw in draws)) == set(rescaling.FILTERS)
    assert min(Counter(draw.filter for draw in draws).values()) > 700


@pytest.mark.parametrize("frame", [0, 1, 2])
def test_a_screenshot_kept_as_png_is_the_scaled_image_in_its_frame(frame: int) -> None:
    image = picture(40, 30)
    shot = np.asarray(Screenshot(1.5, frame, 18, 0)(image))
    expected = np.full((45 + 2 * frame, 60 + 2 * frame, 3), 18, np.uint8)
    expected[frame : frame + 45, frame : frame + 60] = np.asarray(image.resize((60, 45), Image.Resampling.BILINEAR))
    assert np.array_equal(shot, expected)


def test_a_screenshot_saved_as_jpeg_is_one_more_generation() -> None:
    plain = Screenshot(0.75, 2, 255, 0)(picture(40, 30))
    buffer = io.BytesIO()
    plain.save(buffer, format="JPEG", quality=85, subsampling="4:2:0")
    assert same(Screenshot(0.75, 2, 255, 85)(picture(40, 30)), Image.open(buffer))


def test_a_screenshot_at_its_own_size_without_frame_is_the_image() -> None:
    assert same(Screenshot(1.0, 0, 0, 0)(picture(9, 7)), picture(9, 7))


def test_screenshots_are_drawn_as_stated() -> None:
    rng = np.random.default_rng(2)
    draws = [Screenshot.sample(rng) for _ in range(4000)]
    factors = np.array([draw.factor for draw in draws])
    assert 0.5 <= factors.min() < 0.51
    assert 1.98 < factors.max() <= 2.0
    assert np.log(factors).mean() == pytest.approx(0, abs=0.03)
    frames = Counter(draw.frame for draw in draws)
    assert frames[0] == pytest.approx(2000, abs=130)
    assert frames[1] == pytest.approx(1000, abs=110)
    assert frames[2] == 4000 - frames[0] - frames[1]
    assert set(Counter(draw.shade for draw in draws)) == {0, 18, 255}
    qualities = Counter(draw.quality for draw in draws)
    assert qualities.pop(0) == pytest.approx(2000, abs=130)
    assert set(qualities) == set(range(70, 96))


def test_parameters_outside_their_range_are_refused() -> None:
    with pytest.raises(UsageError, match="filter is 'hamming', none of nearest, box, bilinear, bicubic, lanczos"):
        Rescale(1.0, "hamming")
    for build in (
        lambda: Rescale(0.0, "box"),
        lambda: Rescale(float("nan"), "box"),
        lambda: Screenshot(0.1, 0, 0, 0),
        lambda: Screenshot(1.0, -1, 0, 0),
        lambda: Screenshot(1.0, 0, 256, 0),
        lambda: Screenshot(1.0, 0, 0, 101),
    ):
        with pytest.raises(UsageError):
            build()
