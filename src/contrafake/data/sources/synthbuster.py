"""Synthbuster: `synthbuster/<generator>/r000da54ft.png`, with RAISE-1k beside it where that was downloaded."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from contrafake.data.sample import GENERATED, REAL
from contrafake.data.sources.folders import FolderSource, Place
from contrafake.data.sources.listing import folder_names

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from contrafake.data.sources.source import Item

GENERATORS = {
    "dalle2": "dalle2",
    "dalle3": "dalle3",
    "firefly": "firefly",
    "glide": "glide",
    "midjourney-v5": "midjourney-v5",
    "stable-diffusion-1-3": "sd1.3",
    "stable-diffusion-1-4": "sd1.4",
    "stable-diffusion-2": "sd2",
    "stable-diffusion-xl": "sdxl",
}


class Synthbuster(FolderSource):
    """Nine generators, asked for what each of the thousand photographs of RAISE-1k shows.

    The photographs come from elsewhere. Where they lie beside the generators, in a folder whose name begins with
    `raise`, they are the real class; without them the set is still good for detection rates, and the census says so.

    References:
        [1] Bammey, "Synthbuster: Towards Detection of Diffusion Model Generated Images", IEEE Open Journal of Signal
            Processing 5, 2024.
    """

    layout = "synthbuster"
    classes = (GENERATED,)
    published = {f"synthbuster/{name}": 1000 for name in GENERATORS}  # noqa: RUF012

    @classmethod
    def recognises(cls, root: Path) -> bool:
        """Whether three of the generators' folders stand together, or one in a folder of the set's name."""
        tops = (root, root / "synthbuster", root / "synthbuster" / "synthbuster")
        for top in tops:
            found = len(GENERATORS.keys() & set(folder_names(top)))
            if found > 2 or (found and top.resolve().name.lower() == "synthbuster"):
                return True
        return False

    def place(self, folders: tuple[str, ...]) -> Place | None:
        """A generator's folder, or RAISE's and whatever is below it."""
        if any(name.lower().startswith("raise") for name in folders):
            return Place(REAL, "raise", "raise", "test")
        *_, name = self.names(folders)
        origin = GENERATORS.get(name)
        return Place(GENERATED, origin, f"synthbuster/{name}", "test") if origin else None

    def group(self, stem: str, place: Place) -> str:
        """The photograph's name in RAISE, which its generated siblings carry too."""
        return f"raise/{stem}" if re.fullmatch(r"r[0-9a-f]{8}t", stem) else ""

    def _list(self) -> Iterator[Item]:
        yield from super()._list()
        photographs = self.census.of_class(REAL)
        if not photographs:
            self.census.notes.insert(
                0,
                "NO REAL IMAGES: Synthbuster brings none. False alarms cannot be measured until RAISE-1k lies beside "
                "its generators, in a folder whose name begins with raise",
            )
        elif photographs != 1000:
            self.census.notes.append(f"raise: {photographs:,} of the published 1,000 images")
