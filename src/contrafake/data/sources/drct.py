"""DRCT-2M: `DRCT-2M/<generator>/{train2017,val2017}/*.png` beside `MSCOCO/{train2017,val2017}/*.jpg`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from contrafake.data.sample import GENERATED, REAL
from contrafake.data.sources.folders import FolderSource, Place
from contrafake.data.sources.listing import holds

if TYPE_CHECKING:
    from pathlib import Path

GENERATORS = {
    "ldm-text2im-large-256": "ldm-text2im",
    "stable-diffusion-v1-4": "sd1.4",
    "stable-diffusion-v1-5": "sd1.5",
    "stable-diffusion-2-1": "sd2.1",
    "stable-diffusion-xl-base-1.0": "sdxl",
    "stable-diffusion-xl-refiner-1.0": "sdxl-refiner",
    "sd-turbo": "sd-turbo",
    "sdxl-turbo": "sdxl-turbo",
    "lcm-lora-sdv1-5": "sd1.5-lcm-lora",
    "lcm-lora-sdxl": "sdxl-lcm-lora",
    "sd-controlnet-canny": "sd1.5-controlnet-canny",
    "sd21-controlnet-canny": "sd2.1-controlnet-canny",
    "controlnet-canny-sdxl-1.0": "sdxl-controlnet-canny",
    "stable-diffusion-inpainting": "sd1.5-inpainting",
    "stable-diffusion-2-inpainting": "sd2-inpainting",
    "stable-diffusion-xl-1.0-inpainting-0.1": "sdxl-inpainting",
}
SPLITS = {"train2017": "train", "val2017": "val"}
_TOPS = ("DRCT-2M", "DRCT")


class DRCT2M(FolderSource):
    """Sixteen relatives of Stable Diffusion, asked for the captions of COCO 2017, beside its photographs.

    Open the folder that holds both `DRCT-2M` and `MSCOCO`. The inpainting models reconstruct the photograph itself
    ("DR"). An image and the photograph of the same COCO id form a group.

    References:
        [1] Chen et al., "DRCT: Diffusion Reconstruction Contrastive Training towards Universal Detection of Diffusion
            Generated Images", ICML 2024.
    """

    layout = "drct-2m"

    @classmethod
    def recognises(cls, root: Path) -> bool:
        """Whether a generator's folder of the authors' name is divided as COCO 2017 is."""
        tops = (root, *(root / name for name in _TOPS))
        return any(holds(top / name, *SPLITS) for top in tops for name in GENERATORS)

    def place(self, folders: tuple[str, ...]) -> Place | None:
        """The set or the generator, then the split; what stands elsewhere (masks, reconstructions) is not taken."""
        if not folders or folders[-1] not in SPLITS:
            return None
        top = [name for name in folders[:-1] if name not in _TOPS]
        split = SPLITS[folders[-1]]
        if len(top) != 1:
            return None
        if top[0].upper() == "MSCOCO":
            return Place(REAL, "coco", "coco", split)
        origin = GENERATORS.get(top[0])
        return Place(GENERATED, origin, f"drct-2m/{top[0]}", split) if origin else None

    def group(self, stem: str, place: Place) -> str:
        """The COCO id, which is the whole stem."""
        return f"coco/{stem}" if re.fullmatch(r"\d{12}", stem) else ""
