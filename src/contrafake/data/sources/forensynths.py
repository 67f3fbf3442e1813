"""The sets of `0_real` and `1_fake`: ForenSynths (CNNSpot) and the diffusion set of UniversalFakeDetect."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from contrafake.data.sample import GENERATED, REAL
from contrafake.data.sources.folders import FolderSource, Place
from contrafake.data.sources.listing import folder_names, holds

if TYPE_CHECKING:
    from pathlib import Path

CLASSES: dict[str, Literal[0, 1]] = {"0_real": REAL, "1_fake": GENERATED}

GENERATORS = {
    "progan": ("progan", "lsun"),
    "stylegan": ("stylegan", "lsun"),
    "stylegan2": ("stylegan2", "lsun"),
    "biggan": ("biggan", "imagenet"),
    "cyclegan": ("cyclegan", "cyclegan-photos"),
    "stargan": ("stargan", "celeba"),
    "gaugan": ("gaugan", "coco"),
    "crn": ("crn", "gta"),
    "imle": ("imle", "gta"),
    "seeingdark": ("sitd", "sid"),
    "san": ("san", "super-resolution-photos"),
    "deepfake": ("faceforensics-deepfake", "faceforensics"),
    "whichfaceisreal": ("stylegan", "ffhq"),
}
"""For each folder of the test set: the origin of `1_fake`, and of `0_real` [1, table 1]."""

ADDED = {
    "adm": ("adm", "imagenet"),
    "glide": ("glide", "imagenet"),
    "midjourney": ("midjourney", "imagenet"),
    "stable_diffusion_v_1_4": ("sd1.4", "imagenet"),
    "stable_diffusion_v_1_5": ("sd1.5", "imagenet"),
    "vqdm": ("vqdm", "imagenet"),
    "wukong": ("wukong", "imagenet"),
    "dalle2": ("dalle2", "unknown-photos"),
    "sd_xl": ("sdxl", "unknown-photos"),
}
"""Folders that the AIGCDetectBenchmark put beside them."""

SHARED = {"crn": "crn-imle", "imle": "crn-imle"}
"""Both draw the label maps of one computer game: their real images are the same."""

_KNOWN = GENERATORS | ADDED
_PARTS = {"progan_train": "train", "progan_val": "val", "cnn_synth_testset": "test"}
_SPLITS = {"train": "train", "val": "val", "test": "test", **_PARTS}

DIFFUSION_FAKE = {
    "dalle": "dalle-mini",
    "glide_50_27": "glide",
    "glide_100_10": "glide",
    "glide_100_27": "glide",
    "guided": "adm",
    "ldm_100": "ldm-text2im",
    "ldm_200": "ldm-text2im",
    "ldm_200_cfg": "ldm-text2im",
}
DIFFUSION_REAL = {"imagenet": "imagenet", "laion": "laion-400m"}


class ForenSynths(FolderSource):
    """ProGAN to train on, thirteen generators to test; folders nest unevenly: `<generator>[/<class>]/{0_real,1_fake}`.

    Real and generated images of one folder show the same things and were prepared alike, so they share a source.

    References:
        [1] Wang et al., "CNN-generated images are surprisingly easy to spot... for now", CVPR 2020, section 3.
    """

    layout = "forensynths"

    @classmethod
    def recognises(cls, root: Path) -> bool:
        """Whether a folder of the authors' name is there, or two of their generators with their classes."""
        if holds(root, *_PARTS) or (root.resolve().name.lower() in _PARTS and _has_classes(root, 2)):
            return True
        for top in (root, root / "test"):
            known = [name for name in folder_names(top) if name.lower() in GENERATORS]
            if sum(_has_classes(top / name, 1) for name in known) > 1:
                return True
        return False

    def place(self, folders: tuple[str, ...]) -> Place | None:
        """The split, the generator, perhaps the class of the objects, then `0_real` or `1_fake`."""
        if "diffusion_datasets" in folders:
            return _diffusion(folders)
        *above, kind = self.names(folders)
        if kind not in CLASSES:
            return None
        cut = max((depth + 1 for depth, name in enumerate(above) if name.lower() in _SPLITS), default=0)
        split = _SPLITS[above[cut - 1].lower()] if cut else ""
        rest = [name.lower() for name in above[cut:]]
        first = next((depth for depth, name in enumerate(rest) if name in _KNOWN), None)
        if first is not None:
            generator, *objects = rest[first:]
        elif split in {"train", "val"}:
            generator, objects = "progan", rest  # its folders name the objects only
        elif rest:
            generator, objects = rest[0], rest[1:]
        else:
            return None
        fake, real = _KNOWN.get(generator, (generator, "unknown-photos"))
        source = "/".join(["forensynths", SHARED.get(generator, generator), *objects])
        # A set that was opened at one of its generators does not say so, but only the test set has generators.
        split = split or ("test" if generator in _KNOWN else "")
        return Place(CLASSES[kind], (real, fake)[CLASSES[kind]], source, split)


class UniversalFakeDetect(FolderSource):
    """Diffusion models and DALL-E mini in `1_fake`; the photographs for all of them in two folders with `0_real`.

    `guided` is to be compared with `imagenet`, everything else with `laion`, as the authors do [1].

    References:
        [1] Ojha et al., "Towards Universal Fake Image Detectors that Generalize Across Generative Models", CVPR 2023.
    """

    layout = "ufd-diffusion"
    published = {f"ufd-diffusion/{name}": 1000 for name in (*DIFFUSION_FAKE, *DIFFUSION_REAL)}  # noqa: RUF012

    @classmethod
    def recognises(cls, root: Path) -> bool:
        """Whether one of its generators' folders, known by its number of steps, holds `1_fake`."""
        unmistakable = [name for name in DIFFUSION_FAKE if name.startswith(("glide_", "ldm_"))]
        return any(holds(top / name, "1_fake") for top in (root, root / "diffusion_datasets") for name in unmistakable)

    def place(self, folders: tuple[str, ...]) -> Place | None:
        """The folder of the generator or of the photographs, then the class."""
        return _diffusion(self.names(folders))


def _diffusion(names: tuple[str, ...]) -> Place | None:
    *_, name, kind = ("", *names)
    origin = {"0_real": DIFFUSION_REAL, "1_fake": DIFFUSION_FAKE}.get(kind, {}).get(name)
    return Place(CLASSES[kind], origin, f"ufd-diffusion/{name}", "test") if origin else None


def _has_classes(path: Path, depth: int) -> bool:
    """Whether a class's folder stands in a folder, or `depth` levels below it."""
    return holds(path, *CLASSES) or (
        depth > 0 and any(_has_classes(path / name, depth - 1) for name in folder_names(path))
    )
