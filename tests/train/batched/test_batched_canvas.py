"""Laying, cutting and grouping of images: against numpy, and what grouping promises."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mixture import as_arrays, pictures

from contrafake.train.batched import canvas as canvases
from contrafake.train.batched.canvas import MAX_CANVAS, Canvas, buckets, cut, pack, storage

WINDOWS = st.lists(
    st.tuples(st.integers(-70, 70), st.integers(-70, 70), st.integers(1, 40), st.integers(1, 40)),
    min_size=12,
    max_size=12,
)
SIDES = st.integers(1, 3000)


def tensors(seed: int) -> list[torch.Tensor]:
    """Channels first in memory, and last, by turns."""
    made = []
    for i, image in enumerate(pictures(seed)):
        planes = torch.from_numpy(image.copy()).permute(2, 0, 1)
        made.append(planes if i % 2 else planes.contiguous())
    return made


@settings(max_examples=30)
@given(windows=WINDOWS, packed=st.booleans(), at_once=st.sampled_from([1, 3000, 2**24]), seed=st.integers(0, 9))
def test_windows_are_those_of_the_image_mirrored_without_end(
    windows: list[tuple[int, int, int, int]], packed: bool, at_once: int, seed: int
) -> None:
    images = tensors(seed)
    given_images = pack(images) if packed else images
    places = np.array(windows, np.int64)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(canvases, "_TAKEN_AT_ONCE", at_once)
        found = as_arrays(cut(given_images, places[:, :2], places[:, 2:]))
    for image, (top, left, height, width), result in zip(images, windows, found, strict=True):
        around = 120
        wide = np.pad(image.permute(1, 2, 0).numpy(), ((around, around), (around, around), (0, 0)), mode="symmetric")
        expected = wide[around + top : around + top + height, around + left : around + left + width]
        assert np.array_equal(result, expected)


def test_images_come_back_from_a_canvas() -> None:
    images = tensors(3)
    again = Canvas.of(images).images()
    assert all(torch.equal(image, other) for image, other in zip(images, again, strict=True))
    relaid = Canvas.of(again[::-1]).images()[::-1]
    assert all(torch.equal(image, other) for image, other in zip(images, relaid, strict=True))


def test_inside() -> None:
    inside = Canvas(torch.zeros((2, 3, 2, 3), dtype=torch.uint8), np.array([(1, 2), (2, 3)])).inside()
    assert inside.int().tolist() == [[[[1, 1, 0], [0, 0, 0]]], [[[1, 1, 1], [1, 1, 1]]]]


def test_only_the_window_is_read() -> None:
    # 3 TB, if anything touched it all.
    image = torch.full((1, 1, 1), 7, dtype=torch.uint8).expand(3, 1_000_000, 1_000_000)
    window = cut([image], np.array([(999_990, 999_980)]), np.array([(20, 30)])).pixels
    assert window.shape == (1, 3, 20, 30)
    assert (window == 7).all()


def test_packed_images_are_equal_and_lie_together() -> None:
    images = tensors(0)
    packed = pack(images)
    assert len({storage(image) for image in packed}) == 1
    assert all(torch.equal(image, other) for image, other in zip(images, packed, strict=True))
    assert all(image is other for image, other in zip(packed, pack(packed), strict=True))


@given(st.lists(st.tuples(SIDES, SIDES, SIDES, SIDES), max_size=60))
def test_buckets_hold_each_image_once_and_waste_little(sizes: list[tuple[int, int, int, int]]) -> None:
    pairs = np.array(sizes, np.int64).reshape(-1, 4)
    found = buckets(pairs[:, :2], pairs[:, 2:])
    assert sorted(place for bucket in found for place in bucket) == list(range(len(sizes)))
    own = (pairs[:, 0] * pairs[:, 1] + pairs[:, 2] * pairs[:, 3]).sum()
    padded = 0
    for bucket in found:
        sides = pairs[bucket].max(axis=0)
        area = len(bucket) * int(sides[0] * sides[1] + sides[2] * sides[3])
        assert area <= MAX_CANVAS or len(bucket) == 1
        padded += area
    assert padded <= own + 2**20 * (len(sizes) - len(found))


def test_buckets_keep_equal_images_together_and_large_ones_apart() -> None:
    sizes = np.array([(224, 224), (3000, 4000), (224, 224), (220, 210), (3000, 3900)] + [(224, 224)] * 40)
    found = {frozenset(bucket) for bucket in buckets(sizes, sizes)}
    assert found == {frozenset({1}), frozenset({4}), frozenset({0, 2, 3, *range(5, 45)})}
