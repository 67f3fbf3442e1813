"""Masks for inpainting."""

from __future__ import annotations

from collections import deque

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contrafake.generate.generators.mask import draw_mask


@settings(max_examples=60)
@given(
    height=st.integers(16, 200),
    width=st.integers(16, 200),
    ends=st.tuples(st.floats(0.02, 0.9), st.floats(0.02, 0.9)),
    seed=st.integers(0, 2**32 - 1),
)
def test_a_mask_takes_the_share_that_is_asked_for(
    height: int, width: int, ends: tuple[float, float], seed: int
) -> None:
    area = (min(ends), max(ends))
    mask = draw_mask(height, width, area, seed)
    assert mask.shape == (height, width)
    assert mask.dtype == np.bool_
    # To a pixel: a narrow range may hold no whole number of them.
    assert area[0] * mask.size - 1 <= mask.sum() <= area[1] * mask.size + 1
    np.testing.assert_array_equal(mask, draw_mask(height, width, area, seed))


@pytest.mark.parametrize("seed", range(20))
def test_a_mask_is_one_region(seed: int) -> None:
    mask = draw_mask(48, 64, (0.05, 0.4), seed)
    waiting, seen = deque([tuple(np.argwhere(mask)[0])]), np.zeros_like(mask)
    while waiting:
        y, x = waiting.popleft()
        if not (0 <= y < 48 and 0 <= x < 64) or seen[y, x] or not mask[y, x]:
            continue
        seen[y, x] = True
        waiting.extend((y + dy, x + dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1))
    np.testing.assert_array_equal(seen, mask)


def test_masks_differ_in_place_share_and_shape() -> None:
    masks = [draw_mask(64, 64, (0.05, 0.4), seed) for seed in range(60)]
    shares = np.array([mask.mean() for mask in masks])
    assert shares.min() < 0.12
    assert shares.max() > 0.33
    assert len({mask.tobytes() for mask in masks}) == 60
    # Rectangles fill their bounding box, ellipses pi/4 of it, strokes less.
    filled = []
    for mask in masks:
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        filled.append(mask.sum() / (np.ptp(rows) + 1) / (np.ptp(columns) + 1))
    counts = np.histogram(filled, [0, 0.74, 0.88, 1.01])[0]
    assert counts.min() >= 6
