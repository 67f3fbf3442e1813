from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from contrafake.data.matching.chain import run_chain
from contrafake.data.matching.law import BORDER, PERIOD, PLAN, SHIFT
from contrafake.images import jpeg_facts, read

JPEG, WEBP, PNG, NONE = 0, 1, 2, -1


def plan(**values: Any) -> Any:
    row = np.zeros(1, PLAN)
    row["factor"], row["earlier_format"], row["format"], row["quality"] = 1, NONE, PNG, -1
    for name, value in values.items():
        row[name] = value
    return row[0]


def noise(height: int, width: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_a_file_gets_the_size_quality_and_subsampling_it_was_promised() -> None:
    row = plan(width=73, height=53, factor=0.5, earlier_format=JPEG, earlier_quality=70, earlier_subsampling=0)
    row["format"], row["quality"], row["subsampling"] = JPEG, 88, 1
    data, steps = run_chain(noise(160, 200), row, np.random.default_rng(3))
    facts = jpeg_facts(data)
    assert (facts.width, facts.height, facts.quality, facts.subsampling) == (73, 53, 88, "4:2:2")
    assert [step["step"] for step in steps] == ["compress", "resize", "crop", "encode"]
    assert {name: steps[0][name] for name in ("format", "quality", "subsampling")} == {
        "format": "JPEG",
        "quality": 70,
        "subsampling": "4:4:4",
    }
    assert steps[1]["factor"] == 0.5
    with Image.open(io.BytesIO(data)) as image:
        assert "exif" not in image.info
        assert "icc_profile" not in image.info


def test_without_scaling_or_loss_the_result_is_a_cut_of_the_original() -> None:
    pixels = noise(90, 120)
    data, steps = run_chain(pixels, plan(width=80, height=60, across=0.4, down=0.9), np.random.default_rng(1))
    left, top, right, bottom = steps[0]["box"]
    assert np.array_equal(read(data).pixels, pixels[top:bottom, left:right])
    assert [step["step"] for step in steps] == ["crop", "encode"]


def test_the_added_compression_is_what_an_encoder_makes_of_the_shifted_picture() -> None:
    pixels = noise(90, 120)
    row = plan(width=70, height=50, earlier_format=JPEG, earlier_quality=60, earlier_subsampling=2)
    data, steps = run_chain(pixels, row, np.random.default_rng(5))
    across, down = steps[0]["shift"]
    file = io.BytesIO()
    Image.fromarray(pixels[down:, across:]).save(file, "JPEG", quality=60, subsampling=2)
    left, top, right, bottom = steps[1]["box"]
    assert np.array_equal(read(data).pixels, read(file.getvalue()).pixels[top:bottom, left:right])


@pytest.mark.parametrize("factor", [0.5, 0.73, 1.3])
def test_scaling_is_exact_and_in_place(factor: float) -> None:
    # A ramp tells where each pixel came from: sample x of the scaled image lies at (x + 1/2) / factor - 1/2.
    ramp = np.broadcast_to(np.arange(0, 250, dtype=np.uint8)[None, :, None], (120, 250, 3)).copy()
    data, steps = run_chain(ramp, plan(width=60, height=20, factor=factor, across=0.5), np.random.default_rng(2))
    left = steps[1]["box"][0]
    expected = (left + np.arange(60) + 0.5) / factor - 0.5
    assert np.abs(read(data).pixels[10, :, 0] - expected).max() <= 0.6


@given(
    width=st.integers(80, 300),
    height=st.integers(80, 300),
    factor=st.floats(0.6, 1.0),
    across=st.floats(0, 1, exclude_max=True),
    down=st.floats(0, 1, exclude_max=True),
    seed=st.integers(0, 99),
)
def test_no_cut_touches_the_border(
    *, width: int, height: int, factor: float, across: float, down: float, seed: int
) -> None:
    lost = 2 * BORDER + PERIOD - 1
    cut = int(factor * (width - SHIFT + 1)) - lost, int(factor * (height - SHIFT + 1)) - lost
    row = plan(width=cut[0], height=cut[1], factor=factor, across=across, down=down)
    row["earlier_format"], row["earlier_quality"] = JPEG, 80
    data, steps = run_chain(noise(height, width), row, np.random.default_rng(seed))
    left, top, right, bottom = next(step["box"] for step in steps if step["step"] == "crop")
    assert min(left, top) >= BORDER
    assert right <= factor * (width - steps[0]["shift"][0]) - BORDER
    assert bottom <= factor * (height - steps[0]["shift"][1]) - BORDER
    assert read(data).pixels.shape == (cut[1], cut[0], 3)


def test_every_phase_of_both_grids_comes_about_evenly() -> None:
    row = plan(width=9, height=9, earlier_format=JPEG, earlier_quality=50)
    lefts, shifts = [], []
    for seed in range(800):
        _, steps = run_chain(noise(48, 48), row, np.random.default_rng(seed))
        shifts.append(steps[0]["shift"][0])
        lefts.append(steps[1]["box"][0] % PERIOD)
    # 800 draws: 50 for each of 16 phases, standard deviation 6.8; 100 for each of 8 shifts, standard deviation 9.4.
    assert np.abs(np.bincount(lefts, minlength=16) - 50).max() < 5 * 6.8
    assert np.abs(np.bincount(shifts, minlength=8) - 100).max() < 5 * 9.4


def test_place_in_the_picture_is_the_cells_and_not_the_images() -> None:
    row = plan(width=50, height=50, across=0.99, down=0.01)
    _, steps = run_chain(noise(200, 200), row, np.random.default_rng(0))
    left, top, *_ = steps[0]["box"]
    # Room: 200 - 50 - 8 + 1 = 143 offsets, 8 whole periods of 16; the last begins at 4 + 112.
    assert 4 + 112 <= left < 4 + 128
    assert 4 <= top < 4 + 16
