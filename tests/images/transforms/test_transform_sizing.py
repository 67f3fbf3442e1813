"""Sizes worked by hand; crops against plain slicing and numpy's padding."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from contrafake.errors import UsageError
from contrafake.images.transforms import AspectRatio, RandomCrop, Resize, Scale, sizing


def noise(width: int, height: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(4).integers(0, 256, (height, width, 3), dtype=np.uint8))


@pytest.mark.parametrize(
    ("size", "ratio", "expected"),
    [
        ((100, 100), 2.0, (141, 70)),  # sqrt(20000) = 141.4; 10000 / 141 = 70.9
        ((100, 100), 1.0, (100, 100)),
        ((200, 50), 1.0, (100, 100)),
        ((280, 280), 0.75, (242, 323)),  # sqrt(58800) = 242.5; 78400 / 242 = 323.97
        ((1, 1), 0.75, (1, 1)),
        ((1, 1), 100.0, (1, 1)),
        ((4, 1), 100.0, (4, 1)),
        ((1, 4), 0.01, (1, 4)),
    ],
)
def test_aspect_ratio_keeps_the_area(size: tuple[int, int], ratio: float, expected: tuple[int, int]) -> None:
    assert AspectRatio(ratio)(noise(*size)).size == expected


def test_aspect_ratio_is_a_bicubic_resize() -> None:
    image = noise(30, 20)
    expected = image.resize((34, 17), Image.Resampling.BICUBIC)  # sqrt(1200) = 34.6; 600 / 34 = 17.6
    assert np.array_equal(np.asarray(AspectRatio(2.0)(image)), np.asarray(expected))


@pytest.mark.parametrize("side", Resize.GRID)
def test_resize_gives_a_bicubic_square(side: int) -> None:
    image = noise(90, 50)
    result = Resize(side)(image)
    assert np.array_equal(np.asarray(result), np.asarray(image.resize((side, side), Image.Resampling.BICUBIC)))


@pytest.mark.parametrize(
    ("factor", "size", "resampling"),
    [
        (0.5, (50, 30), Image.Resampling.LANCZOS),
        (0.75, (75, 45), Image.Resampling.LANCZOS),
        (1.25, (126, 76), Image.Resampling.BILINEAR),
        (1.5, (151, 91), Image.Resampling.BILINEAR),
    ],
)
def test_scale_shrinks_by_lanczos_and_enlarges_bilinearly(
    factor: float, size: tuple[int, int], resampling: Image.Resampling
) -> None:
    image = noise(101, 61)
    assert np.array_equal(np.asarray(Scale(factor)(image)), np.asarray(image.resize(size, resampling)))


def test_scale_never_reaches_zero_and_keeps_to_its_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Scale(0.5)(noise(1, 1)).size == (1, 1)
    assert Scale(1.0)(noise(9, 7)).size == (9, 7)
    monkeypatch.setattr(sizing, "MAX_PIXELS", 10_000)
    assert Scale(1.5)(noise(80, 80)).size == (100, 100)
    assert Scale(1.5)(noise(200, 100)).size == (200, 100)
    assert Scale(0.5)(noise(200, 100)).size == (100, 50)
    assert Scale(1.5)(noise(40, 40)).size == (60, 60)


@pytest.mark.parametrize(
    ("x", "y", "left", "top"), [(0.0, 0.0, 0, 0), (0.999, 0.999, 36, 26), (1.0, 1.0, 36, 26), (0.5, 0.25, 18, 6)]
)
def test_crop_of_a_larger_image_is_a_slice(x: float, y: float, left: int, top: int) -> None:
    image = noise(100, 90)
    crop = np.asarray(RandomCrop(64, x, y)(image))
    assert np.array_equal(crop, np.asarray(image)[top : top + 64, left : left + 64])


@pytest.mark.parametrize("size", [(50, 40), (63, 64), (1, 1), (2, 30), (100, 7), (7, 100)])
@pytest.mark.parametrize("place", [0.0, 0.3, 0.99])
def test_crop_of_a_smaller_image_continues_it_by_mirroring(size: tuple[int, int], place: float) -> None:
    image = noise(*size)
    width, height = size
    pixels = np.asarray(image)
    left, top = int(place * (abs(width - 64) + 1)), int(place * (abs(height - 64) + 1))
    if width >= 64:
        pixels = pixels[:, left : left + 64]
    else:
        pixels = np.pad(pixels, ((0, 0), (left, 64 - width - left), (0, 0)), mode="symmetric")
    if height >= 64:
        pixels = pixels[top : top + 64]
    else:
        pixels = np.pad(pixels, ((top, 64 - height - top), (0, 0), (0, 0)), mode="symmetric")
    assert np.array_equal(np.asarray(RandomCrop(64, place, place)(image)), pixels)


@pytest.mark.parametrize("length", [60, 68])
def test_every_place_of_a_crop_is_equally_likely(length: int) -> None:
    rng = np.random.default_rng(0)
    starts = [sizing._start(length, 64, float(rng.random())) for _ in range(5000)]
    places, counts = np.unique(starts, return_counts=True)
    assert places.tolist() == (list(range(5)) if length > 64 else list(range(-4, 1)))
    assert ((counts - 1000) ** 2 / 1000).sum() < 18.5  # chi-square, 4 degrees of freedom, p = 0.001


def test_parameters_outside_their_range_are_refused() -> None:
    for build in (
        lambda: AspectRatio(0.0),
        lambda: Resize(0),
        lambda: Scale(0.0),
        lambda: RandomCrop(0, 0.5, 0.5),
        lambda: RandomCrop(64, 1.1, 0.5),
        lambda: RandomCrop(64, 0.5, -0.1),
    ):
        with pytest.raises(UsageError):
            build()
