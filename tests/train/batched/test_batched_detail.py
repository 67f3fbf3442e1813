"""Sharpening and shuffled pixels of a batch against the reference."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from mixture import FUSED, SIZES, as_arrays, check, check_needs_no_values, on_canvas, pictures

from contrafake.images.transforms import Sharpen, ShufflePixels
from contrafake.train.batched.detail import sharpen, shuffle_pixels

COUNT = len(SIZES)


@settings(max_examples=20)
@given(factors=st.lists(st.floats(0, 3), min_size=COUNT, max_size=COUNT), seed=st.integers(0, 99))
def test_sharpening_gives_what_pillow_gives(factors: list[float], seed: int) -> None:
    check(sharpen, [Sharpen(factor) for factor in factors], pictures(seed), FUSED)


def test_an_image_too_thin_to_smooth_stays() -> None:
    check(sharpen, [Sharpen(2.0)] * 2, pictures(0, [(1, 40), (2, 17)]))
    check(sharpen, [Sharpen(2.0)] * 2, pictures(0, [(40, 2), (17, 1)]))


@settings(max_examples=20)
@given(
    fractions=st.lists(st.floats(0, 1) | st.sampled_from([0.0, 0.35, 1.0]), min_size=COUNT, max_size=COUNT),
    shuffles=st.lists(st.integers(0, 2**32 - 1), min_size=COUNT, max_size=COUNT),
    seed=st.integers(0, 99),
)
def test_shuffling_gives_what_the_reference_gives(fractions: list[float], shuffles: list[int], seed: int) -> None:
    check(shuffle_pixels, [ShufflePixels(*each) for each in zip(fractions, shuffles, strict=True)], pictures(seed))


def test_where_nothing_is_shuffled_nothing_changes() -> None:
    check(shuffle_pixels, [ShufflePixels(0.0, 1)] * COUNT, pictures(2))


def test_shuffling_a_whole_picture_moves_every_pixel_and_loses_none() -> None:
    places = np.arange(60 * 50)
    numbered = np.stack([places % 256, places // 256, places * 0], axis=-1).astype(np.uint8).reshape(60, 50, 3)
    after = as_arrays(shuffle_pixels(on_canvas([numbered]), [ShufflePixels(1.0, 2**32 - 1)]))[0]
    came_from = after.reshape(-1, 3)[:, 0] + 256 * after.reshape(-1, 3)[:, 1].astype(int)
    assert sorted(came_from) == places.tolist()
    assert (came_from != places).all()


def test_nothing_waits_for_the_device() -> None:
    check_needs_no_values(sharpen, [Sharpen(2.0)] * COUNT)
    check_needs_no_values(shuffle_pixels, [ShufflePixels(0.35, 1)] * COUNT)
