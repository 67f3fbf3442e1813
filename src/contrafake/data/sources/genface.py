"""GenFace: `fake/{EFS,AM,FS}/{GAN,Diffusion}/[<generator>/]*` and `real/{CelebA_HQ,FFHQ}/*`."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from contrafake.data.sample import GENERATED, REAL
from contrafake.data.sources.folders import SPLIT_NAMES, FolderSource, Place
from contrafake.data.sources.listing import folder_names, holds

if TYPE_CHECKING:
    from pathlib import Path

    from contrafake.data.sample import Sample

MANIPULATIONS = {"efs": "entire face synthesis", "am": "attribute manipulation", "fs": "face swap"}

GENERATORS = {
    "stylegan2": "stylegan2",
    "stylegan3": "stylegan3",
    "ddpm": "ddpm",
    "latentdiffusion": "ldm-celebahq",
    "latdiff": "ldm-celebahq",
    "colladiffusion": "collaborative-diffusion",
    "collaborativediffusion": "collaborative-diffusion",
    "colladiff": "collaborative-diffusion",
    "lattrans": "latent-transformer",
    "latenttransformer": "latent-transformer",
    "iafaces": "ia-faces",
    "diffae": "diffae",
    "fslsd": "fslsd",
    "faceswapper": "faceswapper",
    "diffface": "diffface",
}
"""Origins by what folders, or parts of file names, are called once everything but letters and digits is gone."""

ALONE = {("am", "diffusion"): "diffae", ("fs", "diffusion"): "diffface"}
"""Where a kind of manipulation has but one generator of a class, nothing needs to name it."""

PHOTOGRAPHS = {"celebahq": "celeba-hq", "ffhq": "ffhq"}


class GenFace(FolderSource):
    """Faces made from nothing (EFS), changed (AM) or exchanged (FS), by GANs and by diffusion models.

    The generator is what the folder below is called, else what a part of the file's name says
    (`latentdiffusion_00001.png`, `12_34_FSLSD.png`). `metadata["manipulation"]` is "EFS", "AM" or "FS".

    References:
        [1] Zhang et al., "GenFace: A Large-Scale Fine-Grained Face Forgery Benchmark and Cross Appearance-Edge
            Learning", IEEE Transactions on Information Forensics and Security 19, 2024.
    """

    layout = "genface"

    @classmethod
    def recognises(cls, root: Path) -> bool:
        """Whether a manipulation stands in `fake`, here, in a split, or in a folder of the set's name."""
        tops = [root, *(root / name for name in folder_names(root) if _plain(name) in {"genface", *SPLIT_NAMES})]
        tops += [top / name for top in tops[1:] for name in folder_names(top) if name.lower() in SPLIT_NAMES]
        return any(holds(top / "fake" / name.upper(), "GAN", "Diffusion") for top in tops for name in MANIPULATIONS)

    def place(self, folders: tuple[str, ...]) -> Place | None:
        """Real: the set of photographs. Fake: the manipulation, the class of generators, perhaps the generator."""
        names = [_plain(name) for name in folders]
        split = next((SPLIT_NAMES[name] for name in names if name in SPLIT_NAMES), "")
        if "real" in names[:-1]:
            origin = next((PHOTOGRAPHS[name] for name in names if name in PHOTOGRAPHS), "")
            return Place(REAL, origin, origin, split) if origin else None
        if "fake" not in names:
            return None
        below = names[names.index("fake") + 1 :]
        if len(below) < 2 or below[0] not in MANIPULATIONS or below[1] not in {"gan", "diffusion"}:
            return None
        origin = next((GENERATORS[name] for name in below[2:] if name in GENERATORS), "")
        if not origin and len(below) > 2:
            origin = folders[-1].lower()
        source = f"genface/{below[0].upper()}/{below[1]}"
        facts = {"manipulation": below[0].upper(), "generator_class": below[1]}
        return Place(GENERATED, origin, source, split, facts)

    def sample(self, path: str, key: str, stem: str, place: Place) -> Sample:
        """The file's name says which generator it was where no folder does."""
        if place.label == GENERATED:
            facts = place.metadata
            parts = (_plain(part) for part in re.split(r"[_\-. ]", stem))
            origin = place.origin or next((GENERATORS[part] for part in parts if part in GENERATORS), "")
            origin = origin or ALONE.get((facts["manipulation"].lower(), facts["generator_class"]), "")
            origin = origin or f"genface-unknown-{facts['generator_class']}"
            place = replace(place, origin=origin, source=f"{place.source}/{origin}")
        return super().sample(path, key, stem, place)


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())
