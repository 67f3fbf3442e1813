"""What counts as a fault of a made image."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import numpy as np

from contrafake.generate.config import FilterSettings
from contrafake.generate.filters import content_hash, fault


def noise(seed: int = 0) -> Any:
    return np.random.default_rng(seed).integers(0, 256, (16, 24, 3), dtype=np.uint8)


def test_an_ordinary_image_has_none() -> None:
    for flagged in (None, False):
        assert fault(noise(), flagged, FilterSettings(), noise(1)) is None
        assert fault(noise(), flagged, FilterSettings(), None) is None


def test_blank_is_told_by_grey_values() -> None:
    pixels = np.full((10, 10, 3), 100, np.uint8)
    pixels[:5] = 103  # deviates by 1.5
    assert fault(pixels, None, FilterSettings(), None) == "blank"
    assert fault(pixels, None, FilterSettings(blank_deviation=1.4), None) is None
    assert fault(np.zeros((8, 8, 3), np.uint8), None, FilterSettings(blank_deviation=0), None) is None


def test_flagged_images_are_left_out_unless_they_are_wanted() -> None:
    black = np.zeros((8, 8, 3), np.uint8)
    assert fault(noise(), True, FilterSettings(), None) == "flagged by the generator's safety checker"
    assert fault(black, True, FilterSettings(), None) == "flagged by the generator's safety checker"
    assert fault(noise(), True, FilterSettings(flagged=False), None) is None
    assert fault(black, True, FilterSettings(flagged=False), None) == "blank"


def test_a_copy_of_the_real_image_is_none_that_was_made() -> None:
    assert fault(noise(), None, FilterSettings(), noise()) == "equal to the real image"
    nearly = noise()
    nearly[0, 0, 0] ^= 1
    assert fault(nearly, None, FilterSettings(), noise()) is None


def test_the_hash_knows_shape_and_pixels_and_not_the_layout_in_memory() -> None:
    pixels = noise()
    assert content_hash(pixels) == sha256(b"(16, 24, 3)" + pixels.tobytes()).hexdigest()
    assert content_hash(np.asfortranarray(pixels)) == content_hash(pixels)
    assert content_hash(pixels.reshape(24, 16, 3)) != content_hash(pixels)
    assert content_hash(noise(1)) != content_hash(pixels)
