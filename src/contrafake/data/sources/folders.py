"""Images in folders whose names say what they are."""

from __future__ import annotations

import os
from abc import abstractmethod
from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Literal

from contrafake.data.location import File
from contrafake.data.origins import OriginTable, known_origins, read_origins
from contrafake.data.sample import GENERATED, LABELS, REAL, Sample
from contrafake.data.sources.listing import folder_names, list_folder
from contrafake.data.sources.source import Source
from contrafake.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from contrafake.data.sources.source import Item

SPLIT_NAMES = {"train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}

DEEPEST = 64
"""Folders within folders that are followed; no set is deeper, and Python's own stack ends at a thousand."""


@dataclass(frozen=True)
class Place:
    """What a folder says of the images directly in it.

    Attributes:
        label: 0 = real (or normal), 1 = generated (or anomalous).
        origin: Data set or generator.
        source: What shares hidden traits; intervals and splits go by it.
        split: "train", "val", "test" or "".
        metadata: What else is known of all of them.
    """

    label: Literal[0, 1]
    origin: str
    source: str
    split: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)


class FolderSource(Source):
    """A layout in which the folders down to an image determine everything but its group.

    Folders and files come sorted by name; suffixes count in any case. What is no image by its suffix, hidden, empty or
    unreadable is skipped and counted. Links to folders are followed, but never in circles.

    Attributes:
        published: How many images the authors published for a source; the census notes what differs.
    """

    published: ClassVar[Mapping[str, int]] = {}

    @abstractmethod
    def place(self, folders: tuple[str, ...]) -> Place | None:
        """What the images directly in a folder are; None where the layout has no images.

        Args:
            folders: Names of the folders from the root down, as they are on disk.
        """

    def group(self, stem: str, place: Place) -> str:
        """What an image belongs to together with others (its caption, its parent), "" for none.

        Args:
            stem: File name without its suffix.
            place: What its folder says.
        """
        return ""

    def sample(self, path: str, key: str, stem: str, place: Place) -> Sample:
        """The sample at a path."""
        group, metadata = self.group(stem, place), dict(place.metadata)
        return Sample(key, place.label, place.origin, place.source, group, File(path), place.split, metadata)

    def enters(self, folders: tuple[str, ...]) -> bool:
        """Whether a folder can hold samples; one that cannot (masks) is left alone. By default all can."""
        return True

    @property
    def origins(self) -> OriginTable:
        """The table that lies beside the images as `origins.csv`, else what is known of public sets."""
        return origins_beside(self.root)

    def names(self, folders: tuple[str, ...]) -> tuple[str, ...]:
        """The root's own name, then the folders: a layout can be opened at its top or at one of its parts."""
        return self.root.resolve().name, *folders

    def _list(self) -> Iterator[Item]:
        if not self.root.is_dir():
            raise DataError(str(self.root), "no such folder")
        counts: Counter[str] = Counter()
        for sample in self._walk(str(self.root), (), frozenset()):
            if sample.source in self.published:
                counts[sample.source] += 1
            yield sample
        for source, published in self.published.items():
            if counts[source] not in {0, published}:
                self.census.notes.append(f"{source}: {counts[source]:,} of the published {published:,} images")
        missing = [source for source in self.published if not counts[source]]
        if missing:
            self.census.notes.append(f"published, but not here: {', '.join(missing)}")

    def _walk(self, path: str, folders: tuple[str, ...], above: frozenset[tuple[int, int]]) -> Iterator[Sample]:
        try:
            status = os.stat(path)  # noqa: PTH116 - plain strings keep undecodable names
        except OSError as error:
            self.census.skip(path, f"the folder cannot be read: {error.strerror}")
            return
        if (status.st_dev, status.st_ino) in above:
            self.census.skip(path, "a link back to a folder above")
            return
        if len(above) > DEEPEST:
            self.census.skip(path, f"more than {DEEPEST} folders deep")
            return
        images, inner = list_folder(path, self.census)
        place = self.place(folders) if images else None
        if place is None:
            for name in images:
                reason = f"no place for images in this folder of layout {self.layout}"
                self.census.skip(os.path.join(path, name), reason)  # noqa: PTH118 - as above
        else:
            for name, stem, key in _keys(images):
                yield self.sample(os.path.join(path, name), "/".join([*folders, key]), stem, place)  # noqa: PTH118
        inside = above | {(status.st_dev, status.st_ino)}
        for name in inner:
            if self.enters((*folders, name)):
                yield from self._walk(os.path.join(path, name), (*folders, name), inside)  # noqa: PTH118 - as above


class PlainFolders(FolderSource):
    """Folders named `real`, `fake`, `generated` (also `0_real`, `1_fake`, `nature`, `ai`) at any depth, in any case.

    `train`, `val` and `test` above or below them are splits. Whatever other folder stands next to the class's folder
    names the origin, below it first (`fake/sdxl/1.png`, else `sdxl/fake/1.png`); without one, the root does. Folders
    without a class's name at all are origins themselves if an `origins.csv` at the root, or else the table of public
    sets, says what they are.
    """

    layout = "folders"

    @classmethod
    def recognises(cls, root: Path) -> bool:
        """Whether a class's folder stands within the two topmost levels, or an origin table does."""
        if (root / "origins.csv").is_file():
            return True
        below = [path for path in root.iterdir() if path.is_dir()] if root.is_dir() else []
        names = [path.name for path in below]
        for path in below:
            names.extend(folder_names(path))  # an unreadable one is no reason to refuse the rest
        return any(_label(name) is not None for name in names)

    def place(self, folders: tuple[str, ...]) -> Place | None:
        """The class's folder, the split's folder, and the name that is left."""
        classes = [(depth, label) for depth, name in enumerate(folders) if (label := _label(name)) is not None]
        split = next((SPLIT_NAMES[name.lower()] for name in folders if name.lower() in SPLIT_NAMES), "")
        if not classes:
            return self._by_origin(folders, split)
        depth, label = classes[-1]
        free = [name for name in (*folders[depth + 1 :], *reversed(folders[:depth])) if not _reserved(name)]
        origin = free[0] if free else self.root.resolve().name
        return Place(label, origin, "/".join(folders), split)

    def _by_origin(self, folders: tuple[str, ...], split: str) -> Place | None:
        for origin in self.origins:
            if origin.name in folders:
                return Place(GENERATED if origin.label else REAL, origin.name, "/".join(folders), split)
        return None


def origins_beside(root: Path) -> OriginTable:
    """The table `origins.csv` in a folder, else what is known of public sets."""
    table = root / "origins.csv"
    return read_origins(table) if table.is_file() else known_origins()


def _label(name: str) -> Literal[0, 1] | None:
    plain = name.lower().removeprefix("0_").removeprefix("1_")
    return {**LABELS, "nature": REAL, "ai": GENERATED}.get(plain) if plain not in {"0", "1"} else None


def _reserved(name: str) -> bool:
    return _label(name) is not None or name.lower() in SPLIT_NAMES


def _keys(names: list[str]) -> Iterator[tuple[str, str, str]]:
    """Name, stem and key: the stem, but the whole name where another file has that stem, or is called so.

    Looked up in the sorted names themselves: a folder of a million images needs no second million of stems.
    """
    for name in names:
        stem = _stem(name)
        called_so = names[bisect_left(names, stem)] == stem
        yield name, stem, name if called_so or _times(names, stem) > 1 else stem


def _times(names: list[str], stem: str) -> int:
    """How many of the sorted names have a stem."""
    count, at = 0, bisect_left(names, f"{stem}.")
    while at < len(names) and names[at].startswith(f"{stem}."):
        count += _stem(names[at]) == stem
        at += 1
    return count


def _stem(name: str) -> str:
    return os.path.splitext(name)[0]  # noqa: PTH122 - plain strings keep undecodable names
