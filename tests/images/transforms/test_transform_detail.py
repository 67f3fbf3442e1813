"""Detail operations against slow implementations written from their definitions."""

from __future__ import annotations

import io
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from contrafake.errors import UsageError
from contrafake.images.transforms import Blur, JpegQuality, Pixelization, Sharpen, ShufflePixels
from contrafake.images.transforms.detail import shuffle_keys

if TYPE_CHECKING:
    from numpy.typing import NDArray


def picture(width: int, height: int) -> Image.Image:
    """A smooth pattern with some noise, so that filters have both to work on."""
    y, x = np.mgrid[:height, :width]
    waves = 128 + 90 * np.stack([np.sin(x / 5), np.cos(y / 7), np.sin((x + y) / 9)], axis=-1)
    waves += np.random.default_rng(1).normal(0, 8, waves.shape)
    return Image.fromarray(waves.clip(0, 255).astype(np.uint8))


def as_float(image: Image.Image) -> NDArray[np.float64]:
    return np.asarray(image, dtype=np.float64)


def naive_gaussian(pixels: NDArray[np.float64], sigma: float) -> NDArray[np.float64]:
    reach = int(5 * sigma) + 1
    taps = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    taps /= taps.sum()
    for axis in (0, 1):
        width = [(0, 0)] * 3
        width[axis] = (reach, reach)
        padded = np.pad(pixels, width, mode="edge")
        length = pixels.shape[axis]
        pixels = sum(
            (tap * np.take(padded, range(k, k + length), axis=axis) for k, tap in enumerate(taps)),
            start=np.zeros_like(pixels),
        )
    return pixels


def naive_bicubic(pixels: NDArray[np.float64], length: int, axis: int) -> NDArray[np.float64]:
    """Resample one axis by Keys' cubic (a = -0.5), widened when shrinking, rounded to 8 bits per pass as in Pillow."""

    def cubic(t: float) -> float:
        t = abs(t)
        if t < 1:
            return 1.5 * t**3 - 2.5 * t**2 + 1
        return -0.5 * t**3 + 2.5 * t**2 - 4 * t + 2 if t < 2 else 0.0

    old = pixels.shape[axis]
    step = old / length
    widen = max(step, 1.0)
    matrix = np.zeros((length, old))
    for i in range(length):
        centre = (i + 0.5) * step
        weights = [cubic((j + 0.5 - centre) / widen) for j in range(old)]
        matrix[i] = np.array(weights) / sum(weights)
    out = np.moveaxis(np.tensordot(matrix, pixels, axes=(1, axis)), 0, axis)
    return np.floor(out + 0.5).clip(0, 255)


@pytest.mark.parametrize("radius", [0.1, 0.6, 1.0, 2.0])
def test_blur_is_near_a_true_gaussian(radius: float) -> None:
    image = picture(61, 47)
    difference = as_float(Blur(radius)(image)) - naive_gaussian(as_float(image), radius)
    assert np.abs(difference).mean() < 0.8
    assert np.abs(difference).max() < 7


@pytest.mark.parametrize("radius", [0.4, 0.6, 1.0, 1.5, 2.0])
def test_the_blur_radius_is_a_standard_deviation(radius: float) -> None:
    step = np.zeros((3, 60, 3), np.uint8)
    step[:, 30:] = 255
    profile = as_float(Blur(radius)(Image.fromarray(step)))[1, :, 0]
    spread = np.diff(profile) / 255
    place = np.arange(59) - 29
    # Pillow rounds to 8 bits after each of its passes, which shows in the faint tails of small radii.
    assert (spread * place**2).sum() == pytest.approx(radius**2, rel=0.05, abs=0.02)


def test_sharpen_doubles_the_distance_from_the_smoothed_pixel() -> None:
    image = picture(31, 29)
    before = as_float(image)
    smooth = before.copy()
    kernel = np.array([[1, 1, 1], [1, 5, 1], [1, 1, 1]]) / 13
    for y in range(1, 28):
        for x in range(1, 30):
            smooth[y, x] = np.tensordot(kernel, before[y - 1 : y + 2, x - 1 : x + 2], axes=2)
    smooth = np.floor(smooth + 0.5)
    expected = (smooth + 2 * (before - smooth)).clip(0, 255)
    assert np.abs(as_float(Sharpen(2.0)(image)) - expected).max() <= 1
    assert np.array_equal(as_float(Sharpen(1.0)(image)), before)


@pytest.mark.parametrize("ratio", [0.3, 0.5, 0.77])
def test_pixelization_is_bicubic_down_and_up(ratio: float) -> None:
    image = picture(40, 31)
    pixels = as_float(image)
    for height, width in [(int(31 * ratio), int(40 * ratio)), (31, 40)]:
        pixels = naive_bicubic(naive_bicubic(pixels, width, 1), height, 0)
    result = Pixelization(ratio)(image)
    assert result.size == image.size
    assert np.abs(as_float(result) - pixels).max() <= 1


def test_pixelization_at_ratio_one_changes_nothing() -> None:
    assert np.array_equal(as_float(Pixelization(1.0)(picture(9, 8))), as_float(picture(9, 8)))


@pytest.mark.parametrize("quality", JpegQuality.GRID)
def test_jpeg_is_one_save_and_load_of_pillow(quality: int) -> None:
    image = picture(45, 38)
    buffer = io.BytesIO()
    image.save(buffer, format="JPEG", quality=quality)
    result = JpegQuality(quality)(image)
    assert np.array_equal(as_float(result), as_float(Image.open(buffer)))
    # A plain image, not one that still hangs on the encoded bytes.
    assert type(result) is Image.Image


def test_jpeg_leaves_alone_what_jpeg_cannot_hold() -> None:
    image = Image.new("RGB", (65_501, 1))
    assert JpegQuality(40)(image).size == image.size


def numbered(width: int, height: int) -> Image.Image:
    """Every pixel has a colour of its own."""
    index = np.arange(width * height)
    return Image.fromarray(
        np.stack([index % 256, index // 256 % 256, index // 65536], -1).astype(np.uint8).reshape(height, width, 3)
    )


@pytest.mark.parametrize("fraction", [*ShufflePixels.GRID, 1.0])
def test_shuffle_moves_the_fraction_and_keeps_the_histogram(fraction: float) -> None:
    image = numbered(90, 70)
    before, after = as_float(image).reshape(-1, 3), as_float(ShufflePixels(fraction, 3)(image)).reshape(-1, 3)
    moved = int((before != after).any(axis=1).sum())
    assert moved == int(fraction * (90 * 70))
    assert Counter(map(tuple, before.tolist())) == Counter(map(tuple, after.tolist()))


def test_shuffle_depends_on_its_seed_only() -> None:
    image = numbered(30, 30)
    first, again, other = (as_float(ShufflePixels(0.35, seed)(image)) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_shuffle_follows_the_hash_it_names() -> None:
    def mix(number: int) -> int:
        number ^= number >> 15
        number = number * 0x2C1B3C6D % 2**32
        number ^= number >> 12
        number = number * 0x297A2D39 % 2**32
        return number ^ number >> 15

    image = numbered(7, 5)
    taking_part = sorted(range(35), key=lambda place: mix(mix(place) ^ mix(4_000_000_000)))[:24]
    expected = np.asarray(image).reshape(35, 3).copy()
    for here, following in zip(taking_part, taking_part[1:] + taking_part[:1], strict=True):
        expected[here] = np.asarray(image).reshape(35, 3)[following]
    shuffled = np.asarray(ShufflePixels(0.7, 4_000_000_000)(image))
    assert np.array_equal(shuffled.reshape(35, 3), expected)


def test_one_pixel_alone_stays() -> None:
    assert ShufflePixels(1.0, 5)(numbered(1, 1)).tobytes() == numbered(1, 1).tobytes()


def test_shuffled_pixels_lie_anywhere_and_come_from_anywhere() -> None:
    image = numbered(20, 20)
    before = np.asarray(image).astype(int) @ np.array([1, 256, 65536])
    moved = np.zeros((20, 20))
    distances: list[int] = []
    for seed in range(1000, 1400):
        after = np.asarray(ShufflePixels(0.35, seed)(image)).astype(int) @ np.array([1, 256, 65536])
        moved += after != before
        distances += (after - before)[after != before].tolist()
    # Each place takes part in 140 of the 400, standard deviation 9.5.
    assert np.abs(moved - 140).max() < 5 * 9.5
    # The distance of two different random places of 400: 400 * 401 / 3 / 400 on average, deviation 94.
    assert np.abs(np.abs(distances).mean() - 401 / 3) < 5 * 94 / np.sqrt(len(distances))


def test_numbers_of_places_share_nothing_between_seeds() -> None:
    places = np.arange(4096)
    orders = [np.argsort(np.argsort(shuffle_keys(places, np.array(seed)))) for seed in (0, 1, 2, 3, 2**31, 2**32 - 1)]
    correlation = np.corrcoef([*orders, places]) - np.eye(7)
    assert np.abs(correlation).max() < 5 / np.sqrt(4096)


def test_parameters_outside_their_range_are_refused() -> None:
    for build in (
        lambda: Blur(0.0),
        lambda: Pixelization(0.0),
        lambda: Pixelization(1.1),
        lambda: JpegQuality(101),
        lambda: ShufflePixels(-0.1, 1),
        lambda: ShufflePixels(0.1, -1),
        lambda: Sharpen(-1.0),
    ):
        with pytest.raises(UsageError):
            build()
