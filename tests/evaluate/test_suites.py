"""Names of variants: what they build, what they refuse, and that every variant takes any image, the same each time."""

from __future__ import annotations

import io
import json
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from contrafake.errors import UsageError
from contrafake.evaluate.recipes import RECIPES, Recipe
from contrafake.evaluate.suites import SUITES, describe_variants, parse_variants
from contrafake.evaluate.variant import UNTOUCHED, Variant
from contrafake.evaluate.variant_names import FORMS
from contrafake.images.transforms import (
    EVERY,
    POOL,
    AvifQuality,
    CentreCrop,
    DoubleJpeg,
    GaussianNoise,
    JpegQuality,
    LongestSide,
    Rescale,
    Screenshot,
    WebpQuality,
    sample_chain,
)

EXTRA = ("transformed-extended-k5-seed11", "operation-screenshot", "operation-double-jpeg-seed3", "resize-3-box")
ALL = parse_variants([*SUITES, *EXTRA])
BY_NAME = {variant.name: variant for variant in ALL}


def picture(width: int, height: int, seed: int = 4) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8))


def jpeg(image: Image.Image, quality: int) -> Image.Image:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return Image.open(buffer).convert("RGB")


def names(*given: str) -> list[str]:
    return [variant.name for variant in parse_variants(given)]


def only(name: str) -> Variant:
    [_, variant] = parse_variants([name])
    return variant


def test_untouched_comes_first_and_nothing_twice() -> None:
    assert names() == ["untouched"]
    assert names("standard") == ["untouched", "jpeg-90"]
    assert names("paper") == ["untouched", "transformed"]
    assert names("jpeg-75", "standard", "untouched", "jpeg-75") == ["untouched", "jpeg-75", "jpeg-90"]
    assert names("messenger, webp-80", "standard,blur-1") == ["untouched", "messenger", "webp-80", "jpeg-90", "blur-1"]
    assert parse_variants(["standard"])[0] is UNTOUCHED


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        ("jpeg-075", "jpeg-75"),
        ("resize-0.50", "resize-0.5"),
        ("resize-0.5-bicubic", "resize-0.5"),
        ("transformed-k2-seed7", "transformed"),
        ("operation-blur-seed7", "operation-blur"),
        ("crop-75.0", "crop-75"),
    ],
)
def test_two_spellings_are_one_variant(written: str, canonical: str) -> None:
    assert parse_variants([written, canonical]) == parse_variants([canonical])
    assert only(written).name == canonical


def test_names_build_what_they_say() -> None:
    assert only("jpeg-75").chain == (JpegQuality(75),)
    assert only("webp-80").chain == (WebpQuality(80),)
    assert only("resize-0.5").chain == (Rescale(0.5, "bicubic"),)
    assert only("resize-1.5-lanczos").chain == (Rescale(1.5, "lanczos"),)
    assert only("crop-50").chain == (CentreCrop(0.5),)
    assert only("double-jpeg-90-75").chain == (JpegQuality(90), JpegQuality(75))
    assert only("double-jpeg-90-75-shifted").chain == (DoubleJpeg(90, "4:2:0", 3, 5, 1.0, 75, "4:2:0"),)
    assert only("messenger").chain == (LongestSide(1600, "bilinear"), JpegQuality(70))
    assert (only("jpeg-75").group, only("jpeg-75").value) == ("jpeg", 75)
    assert (only("resize-0.5-box").group, only("resize-0.5-box").value) == ("resize", 0.5)


def test_the_sweep_has_what_it_promises() -> None:
    sweep = parse_variants(["robustness"])
    values = {group: sorted({v.value or 0 for v in sweep if v.group == group}) for group in ("jpeg", "resize", "noise")}
    assert values["jpeg"] == [30, 40, 50, 60, 70, 75, 80, 90, 95, 100]
    assert values["resize"] == [0.25, 0.5, 0.75, 1.25, 1.5, 2]
    assert values["noise"] == [2, 5, 10]
    chains = [v.chain[0] for v in sweep if v.group == "resize"]
    kernels = {step.filter for step in chains if isinstance(step, Rescale)}
    assert kernels == {"nearest", "box", "bilinear", "bicubic", "lanczos"}
    groups = {v.group for v in sweep}
    assert groups - {"avif"} == {"", "jpeg", "webp", "resize", "crop", "blur", "noise", "double", "screenshot"}
    assert ("avif" in groups) == AvifQuality.available()
    operations = parse_variants(["operations"])
    assert [v.draw.operation for v in operations if v.draw is not None] == [kind.name for kind in POOL]
    assert names("delivery") == ["untouched", *(recipe.name for recipe in RECIPES)]


@pytest.mark.parametrize(
    ("name", "nearest"), [("jpg-75", "jpeg-75"), ("robustnes", "robustness"), ("operation-blurr", "operation-blur")]
)
def test_an_unknown_name_is_refused_with_the_nearest(name: str, nearest: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_variants(["standard", name])
    assert caught.value.subject == name
    assert f"the nearest is {nearest};" in caught.value.remedy
    assert "--list-variants" in caught.value.remedy


@pytest.mark.parametrize(
    "name",
    ["", "jpeg", "jpeg-", "jpeg-7 5", "jpeg-٧٥", "resize-0.5-cubic", "noise--2", "../jpeg-75", "blur-1e9"],
)
def test_what_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="no such variant"):
        parse_variants([name])


@pytest.mark.parametrize(
    "name", ["jpeg-101", "crop-0", "crop-101", "blur-0", "noise-101", "resize-0", "screenshot-9", "transformed-k20"]
)
def test_a_value_out_of_range_is_refused_under_its_name(name: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_variants([name])
    assert caught.value.subject == name


@given(st.sampled_from(ALL), st.sampled_from([(1, 1), (7, 5), (1, 40), (300, 200)]), st.text(max_size=8))
@settings(max_examples=200)
def test_every_variant_takes_any_image_and_does_the_same_each_time(
    variant: Variant, size: tuple[int, int], key: str
) -> None:
    image = picture(*size)
    before = image.tobytes()
    found, again = variant(image, key), variant(image.copy(), key)
    assert found.mode == "RGB"
    assert min(found.size) >= 1
    assert (found.size, found.tobytes()) == (again.size, again.tobytes())
    assert image.tobytes() == before


@pytest.mark.parametrize("variant", ALL, ids=lambda variant: variant.name)
def test_every_variant_survives_json_and_then_does_the_same(variant: Variant) -> None:
    restored = Variant.from_dict(json.loads(json.dumps(variant.to_dict(), allow_nan=False)))
    assert restored == variant
    image = picture(61, 43)
    assert variant(image, "a key").tobytes() == restored(image, "a key").tobytes()
    assert parse_variants([variant.name])[-1] == variant


def test_every_variant_but_untouched_changes_a_picture() -> None:
    # Operations may draw parameters that do nothing; over some keys they do something.
    for variant in ALL[1:]:
        size = (2000, 40) if variant.name.startswith(("messenger", "social", "news")) else (120, 80)
        changed = [variant(picture(*size), f"key-{i}") for i in range(6)]
        assert any(found.tobytes() != picture(*size).tobytes() for found in changed), variant.name


def test_names_are_unique_and_fit_for_a_folder() -> None:
    assert len(BY_NAME) == len(ALL)
    assert len({variant.title for variant in ALL}) == len(ALL)
    assert all(set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789.-") for name in BY_NAME)


def test_noise_differs_between_images_and_not_between_runs() -> None:
    grey = Image.new("RGB", (64, 64), (128, 128, 128))
    noise = only("noise-5")
    first, second = (np.asarray(noise(grey, key), float) - 128 for key in ("one", "two"))
    # Independent: 12,288 pairs have a correlation of 0 with a standard error of 0.009.
    assert abs(np.corrcoef(first.ravel(), second.ravel())[0, 1]) < 0.05
    assert first.std() == pytest.approx(5, rel=0.05)
    [operation] = noise.chain_for("one")
    assert isinstance(operation, GaussianNoise)
    assert (operation.sigma, operation.per_channel) == (5, True)
    # Common to the strengths, so that they differ in strength alone.
    assert operation.seed == only("noise-2").chain_for("one")[0].seed  # type: ignore[attr-defined]


def test_transformed_is_the_official_chain_of_its_seed() -> None:
    for name, seed, most in (("transformed", 7, 2), ("transformed-k3-seed11", 11, 3)):
        for key in ("a", "b/c", "ü"):
            rng = np.random.default_rng([seed, zlib.crc32(key.encode())])
            assert only(name).chain_for(key) == sample_chain(rng, most)
    lengths = [len(only("transformed").chain_for(f"key {i}")) for i in range(900)]
    # Uniform over 0, 1, 2: 300 each, with a standard deviation of 14.
    assert all(abs(lengths.count(count) - 300) < 70 for count in (0, 1, 2))


def test_operations_get_parameters_of_their_own_for_each_image() -> None:
    radii = {only("operation-blur").chain_for(f"key {i}")[0].radius for i in range(50)}  # type: ignore[attr-defined]
    assert len(radii) == 50
    assert 0.1 <= min(radii) < 0.5
    assert 1.6 < max(radii) <= 2.0
    assert only("operation-blur").chain_for("k") != only("operation-blur-seed8").chain_for("k")


def test_a_messenger_limits_the_longest_side_then_saves() -> None:
    tall = picture(200, 1700)
    by_hand = jpeg(tall.resize((188, 1600), Image.Resampling.BILINEAR), 70)
    assert only("messenger")(tall, "").tobytes() == by_hand.tobytes()
    small = picture(120, 80)
    assert only("messenger")(small, "").tobytes() == jpeg(small, 70).tobytes()


@pytest.mark.parametrize(
    ("size", "limit", "expected"),
    [
        ((1601, 900), 1600, (1600, 899)),  # 899.44
        ((900, 3200), 1600, (450, 1600)),
        ((1600, 1600), 1600, (1600, 1600)),
        ((4000, 1), 10, (10, 1)),
        ((3, 1), 2, (2, 1)),  # 0.67
        ((65, 63), 64, (64, 62)),  # 62.03
    ],
)
def test_the_longest_side_is_the_limit_exactly(size: tuple[int, int], limit: int, expected: tuple[int, int]) -> None:
    assert LongestSide(limit, "box")(picture(*size)).size == expected


def test_within_the_limit_nothing_changes() -> None:
    image = picture(64, 20)
    assert LongestSide(64, "lanczos")(image) is image


def test_a_centre_crop_keeps_the_middle() -> None:
    image = picture(101, 60)
    found = CentreCrop(0.5)(image)
    assert np.array_equal(np.asarray(found), np.asarray(image)[15:45, 25:75])
    assert CentreCrop(0.001)(image).size == (1, 1)
    assert CentreCrop(1.0)(image) is image


def test_new_operations_draw_within_their_ranges_and_refuse_what_lies_outside() -> None:
    rng = np.random.default_rng(3)
    assert {LongestSide.sample(rng).side for _ in range(100)} == set(LongestSide.GRID)
    shares = [CentreCrop.sample(rng).share for _ in range(200)]
    assert 0.5 <= min(shares) < 0.55
    assert 0.95 < max(shares) <= 1.0
    for wrong in (lambda: LongestSide(0, "box"), lambda: LongestSide(9, "cubic"), lambda: CentreCrop(0.0)):
        with pytest.raises(UsageError):
            wrong()
    assert len({kind.name for kind in EVERY}) == len(EVERY)


def test_the_description_names_all_there_is() -> None:
    described = [name for name, _ in describe_variants()]
    assert described[: len(SUITES)] == list(SUITES)
    assert {recipe.name for recipe in RECIPES} <= set(described)
    assert len(set(described)) == len(described)
    stems = [form.split("-")[0].split("[")[0] for form in described]
    assert all(variant.name.split("-")[0] in stems for variant in ALL)


def test_the_page_lists_what_there_is() -> None:
    page = (Path(__file__).parents[2] / "docs" / "evaluation" / "robustness.md").read_text(encoding="utf-8")
    recipes = {recipe.name for recipe in RECIPES}
    for recipe in RECIPES:
        assert f"| `{recipe.name}` | {recipe.steps} | {recipe.sources} |" in page
    for form in FORMS:
        if form.form not in recipes:
            row = f"| `{form.form}` | {form.about} |".replace("-shifted|", "-shifted\\|")
            assert row in page
    for name in SUITES:
        assert f"| `{name}` |" in page


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
def test_a_recipe_says_in_words_what_it_does(recipe: Recipe) -> None:
    figures = []
    for step in recipe.chain:
        if isinstance(step, LongestSide):
            figures.append(f"longest side at most {step.side}")
        elif isinstance(step, JpegQuality | WebpQuality):
            figures.append(f"{'JPEG' if isinstance(step, JpegQuality) else 'WebP'} {step.quality}")
        else:
            assert isinstance(step, Screenshot)
            figures.append(f"shown at {step.factor:g} and captured with a white frame of {step.frame} pixels")
            assert (step.shade, step.quality) == (255, 0)
    assert recipe.steps.replace(" by the editor's program", "") == ", ".join(figures)
