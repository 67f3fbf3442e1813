"""The real images of any set that `contrafake data` reads."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from contrafake.data.location import File
from contrafake.data.sample import REAL, Record
from contrafake.data.sources import open_source
from contrafake.generate.reals.reader import (
    GENERATED_IMAGE,
    Reader,
    add_skipped,
    caption_beside,
    caption_of,
    describe,
    host_of,
)
from contrafake.generate.record import CaptionedReal

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from contrafake.data.sources.source import Item


class KnownSet(Reader):
    """Any layout of `contrafake data info`: its real images, with the captions of records, metadata or files beside."""

    layout = "known"

    def __init__(self, address: str, columns: Mapping[str, str], layout: str = "auto") -> None:
        """Opens the set.

        Raises:
            DataError: The path is missing, or no layout was recognised.
            UsageError: There is no such layout.
        """
        super().__init__(address, columns)
        self.source = open_source(Path(address), layout)
        self.source.classes = ()  # type: ignore[misc]  # a set of real images only is complete here

    @classmethod
    def recognises(cls, address: str) -> bool:
        """Never: `open_source` does it."""
        return False

    def _list(self) -> Iterator[CaptionedReal]:
        for item in self.source:
            real = real_of(item, self.columns)
            if real is None:
                self.census.skip(item.key, GENERATED_IMAGE)
            else:
                yield real
        add_skipped(self.census, self.source.census)


def real_of(item: Item, columns: Mapping[str, str], caption: str = "") -> CaptionedReal | None:
    """The real image of a sample or record, None for a generated one.

    Args:
        item: The sample or record; a record's real image carries the record's key.
        columns: Names of metadata that the configuration tells.
        caption: Its caption, where that is known from elsewhere.
    """
    sample = item.real if isinstance(item, Record) else item
    if sample.label != REAL:
        return None
    said = describe(sample.metadata, columns)
    url = said.url
    if isinstance(item, Record):
        caption, url = caption or caption_of(item.caption), caption_of(item.url) or url
    if not caption and isinstance(sample.image, File):
        caption = caption_beside(sample.image.path)
    return CaptionedReal(
        key=item.key,
        caption=caption or said.caption,
        image=sample.image,
        origin=sample.origin,
        source=sample.source or host_of(url) or sample.origin,
        group=sample.group,
        split=sample.split,
        url=url,
        metadata=said.metadata or {},
    )
