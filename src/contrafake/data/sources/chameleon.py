"""Chameleon: `Chameleon/test/{0_real,1_fake}/*`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from contrafake.data.sample import GENERATED, REAL
from contrafake.data.sources.folders import FolderSource, Place
from contrafake.data.sources.listing import folder_names, holds

if TYPE_CHECKING:
    from pathlib import Path

CLASSES = {
    "0_real": Place(REAL, "chameleon-photos", "chameleon/0_real", "test"),
    "1_fake": Place(GENERATED, "chameleon-generators", "chameleon/1_fake", "test"),
}


class Chameleon(FolderSource):
    """Images that people took for real, from communities that share generated ones; the generators are not stated.

    References:
        [1] Yan et al., "A Sanity Check for AI-generated Image Detection", ICLR 2025.
    """

    layout = "chameleon"
    published = {"chameleon/0_real": 14_863, "chameleon/1_fake": 11_170}  # noqa: RUF012

    @classmethod
    def recognises(cls, root: Path) -> bool:
        """Whether the classes stand in a folder of the set's name, or in `test` below it: nothing else tells it."""
        whole = root.resolve()
        if whole.name == "test":
            whole = whole.parent
        tops = [whole] if whole.name.lower() == "chameleon" else []
        tops += [root / name for name in folder_names(root) if name.lower() == "chameleon"]
        return any(holds(path, *CLASSES) for top in tops for path in (top, top / "test", top / top.name / "test"))

    def place(self, folders: tuple[str, ...]) -> Place | None:
        """The class's folder."""
        return CLASSES.get(folders[-1]) if folders else None
