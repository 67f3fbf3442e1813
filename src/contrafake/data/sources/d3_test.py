"""The test set of D3: `d3_test/{no_augm,augm}/{real,gen_0,gen_1,gen_2,gen_3}/*`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from contrafake.data.sample import GENERATED, REAL
from contrafake.data.sources.folders import FolderSource, Place
from contrafake.data.sources.listing import holds

if TYPE_CHECKING:
    from pathlib import Path

GENERATORS = {"gen_0": "deepfloyd-if", "gen_1": "sd1.4", "gen_2": "sd2.1", "gen_3": "sdxl"}
CONDITIONS = ("no_augm", "augm")


class D3Test(FolderSource):
    """D3's test images, untouched (`no_augm`) and transformed (`augm`).

    The official reader takes a name's text after its first dot for its suffix and drops what it does not expect, GIF
    and TIFF among it, without a word; here they count like any other image.

    References:
        [1] Baraldi et al., "Contrasting Deepfakes Diffusion via Contrastive Learning and Global-Local Similarities",
            ECCV 2024.
    """

    layout = "d3-test"

    @classmethod
    def recognises(cls, root: Path) -> bool:
        """Whether `gen_0` to `gen_3` stand in a condition's folder."""
        tops = [root, root / "d3_test"]
        conditions = [top / name for top in tops for name in CONDITIONS]
        if root.name in CONDITIONS:
            conditions.append(root)
        return any(holds(path, *GENERATORS) for path in conditions)

    def place(self, folders: tuple[str, ...]) -> Place | None:
        """The condition, then `real` or the generator's number."""
        *_, condition, kind = ("", *self.names(folders))
        if condition not in CONDITIONS or kind not in {"real", *GENERATORS}:
            return None
        source, metadata = f"d3-test/{condition}/{kind}", {"condition": condition}
        if kind == "real":
            return Place(REAL, "laion-400m", source, "test", metadata)
        return Place(GENERATED, GENERATORS[kind], source, "test", metadata)

    def group(self, stem: str, place: Place) -> str:
        """A record's files carry one stem, under both conditions."""
        return f"d3/{stem}"
