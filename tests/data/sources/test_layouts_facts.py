"""What each public layout says beyond counts: groups, sources, metadata, notes."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from layout_miniatures import COCO, MINIATURES, RAISE, listed, write

from contrafake.data.sample import GENERATED, REAL

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_d3_keeps_the_condition_and_groups_a_record_over_both(tmp_path: Path) -> None:
    _, samples = listed(MINIATURES["d3-test"](tmp_path))
    tiff = samples["d3_test/augm/real/a"]
    assert (tiff.image.file_name, tiff.metadata, tiff.source) == ("a.tiff", {"condition": "augm"}, "d3-test/augm/real")
    together = {sample.key for sample in samples.values() if sample.group == tiff.group}
    kinds = ("real", "gen_0", "gen_1", "gen_2", "gen_3")
    assert together == {f"d3_test/{condition}/{kind}/a" for condition in ("augm", "no_augm") for kind in kinds}
    assert samples["d3_test/no_augm/real/b"].image.file_name == "b.gif"  # the official reader drops it


def test_genimage_keeps_the_copies_of_a_photograph_together(tmp_path: Path) -> None:
    _, samples = listed(MINIATURES["genimage"](tmp_path))
    copies = [sample for key, sample in samples.items() if key.endswith("n01440764_10026")]
    assert len(copies) == 3
    assert {(copy.source, copy.group) for copy in copies} == {("imagenet/n01440764", "imagenet/n01440764_10026")}
    validation = samples["ADM/imagenet_ai_0508_adm/val/nature/ILSVRC2012_val_00000612"]
    assert (validation.source, validation.group) == ("imagenet/ILSVRC2012_val", "imagenet/ILSVRC2012_val_00000612")
    assert {s.source for s in samples.values() if s.label == GENERATED} == {
        "genimage/sd1.4/000",
        "genimage/sd1.4/999",
        "genimage/adm/000",
        "genimage/adm/001",
        "genimage/glide/024",
        "genimage/glide",  # a name that says nothing of a class
    }
    assert samples["ADM/imagenet_ai_0508_adm/train/ai/0_adm_12"].image.file_name == "0_adm_12.PNG"


def test_genimage_goes_by_the_innermost_name_of_a_generator(tmp_path: Path) -> None:
    root = write(tmp_path / "glide", "ADM/train/ai/0_adm_12.PNG", "ADM/train/nature/n01440764_10026.JPEG")
    source, samples = listed(root)
    assert source.layout == "genimage"
    assert samples["ADM/train/ai/0_adm_12"].origin == "adm"


def test_forensynths_shares_a_source_between_the_classes_of_one_folder(tmp_path: Path) -> None:
    _, samples = listed(MINIATURES["forensynths"](tmp_path))
    real, fake = (samples[f"CNN_synth_testset/stylegan/bedroom/{kind}/3"] for kind in ("0_real", "1_fake"))
    assert real.source == fake.source == "forensynths/stylegan/bedroom"
    crn, imle = (samples[f"CNN_synth_testset/{name}/0_real/4"] for name in ("crn", "imle"))
    assert crn.source == imle.source


def test_forensynths_takes_the_folders_that_other_benchmarks_put_beside(tmp_path: Path) -> None:
    for kind in ("0_real", "1_fake"):
        names = ("progan/cat", "biggan", "DALLE2", "stable_diffusion_v_1_4", "somegan")
        write(tmp_path, *[f"test/{name}/{kind}/1.png" for name in names])
        write(tmp_path, f"test/more/ADM/{kind}/1.png")
    write(tmp_path, "test/diffusion_datasets/laion/0_real/1.jpg", "test/diffusion_datasets/ldm_200/1_fake/1.png")
    source, samples = listed(tmp_path)
    assert source.layout == "forensynths"
    fakes = {s.origin for s in samples.values() if s.label == GENERATED}
    assert fakes == {"progan", "biggan", "dalle2", "sd1.4", "somegan", "adm", "ldm-text2im"}
    assert samples["test/somegan/0_real/1"].origin == "unknown-photos"
    assert {s.split for s in samples.values()} == {"test"}
    assert samples["test/diffusion_datasets/laion/0_real/1"].source == "ufd-diffusion/laion"


def test_groups_by_coco_and_by_raise(tmp_path: Path) -> None:
    _, samples = listed(MINIATURES["drct-2m"](tmp_path / "drct"))
    groups = Counter(sample.group for sample in samples.values())
    assert groups == {f"coco/{COCO[0]}": 10, f"coco/{COCO[1]}": 10, f"coco/{COCO[2]}": 2}
    _, samples = listed(MINIATURES["synthbuster"](tmp_path / "synthbuster"))
    assert Counter(sample.group for sample in samples.values()) == {f"raise/{stem}": 9 for stem in RAISE}


def test_drct_names_the_masks_that_it_does_not_take(tmp_path: Path) -> None:
    source, _ = listed(MINIATURES["drct-2m"](tmp_path))
    assert source.census.skipped == {"no place for images in this folder of layout drct-2m": 1}


def test_synthbuster_says_loudly_that_it_has_no_photographs(tmp_path: Path) -> None:
    root = MINIATURES["synthbuster"](tmp_path)
    source, _ = listed(root)
    assert source.census.notes[0].startswith("NO REAL IMAGES")
    write(root, "RAISE-1k/r000da54ft.TIF", "RAISE-1k/more/r001d260dt.png")
    source, samples = listed(root)
    assert not any("NO REAL" in note for note in source.census.notes)
    assert "raise: 2 of the published 1,000 images" in source.census.notes
    assert source.census.images["test", REAL, "raise"] == 2
    assert samples["RAISE-1k/r000da54ft"].group == samples["synthbuster/dalle2/r000da54ft"].group


def test_counts_are_held_against_the_published_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from contrafake.data.sources.chameleon import Chameleon

    root = MINIATURES["chameleon"](tmp_path)
    source, _ = listed(root)
    assert source.census.notes == [
        "chameleon/0_real: 2 of the published 14,863 images",
        "chameleon/1_fake: 1 of the published 11,170 images",
    ]
    monkeypatch.setattr(Chameleon, "published", {"chameleon/0_real": 2, "chameleon/1_fake": 1})
    source, _ = listed(root)
    assert source.census.notes == []
    monkeypatch.setattr(Chameleon, "published", {"chameleon/0_real": 2, "chameleon/2_more": 1, "chameleon/3_more": 1})
    source, _ = listed(root)
    assert source.census.notes == ["published, but not here: chameleon/2_more, chameleon/3_more"]


def test_wildrf_takes_the_platform_for_the_source(tmp_path: Path) -> None:
    _, samples = listed(MINIATURES["wildrf"](tmp_path))
    assert {s.source for s in samples.values() if s.split == "test"} == {
        f"wildrf/{p}" for p in ("reddit", "facebook", "twitter")
    }
    assert {s.source for s in samples.values() if s.split == "train"} == {"wildrf/train"}


def test_genface_knows_the_manipulation(tmp_path: Path) -> None:
    _, samples = listed(MINIATURES["genface"](tmp_path))
    swapped = samples["GenFace/train/fake/FS/GAN/1_2_FSLSD"]
    assert swapped.metadata == {"manipulation": "FS", "generator_class": "gan"}
    assert swapped.source == "genface/FS/gan/fslsd"
    made = samples["GenFace/test/fake/EFS/GAN/StyleGAN3/seed1"]
    assert (made.metadata["manipulation"], made.origin) == ("EFS", "stylegan3")


def test_mvtec_is_a_task_of_its_own_and_knows_its_masks(tmp_path: Path) -> None:
    root = MINIATURES["mvtec-ad"](tmp_path)
    source, samples = listed(root)
    assert source.task == "anomaly"
    mask = root / "bottle/ground_truth/broken_large/000_mask.png"
    assert samples["bottle/test/broken_large/000"].metadata == {"mask": str(mask)}
    assert samples["bottle/test/good/000"].metadata == {}
    assert source.census.notes == ["anomalous images without a mask: 1 (wood/test/hole/001)"]
    assert source.census.examples == {"a mask without its image": [str(root / "wood/ground_truth/hole/002_mask.png")]}
