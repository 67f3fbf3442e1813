"""Chains of a batch against the chains of the pool."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mixture import FUSED, SIZES, pictures
from PIL import Image

from contrafake.images.transforms import (
    POOL,
    POOLS,
    Brightness,
    Grayscale,
    HorizontalFlip,
    JpegQuality,
    Operation,
    Pad,
    Resize,
    Scale,
    apply_chain,
    sample_chain,
)
from contrafake.train.batched.chains import BATCHED, apply_chains

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Invert(Operation):
    """An operation that torch knows nothing of."""

    name: ClassVar[str] = "invert"

    def __call__(self, image: Image.Image) -> Image.Image:
        return image.point(lambda value: 255 - value)

    @classmethod
    def sample(cls, rng: np.random.Generator) -> Self:
        return cls()


def planes(image: NDArray[np.uint8]) -> torch.Tensor:
    return torch.from_numpy(image.copy()).permute(2, 0, 1)


def run(images: list[NDArray[np.uint8]], chains: list[tuple[Operation, ...]]) -> list[NDArray[np.uint8]]:
    return [result.permute(1, 2, 0).numpy() for result in apply_chains([planes(image) for image in images], chains)]


def check(images: list[NDArray[np.uint8]], chains: list[tuple[Operation, ...]], tolerance: int = 0) -> None:
    for image, chain, result in zip(images, chains, run(images, chains), strict=True):
        expected = np.asarray(apply_chain(Image.fromarray(image), chain))
        assert result.shape == expected.shape, chain
        assert np.abs(result.astype(int) - expected).max() <= tolerance, chain


def test_every_operation_of_the_pool_has_a_batched_version() -> None:
    assert set(BATCHED) == set(POOL)


@pytest.mark.skipif(FUSED > 0, reason="rounding differences add up along a chain where Pillow fuses its products")
@pytest.mark.parametrize("pool", POOLS)
@settings(max_examples=5)
@given(seed=st.integers(0, 2**32 - 1))
def test_sampled_chains_give_what_pillow_gives(pool: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    check(pictures(seed), [sample_chain(rng, 4, POOLS[pool]) for _ in SIZES])


def test_an_operation_without_batched_version_runs_on_the_host() -> None:
    images = pictures(1)
    chains: list[tuple[Operation, ...]] = [(HorizontalFlip(), Invert()), (Invert(),), (Pad(0.2, 0.2), Invert()), ()] * 3
    check(images, chains, FUSED)


@pytest.mark.parametrize("chain", [(Invert(), Brightness(0.5)), (Scale(0.5), Brightness(0.5), Scale(2.0), Scale(2.0))])
def test_chains_in_any_order_and_with_repetitions(chain: tuple[Operation, ...]) -> None:
    check(pictures(2), [chain, chain[::-1], (Grayscale(),), ()] * 3, FUSED)


def test_images_are_left_alone_and_come_back_untouched_without_operations() -> None:
    images = [planes(image) for image in pictures(0)]
    before = [image.clone() for image in images]
    results = apply_chains(images, [(Brightness(1.5),), ()] * 6)
    assert all(torch.equal(image, other) for image, other in zip(images, before, strict=True))
    assert all(result is image for image, result in list(zip(images, results, strict=True))[1::2])


def test_neighbours_in_the_batch_do_not_matter() -> None:
    rng = np.random.default_rng(5)
    images, chains = pictures(5), [sample_chain(rng, 3) for _ in SIZES]
    together = run(images, chains)
    backwards = run(images[::-1], chains[::-1])[::-1]
    for image, chain, result, other in zip(images, chains, together, backwards, strict=True):
        assert np.array_equal(result, other)
        assert np.array_equal(result, run([image], [chain])[0])


def test_autocast_does_not_reach_the_operations() -> None:
    images = pictures(3)
    chains: list[tuple[Operation, ...]] = [(JpegQuality(55),), (Resize(20),)] * 6
    with torch.autocast("cpu", torch.bfloat16):
        cast = run(images, chains)
    assert all(np.array_equal(result, other) for result, other in zip(cast, run(images, chains), strict=True))
