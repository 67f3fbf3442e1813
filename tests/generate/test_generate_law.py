"""The law of a record: encodings, an earlier compression on the real image's grid, and the factor."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from hashlib import blake2b
from pathlib import Path
from typing import Any

import pytest

from contrafake.generate.config import LawSettings
from contrafake.generate.job import Compression
from contrafake.generate.law import RecordLaw, draw_law, draws, earlier_compression, final_encoding
from contrafake.generate.record import RealFacts

CAMERA = RealFacts(640, 480, "JPEG", True, 83, "4:2:0", (0, 0), 1000, "00")


def law_of(facts: RealFacts = CAMERA, record: str = "r", **law: Any) -> RecordLaw:
    drawn = draw_law(LawSettings(**law), facts, draws(7, record))
    assert isinstance(drawn, RecordLaw)
    return drawn


def test_draws_are_even_and_belong_to_seed_record_generator_and_purpose() -> None:
    drawn = sorted(draws(1, f"record {i}")("factor") for i in range(1000))
    assert max(abs(value - (i + 0.5) / 1000) for i, value in enumerate(drawn)) < 1.63 / math.sqrt(1000)  # 1 % level
    names = [(1, "a", ""), (2, "a", ""), (1, "b", ""), (1, "a", "g"), (1, "", "a"), (1, "\udcff", "")]
    found = {draws(*name)(purpose) for name in names for purpose in ("factor", "quality")}
    assert len(found) == 2 * len(names)
    assert draws(1, "a")("factor") == draws(1, "a")("factor")


def test_a_draw_is_what_it_has_always_been() -> None:
    number = int(blake2b(b'[42, "r", "", "quality"]', digest_size=8).hexdigest(), 16)
    assert draws(42, "r")("quality") == (number >> 11) / 2**53 == 0.553579226669442


def test_the_earlier_compression_is_the_real_images_on_its_grid() -> None:
    frame = (21, 40, 277, 296)
    assert earlier_compression(CAMERA, frame) == Compression("JPEG", 83, "4:2:0", (5, 8))
    turned = replace(CAMERA, grid=(7, 13), subsampling="4:4:4")
    assert earlier_compression(turned, frame) == Compression("JPEG", 83, "4:4:4", (14, 11))
    assert earlier_compression(replace(CAMERA, format="WEBP", quality=-1), frame) == Compression(
        "WEBP", 80, None, (5, 8)
    )
    avif = replace(CAMERA, quality=-1)  # passed on as a JPEG
    assert earlier_compression(avif, frame) == Compression("JPEG", 95, "4:2:0", (5, 8))
    assert earlier_compression(replace(CAMERA, format="PNG", lossy=False, quality=-1), frame) is None


def test_the_final_encoding_is_the_real_images_own() -> None:
    assert law_of().final == Compression("JPEG", 83, "4:2:0")
    assert law_of(replace(CAMERA, subsampling="4:2:2")).final == Compression("JPEG", 83, "4:2:2")
    assert law_of(replace(CAMERA, format="PNG", lossy=False, quality=-1)).final == Compression("PNG")
    assert law_of(format="png").final == Compression("PNG")


@pytest.mark.parametrize(
    ("facts", "law", "bounds"),
    [
        (replace(CAMERA, format="WEBP", quality=-1), {}, (75, 95)),
        (replace(CAMERA, quality=-1), {}, (75, 95)),
        (CAMERA, {"format": "webp"}, (75, 95)),
        (CAMERA, {"quality": (40, 42)}, (40, 42)),
    ],
)
def test_a_quality_that_is_not_known_is_drawn(facts: RealFacts, law: dict[str, Any], bounds: tuple[int, int]) -> None:
    finals = [law_of(facts, f"record {i}", **law).final for i in range(200)]
    qualities = {final.quality for final in finals if final}
    low, high = bounds
    assert qualities == set(range(low, high + 1))
    wanted = law.get("format", facts.format).upper()
    assert {final.format for final in finals if final} == {wanted}


def test_factors_are_even_on_a_logarithmic_axis_and_keep_64_pixels() -> None:
    factors = sorted(law_of(record=f"{i}", factor=(0.25, 1.0)).factor for i in range(600))
    assert 0.25 <= factors[0] <= factors[-1] <= 1
    assert abs(factors[300] - 0.5) < 0.06  # the geometric middle
    small = replace(CAMERA, width=110, height=110)
    for i in range(50):
        drawn = law_of(small, f"{i}", factor=(0.1, 0.2))
        assert drawn.frame[2] - drawn.frame[0] == 80
        assert drawn.factor == pytest.approx(0.8)
    assert law_of().factor == 1


def test_the_d3_law_leaves_the_real_image_alone() -> None:
    drawn = law_of(kind="d3", factor=(0.5, 0.6), quality=(50, 60))
    assert (drawn.factor, drawn.earlier, drawn.final) == (1.0, None, None)
    assert drawn.frame == law_of().frame


def test_other_subsamplings_become_the_usual_one() -> None:
    assert final_encoding(LawSettings(), "JPEG", 70, "4:1:1", draws(0, "")) == Compression("JPEG", 70, "4:2:0")


def test_the_settings_on_the_page_are_the_defaults() -> None:
    yaml = pytest.importorskip("yaml")
    page = Path(__file__).parents[2] / "docs" / "generation" / "law.md"
    [block] = re.findall(r"```yaml\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    shown = yaml.safe_load(block)["law"]
    assert set(shown) == set(LawSettings.model_fields)
    assert LawSettings.model_validate(shown) == LawSettings()
