"""Images in folders whose names say what they are."""

from __future__ import annotations

import os
from abc import abstractmethod
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from contrafake.data.location import File
from contrafake.data.origins import OriginTable, known_origins, read_origins
from contrafake.data.sample import GENERATED, LABELS, REAL, Sample
from contrafake.data.shards import IMAGE_SUFFIXES
from contrafake.data.sources.source import Source
from contrafake.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SPLIT_NAMES = {"train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}


@dataclass(frozen=True)
class Place:
    """What a folder says of the images directly in it.

    Attributes:
        label: 0 = real (or normal), 1 = generated (or anomalous).
        origin: Data set or generator.
        source: What shares hidden traits; intervals and splits go by it.
        split: "train", "val", "test" or "".
    """

    label: Literal[0, 1]
    origin: str
    source: str
    split: str = ""


class FolderSource(Source):
    """A layout in which the folders down to an image determine everything but its group.

    Folders and files come sorted by name; suffixes count in any case. What is no image by its suffix, hidden, empty or
    unreadable is skipped and counted. Links to folders are followed, but never in circles.
    """

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
        return Sample(key, place.label, place.origin, place.source, self.group(stem, place), File(path), place.split)

    @property
    def origins(self) -> OriginTable:
        """The table that lies beside the images as `origins.csv`, else what is known of public sets."""
        return origins_beside(self.root)

    def _list(self) -> Iterator[Sample]:
        if not self.root.is_dir():
            raise DataError(str(self.root), "no such folder")
        yield from self._walk(str(self.root), (), frozenset())

    def _walk(self, path: str, folders: tuple[str, ...], above: frozenset[tuple[int, int]]) -> Iterator[Sample]:
        try:
            status = os.stat(path)  # noqa: PTH116 - plain strings keep undecodable names
            if (status.st_dev, status.st_ino) in above:
                self.census.skip(path, "a link back to a folder above")
                return
            with os.scandir(path) as entries:
                found = sorted(entries, key=lambda entry: entry.name)
        except OSError as error:
            self.census.skip(path, f"the folder cannot be read: {error.strerror}")
            return
        names = [entry.name for entry in found if self._is_image(entry)]
        place = self.place(folders) if names else None
        stems = [os.path.splitext(name)[0] for name in names]  # noqa: PTH122 - as above
        times = Counter(stems)
        for name, stem in zip(names, stems, strict=True):
            where = os.path.join(path, name)  # noqa: PTH118 - as above
            if place is None:
                self.census.skip(where, f"no place for images in this folder of layout {self.layout}")
                continue
            key = "/".join([*folders, name if times[stem] > 1 else stem])
            yield self.sample(where, key, stem, place)
        inside = above | {(status.st_dev, status.st_ino)}
        for entry in found:
            if _is_folder(entry):
                yield from self._walk(entry.path, (*folders, entry.name), inside)

    def _is_image(self, entry: os.DirEntry[str]) -> bool:
        if _is_folder(entry):
            return False
        suffix = os.path.splitext(entry.name)[1].lower().removeprefix(".")  # noqa: PTH122 - as above
        reason = ""
        try:
            if entry.name.startswith("."):
                reason = "hidden file"
            elif suffix not in IMAGE_SUFFIXES:
                reason = f"no image by its suffix ({f'.{suffix}' if suffix else 'none'})"
            elif not entry.is_file():
                reason = "a dead link" if entry.is_symlink() else "not a regular file"
            elif not entry.stat().st_size:
                reason = "empty file"
        except OSError as error:
            reason = f"cannot be read: {error.strerror}"
        if reason:
            self.census.skip(entry.path, reason)
        return not reason


class PlainFolders(FolderSource):
    """Folders named `real`, `fake`, `generated` (also `0_real`, `1_fake`, `nature`, `ai`) at any depth, in any case.

    `train`, `val` and `test` above or below them are splits. Whatever other folder stands next to the class's folder
    names the origin, below it first (`fake/sdxl/1.png`, else `sdxl/fake/1.png`); without one, the root does. Folders
    without a class's name at all, but with an `origins.csv` at the root, are origins themselves.
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
            names.extend(inner.name for inner in path.iterdir() if inner.is_dir())
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


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False
