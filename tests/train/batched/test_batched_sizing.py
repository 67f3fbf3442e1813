"""Batched operations that resize, smooth and cut: each against its namesake in the pool, and some by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mixture import FUSED, SIZES, as_arrays, check, on_canvas, pictures

from contrafake.images.transforms import (
    AspectRatio,
    Blur,
    HorizontalFlip,
    Operation,
    Pad,
    Pixelization,
    RandomCrop,
    Resize,
    Scale,
)
from contrafake.train.batched.sizing import (
    aspect_ratio,
    blur,
    horizontal_flip,
    pad,
    pixelization,
    random_crop,
    resize,
    scale,
    sizes_after,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from contrafake.train.batched.canvas import Canvas

SHARES = st.floats(0, 1)
OPERATIONS: dict[Callable[..., Canvas], st.SearchStrategy[Any]] = {
    aspect_ratio: st.floats(0.05, 20).map(AspectRatio),
    resize: st.integers(1, 90).map(Resize),
    scale: (st.floats(0.01, 2) | st.sampled_from(Scale.GRID)).map(Scale),
    pixelization: st.floats(0.02, 1).map(Pixelization),
    random_crop: st.builds(RandomCrop, st.integers(1, 90), SHARES, SHARES),
    pad: st.builds(Pad, SHARES, SHARES),
    horizontal_flip: st.just(HorizontalFlip()),
    blur: (st.floats(0.01, 3) | st.floats(3, 100)).map(Blur),
}


@pytest.mark.parametrize("function", OPERATIONS, ids=lambda function: function.__name__)
@settings(max_examples=12)
@given(data=st.data(), seed=st.integers(0, 99))
def test_gives_what_pillow_gives(function: Callable[..., Any], data: st.DataObject, seed: int) -> None:
    operations = [data.draw(OPERATIONS[function]) for _ in SIZES]
    check(function, operations, pictures(seed), FUSED)


@pytest.mark.parametrize("function", OPERATIONS, ids=lambda function: function.__name__)
@settings(max_examples=10)
@given(data=st.data())
def test_sizes_are_foretold(function: Callable[..., Any], data: st.DataObject) -> None:
    operations: list[Operation] = [data.draw(OPERATIONS[function]) for _ in SIZES]
    canvas = on_canvas(pictures(0))
    assert np.array_equal(function(canvas, operations).sizes, sizes_after(operations, canvas.sizes))


def test_blur_of_every_sampled_radius() -> None:
    rng = np.random.default_rng(0)
    image = pictures(0, [(40, 30)])[0]
    check(blur, [Blur.sample(rng) for _ in range(60)], [image] * 60)


def test_sums_of_wide_blurs_stay_exact() -> None:
    # Light pictures, whose sums are the largest, near the ties that a lost bit would tip.
    images = [np.maximum(image, 128) for image in pictures(0, [(24, 150)] * 16)]
    check(blur, [Blur(40.0 + 4 * i) for i in range(16)], images)


def test_by_hand() -> None:
    image = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)
    assert as_arrays(horizontal_flip(on_canvas([image]), [HorizontalFlip()]))[0].tolist() == image[:, ::-1].tolist()
    framed = as_arrays(pad(on_canvas([image]), [Pad(1 / 3, 0.5)]))[0]
    assert framed.shape == (4, 5, 3)
    assert framed[1:3, 1:4].tolist() == image.tolist()
    assert framed.sum() == image.sum()
    # Two rows at place 1 of 0 to 3 in a square of five: mirrored above and below.
    square = as_arrays(random_crop(on_canvas([image]), [RandomCrop(5, 0.0, 0.3)]))[0]
    assert square.tolist() == image[[0, 0, 1, 1, 0]][:, [0, 1, 2, 2, 1]].tolist()


def test_a_blurred_point_spreads_evenly() -> None:
    image = np.zeros((21, 21, 3), np.uint8)
    image[10, 10] = 255
    spread = as_arrays(blur(on_canvas([image]), [Blur(1.5)]))[0][..., 0].astype(float)
    assert np.array_equal(spread, spread[::-1])
    assert np.array_equal(spread, spread[:, ::-1])
    distances = np.arange(21) - 10
    variance = (spread.sum(axis=0) * distances**2).sum() / spread.sum()
    assert variance == pytest.approx(1.5**2, rel=0.1)
