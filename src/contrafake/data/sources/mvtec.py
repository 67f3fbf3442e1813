"""MVTec AD: `<category>/{train/good,test/{good,<defect>},ground_truth/<defect>/*_mask.png}`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Literal

from contrafake.data.sample import Sample
from contrafake.data.sources.folders import FolderSource, Place
from contrafake.data.sources.listing import Listed, folder_names, holds, list_folder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from contrafake.data.sources.source import Item

NORMAL: Literal[0] = 0
ANOMALOUS: Literal[1] = 1


class MVTecAD(FolderSource):
    """Photographs of goods without and with defects, for the anomaly methods: label 0 is normal, 1 anomalous.

    No image is generated here: scores on it never belong beside those of detectors. `metadata["mask"]` is the path of
    the image that marks the defect. Open the whole set, or one category.

    References:
        [1] Bergmann et al., "MVTec AD - A Comprehensive Real-World Dataset for Unsupervised Anomaly Detection",
            CVPR 2019, section 3.
    """

    layout = "mvtec-ad"
    task = "anomaly"

    @classmethod
    def recognises(cls, root: Path) -> bool:
        """Whether `train/good` and `ground_truth` stand in a folder, here or one below."""
        tops = (root, *(root / name for name in folder_names(root)))
        return any(holds(top / "train", "good") and holds(top, "ground_truth") for top in tops)

    def enters(self, folders: tuple[str, ...]) -> bool:
        """Masks are no samples."""
        return folders[-1] != "ground_truth"

    def place(self, folders: tuple[str, ...]) -> Place | None:
        """The category, the split, then `good` or the defect."""
        *_, category, split, kind = ("", "", *self.names(folders))
        if split == "train" and kind == "good":
            return Place(NORMAL, category, f"mvtec-ad/{category}", split)
        if split != "test" or not category:
            return None
        if kind == "good":
            return Place(NORMAL, category, f"mvtec-ad/{category}", split)
        return Place(ANOMALOUS, f"{category}/{kind}", f"mvtec-ad/{category}", split)

    def sample(self, path: str, key: str, stem: str, place: Place) -> Sample:
        """An anomalous image knows its mask."""
        sample = super().sample(path, key, stem, place)
        if place.label == ANOMALOUS:
            folder, _ = os.path.split(path)
            tests, defect = os.path.split(folder)
            masks = os.path.join(os.path.split(tests)[0], "ground_truth", defect)  # noqa: PTH118 - keeps odd names
            mask = os.path.join(masks, f"{stem}_mask.png")  # noqa: PTH118 - as above
            if os.path.isfile(mask):  # noqa: PTH113 - as above
                sample.metadata["mask"] = mask
        return sample

    def _list(self) -> Iterator[Item]:
        bare, used = Listed(), set[str]()
        for item in super()._list():
            if isinstance(item, Sample) and item.label == ANOMALOUS:
                mask = item.metadata.get("mask")
                if mask is None:
                    bare.add(item.key)
                else:
                    used.add(mask)
            yield item
        if bare.count:
            self.census.notes.append(f"anomalous images without a mask: {bare}")
        self._skip_lone_masks(used)

    def _skip_lone_masks(self, used: set[str]) -> None:
        for top in (self.root, *(self.root / name for name in folder_names(self.root))):
            for defect in folder_names(top / "ground_truth"):
                folder = str(top / "ground_truth" / defect)
                for name in list_folder(folder, self.census)[0]:
                    mask = os.path.join(folder, name)  # noqa: PTH118 - as above
                    if mask not in used:
                        self.census.skip(mask, "a mask without its image")
