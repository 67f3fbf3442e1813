"""WildRF: `{train,val}/{0_real,1_fake}/*` and `test/{reddit,facebook,twitter}/{0_real,1_fake}/*`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from contrafake.data.sample import GENERATED, REAL
from contrafake.data.sources.folders import FolderSource, Place
from contrafake.data.sources.listing import holds

if TYPE_CHECKING:
    from pathlib import Path

PLATFORMS = ("reddit", "facebook", "twitter")
SPLITS = ("train", "val", "test")


class WildRF(FolderSource):
    """Real and generated images as social networks hand them on; the generators are not stated.

    A platform scales and compresses what it gets, and does so with both classes: it is the source.

    References:
        [1] Cavia et al., "Real-Time Deepfake Detection in the Real-World", 2024 (arXiv 2406.09398).
    """

    layout = "wildrf"

    @classmethod
    def recognises(cls, root: Path) -> bool:
        """Whether two of the platforms stand with their classes in `test`."""
        tests = (root / "test", root / "WildRF" / "test", root)
        return any(sum(holds(test / name, "0_real", "1_fake") for name in PLATFORMS) > 1 for test in tests)

    def place(self, folders: tuple[str, ...]) -> Place | None:
        """The split, the platform where one is named, then the class."""
        *above, kind = ("", *self.names(folders))
        if kind not in {"0_real", "1_fake"}:
            return None
        platform = above.pop().lower() if above[-1].lower() in PLATFORMS else ""
        split = above[-1] if above[-1] in SPLITS else ("test" if platform else "")
        if not split:
            return None
        source = "/".join(["wildrf", platform or split])
        if kind == "0_real":
            return Place(REAL, "wildrf-photos", source, split)
        return Place(GENERATED, "wildrf-generators", source, split)
