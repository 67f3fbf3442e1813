"""Stripes over a batch against the reference."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from mixture import SIZES, as_arrays, check, check_needs_no_values, on_canvas, pictures

from contrafake.images.transforms import OverlayStripes
from contrafake.train.batched.overlay import overlay_stripes

WIDTHS = st.floats(0, 1, exclude_min=True) | st.sampled_from([*OverlayStripes.GRID, 0.5, 1.0])


@settings(max_examples=40)
@given(widths=st.lists(WIDTHS, min_size=len(SIZES), max_size=len(SIZES)), seed=st.integers(0, 99))
def test_stripes_give_what_the_reference_gives(widths: list[float], seed: int) -> None:
    check(overlay_stripes, [OverlayStripes(width) for width in widths], pictures(seed))


def test_stripes_of_a_square_lie_at_its_edges_and_middle() -> None:
    # Every 10 rows of 20 and 2 wide: rows as far as 1 from 0, 10 and 20, both ends included.
    black = np.zeros((20, 20, 3), np.uint8)
    striped = as_arrays(overlay_stripes(on_canvas([black]), [OverlayStripes(0.2)]))[0]
    assert np.flatnonzero(striped[:, 0, 0]).tolist() == [0, 1, 9, 10, 11, 19]
    assert set(np.unique(striped)) == {0, 255}


def test_nothing_waits_for_the_device() -> None:
    check_needs_no_values(overlay_stripes, [OverlayStripes(0.2)] * len(SIZES))
