"""A faithful miniature of each public layout: the authors' folders and file names, and images of four pixels."""

from __future__ import annotations

import io
import json
from functools import cache
from typing import TYPE_CHECKING

from PIL import Image

from contrafake.data.sources import open_source, samples_of

if TYPE_CHECKING:
    from pathlib import Path

    from contrafake.data.sample import Sample
    from contrafake.data.sources import Source

_FORMATS = {"jpg": "JPEG", "jpeg": "JPEG", "png": "PNG", "bmp": "BMP", "gif": "GIF", "tif": "TIFF", "tiff": "TIFF"}
COCO = ("000000000009", "000000000025", "000000000030")
RAISE = ("r000da54ft", "r001d260dt", "r02e1abe2t")


@cache
def pixels(suffix: str) -> bytes:
    """A whole image file of two by two pixels."""
    buffer = io.BytesIO()
    Image.new("RGB", (2, 2), (90, 120, 40)).save(buffer, _FORMATS.get(suffix.lower(), suffix.upper()))
    return buffer.getvalue()


def write(root: Path, *names: str) -> Path:
    """Writes images; `a/b/{1,2}.png` is not expanded, one name is one file."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(pixels(path.suffix[1:]))
    return root


def d3_test(root: Path) -> Path:
    stems = {"real": ("a.tiff", "b.gif", "c.JPG"), "gen_0": ("a.png", "b.png"), "gen_1": ("a.png",)}
    stems |= {"gen_2": ("a.jpeg",), "gen_3": ("a.bmp",)}
    names = [f"d3_test/{c}/{kind}/{n}" for c in ("no_augm", "augm") for kind, files in stems.items() for n in files]
    return write(root, *names)


def genimage(root: Path) -> Path:
    sd, adm = "stable_diffusion_v_1_4/imagenet_ai_0419_sdv4", "ADM/imagenet_ai_0508_adm"
    glide = "glide/imagenet_glide"
    for top in (sd, adm, glide):
        write(root, f"{top}/train/nature/n01440764_10026.JPEG", f"{top}/val/nature/ILSVRC2012_val_00000612.JPEG")
    write(root, f"{sd}/train/nature/n01443537_7.JPEG")
    write(root, f"{sd}/train/ai/000_sdv4_00035.png", f"{sd}/val/ai/999_sdv4_00001.png")
    write(root, f"{adm}/train/ai/0_adm_12.PNG", f"{adm}/val/ai/1_adm_3.PNG")
    return write(root, f"{glide}/train/ai/GLIDE_1000_200_00_024_glide_00065.png", f"{glide}/val/ai/odd.png")


def forensynths(root: Path) -> Path:
    both = ("0_real", "1_fake")
    for kind in both:
        write(root, f"progan_train/airplane/{kind}/1.png", f"progan_train/cat/{kind}/1.png")
        write(root, f"progan_val/airplane/{kind}/2.png")
        for folder in ("progan/airplane", "stylegan/bedroom", "cyclegan/apple", "stylegan2/car"):
            write(root, f"CNN_synth_testset/{folder}/{kind}/3.png")
        for folder in ("biggan", "crn", "imle", "seeingdark", "deepfake", "whichfaceisreal"):
            write(root, f"CNN_synth_testset/{folder}/{kind}/4.png")
    return root


def ufd_diffusion(root: Path) -> Path:
    fakes = ("dalle", "glide_50_27", "glide_100_10", "glide_100_27", "guided", "ldm_100", "ldm_200", "ldm_200_cfg")
    write(root, *[f"diffusion_datasets/{name}/1_fake/1.png" for name in fakes])
    return write(root, *[f"diffusion_datasets/{name}/0_real/{i}.jpg" for name in ("imagenet", "laion") for i in (1, 2)])


def drct(root: Path) -> Path:
    for split in ("train2017", "val2017"):
        write(root, *[f"MSCOCO/{split}/{coco}.jpg" for coco in COCO])
        for generator in (
            "ldm-text2im-large-256",
            "stable-diffusion-v1-4",
            "sdxl-turbo",
            "stable-diffusion-inpainting",
        ):
            write(root, *[f"DRCT-2M/{generator}/{split}/{coco}.png" for coco in COCO[:2]])
    return write(root, f"DRCT-2M/stable-diffusion-inpainting/masks/train2017/{COCO[0]}.png")


def synthbuster(root: Path) -> Path:
    folders = ("dalle2", "dalle3", "firefly", "glide", "midjourney-v5", "stable-diffusion-1-3", "stable-diffusion-1-4")
    for folder in (*folders, "stable-diffusion-2", "stable-diffusion-xl"):
        write(root, *[f"synthbuster/{folder}/{stem}.png" for stem in RAISE])
    (root / "synthbuster/prompts.csv").write_text("image,prompt\n")
    return root


def chameleon(root: Path) -> Path:
    return write(root, "Chameleon/test/0_real/1.jpg", "Chameleon/test/0_real/2.webp", "Chameleon/test/1_fake/1.png")


def wildrf(root: Path) -> Path:
    for kind in ("0_real", "1_fake"):
        write(root, f"WildRF/train/{kind}/1.jpg", f"WildRF/val/{kind}/1.jpg")
        write(root, *[f"WildRF/test/{platform}/{kind}/1.jpeg" for platform in ("reddit", "facebook", "twitter")])
    return root


def cocofake(root: Path) -> Path:
    for split in ("train", "val"):
        for coco in COCO[:2]:
            stem = f"COCO_{split}2014_{coco}"
            write(root, f"coco2014/{split}2014/{stem}.jpg")
            write(root, *[f"fake_coco/{split}2014/{stem}/{stem}_{number}.jpg" for number in range(5)])
    captions = [{"image_id": 9, "id": 2, "caption": "a second"}, {"image_id": 9, "id": 1, "caption": "a first "}]
    notes = root / "coco2014/annotations/captions_train2014.json"
    notes.parent.mkdir()
    notes.write_text(json.dumps({"info": {"year": 2014}, "annotations": captions}))
    return root


def genface(root: Path) -> Path:
    for split in ("train", "test"):
        top = f"GenFace/{split}"
        write(root, f"{top}/real/CelebA_HQ/1.jpg", f"{top}/real/FFHQ/00001.png")
        write(root, f"{top}/fake/EFS/Diffusion/latentdiffusion_1.png", f"{top}/fake/EFS/Diffusion/ddpm_1.png")
        write(root, f"{top}/fake/EFS/GAN/StyleGAN3/seed1.png", f"{top}/fake/AM/Diffusion/1.png")
        write(
            root, f"{top}/fake/AM/GAN/1_new.png", f"{top}/fake/FS/GAN/1_2_FSLSD.png", f"{top}/fake/FS/Diffusion/3.png"
        )
    return root


def mvtec(root: Path) -> Path:
    write(root, "bottle/train/good/000.png", "bottle/train/good/001.png", "bottle/test/good/000.png")
    write(root, "bottle/test/broken_large/000.png", "bottle/ground_truth/broken_large/000_mask.png")
    write(root, "wood/train/good/000.png", "wood/test/good/000.png", "wood/test/hole/000.png", "wood/test/hole/001.png")
    return write(root, "wood/ground_truth/hole/000_mask.png", "wood/ground_truth/hole/002_mask.png")


def plain(root: Path) -> Path:
    return write(root, "train/real/1.jpg", "train/fake/sdxl/1.png", "test/0_real/1.jpg", "test/1_fake/1.png")


MINIATURES = {
    "d3-test": d3_test,
    "genimage": genimage,
    "forensynths": forensynths,
    "ufd-diffusion": ufd_diffusion,
    "drct-2m": drct,
    "synthbuster": synthbuster,
    "chameleon": chameleon,
    "wildrf": wildrf,
    "cocofake": cocofake,
    "genface": genface,
    "mvtec-ad": mvtec,
    "folders": plain,
}


def listed(root: Path, layout: str = "auto") -> tuple[Source, dict[str, Sample]]:
    """The source, and its samples by key; every key must be unique."""
    source = open_source(root, layout)
    samples = [sample for item in source for sample in samples_of(item)]
    by_key = {sample.key: sample for sample in samples}
    assert len(by_key) == len(samples)
    return source, by_key
