"""The pool as a whole: what every operation keeps to, how chains are drawn, and how they are written down."""

from __future__ import annotations

import json
import pickle
from collections import Counter
from dataclasses import astuple
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from contrafake.errors import ConfigError, UsageError
from contrafake.images.transforms import (
    POOL,
    Blur,
    Operation,
    Resize,
    apply_chain,
    describe,
    from_description,
    sample_chain,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

OFFICIAL: dict[str, tuple[float, float] | NDArray[np.float64] | None] = {
    "blur": (0.1, 2.0),
    "brightness": (0.5, 2.0),
    "aspect_ratio": (0.75, 2.0),
    "pixelization": (0.3, 1.0),
    "rotation": (90.0, 270.0),
    "contrast": np.linspace(0.5, 1.5, 5),
    "saturation": np.linspace(0.5, 1.5, 5),
    "jpeg_quality": np.linspace(40, 100, 5),
    "grayscale": None,
    "horizontal_flip": None,
    "opacity": np.linspace(0.2, 1.0, 5),
    "overlay_stripes": np.linspace(0.05, 0.35, 5),
    "pad": np.linspace(0.01, 0.25, 5),
    "resize": np.linspace(64, 512, 5),
    "random_crop": np.linspace(64, 512, 5),
    "scale": np.linspace(0.5, 1.5, 5),
    "sharpen": np.linspace(1.2, 2.0, 5),
    "shuffle_pixels": np.linspace(0.0, 0.35, 5),
    "skew": np.linspace(-1.0, 1.0, 5),
}
"""Uniform ranges as pairs, 5-point grids as arrays; in the official order."""

# Upper 0.1% points of chi-square by degrees of freedom.
CHI_SQUARE = {2: 13.8, 4: 18.5, 9: 27.9, 18: 42.3}


def chi_square(counts: list[int]) -> float:
    expected = sum(counts) / len(counts)
    return sum((count - expected) ** 2 for count in counts) / expected


def noise(width: int, height: int, seed: int = 0) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8))


def test_the_pool_holds_the_nineteen_in_the_official_order() -> None:
    assert [operation.name for operation in POOL] == list(OFFICIAL)


@pytest.mark.parametrize("kind", POOL, ids=lambda kind: kind.name)
def test_parameters_are_drawn_from_the_official_range(kind: type[Operation]) -> None:
    rng = np.random.default_rng(7)
    draws = [astuple(kind.sample(rng)) for _ in range(2000)]
    official = OFFICIAL[kind.name]
    if official is None:
        assert set(draws) == {()}
        return
    values = np.array([draw[0] for draw in draws])
    if isinstance(official, tuple):
        low, high = official
        assert low <= values.min() <= values.max() <= high
        counts = np.histogram(values, bins=10, range=official)[0].tolist()
    else:
        drawn, tally = np.unique(values, return_counts=True)
        np.testing.assert_allclose(drawn, official, atol=1e-12)
        counts = tally.tolist()
    assert chi_square(counts) < CHI_SQUARE[len(counts) - 1]
    if kind.name == "pad":
        assert all(w == h for w, h in draws)


@settings(max_examples=30, deadline=None)
@given(st.sampled_from(POOL), st.integers(1, 70), st.integers(1, 70), st.integers(0, 2**32 - 1))
def test_every_operation_keeps_the_contract(kind: type[Operation], width: int, height: int, seed: int) -> None:
    operation = kind.sample(np.random.default_rng(seed))
    image = noise(width, height, seed)
    before = image.tobytes()
    first, second = operation(image), operation(image)
    assert first.mode == "RGB"
    assert min(first.size) >= 1
    assert first.size == second.size
    assert first.tobytes() == second.tobytes()
    assert image.tobytes() == before
    assert hash(operation) == hash(kind.sample(np.random.default_rng(seed)))


@pytest.mark.parametrize("kind", POOL, ids=lambda kind: kind.name)
@pytest.mark.parametrize("size", [(1, 1), (1, 40), (40, 1), (2, 3)])
def test_every_operation_survives_the_smallest_images(kind: type[Operation], size: tuple[int, int]) -> None:
    rng = np.random.default_rng(3)
    for _ in range(10):
        result = kind.sample(rng)(noise(*size))
        assert result.mode == "RGB"
        assert min(result.size) >= 1


@pytest.mark.parametrize("kind", POOL, ids=lambda kind: kind.name)
def test_every_operation_keeps_a_white_image_mostly_white(kind: type[Operation]) -> None:
    """No operation but those that add black on purpose turns white into something else."""
    rng = np.random.default_rng(11)
    for _ in range(5):
        result = np.asarray(kind.sample(rng)(Image.new("RGB", (60, 60), (255, 255, 255))))
        if kind.name == "brightness":
            assert (result == result[0, 0]).all()
        elif kind.name in {"pad", "skew"}:
            assert (result[result.shape[0] // 2, result.shape[1] // 2] == 255).all()
        else:
            assert result.min() >= 254


@pytest.mark.parametrize("most", [0, 1, 2, 4])
def test_the_number_of_operations_is_uniform(most: int) -> None:
    rng = np.random.default_rng(1)
    counts = Counter(len(sample_chain(rng, most)) for _ in range(6000))
    assert set(counts) == set(range(most + 1))
    if most in CHI_SQUARE:
        assert chi_square(list(counts.values())) < CHI_SQUARE[most]


def test_types_are_equally_likely_without_repetition_and_in_order() -> None:
    rng = np.random.default_rng(2)
    seen: Counter[int] = Counter()
    for _ in range(10_000):
        indices = [POOL.index(type(operation)) for operation in sample_chain(rng)]
        assert indices == sorted(set(indices))
        seen.update(indices)
    assert chi_square([seen[index] for index in range(19)]) < CHI_SQUARE[18]


def test_a_chain_can_hold_the_whole_pool_and_a_pool_can_be_smaller() -> None:
    rng = np.random.default_rng(4)
    chain = next(chain for chain in iter(lambda: sample_chain(rng, 19), None) if len(chain) == 19)
    assert tuple(type(operation) for operation in chain) == POOL
    assert min(apply_chain(noise(50, 40), chain).size) >= 1
    small = (Resize, Blur)
    chains = [sample_chain(rng, 2, small) for _ in range(50)]
    assert {type(operation) for chain in chains for operation in chain} == set(small)
    assert all(tuple(map(type, chain)) in {(), (Resize,), (Blur,), small} for chain in chains)


def test_the_same_generator_state_draws_the_same_chains() -> None:
    first, second = (
        [sample_chain(rng, 5) for _ in range(20)] for rng in (np.random.default_rng(9), np.random.default_rng(9))
    )
    assert first == second


@pytest.mark.parametrize("most", [-1, 20])
def test_an_impossible_number_of_operations_is_refused(most: int) -> None:
    with pytest.raises(UsageError, match="max_operations"):
        sample_chain(np.random.default_rng(0), most)


def test_a_chain_applies_one_after_another() -> None:
    image = noise(40, 30)
    chain = (Blur(1.0), Resize(64))
    assert apply_chain(image, chain).tobytes() == chain[1](chain[0](image)).tobytes()
    assert apply_chain(image, ()) is image


@pytest.mark.parametrize("image", [Image.new("L", (4, 4)), Image.new("RGBA", (4, 4)), Image.new("RGB", (0, 4))])
def test_only_rgb_images_with_pixels_are_taken(image: Image.Image) -> None:
    with pytest.raises(UsageError, match="give an RGB image"):
        apply_chain(image, ())


def test_a_description_reads_as_plain_data() -> None:
    assert describe((Blur(1.5), Resize(64))) == [
        {"name": "blur", "parameters": {"radius": 1.5}},
        {"name": "resize", "parameters": {"side": 64}},
    ]


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_a_description_survives_json_exactly(seed: int) -> None:
    chain = sample_chain(np.random.default_rng(seed), 8)
    assert from_description(json.loads(json.dumps(describe(chain)))) == chain
    assert pickle.loads(pickle.dumps(chain)) == chain  # noqa: S301  (our own bytes: loader processes send chains so)


@pytest.mark.parametrize(
    ("item", "cause"),
    [
        ({"name": "blurr", "parameters": {"radius": 1.0}}, "'blurr' is unknown"),
        ({"parameters": {"radius": 1.0}}, "None is unknown"),
        ({"name": ["blur"], "parameters": {}}, "is unknown"),
        ({"name": "blur"}, "give radius"),
        ({"name": "blur", "parameters": {}}, "give radius"),
        ({"name": "blur", "parameters": {"radius": 1.0, "sigma": 2}}, "give radius"),
        ({"name": "grayscale", "parameters": {"mode": "average"}}, "give none"),
        ({"name": "blur", "parameters": {"radius": "1"}}, "give float"),
        ({"name": "blur", "parameters": {"radius": True}}, "give float"),
        ({"name": "resize", "parameters": {"side": 64.5}}, "give int"),
        ({"name": "resize", "parameters": {"side": 0}}, r"outside \[1, 4096\]"),
    ],
)
def test_a_wrong_description_is_refused(item: dict[str, Any], cause: str) -> None:
    with pytest.raises(ConfigError, match=cause):
        from_description([item])
