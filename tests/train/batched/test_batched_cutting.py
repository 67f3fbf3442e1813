"""The views of a batch against `cut_view`, plan by plan."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mixture import FUSED, pictures

from contrafake.images.transforms import Brightness
from contrafake.train.batched import cutting
from contrafake.train.batched.canvas import pack
from contrafake.train.batched.cutting import cut_views
from contrafake.train.config import ViewConfig
from contrafake.train.views import ViewPlan, cut_view, draw_views

SIZES = [(50, 70), (64, 64), (33, 20), (1, 1), (90, 13), (7, 80), (64, 64)]
SIDE = 32
CONFIGS = [
    ViewConfig(max_operations=3, native_locals=2, native_size=24),
    ViewConfig(max_operations=1, native_locals=1, native_size=60),
    ViewConfig(max_operations=2, native_locals=1, native_size=SIDE, geometry="resize-crop"),
    ViewConfig(max_operations=0, geometry="resize-crop", crop_pct=0.5),
]


def batch(config: ViewConfig, seed: int) -> tuple[list[torch.Tensor], list[tuple[ViewPlan, ...]]]:
    rng = np.random.default_rng(seed)
    images = [torch.from_numpy(image.copy()) for image in pictures(seed, SIZES)]
    return images, [draw_views(config, image.shape[0], image.shape[1], SIDE, rng) for image in images]


def same(some: list[torch.Tensor], others: list[torch.Tensor]) -> bool:
    return all(torch.equal(one, other) for one, other in zip(some, others, strict=True))


@pytest.mark.skipif(FUSED > 0, reason="rounding differences add up along a chain where Pillow fuses its products")
@pytest.mark.parametrize("config", CONFIGS)
@settings(max_examples=4)
@given(seed=st.integers(0, 2**32 - 1))
def test_views_are_those_of_pillow(config: ViewConfig, seed: int) -> None:
    images, plans = batch(config, seed)
    views = cut_views(images, plans, config)
    assert len(views) == 4 + config.native_locals
    for place, found in enumerate(views):
        size = plans[0][place].size
        assert found.dtype == torch.uint8
        assert found.shape == (len(images), size, size, 3)
        for image, mine, view in zip(images, plans, found.numpy(), strict=True):
            assert np.array_equal(view, cut_view(image.numpy(), mine[place], config)), (mine[place], image.shape)


def test_a_box_of_another_size_takes_the_final_step() -> None:
    image = torch.from_numpy(pictures(2, [(50, 60)])[0].copy())
    small = ViewPlan("native", SIDE, (3, 4, 23, 34), False, (), (0.3, 0.8))
    bright = replace(small, chain=(Brightness(0.7),))
    for config in CONFIGS:
        views = cut_views([image], [(small, bright)], config)
        for plan, view in zip((small, bright), views, strict=True):
            assert np.array_equal(view[0].numpy(), cut_view(image.numpy(), plan, config))


def test_neither_order_nor_storage_nor_portions_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    images, plans = batch(CONFIGS[0], 3)
    views = cut_views(images, plans, CONFIGS[0])
    assert same(cut_views(pack(images), plans, CONFIGS[0]), views)
    backwards = cut_views(images[::-1], plans[::-1], CONFIGS[0])
    assert same([found.flip(0) for found in backwards], views)
    monkeypatch.setattr(cutting, "_TOGETHER", 5000)
    assert same(cut_views(images, plans, CONFIGS[0]), views)


def test_of_a_giant_only_the_boxes_are_read() -> None:
    # 3 TB, if anything touched it all.
    image = torch.tensor([10, 20, 30], dtype=torch.uint8).expand(1_000_000, 1_000_000, 3)
    plans = (
        ViewPlan("clean", SIDE, None, False, (), (0.9, 0.999)),
        ViewPlan("local", SIDE, (999_000, 5, 999_100, 155), True, (), (0.0, 0.0)),
        ViewPlan("native", SIDE, (999_968, 999_968, 1_000_000, 1_000_000), False, (Brightness(2.0),), (0.0, 0.0)),
    )
    views = cut_views([image], [plans], ViewConfig())
    assert [np.unique(view.numpy().reshape(-1, 3), axis=0).tolist() for view in views] == [[[10, 20, 30]]] * 2 + [
        [[20, 40, 60]]
    ]


def test_nothing_waits_for_the_device() -> None:
    # Where pixels have no values, whatever asks for one fails.
    images, plans = batch(CONFIGS[0], 1)
    views = cut_views([image.to("meta") for image in images], plans, CONFIGS[0])
    assert [view.shape[1] for view in views] == [SIDE] * 4 + [24] * 2
