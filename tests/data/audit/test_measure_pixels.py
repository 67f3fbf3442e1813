"""Pixel and content features against values worked by hand, and the pattern of names."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contrafake.data.audit.content import FEATURES as CONTENT
from contrafake.data.audit.content import content_facts
from contrafake.data.audit.history import centre_luma
from contrafake.data.audit.names import name_pattern
from contrafake.data.audit.pixel_facts import noise_level, pixel_facts, thinned


def facts(pixels: np.ndarray) -> dict[str, object]:
    return dict(pixel_facts(pixels, centre_luma(pixels, None)))


def test_colours_of_a_picture_worked_by_hand() -> None:
    pixels = np.zeros((40, 80, 3), np.uint8)
    pixels[:, :40] = (200, 100, 50)  # saturation 150 / 200; the other half is black: 0
    found = facts(pixels)
    assert (found["mean_red"], found["mean_green"], found["mean_blue"]) == (100, 50, 25)
    assert found["saturation"] == pytest.approx(0.375)
    assert found["contrast"] == pytest.approx((0.299 * 200 + 0.587 * 100 + 0.114 * 50) / 2)
    assert (found["black"], found["white"]) == (0.5, 0)
    pixels[:, 40:] = 255
    assert facts(pixels)["white"] == 0.5


@pytest.mark.parametrize("sigma", [2.0, 8.0])
def test_the_noise_level_is_that_of_the_noise_on_a_slope(sigma: float) -> None:
    slope = np.add.outer(np.arange(200) * 0.3, np.arange(300) * 0.2)
    luma = (slope + np.random.default_rng(0).normal(0, sigma, slope.shape)).astype(np.float32)
    assert noise_level(luma) == pytest.approx(sigma, rel=0.03)
    assert noise_level(slope.astype(np.float32)) == pytest.approx(0, abs=1e-4)
    assert noise_level(luma[:2]) is None


@pytest.mark.parametrize(("value", "colour"), [(0, "black"), (255, "white"), (120, "other")])
def test_borders_at_opposite_sides_are_found(value: int, colour: str) -> None:
    inside = np.random.default_rng(1).integers(0, 256, (100, 120, 3), dtype=np.uint8)
    framed = np.full((124, 120, 3), value, np.uint8)
    framed[10:110] = inside
    found = facts(framed)
    assert (found["border"], found["border_colour"]) == (10, colour)
    sideways = facts(framed.swapaxes(0, 1))
    assert (sideways["border"], sideways["border_colour"]) == (10, colour)
    assert facts(inside)["border_colour"] is None


def test_a_plain_sky_is_no_border_and_neither_are_two_colours() -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (100, 120, 3), dtype=np.uint8)
    pixels[:20] = 255
    pixels[-1, 0] = 255  # even if the opposite corner has its colour
    assert (facts(pixels)["border"], facts(pixels)["border_colour"]) == (0, None)
    pixels[-20:] = 0
    assert facts(pixels)["border"] == 0


def test_thinning_keeps_small_pictures_and_bounds_large_ones() -> None:
    assert thinned(np.zeros((511, 100, 3), np.uint8)).shape == (511, 100, 3)
    assert thinned(np.zeros((512, 5000, 3), np.uint8)).shape == (256, 264, 3)


def test_content_is_the_mean_of_each_field() -> None:
    pixels = np.zeros((64, 64, 3), np.uint8)
    pixels[16:32, 48:] = 255  # second row, last column
    found = content_facts(pixels)
    assert list(found) == [feature.name for feature in CONTENT]
    assert len(found) == 48
    assert {name for name, value in found.items() if value not in {0, 128}} == {"luma_13"}
    assert found["luma_13"] == 255
    pixels[:16, :16] = (0, 0, 255)
    blue = content_facts(pixels)["blue_00"]
    assert isinstance(blue, float)
    assert blue > 250


@pytest.mark.parametrize("shape", [(1, 1), (1, 500), (3, 2), (2000, 3)])
def test_pictures_of_any_shape_can_be_measured(shape: tuple[int, int]) -> None:
    pixels = np.full((*shape, 3), 90, np.uint8)
    assert facts(pixels)["mean_red"] == 90
    assert set(content_facts(pixels).values()) <= {90.0, 128.0}


@pytest.mark.parametrize(
    ("name", "pattern"),
    [
        ("IMG_2041.jpg", "IMG_9.jpg"),
        ("000123.PNG", "9.PNG"),
        ("3f2a9c7d11.jpeg", "x.jpeg"),
        ("00a1b2c3-real.png", "x-real.png"),
        ("facade.webp", "facade.webp"),
        ("20240131_120000.jpg", "9_9.jpg"),
        ("a cat sitting on a red sofa in the sun.png", "a cat sitting....png"),
        ("xylophone", "xylophone"),
        ("photo.v2.jpg", "photo.v9.jpg"),
        ("", ""),
        (".png", ".png"),
    ],
)
def test_name_patterns(name: str, pattern: str) -> None:
    assert name_pattern(name) == pattern


@given(st.text())
def test_any_name_has_a_short_pattern_without_figures_but_nine(name: str) -> None:
    pattern = name_pattern(name)
    assert len(pattern) <= 48
    assert name_pattern(name) == pattern
    assert not set(pattern) & set("012345678")
