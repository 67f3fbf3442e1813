"""Codecs against encoding by hand; double JPEG against its steps and against the traces that both grids leave."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image, features

from contrafake.errors import ConfigError, UsageError
from contrafake.images.encode import encode
from contrafake.images.transforms import AvifQuality, DoubleJpeg, Operation, WebpQuality, from_description

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

needs_avif = pytest.mark.skipif(not features.check("avif"), reason="this Pillow has no AVIF codec")


def picture(width: int, height: int) -> Image.Image:
    """A smooth pattern with some noise, so that codecs have both to work on."""
    y, x = np.mgrid[:height, :width]
    waves = 128 + 90 * np.stack([np.sin(x / 5), np.cos(y / 7), np.sin((x + y) / 9)], axis=-1)
    waves += np.random.default_rng(1).normal(0, 8, waves.shape)
    return Image.fromarray(waves.clip(0, 255).astype(np.uint8))


def decoded(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data)).convert("RGB")


def saved(image: Image.Image, form: str, **settings: Any) -> Image.Image:
    buffer = io.BytesIO()
    image.save(buffer, format=form, **settings)
    return decoded(buffer.getvalue())


def error(operation: Operation, image: Image.Image) -> float:
    return float(np.square(np.asarray(operation(image), dtype=float) - np.asarray(image, dtype=float)).mean())


@pytest.mark.parametrize("quality", [1, 40, 75, 95])
def test_webp_is_one_generation_of_webp(quality: int) -> None:
    image = picture(61, 47)
    result = WebpQuality(quality)(image)
    assert result.tobytes() == decoded(encode(np.asarray(image), "WEBP", quality)).tobytes()
    # A plain image, not one that still hangs on the encoded bytes.
    assert type(result) is Image.Image


@needs_avif
@pytest.mark.parametrize("quality", [0, 40, 65, 90])
def test_avif_is_one_generation_of_avif(quality: int) -> None:
    image = picture(61, 47)
    result = AvifQuality(quality)(image)
    expected = saved(image, "AVIF", quality=quality, speed=9, max_threads=1, subsampling="4:2:0")
    assert result.tobytes() == expected.tobytes()
    assert type(result) is Image.Image


@needs_avif
def test_avif_does_not_depend_on_the_number_of_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    image = picture(600, 520)
    result = AvifQuality(60)(image).tobytes()
    for processors in (1, 4):
        monkeypatch.setattr("PIL.AvifImagePlugin._get_default_max_threads", lambda count=processors: count)
        assert AvifQuality(60)(image).tobytes() == result


@pytest.mark.parametrize("kind", [WebpQuality, pytest.param(AvifQuality, marks=needs_avif)])
def test_a_higher_quality_is_nearer_to_the_image(kind: Callable[[int], Operation]) -> None:
    errors = [error(kind(quality), picture(120, 90)) for quality in (10, 40, 70, 95)]
    assert errors == sorted(errors, reverse=True)
    assert errors[0] > 2 * errors[-1]
    assert 0 < errors[-1] < 60


@pytest.mark.parametrize(
    ("operation", "side"),
    [
        (WebpQuality(40), 16_383),
        pytest.param(AvifQuality, 32_768, marks=needs_avif),
        (DoubleJpeg(40, "4:2:0", 0, 0, 1.0, 60, "4:2:0"), 65_500),
    ],
)
def test_only_what_the_format_cannot_hold_is_left_alone(operation: Operation | type[AvifQuality], side: int) -> None:
    changed = operation(40) if isinstance(operation, type) else operation
    colours = np.arange(side + 1, dtype=np.uint32)[None, :, None] * np.array([7, 11, 13], np.uint32)
    image = Image.fromarray((colours % 256).astype(np.uint8))
    assert changed(image).tobytes() == image.tobytes()
    fits = image.crop((0, 0, side, 1))
    assert changed(fits).size == fits.size
    assert changed(fits).tobytes() != fits.tobytes()


@pytest.mark.parametrize(
    ("left", "top", "factor", "size"), [(3, 5, 1.0, (58, 42)), (0, 0, 0.5, (30, 23)), (7, 0, 0.8, (43, 37))]
)
def test_double_jpeg_is_its_steps_one_after_another(left: int, top: int, factor: float, size: tuple[int, int]) -> None:
    image = picture(61, 47)
    expected = decoded(encode(np.asarray(image), "JPEG", 70, "4:2:2")).crop((left, top, 61, 47))
    if factor != 1:
        expected = expected.resize(size, Image.Resampling.LANCZOS)
    expected = decoded(encode(np.asarray(expected), "JPEG", 85, "4:4:4"))
    result = DoubleJpeg(70, "4:2:2", left, top, factor, 85, "4:4:4")(image)
    assert result.size == size
    assert result.tobytes() == expected.tobytes()


def test_a_cut_leaves_at_least_one_pixel() -> None:
    for size in [(1, 1), (1, 40), (3, 7)]:
        assert DoubleJpeg(70, "4:2:0", 7, 7, 1.0, 80, "4:2:0")(picture(*size)).size == (1, max(1, size[1] - 7))


def spread_from_multiples(grey: NDArray[np.float64], left: int, top: int, steps: dict[tuple[int, int], int]) -> float:
    """Mean distance of DCT coefficients of blocks, on a grid that begins at (left, top), from multiples of steps.

    In units of the step: 0 where the grid and the step are those of a compression, about 0.25 elsewhere.
    """
    height, width = (grey.shape[0] - top) // 8 * 8, (grey.shape[1] - left) // 8 * 8
    blocks = grey[top : top + height, left : left + width].reshape(height // 8, 8, width // 8, 8).swapaxes(1, 2) - 128
    frequency, place = np.mgrid[:8, :8]
    basis = np.cos((2 * place + 1) * frequency * np.pi / 16) * np.where(frequency == 0, np.sqrt(1 / 8), 0.5)
    coefficients = basis @ blocks @ basis.T
    off = []
    for (row, column), step in steps.items():
        multiples = coefficients[..., row, column] / step
        # Zero is a multiple of every step.
        multiples = multiples[np.abs(multiples) > 0.5]
        off.append(np.abs(multiples - np.rint(multiples)))
    return float(np.concatenate(off).mean())


def test_the_first_generation_shows_on_its_own_grid_and_the_second_on_its() -> None:
    # Steps of the standard luminance table at quality 50, by vertical and horizontal frequency.
    steps = {(0, 1): 11, (1, 0): 12, (1, 1): 12, (0, 2): 10}
    grey = picture(240, 200).convert("L").convert("RGB")
    first = np.asarray(DoubleJpeg(50, "4:4:4", 3, 6, 1.0, 100, "4:4:4")(grey).convert("L"), dtype=float)
    # The grid of the first generation, whose origin was cut off, continues at 8 - 3 and 8 - 6.
    assert spread_from_multiples(first, 5, 2, steps) < 0.08
    assert spread_from_multiples(first, 0, 0, steps) > 0.2
    second = np.asarray(DoubleJpeg(100, "4:4:4", 3, 6, 1.0, 50, "4:4:4")(grey).convert("L"), dtype=float)
    assert spread_from_multiples(second, 0, 0, steps) < 0.08
    assert spread_from_multiples(second, 5, 2, steps) > 0.2


def test_double_jpeg_is_drawn_with_a_cut_or_a_reduction() -> None:
    rng = np.random.default_rng(3)
    draws = [DoubleJpeg.sample(rng) for _ in range(4000)]
    cut = [draw for draw in draws if draw.left or draw.top]
    assert len(cut) == pytest.approx(2000, abs=130)
    assert {(draw.left, draw.top) for draw in cut} == {(x, y) for x in range(8) for y in range(8)} - {(0, 0)}
    assert all(draw.factor == 1 for draw in cut)
    factors = [draw.factor for draw in draws if not (draw.left or draw.top)]
    assert 0.5 <= min(factors) < 0.51
    assert 0.99 < max(factors) < 1
    assert {draw.first_subsampling for draw in draws} == {"4:4:4", "4:2:2", "4:2:0"}
    assert {draw.second_subsampling for draw in draws} == {"4:2:0"}
    for qualities in ([draw.first_quality for draw in draws], [draw.second_quality for draw in draws]):
        assert set(qualities) == set(range(60, 96))
    assert abs(np.corrcoef([(draw.first_quality, draw.second_quality) for draw in draws], rowvar=False)[0, 1]) < 0.06


@needs_avif
def test_qualities_are_drawn_from_the_whole_range() -> None:
    rng = np.random.default_rng(4)
    assert {WebpQuality.sample(rng).quality for _ in range(2000)} == set(range(40, 96))
    assert {AvifQuality.sample(rng).quality for _ in range(2000)} == set(range(40, 91))


def test_without_the_codec_avif_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(features, "check", lambda name: name != "avif")
    with pytest.raises(UsageError, match=r"avif_quality: this Pillow has no AVIF codec \(install Pillow 11\.3"):
        AvifQuality(60)
    with pytest.raises(ConfigError, match=r"avif_quality: this Pillow has no AVIF codec \(install Pillow 11\.3"):
        from_description([{"name": "avif_quality", "parameters": {"quality": 60}}], (WebpQuality,))


def test_parameters_outside_their_range_are_refused() -> None:
    with pytest.raises(UsageError, match=r"second_subsampling is '4:1:1', none of 4:4:4, 4:2:2, 4:2:0"):
        DoubleJpeg(70, "4:2:0", 0, 0, 1.0, 80, "4:1:1")
    for build in (
        lambda: WebpQuality(101),
        lambda: WebpQuality(-1),
        lambda: AvifQuality(101),
        lambda: DoubleJpeg(101, "4:2:0", 0, 0, 1.0, 80, "4:2:0"),
        lambda: DoubleJpeg(70, "4:2:0", 8, 0, 1.0, 80, "4:2:0"),
        lambda: DoubleJpeg(70, "4:2:0", 0, -1, 1.0, 80, "4:2:0"),
        lambda: DoubleJpeg(70, "4:2:0", 0, 0, 0.1, 80, "4:2:0"),
        lambda: DoubleJpeg(70, "", 0, 0, 1.0, 80, "4:2:0"),
    ):
        with pytest.raises(UsageError):
            build()
