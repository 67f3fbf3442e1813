"""Perceptual hashes: against an independent computation, and what changes them."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
import pytest
from conftest import jpeg, picture
from PIL import Image

from contrafake.data.fingerprint import NO_HASH, perceptual_hashes

if TYPE_CHECKING:
    from numpy.typing import NDArray


def scene(seed: int, side: int = 300) -> NDArray[np.uint8]:
    return picture(np.random.default_rng(seed), generated=False, side=side)


def distance(first: tuple[int, int], second: tuple[int, int]) -> tuple[int, int]:
    return (first[0] ^ second[0]).bit_count(), (first[1] ^ second[1]).bit_count()


def test_the_dct_hash_is_that_of_the_textbook() -> None:
    fft = pytest.importorskip("scipy.fft")
    pixels = scene(1, 32)
    grey = np.asarray(Image.fromarray(pixels).convert("L"), float)
    spectrum = fft.dctn(grey)
    places = sorted(((u, v) for u in range(32) for v in range(32)), key=lambda place: (sum(place), place[0]))[1:65]
    values = [spectrum[place] for place in places]
    bits = "".join(str(int(value > np.median(values))) for value in values)
    assert bits.count("1") == 32
    assert perceptual_hashes(pixels)[0] == int(bits, 2)


def test_the_gradient_hash_by_hand() -> None:
    ramp = np.broadcast_to(np.arange(9, dtype=np.uint8) * 20, (8, 9))
    rising = np.repeat(ramp[..., None], 3, axis=2).copy()
    assert perceptual_hashes(rising)[1] == 2**64 - 1
    assert perceptual_hashes(rising[:, ::-1].copy())[1] == 0
    one_step_back = rising.copy()
    one_step_back[0, 1] = 250  # the first step rises still, the second now falls
    assert perceptual_hashes(one_step_back)[1] == 2**64 - 1 - 2**62


@pytest.mark.parametrize("value", [0, 128, 255])
def test_a_flat_picture_has_no_hash(value: int) -> None:
    assert perceptual_hashes(np.full((50, 70, 3), value, np.uint8)) == NO_HASH
    noisy = np.random.default_rng(0).integers(127, 129, (300, 300, 3), np.uint8)
    assert perceptual_hashes(noisy) == NO_HASH


@pytest.mark.parametrize("seed", range(6))
def test_recompression_and_scaling_change_few_bits(seed: int) -> None:
    pixels = scene(seed)
    for quality in (40, 75):
        again = np.asarray(Image.open(io.BytesIO(jpeg(pixels, quality))))
        assert max(distance(perceptual_hashes(pixels), perceptual_hashes(again))) <= 6
    for side in (150, 700, 1800):
        scaled = np.asarray(Image.fromarray(pixels).resize((side, side), Image.Resampling.BICUBIC))
        assert max(distance(perceptual_hashes(pixels), perceptual_hashes(scaled))) <= 6


def test_other_pictures_and_mirrored_ones_are_far() -> None:
    hashes = [perceptual_hashes(scene(seed)) for seed in range(12)]
    between = [distance(a, b) for i, a in enumerate(hashes) for b in hashes[:i]]
    assert min(map(max, between)) >= 16
    assert max(distance(hashes[0], perceptual_hashes(scene(0)[:, ::-1].copy()))) >= 16


@pytest.mark.parametrize("shape", [(1, 1), (1, 500), (3, 2), (255, 257), (4000, 260)])
def test_any_shape(shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(3)
    phash, phash2 = perceptual_hashes(rng.integers(0, 256, (*shape, 3), np.uint8))
    assert 0 <= phash < 2**64
    assert 0 <= phash2 < 2**64
