"""What lies in one folder: its images and its folders, and by name what is neither."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from contrafake.data.shards import IMAGE_SUFFIXES

if TYPE_CHECKING:
    from pathlib import Path

    from contrafake.data.sources.source import Census

SHOWN = 5


@dataclass
class Listed:
    """Names for a note: all counted, the first few kept, so that memory does not grow with them."""

    count: int = 0
    first: list[str] = field(default_factory=list)

    def add(self, name: str) -> None:
        """Counts a name."""
        self.count += 1
        if len(self.first) < SHOWN:
            self.first.append(name)

    def __str__(self) -> str:
        """The number, then the first names, and dots where there are more: "2 (a, b)"."""
        return f"{self.count:,} ({', '.join(self.first)}{', ...' if self.count > SHOWN else ''})"


def list_folder(path: str, census: Census) -> tuple[list[str], list[str]]:
    """Names of the images and of the folders directly in a folder, both sorted.

    Suffixes count in any case. What is no image by its suffix, hidden, empty, a dead link or unreadable is skipped.

    Args:
        path: The folder; undecodable bytes are surrogate escapes.
        census: Counts what is skipped; an unreadable folder is one such thing.

    Returns:
        (image names, folder names).
    """
    images: list[str] = []
    folders: list[str] = []
    left: list[tuple[str, str]] = []
    try:
        with os.scandir(path) as entries:
            for entry in entries:  # none is kept: it holds what the disk said of it, ten times its name
                if _is_folder(entry):
                    folders.append(entry.name)
                elif reason := _no_image(entry):
                    left.append((entry.path, reason))
                else:
                    images.append(entry.name)
    except OSError as error:
        census.skip(path, f"the folder cannot be read: {error.strerror}")
        return [], []
    for where, reason in sorted(left):
        census.skip(where, reason)
    return sorted(images), sorted(folders)


def folder_names(path: Path) -> list[str]:
    """Names of the folders in a folder, sorted; none where it is missing, no folder, or cannot be read."""
    try:
        with os.scandir(path) as entries:
            return sorted(entry.name for entry in entries if _is_folder(entry))
    except OSError:
        return []


def holds(path: Path, *names: str) -> bool:
    """Whether a folder holds a folder of any of these names; case does not count."""
    return not {name.lower() for name in names}.isdisjoint(name.lower() for name in folder_names(path))


def _no_image(entry: os.DirEntry[str]) -> str:
    """Why an entry is not taken; "" where it is."""
    suffix = os.path.splitext(entry.name)[1].lower().removeprefix(".")  # noqa: PTH122 - plain strings keep odd names
    try:
        if entry.name.startswith("."):
            return "hidden file"
        if entry.is_symlink() and not os.path.exists(entry.path):  # noqa: PTH110 - as above
            return "a dead link"
        if suffix not in IMAGE_SUFFIXES:
            return f"no image by its suffix ({f'.{suffix}' if suffix else 'none'})"
        if not entry.is_file():
            return "not a regular file"
        return "" if entry.stat().st_size else "empty file"
    except OSError as error:
        return f"cannot be read: {error.strerror}"


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False
