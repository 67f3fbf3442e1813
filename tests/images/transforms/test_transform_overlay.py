"""Stripes counted by hand, and borders."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from contrafake.errors import UsageError
from contrafake.images.transforms import OverlayStripes, Pad


def covered_rows(width: int, height: int, line_width: float) -> list[int]:
    striped = np.asarray(OverlayStripes(line_width)(Image.new("RGB", (width, height), (10, 20, 30))))
    white = (striped == 255).all(axis=(1, 2))
    assert (striped[~white] == (10, 20, 30)).all()
    return [int(row) for row in np.flatnonzero(white)]


def test_stripes_repeat_every_half_side_about_the_middle_row() -> None:
    # Side 280: period 140, centres at rows 0, 140 and (just outside) 280, reach 0.2 * 140 / 2 = 14 rows.
    assert covered_rows(280, 280, 0.2) == [*range(15), *range(126, 155), *range(266, 280)]
    # Side 200: period 100, centres at 0, 100 and 200, reach 17.5.
    assert covered_rows(200, 200, 0.35) == [*range(18), *range(83, 118), *range(183, 200)]
    # The shorter side gives the period: 50, centres at 0, 50, 100, 150, 200; reach 1.25.
    assert covered_rows(100, 200, 0.05) == [0, 1, 49, 50, 51, 99, 100, 101, 149, 150, 151, 199]


@pytest.mark.parametrize("line_width", OverlayStripes.GRID)
@pytest.mark.parametrize("height", [101, 224, 333])
def test_stripes_follow_the_cosine_of_augly(height: int, line_width: float) -> None:
    distance = 0.5 * min(150, height)
    wave = (np.cos(2 * np.pi / distance * (np.arange(height) - height / 2)) + 1) / 2
    edge = (np.cos(np.pi * line_width) + 1) / 2
    covered = set(covered_rows(150, height, line_width))
    # A row exactly on an edge is left to rounding by the cosine.
    assert set(np.flatnonzero(wave > edge + 1e-9)) <= covered <= set(np.flatnonzero(wave > edge - 1e-9))


def test_full_width_covers_everything() -> None:
    assert covered_rows(40, 30, 1.0) == list(range(30))


def test_pad_surrounds_with_black() -> None:
    image = Image.new("RGB", (100, 50), (1, 2, 3))
    padded = np.asarray(Pad(0.13, 0.25)(image))
    assert padded.shape == (50 + 2 * 12, 100 + 2 * 13, 3)
    assert (padded[12:62, 13:113] == (1, 2, 3)).all()
    assert padded.astype(int).sum() == 100 * 50 * 6


def test_a_border_below_one_pixel_is_none() -> None:
    assert Pad(0.01, 0.01)(Image.new("RGB", (99, 100))).size == (99, 102)


def test_parameters_outside_their_range_are_refused() -> None:
    for build in (lambda: OverlayStripes(0.0), lambda: OverlayStripes(1.1), lambda: Pad(-0.1, 0), lambda: Pad(0, 1.1)):
        with pytest.raises(UsageError):
            build()
