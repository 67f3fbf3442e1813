"""The frame: as much of the real image as the law allows, anywhere on its grid, and the sizes that cover it."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contrafake.generate.config import LawSettings
from contrafake.generate.frame import BORDER, PERIOD, draw_frame, size_to_make
from contrafake.generate.law import draws


def box(width: int, height: int, record: str = "r", **law: Any) -> tuple[int, int, int, int]:
    found = draw_frame(width, height, LawSettings(**law), draws(1, record))
    assert not isinstance(found, str), found
    return found


def size(width: int, height: int, **law: Any) -> tuple[int, int]:
    left, top, right, bottom = box(width, height, **law)
    return right - left, bottom - top


@given(
    width=st.integers(72, 5000),
    height=st.integers(72, 5000),
    longest=st.integers(64, 2048),
    multiple=st.sampled_from([1, 8, 16, 64]),
    record=st.text(max_size=4),
)
def test_a_frame_lies_inside_and_keeps_its_multiples(
    width: int, height: int, longest: int, multiple: int, record: str
) -> None:
    left, top, right, bottom = box(width, height, record, longest=longest, multiple=multiple)
    assert BORDER <= left < right <= width - BORDER
    assert BORDER <= top < bottom <= height - BORDER
    assert (right - left) % multiple == (bottom - top) % multiple == 0
    assert 64 <= min(right - left, bottom - top) <= max(right - left, bottom - top) <= longest


def test_known_sizes() -> None:
    # 640 - 8 of border - 15 to move = 617; 38 x 16 = 608. 480: 608 x 480 / 640 = 456, between 448 and 464; 457 is left.
    assert size(640, 480) == (608, 448)
    assert size(480, 640) == (448, 608)
    assert size(4000, 3000) == (768, 576)
    assert size(4000, 3000, longest=487, multiple=8) == (480, 360)
    # A panorama stays one, but for the least side; its height could give more.
    assert size(6000, 400) == (768, 64)
    # Too small to move over a whole period, so it moves as far as it can.
    assert size(72, 90) == (64, 80)


def test_without_room_there_is_no_frame() -> None:
    law = LawSettings()
    assert draw_frame(71, 500, law, draws(0, "")) == "the real image is smaller than 72 x 72"
    assert draw_frame(100, 500, LawSettings(multiple=96), draws(0, "")) == "the real image is smaller than 104 x 104"
    small = draw_frame(255, 500, LawSettings(sizes="paper"), draws(0, ""))
    assert small == "the real image is smaller than each size of a frame"


@pytest.mark.parametrize("side", [103, 127, 300, 2000])
def test_an_old_grid_lies_at_each_offset_alike(side: int) -> None:
    boxes = [box(side, side, f"record {i}") for i in range(1600)]
    for axis in (0, 1):
        offsets = Counter(found[axis] % PERIOD for found in boxes)
        assert len(offsets) == PERIOD
        assert max(offsets.values()) < 1.6 * 100  # 100 each, with a standard deviation of 10
        assert min(offsets.values()) > 0.5 * 100
        centre = sum(found[axis] + found[axis + 2] for found in boxes) / 2 / len(boxes)
        assert abs(centre - side / 2) < 0.05 * side
    room = side - (boxes[0][2] - boxes[0][0])
    assert all(room / 3 - PERIOD <= found[0] <= 2 * room / 3 + PERIOD for found in boxes)


def test_the_papers_sizes_stand_upright_with_the_image_and_each_that_fits_is_drawn() -> None:
    drawn = Counter(
        (found[2] - found[0], found[3] - found[1])
        for found in (box(480, 640, f"{i}", sizes="paper") for i in range(400))
    )
    assert set(drawn) == {(256, 256), (480, 640), (360, 640)}
    assert min(drawn.values()) > 90
    assert size(640, 480, sizes=[(640, 480), (512, 768)]) == (640, 480)


def test_the_size_to_make_is_nearest_in_aspect_then_in_area() -> None:
    assert size_to_make("frame", (304, 208), cover=True) == (304, 208)
    assert size_to_make("paper", (304, 208), cover=True) == (640, 480)  # 1.46 is nearer to 1.33 than to 1.78
    assert size_to_make("paper", (208, 304), cover=True) == (480, 640)
    assert size_to_make("paper", (272, 272), cover=True) == (512, 512)
    assert size_to_make("paper", (272, 272), cover=False) == (256, 256)
    assert size_to_make([(1024, 1024), (512, 512), (512, 384)], (400, 400), cover=True) == (512, 512)
    assert size_to_make([(512, 512)], (528, 400), cover=True) is None
    # Twice as wide is as far as half as wide: the area decides.
    assert size_to_make([(400, 800), (300, 150)], (200, 200), cover=False) == (300, 150)
