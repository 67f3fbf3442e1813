"""What every reader of real images shares: one interface, and how captions and addresses are found among names."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import urlsplit

from contrafake.data.sources.folders import SPLIT_NAMES
from contrafake.data.sources.source import SHOWN, Census

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from contrafake.generate.record import CaptionedReal

NAMES: dict[str, tuple[str, ...]] = {
    "caption": (
        "caption",
        "captions",
        "text",
        "texts",
        "top_caption",
        "original_prompt",
        "prompt",
        "sentence",
        "sentences",
        "raw",
        "alt_text",
        "description",
    ),
    "url": ("url", "image_url", "img_url", "coco_url", "flickr_url"),
    "key": ("key", "uid", "id", "sample_id"),
    "image": ("file_name", "filename", "image_path", "image", "file", "path"),
}
"""What columns and fields are called, in any case; the first that is there counts."""

GENERATED_IMAGE = "a generated image"

# May say where somebody lives, and no step of a build needs it.
_PRIVATE = {"exif"}
_LONGEST_CAPTION_FILE = 1 << 16


class Reader(ABC):
    """The real images of a set in one layout, always in the same order; no pixels are read.

    Attributes:
        layout: The layout's name, as a configuration gives it.
        address: Where the set lies.
        columns: Names of columns or fields that the configuration tells, by what they hold.
        census: What the last listing left out, and why.
    """

    layout: ClassVar[str]

    def __init__(self, address: str, columns: Mapping[str, str]) -> None:
        self.address = address
        self.columns = columns
        self.census = Census()

    @classmethod
    @abstractmethod
    def recognises(cls, address: str) -> bool:
        """Whether the address looks like this layout; cheap, and false rather than wrong."""

    @abstractmethod
    def _list(self) -> Iterator[CaptionedReal]:
        """The images, in an order that depends on nothing but the set."""

    def __iter__(self) -> Iterator[CaptionedReal]:
        """The images; what is left out is counted in `census`.

        Raises:
            DataError: The set cannot be used.
        """
        self.census = Census()
        yield from self._list()


@dataclass(frozen=True)
class Description:
    """What a row of a table, or the JSON beside an image, says of it.

    Attributes:
        caption: Its caption, "" for none.
        url: Where it was found, "" where that is not told.
        split: "train", "val", "test" or "".
        metadata: All other fields.
    """

    caption: str = ""
    url: str = ""
    split: str = ""
    metadata: dict[str, Any] | None = None


def describe(row: Mapping[str, Any], columns: Mapping[str, str]) -> Description:
    """Takes a row apart.

    Args:
        row: Values by name.
        columns: Names that the configuration tells.
    """
    caption, url = find_name(row, "caption", columns), find_name(row, "url", columns)
    return Description(
        caption=caption_of(row[caption]) if caption else "",
        url=str(row[url] or "") if url else "",
        split=SPLIT_NAMES.get(str(row.get("split") or "").lower(), ""),
        metadata={name: value for name, value in row.items() if name not in {caption, url, *_PRIVATE}},
    )


def find_name(names: Iterable[str], what: str, columns: Mapping[str, str]) -> str | None:
    """The name under which something stands: the one that was told, else the first known one.

    Args:
        names: Names that are there.
        what: "image", "caption", "url" or "key".
        columns: Names that were told, by what they hold; one that is not there is None.
    """
    present: dict[str, str] = {}
    for name in names:
        present.setdefault(name.lower(), name)
    if what in columns:
        return columns[what] if columns[what] in present.values() else None
    return next((present[name] for name in NAMES[what] if name in present), None)


def caption_of(value: object) -> str:
    """A caption as data sets hold it: of a list the first, of a text the first line that is not empty.

    Space around and between the words becomes one blank each. Anything but texts and lists of them is no caption.
    """
    if isinstance(value, list | tuple):
        return next((text for text in map(caption_of, value) if text), "")
    if isinstance(value, dict):  # as some sets on model hubs hold sentences
        return next((caption_of(value[name]) for name in ("raw", "caption", "text") if name in value), "")
    if not isinstance(value, str):
        return ""
    return next((line for text in value.splitlines() if (line := " ".join(text.split()))), "")


def caption_beside(path: str) -> str:
    """The caption in ``<stem>.txt`` or ``<stem>.caption`` beside an image, "" where there is none."""
    stem = os.path.splitext(path)[0]  # noqa: PTH122 - plain strings keep undecodable names
    for suffix in (".txt", ".caption"):
        try:
            with open(stem + suffix, "rb") as file:  # noqa: PTH123 - as above
                return caption_of(file.read(_LONGEST_CAPTION_FILE).decode("utf-8-sig", "replace"))
        except OSError:
            continue
    return ""


def host_of(url: str) -> str:
    """The host of an address in lower case, "" for what is none."""
    try:
        return (urlsplit(url).hostname or "").lower()
    except ValueError:
        return ""


def add_skipped(census: Census, other: Census, but: Iterable[str] = ()) -> None:
    """Adds what one census left out to another, and its notes.

    Args:
        census: Is added to.
        other: What is added.
        but: Reasons that do not count.
    """
    for reason, count in other.skipped.items():
        if reason not in set(but):
            census.skipped[reason] += count
            shown = census.examples.setdefault(reason, [])
            shown.extend(other.examples[reason][: SHOWN - len(shown)])
    census.notes.extend(other.notes)
