"""Colours of a batch against Pillow, and some worked out by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mixture import FUSED, SIZES, as_arrays, check, check_needs_no_values, on_canvas, pictures

from contrafake.images.transforms import Brightness, Contrast, Grayscale, Opacity, Saturation
from contrafake.train.batched.colour import brightness, contrast, grayscale, luminosity, opacity, saturation

if TYPE_CHECKING:
    from collections.abc import Callable

    from contrafake.train.batched.canvas import Canvas

BLENDS: list[tuple[Callable[[float], Any], Callable[..., Canvas]]] = [
    (Brightness, brightness),
    (Contrast, contrast),
    (Saturation, saturation),
]
FACTORS = st.floats(0, 3) | st.sampled_from([0.0, 0.5, 0.75, 1.0, 1.25, 100.0])


@pytest.mark.parametrize(("operation", "function"), BLENDS)
@settings(max_examples=20)
@given(factors=st.lists(FACTORS, min_size=len(SIZES), max_size=len(SIZES)), seed=st.integers(0, 99))
def test_blends_give_what_pillow_gives(
    operation: Callable[[float], Any], function: Callable[..., Any], factors: list[float], seed: int
) -> None:
    check(function, [operation(factor) for factor in factors], pictures(seed), FUSED)


@settings(max_examples=20)
@given(levels=st.lists(st.floats(0, 1), min_size=len(SIZES), max_size=len(SIZES)), seed=st.integers(0, 99))
def test_opacity_gives_what_pillow_gives(levels: list[float], seed: int) -> None:
    check(opacity, [Opacity(level) for level in levels], pictures(seed))


@pytest.mark.parametrize("level", [*range(0, 256, 15), 1, 254])
def test_opacity_of_every_value(level: int) -> None:
    every = np.arange(256, dtype=np.uint8).repeat(3).reshape(16, 16, 3)
    check(opacity, [Opacity(min(1.0, (level + 0.5) / 255))], [every])


def test_grey_gives_what_pillow_gives() -> None:
    check(grayscale, [Grayscale()] * len(SIZES), pictures(1))


def test_luminosity_just_below_and_at_a_half() -> None:
    red, green, blue = np.random.default_rng(0).integers(0, 256, (3, 2**22))
    below = (red * 19595 + green * 38470 + blue * 7471) % 65536
    chosen = (below == 32767) | (below == 32768)
    check(grayscale, [Grayscale()], [np.stack([red, green, blue], axis=1)[chosen][None].astype(np.uint8)])


def test_luminosity_of_pure_colours() -> None:
    # 0.299, 0.587 and 0.114 of 255, to the nearest.
    colours = torch.tensor([[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255]], dtype=torch.uint8)
    assert luminosity(colours[:, :, None, None]).flatten().tolist() == [76, 150, 29, 255]


def test_a_mean_of_a_half_is_rounded_up() -> None:
    flat = np.array([[[10] * 3, [11] * 3], [[10] * 3, [11] * 3]], np.uint8)
    alone = np.full((1, 5, 3), 200, np.uint8)
    first, second = as_arrays(contrast(on_canvas([flat, alone]), [Contrast(0.0)] * 2))
    assert (first == 11).all()
    assert (second == 200).all()


def test_nothing_waits_for_the_device() -> None:
    for operation, function in BLENDS:
        check_needs_no_values(function, [operation(0.5)] * len(SIZES))
    check_needs_no_values(grayscale, [Grayscale()] * len(SIZES))
    check_needs_no_values(opacity, [Opacity(0.5)] * len(SIZES))
