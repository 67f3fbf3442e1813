"""The extended pool as a whole: its order, what each operation keeps to, how chains are written down, and the page."""

from __future__ import annotations

import json
import pickle
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, features

from contrafake.errors import ConfigError
from contrafake.images.transforms import (
    EXTENDED,
    POOL,
    POOLS,
    DoubleJpeg,
    GaussianNoise,
    Operation,
    Rescale,
    apply_chain,
    describe,
    from_description,
    sample_chain,
)

ROOT = Path(__file__).parents[3]
OURS = EXTENDED[len(POOL) :]
AVIF = ["avif_quality"] if features.check("avif") else []


def picture(width: int, height: int, seed: int = 0) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8))


def test_ours_follow_the_official_ones_and_re_encoding_comes_last() -> None:
    assert EXTENDED[:19] == POOL
    assert [kind.name for kind in OURS] == [
        "gaussian_noise", "rescale", "screenshot", "double_jpeg", "webp_quality", *AVIF,
    ]  # fmt: skip
    assert POOLS == {"official": POOL, "extended": EXTENDED}
    assert len({kind.name for kind in EXTENDED}) == len(EXTENDED)


def test_avif_is_left_out_where_pillow_lacks_the_codec() -> None:
    code = (
        "from PIL import features\n"
        "features.check = lambda name: name != 'avif'\n"
        "from contrafake.images.transforms import EXTENDED\n"
        "print(*(kind.name for kind in EXTENDED[19:]))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["gaussian_noise", "rescale", "screenshot", "double_jpeg", "webp_quality"]


@settings(max_examples=120, deadline=None)
@given(st.sampled_from(OURS), st.integers(1, 80), st.integers(1, 80), st.integers(0, 2**32 - 1))
def test_every_operation_keeps_the_contract(kind: type[Operation], width: int, height: int, seed: int) -> None:
    operation = kind.sample(np.random.default_rng(seed))
    image = picture(width, height, seed)
    before = image.tobytes()
    first, second = operation(image), operation(image)
    assert first.mode == "RGB"
    assert min(first.size) >= 1
    assert first.size == second.size
    assert first.tobytes() == second.tobytes()
    assert image.tobytes() == before
    assert operation == kind.sample(np.random.default_rng(seed))
    assert hash(operation) == hash(kind.sample(np.random.default_rng(seed)))


@pytest.mark.parametrize("kind", OURS, ids=lambda kind: kind.name)
@pytest.mark.parametrize("size", [(1, 1), (1, 40), (40, 1), (2, 3)])
def test_every_operation_survives_the_smallest_images(kind: type[Operation], size: tuple[int, int]) -> None:
    rng = np.random.default_rng(3)
    for _ in range(10):
        result = kind.sample(rng)(picture(*size))
        assert result.mode == "RGB"
        assert min(result.size) >= 1


@pytest.mark.parametrize("kind", [kind for kind in OURS if kind is not GaussianNoise], ids=lambda kind: kind.name)
@pytest.mark.parametrize("level", [0, 255])
def test_a_flat_image_stays_flat_inside(kind: type[Operation], level: int) -> None:
    rng = np.random.default_rng(11)
    for _ in range(5):
        result = np.asarray(kind.sample(rng)(Image.new("RGB", (200, 200), (level,) * 3)), dtype=int)
        # Beyond the frame of a screenshot and the blocks that it touches.
        inside = result[20:-20, 20:-20]
        assert inside.size
        assert np.abs(inside - level).max() <= 1


def test_chains_keep_to_the_order_of_the_extended_pool() -> None:
    rng = np.random.default_rng(2)
    seen: set[type[Operation]] = set()
    for _ in range(1500):
        indices = [EXTENDED.index(type(operation)) for operation in sample_chain(rng, 5, EXTENDED)]
        assert indices == sorted(set(indices))
        seen.update(EXTENDED[index] for index in indices)
    assert seen == set(EXTENDED)


def test_a_chain_can_hold_the_whole_pool() -> None:
    chain = tuple(kind.sample(np.random.default_rng(6)) for kind in EXTENDED)
    assert min(apply_chain(picture(50, 40), chain).size) >= 1


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_a_description_survives_json_exactly(seed: int) -> None:
    chain = sample_chain(np.random.default_rng(seed), len(EXTENDED), EXTENDED)
    again = from_description(json.loads(json.dumps(describe(chain))), EXTENDED)
    assert again == chain
    assert [[type(value) for value in vars(one).values()] for one in again] == [
        [type(value) for value in vars(one).values()] for one in chain
    ]
    assert pickle.loads(pickle.dumps(chain)) == chain  # noqa: S301  (our own bytes: loader processes send chains so)


def test_a_description_reads_as_plain_data() -> None:
    chain = (GaussianNoise(2.5, False, 7), Rescale(0.5, "box"), DoubleJpeg(90, "4:4:4", 3, 0, 1.0, 70, "4:2:0"))
    assert describe(chain) == [
        {"name": "gaussian_noise", "parameters": {"sigma": 2.5, "per_channel": False, "seed": 7}},
        {"name": "rescale", "parameters": {"factor": 0.5, "filter": "box"}},
        {
            "name": "double_jpeg",
            "parameters": {
                "first_quality": 90,
                "first_subsampling": "4:4:4",
                "left": 3,
                "top": 0,
                "factor": 1.0,
                "second_quality": 70,
                "second_subsampling": "4:2:0",
            },
        },
    ]


@pytest.mark.parametrize(
    ("item", "cause"),
    [
        ({"name": "rescale", "parameters": {"factor": 0.5, "filter": "hamming"}}, "none of nearest"),
        ({"name": "rescale", "parameters": {"factor": 0.5, "filter": 3}}, "give str"),
        ({"name": "rescale", "parameters": {"factor": "0.5", "filter": "box"}}, "give float"),
        ({"name": "gaussian_noise", "parameters": {"sigma": 1.0, "per_channel": 1, "seed": 1}}, "give bool"),
        ({"name": "gaussian_noise", "parameters": {"sigma": 1.0, "per_channel": True, "seed": True}}, "give int"),
        ({"name": "webp_quality", "parameters": {"quality": 70.5}}, "give int"),
        ({"name": "webp_quality", "parameters": {"quality": 101}}, r"outside \[0, 100\]"),
    ],
)
def test_a_wrong_description_is_refused(item: dict[str, Any], cause: str) -> None:
    with pytest.raises(ConfigError, match=cause):
        from_description([item], EXTENDED)


def test_the_official_pool_knows_none_of_ours() -> None:
    with pytest.raises(ConfigError, match="'rescale' is unknown"):
        from_description(describe([Rescale(0.5, "box")]))


def test_the_tables_of_costs_are_those_of_the_results_file() -> None:
    page = (ROOT / "docs" / "transformations.md").read_text(encoding="utf-8")
    found = json.loads((ROOT / "benchmarks" / "results" / "transform_cost.json").read_text(encoding="utf-8"))
    chapter = page[page.index("## What they cost") :]
    shown = {
        name: cells
        for name, *cells in re.findall(
            r"^\| ([^|]+) \| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \|$", chapter, re.MULTILINE
        )
    }
    measured = {
        name: [f"{sides[side][key]:.2f}" for side in ("224", "512") for key in ("mean_ms", "slowest_ms")]
        for name, sides in {**found["operations"], **found["chains"]}.items()
    }
    assert shown == measured
    assert {kind.name for kind in EXTENDED} <= found["operations"].keys()


def test_the_page_describes_each_of_ours_and_its_example_runs(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "transformations.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE) == [
        "gaussian_noise", "rescale", "screenshot", "double_jpeg", "webp_quality", "avif_quality",
    ]  # fmt: skip
    [block] = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    done = subprocess.run([sys.executable, "-c", block], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "'parameters': {" in done.stdout
    with Image.open(tmp_path / "changed.png") as changed:
        assert changed.mode == "RGB"
