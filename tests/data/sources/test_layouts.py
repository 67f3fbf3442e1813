"""What each public layout makes of its miniature: counts, labels, origins, groups, sources, splits, recognition."""

from __future__ import annotations

from collections import Counter
from importlib import import_module
from typing import TYPE_CHECKING, Any

import pytest
from layout_miniatures import MINIATURES, listed, write

from contrafake.data.origins import known_origins
from contrafake.data.sample import GENERATED, REAL
from contrafake.data.sources import LAYOUTS, open_source
from contrafake.errors import DataError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from contrafake.data.sample import Sample
    from contrafake.data.sources import Source

SPECIAL = [name for name in MINIATURES if name != "folders"]

# (split, label, origin): count, worked by hand from the miniatures
EXPECTED: dict[str, dict[tuple[str, int, str], int]] = {
    "d3-test": {
        ("test", 0, "laion-400m"): 6,
        ("test", 1, "deepfloyd-if"): 4,
        ("test", 1, "sd1.4"): 2,
        ("test", 1, "sd2.1"): 2,
        ("test", 1, "sdxl"): 2,
    },
    "genimage": {
        ("train", 0, "imagenet"): 4,
        ("val", 0, "imagenet"): 3,
        **{(split, 1, origin): 1 for split in ("train", "val") for origin in ("sd1.4", "adm", "glide")},
    },
    "forensynths": {
        ("train", 0, "lsun"): 2,
        ("train", 1, "progan"): 2,
        ("val", 0, "lsun"): 1,
        ("val", 1, "progan"): 1,
        ("test", 0, "lsun"): 3,
        ("test", 1, "progan"): 1,
        ("test", 1, "stylegan"): 2,  # whichfaceisreal shows faces of StyleGAN
        ("test", 1, "stylegan2"): 1,
        ("test", 0, "cyclegan-photos"): 1,
        ("test", 1, "cyclegan"): 1,
        ("test", 0, "imagenet"): 1,
        ("test", 1, "biggan"): 1,
        ("test", 0, "gta"): 2,
        ("test", 1, "crn"): 1,
        ("test", 1, "imle"): 1,
        ("test", 0, "sid"): 1,
        ("test", 1, "sitd"): 1,
        ("test", 0, "faceforensics"): 1,
        ("test", 1, "faceforensics-deepfake"): 1,
        ("test", 0, "ffhq"): 1,
    },
    "ufd-diffusion": {
        ("test", 0, "imagenet"): 2,
        ("test", 0, "laion-400m"): 2,
        ("test", 1, "dalle-mini"): 1,
        ("test", 1, "glide"): 3,
        ("test", 1, "adm"): 1,
        ("test", 1, "ldm-text2im"): 3,
    },
    "drct-2m": {
        (split, label, origin): count
        for split in ("train", "val")
        for label, origin, count in (
            (0, "coco", 3),
            (1, "ldm-text2im", 2),
            (1, "sd1.4", 2),
            (1, "sdxl-turbo", 2),
            (1, "sd1.5-inpainting", 2),
        )
    },
    "synthbuster": {
        ("test", 1, origin): 3
        for origin in ("dalle2", "dalle3", "firefly", "glide", "midjourney-v5", "sd1.3", "sd1.4", "sd2", "sdxl")
    },
    "chameleon": {("test", 0, "chameleon-photos"): 2, ("test", 1, "chameleon-generators"): 1},
    "wildrf": {
        ("train", 0, "wildrf-photos"): 1,
        ("train", 1, "wildrf-generators"): 1,
        ("val", 0, "wildrf-photos"): 1,
        ("val", 1, "wildrf-generators"): 1,
        ("test", 0, "wildrf-photos"): 3,
        ("test", 1, "wildrf-generators"): 3,
    },
    "cocofake": {
        (split, label, origin): count
        for split in ("train", "val")
        for label, origin, count in ((0, "coco", 2), (1, "sd1.4", 10))
    },
    "genface": {
        (split, label, origin): 1
        for split in ("train", "test")
        for label, origin in (
            (0, "celeba-hq"),
            (0, "ffhq"),
            (1, "ldm-celebahq"),
            (1, "ddpm"),
            (1, "stylegan3"),
            (1, "diffae"),
            (1, "genface-unknown-gan"),
            (1, "fslsd"),
            (1, "diffface"),
        )
    },
    "mvtec-ad": {
        ("train", 0, "bottle"): 2,
        ("test", 0, "bottle"): 1,
        ("test", 1, "bottle/broken_large"): 1,
        ("train", 0, "wood"): 1,
        ("test", 0, "wood"): 1,
        ("test", 1, "wood/hole"): 2,
    },
}


def reader(layout: str) -> type[Source]:
    module, name = LAYOUTS[layout].split(":")
    found: type[Source] = getattr(import_module(module), name)
    return found


@pytest.mark.parametrize("layout", SPECIAL)
def test_counts_by_split_label_and_origin(layout: str, tmp_path: Path) -> None:
    source, samples = listed(MINIATURES[layout](tmp_path / "set"))
    assert source.layout == layout
    assert dict(source.census.images) == EXPECTED[layout]
    assert Counter((s.split, s.label, s.origin) for s in samples.values()) == EXPECTED[layout]
    assert all(sample.source for sample in samples.values())


@pytest.mark.parametrize("layout", MINIATURES)
def test_is_recognised_as_itself_and_as_no_other_special_layout(layout: str, tmp_path: Path) -> None:
    root = MINIATURES[layout](tmp_path / "set")
    taken = [name for name in SPECIAL if reader(name).recognises(root)]
    assert taken == ([layout] if layout != "folders" else [])
    assert open_source(root).layout == layout


@pytest.mark.parametrize(
    ("layout", "part"),
    [
        ("d3-test", "d3_test"),
        ("d3-test", "d3_test/no_augm"),
        ("genimage", "ADM"),
        ("genimage", "ADM/imagenet_ai_0508_adm"),
        ("forensynths", "CNN_synth_testset"),
        ("forensynths", "progan_train"),
        ("ufd-diffusion", "diffusion_datasets"),
        ("synthbuster", "synthbuster"),
        ("chameleon", "Chameleon"),
        ("chameleon", "Chameleon/test"),
        ("wildrf", "WildRF"),
        ("wildrf", "WildRF/test"),
        ("genface", "GenFace"),
        ("genface", "GenFace/train"),
        ("mvtec-ad", "bottle"),
    ],
)
def test_a_part_of_a_set_says_the_same_of_its_images(layout: str, part: str, tmp_path: Path) -> None:
    root = MINIATURES[layout](tmp_path / "set")
    _, whole = listed(root)
    source, samples = listed(root / part)
    assert source.layout == layout

    def facts(sample: Sample) -> tuple[Any, ...]:
        return sample.label, sample.origin, sample.source, sample.group, sample.metadata

    by_path = {sample.image: facts(sample) for sample in whole.values()}
    assert samples
    assert all(facts(sample) == by_path[sample.image] for sample in samples.values())


@pytest.mark.parametrize("layout", [name for name in SPECIAL if name != "mvtec-ad"])  # its origins are categories
def test_every_origin_stands_in_the_table(layout: str, tmp_path: Path) -> None:
    source, samples = listed(MINIATURES[layout](tmp_path / "set"))
    for sample in samples.values():
        origin = source.origins.get(sample.label, sample.origin)
        assert origin in list(known_origins())
        assert origin.kind


def test_every_origin_that_a_layout_can_name_stands_in_the_table() -> None:
    from contrafake.data.sources import d3_test, drct, forensynths, genface, genimage, synthbuster

    known = {(origin.label, origin.name) for origin in known_origins()}
    pairs = [*forensynths.GENERATORS.values(), *forensynths.ADDED.values()]
    fakes = {fake for fake, _ in pairs} | set(forensynths.DIFFUSION_FAKE.values()) | set(genface.GENERATORS.values())
    for module in (d3_test, drct, genimage, synthbuster):
        fakes |= set(module.GENERATORS.values())
    reals = {real for _, real in pairs} | set(forensynths.DIFFUSION_REAL.values()) | set(genface.PHOTOGRAPHS.values())
    assert {(GENERATED, name) for name in fakes} | {(REAL, name) for name in reals} <= known


def test_the_table_leaves_counts_and_seen_open_and_gives_every_generator_a_family() -> None:
    for origin in known_origins():
        assert origin.family
        assert not origin.counts
        assert origin.seen is None


@pytest.mark.parametrize("layout", [name for name in SPECIAL if name not in {"synthbuster", "cocofake"}])
def test_an_empty_class_is_an_error(layout: str, tmp_path: Path) -> None:
    root = MINIATURES[layout](tmp_path / "set")
    for sample in listed(root)[1].values():
        if sample.label == REAL:
            (root / getattr(sample.image, "path")).write_bytes(b"")  # noqa: B009 - a Location may be no File
    name = "normal" if layout == "mvtec-ad" else "real"
    with pytest.raises(DataError, match=f"layout {layout}: no {name} image .* empty file"):
        list(open_source(root))


def test_a_set_without_generated_images_is_an_error(tmp_path: Path) -> None:
    root = write(tmp_path, "synthbuster/notes/1.png", "RAISE-1k/r000da54ft.png")
    with pytest.raises(DataError, match=r"layout synthbuster: no generated image .*no place for images"):
        list(open_source(root, "synthbuster"))


def test_plain_folders_never_become_a_special_layout(tmp_path: Path) -> None:
    trees: dict[str, tuple[str, ...]] = {
        "bare": ("real/1.jpg", "fake/1.png"),
        "numbered": ("0_real/1.jpg", "1_fake/1.png"),
        "tested": ("test/0_real/1.jpg", "test/1_fake/1.png"),
        "split": ("train/0_real/1.jpg", "train/1_fake/1.png", "val/0_real/1.jpg", "val/1_fake/1.png"),
        "nature": ("train/nature/1.jpg", "train/ai/1.png"),
        "by-generator": ("progan/0_real/1.jpg", "progan/1_fake/1.png", "sdxl/0_real/1.jpg", "sdxl/1_fake/1.png"),
        "generators-below": ("real/coco/1.jpg", "fake/dalle2/1.png", "fake/dalle3/1.png", "fake/glide/1.png"),
    }
    for name, files in trees.items():
        root = write(tmp_path / name, *files)
        assert open_source(root).layout == "folders", name


def test_too_little_of_a_set_is_not_taken_for_it(tmp_path: Path) -> None:
    root = write(tmp_path / "two", "dalle2/1.png", "dalle3/1.png")
    assert not reader("synthbuster").recognises(root)
    assert reader("synthbuster").recognises(write(root, "glide/1.png"))
    root = write(tmp_path / "wild", "test/reddit/0_real/1.png")
    assert not reader("wildrf").recognises(root)
    assert reader("wildrf").recognises(write(root, "test/twitter/1_fake/1.png"))


def test_an_unknown_layout_and_a_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"one of .*genimage"):
        open_source(tmp_path, "genimages")
    for layout in SPECIAL:
        with pytest.raises(DataError, match="no such folder"):
            list(open_source(tmp_path / "none", layout))
