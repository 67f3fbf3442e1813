"""The encoders: what was asked for is what the bytes hold."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from contrafake.errors import ImageTooLargeError, UsageError
from contrafake.images import encode, jpeg_facts, read

if TYPE_CHECKING:
    from contrafake.images.encode import Format

PIXELS = np.random.default_rng(1).integers(0, 256, (33, 47, 3), dtype=np.uint8)


def test_png_is_lossless() -> None:
    assert np.array_equal(read(encode(PIXELS, "PNG")).pixels, PIXELS)


@pytest.mark.parametrize("quality", [1, 50, 75, 100])
@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:2", "4:2:0"])
def test_jpeg_has_the_quality_and_subsampling(quality: int, subsampling: Any) -> None:
    facts = jpeg_facts(encode(PIXELS, "JPEG", quality, subsampling))
    assert (facts.quality, facts.subsampling, facts.width, facts.height) == (quality, subsampling, 47, 33)


def test_defaults() -> None:
    facts = jpeg_facts(encode(PIXELS, "JPEG"))
    assert (facts.quality, facts.subsampling) == (75, "4:2:0")
    assert encode(PIXELS, "WEBP") == encode(PIXELS, "WEBP", 80)


def test_webp_quality_matters_and_bytes_repeat() -> None:
    assert len(encode(PIXELS, "WEBP", 10)) < len(encode(PIXELS, "WEBP", 95))
    assert Image.open(io.BytesIO(encode(PIXELS, "WEBP"))).format == "WEBP"
    formats: tuple[Format, ...] = ("JPEG", "WEBP", "PNG")
    for format_name in formats:
        assert encode(PIXELS, format_name) == encode(PIXELS.copy(), format_name)


def test_views_and_readonly_pixels_are_taken() -> None:
    flipped = PIXELS[::-1, ::2]
    assert np.array_equal(read(encode(flipped, "PNG")).pixels, flipped)
    picture = read(PIXELS)
    assert np.array_equal(read(encode(picture.pixels, "PNG")).pixels, PIXELS)


@pytest.mark.parametrize(
    "arguments",
    [
        {"format": "GIF"},
        {"format": "jpeg"},
        {"format": "JPEG", "quality": 0},
        {"format": "JPEG", "quality": 101},
        {"format": "JPEG", "quality": 50.5},
        {"format": "JPEG", "quality": True},
        {"format": "PNG", "quality": 90},
        {"format": "WEBP", "subsampling": "4:2:0"},
        {"format": "JPEG", "subsampling": "4:1:0"},
        {"format": "PNG", "pixels": PIXELS[..., 0]},
        {"format": "PNG", "pixels": PIXELS.astype(float)},
        {"format": "PNG", "pixels": PIXELS[:0]},
    ],
)
def test_nonsense_is_refused(arguments: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        encode(**{"pixels": PIXELS, **arguments})


def test_sides_that_the_format_cannot_store() -> None:
    wide = np.zeros((1, 16_384, 3), dtype=np.uint8)
    with pytest.raises(ImageTooLargeError):
        encode(wide, "WEBP")
    assert read(encode(wide, "JPEG")).width == 16_384
    with pytest.raises(ImageTooLargeError):
        encode(np.zeros((65_501, 1, 3), dtype=np.uint8), "JPEG")
