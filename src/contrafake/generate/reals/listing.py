"""Which real images a build is made from: all its addresses one after the other, and what was left out."""

from __future__ import annotations

import os
from array import array
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from contrafake.data.matching.made import clean
from contrafake.data.remote import is_remote
from contrafake.data.seen import Seen
from contrafake.data.sources import LAYOUTS, open_source
from contrafake.data.sources.listing import folder_names
from contrafake.data.sources.several import split_address
from contrafake.data.sources.source import Census
from contrafake.data.splitting.columns import digest
from contrafake.data.text_table import LONGEST_LINE
from contrafake.errors import DataError, UsageError
from contrafake.generate.reals.blocked import BLOCKED, blocked_words
from contrafake.generate.reals.coco import CocoCaptions
from contrafake.generate.reals.folder import CaptionedFolder
from contrafake.generate.reals.known import KnownSet
from contrafake.generate.reals.parquet_files import CaptionedParquet
from contrafake.generate.reals.reader import GENERATED_IMAGE, Reader, add_skipped
from contrafake.generate.reals.shards import CaptionedShards
from contrafake.settings import expand

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterator, Mapping

    from contrafake.generate.config import RealsSettings
    from contrafake.generate.record import CaptionedReal

READERS: dict[str, type[Reader]] = {
    reader.layout: reader for reader in (CaptionedShards, CocoCaptions, CaptionedFolder, CaptionedParquet)
}
"""The layouts of images with captions, in the order in which they are recognised."""

_OTHER = ("origin", "source", "group", "split", "key")


class RealListing:
    """The real images that a configuration takes. Iterating lists them, always in the same order, reading no pixels.

    Of several addresses each gets its place in front of its keys and groups: ``0/``, ``1/`` ... A limit lists the data
    twice, so that only hashes need be held.

    Attributes:
        settings: What the configuration says.
        census: What the last complete listing left out.
    """

    def __init__(self, settings: RealsSettings) -> None:
        """Opens the data.

        Raises:
            ConfigError: An environment variable is not set, or the file of blocked words cannot be read.
            DataError: An address is missing, or its layout is not recognised.
            UsageError: There is no such layout.
        """
        self.settings = settings
        self.census = Census()
        self._blocked = blocked_words(settings)
        self._wanted = [
            ({name: set(map(str, values)) for name, values in rules.items()}, kept)
            for rules, kept in ((settings.keep, True), (settings.drop, False))
        ]
        named = [split_address(expand(address)) for address in settings.data]
        self._parts = [(split, open_reals(path, settings.columns, settings.layout)) for split, path in named]

    @property
    def skipped(self) -> Counter[str]:
        """For each reason, how many things were left out."""
        return self.census.skipped

    @property
    def examples(self) -> dict[str, list[str]]:
        """For each reason, the first addresses."""
        return self.census.examples

    def __iter__(self) -> Iterator[CaptionedReal]:
        """The images.

        Raises:
            DataError: Two images have one key; the data cannot be used; or, at the end, nothing is left.
        """
        least = self._least()
        self.census = Census()
        count = 0
        for real in self._accepted():
            if least is not None and digest(real.key) > least:
                self.census.skip(real.key, f"beyond the limit of {self.settings.limit:,} records")
            else:
                count += 1
                yield real
        if not count:
            lost = "; ".join(self.census.describe_skipped()) or "nothing was there"
            raise DataError(", ".join(self.settings.data), f"no real image is left: {lost}", "check reals in the file")

    def refuses(self, real: CaptionedReal) -> bool:
        """Whether a caption that was written since holds a blocked word; if so, its image counts as skipped."""
        if found := self._blocked.found(real.caption):
            self.census.skip(real.key, BLOCKED)
        return bool(found)

    def _least(self) -> int | None:
        """The highest hash of a key within the limit, None where all are."""
        limit = self.settings.limit
        if limit is None:
            return None
        self.census = Census()
        hashes = array("Q", (digest(real.key) for real in self._accepted()))
        if len(hashes) <= limit:
            return None
        return int(np.partition(np.frombuffer(hashes, np.uint64), limit - 1)[limit - 1])

    def _accepted(self) -> Iterator[CaptionedReal]:
        seen = Seen()
        for real in self._all():
            if not seen.add(real.key):
                self._name_both(real)
            if reason := self._refusal(real):
                self.census.skip(real.key, reason)
            else:
                yield real

    def _all(self) -> Iterator[CaptionedReal]:
        for position, (named, reader) in enumerate(self._parts):
            prefix = f"{position}/" if len(self._parts) > 1 else ""
            split = self.settings.split or named
            for real in reader:
                group = prefix + real.group if real.group else ""
                yield replace(
                    real,
                    key=clean(prefix + real.key),
                    caption=clean(real.caption),
                    origin=clean(real.origin),
                    source=clean(real.source),
                    group=clean(group),
                    split=split or real.split,
                    url=clean(real.url),
                )
            add_skipped(self.census, reader.census)

    def _refusal(self, real: CaptionedReal) -> str:
        """Why an image is not taken, "" where it is."""
        if str(real.metadata.get("label", "")).strip().lower() in {"fake", "generated"}:
            return GENERATED_IMAGE
        for rules, kept in self._wanted:
            for name, values in rules.items():
                value = _value(real, name)
                if (value is not None and str(value) in values) != kept:
                    return f"{name} is not among those kept" if kept else f"{name} is {value}"
        return BLOCKED if self._blocked.found(real.caption) else ""

    def _name_both(self, second: CaptionedReal) -> None:
        """Refuses a key that stands in two places; the data are read again, since nobody kept the first."""
        census, self.census = self.census, Census()
        first = next(real for real in self._all() if digest(real.key) == digest(second.key))
        self.census = census
        if first.key == second.key:
            cause = f"the key {second.key!r} stands in {first.image.address} as well"
            raise DataError(second.image.address, cause, "make keys unique, or name their column: columns: {key: NAME}")


def list_reals(settings: RealsSettings) -> RealListing:
    """The real images that a configuration takes.

    Args:
        settings: What it says of them.

    Raises:
        ConfigError: An environment variable is not set, or the file of blocked words cannot be read.
        DataError: An address is missing, or its layout is not recognised.
        UsageError: There is no such layout.
    """
    return RealListing(settings)


def open_reals(address: str, columns: Mapping[Any, str], layout: str = "auto") -> Reader:
    """Opens one address.

    Args:
        address: A path, a pattern, or an address of another file system.
        columns: Names that the configuration tells.
        layout: One of `READERS`, one of `contrafake data info`, or "auto".

    Raises:
        DataError: Nothing is there, or nothing was recognised.
        UsageError: There is no such layout.
    """
    # Workers and later runs may stand in another folder.
    address = address if is_remote(address) else os.path.abspath(address)  # noqa: PTH100 - patterns are no paths
    if layout in READERS:
        return READERS[layout](address, columns)
    if layout != "auto":
        if layout not in LAYOUTS:
            raise UsageError("reals.layout", f"{layout!r} is unknown", f"one of {', '.join([*READERS, *LAYOUTS])}")
        return KnownSet(address, columns, layout)
    name = _recognised(address)
    return KnownSet(address, columns) if name == KnownSet.layout else READERS[name](address, columns)


def _recognised(address: str) -> str:
    if CaptionedShards.recognises(address):
        return CaptionedShards.layout
    readers = [layout for layout, reader in READERS.items() if reader.recognises(address)]
    try:
        known = open_source(address).layout
    except DataError as error:
        if readers:
            return readers[0]
        if not Path(address).exists():
            raise
        layouts = ", ".join([*READERS, *LAYOUTS])
        raise DataError(address, error.cause, f"name it with reals.layout: {layouts}") from error
    # Every table is taken for a list of labels, and folders called nature or real may only say what the images show.
    mistaken = {"manifest": _is_unlabelled_table, "folders": _is_without_generated}.get(known)
    return readers[0] if readers and mistaken is not None and mistaken(Path(address)) else KnownSet.layout


def _is_unlabelled_table(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return b"label" not in file.readline(LONGEST_LINE).lower()


def _is_without_generated(root: Path) -> bool:
    names = [name for top in (root, *(root / name for name in folder_names(root))) for name in folder_names(top)]
    plain = {name.lower().removeprefix("1_") for name in names}
    return not (root / "origins.csv").is_file() and plain.isdisjoint({"fake", "generated", "ai"})


def _value(real: CaptionedReal, name: str) -> Any:
    value = real.metadata.get(name)
    return getattr(real, name) or None if value is None and name in _OTHER else value
