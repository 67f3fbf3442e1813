"""GenImage: `<generator>/imagenet_ai_<date>_<generator>/{train,val}/{ai,nature}/*`."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from contrafake.data.sample import GENERATED, REAL
from contrafake.data.sources.folders import FolderSource, Place
from contrafake.data.sources.listing import folder_names, holds

if TYPE_CHECKING:
    from pathlib import Path

    from contrafake.data.sample import Sample

GENERATORS = {
    "adm": "adm",
    "biggan": "biggan",
    "glide": "glide",
    "midjourney": "midjourney",
    "stable_diffusion_v_1_4": "sd1.4",
    "sdv4": "sd1.4",
    "stable_diffusion_v_1_5": "sd1.5",
    "sdv5": "sd1.5",
    "vqdm": "vqdm",
    "wukong": "wukong",
}
"""Origins by what the outer folder is called, and by what the inner one ends with."""

SPLITS = ("train", "val", "test")
_INNER = re.compile(r"imagenet_(?:ai_\d{4}_)?([a-z0-9]+)", re.IGNORECASE)
_PHOTO = re.compile(r"(n\d{8})_\d+|(ILSVRC2012_val)_\d{8}")
_CLASS = re.compile(r"(?:^|_)(\d{1,4})_[A-Za-z]\w*?_\d+$")


class GenImage(FolderSource):
    """Eight generators of ImageNet's classes beside ImageNet's photographs.

    The photographs of all generators come from one pool, so neither their source nor their group may name the
    generator whose folder they lie in: copies would part. Their source is the WordNet id (images that one search term
    found), their group the photograph. Generated images of one class share their prompt, and with it a source.

    References:
        [1] Zhu et al., "GenImage: A Million-Scale Benchmark for Detecting AI-Generated Image", NeurIPS 2023.
    """

    layout = "genimage"

    @classmethod
    def recognises(cls, root: Path) -> bool:
        """Whether `train` or `val` with `ai` or `nature` stand in a folder named as the authors named it."""
        if _generator(root.resolve().name) and _divided(root):
            return True
        named = [root / name for name in folder_names(root) if _generator(name)]
        inner = [path / name for path in named for name in folder_names(path) if _INNER.fullmatch(name)]
        return any(_divided(path) for path in (*named, *inner))

    def place(self, folders: tuple[str, ...]) -> Place | None:
        """The generator's folder, the split, then `ai` or `nature`; folders of classes below them are allowed."""
        names = self.names(folders)
        kinds = [depth for depth, name in enumerate(names) if name in {"ai", "nature"}]
        if not kinds or kinds[0] == 0 or (split := names[kinds[0] - 1]) not in SPLITS:
            return None
        generator = next((known for name in reversed(names[: kinds[0]]) if (known := _generator(name))), None)
        if names[kinds[0]] == "nature":
            return Place(REAL, "imagenet", "imagenet", split)
        return Place(GENERATED, generator, f"genimage/{generator}", split) if generator else None

    def group(self, stem: str, place: Place) -> str:
        """The photograph, which lies under several generators; only a photograph's name says one."""
        return f"imagenet/{stem}" if _PHOTO.fullmatch(stem) else ""

    def sample(self, path: str, key: str, stem: str, place: Place) -> Sample:
        """The file's name makes the source finer: the WordNet id, or the number of the class that was asked for."""
        if place.label == REAL:
            found = _PHOTO.fullmatch(stem)
            finer = (found[1] or found[2]) if found else ""
        else:
            number = _CLASS.search(stem)
            finer = f"{int(number[1]):03d}" if number else ""
        source = f"{place.source}/{finer}" if finer else place.source
        return super().sample(path, key, stem, replace(place, source=source))


def _generator(name: str) -> str | None:
    inner = _INNER.fullmatch(name)
    return GENERATORS.get((inner[1] if inner else name.replace(" ", "_")).lower())


def _divided(path: Path) -> bool:
    return any(holds(path / split, "ai", "nature") for split in SPLITS)
