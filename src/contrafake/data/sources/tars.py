"""Shards as a source: the corpus, what `contrafake data pack` writes, and what the official code writes."""

from __future__ import annotations

import glob
import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from contrafake.data.origins import OriginTable, known_origins
from contrafake.data.sample import Record
from contrafake.data.seen import Seen
from contrafake.data.shards import ShardSet, expand_patterns
from contrafake.data.sources.folders import SPLIT_NAMES, origins_beside
from contrafake.data.sources.source import Source
from contrafake.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from contrafake.data.sources.source import Item

_SPLIT = re.compile(rf"({'|'.join(SPLIT_NAMES)})[-_.]", re.IGNORECASE)


class Shards(Source):
    """A shard, a pattern of shards, or a folder of them; one shard at a time is listed.

    The split is what the sample's JSON or the record's key says, else what the shard's name begins with.
    """

    layout = "shards"
    classes = ()  # a single shard may well hold one class

    @classmethod
    def recognises(cls, root: Path) -> bool:
        """Whether it is a tar file, a folder that holds some, or a pattern."""
        if root.is_dir():
            return next(root.glob("*.tar"), None) is not None
        return root.suffix == ".tar"

    @property
    def origins(self) -> OriginTable:
        """The table beside the shards, else what is known of public sets."""
        folder = self.root if self.root.is_dir() else self.root.parent
        return origins_beside(folder) if folder.is_dir() else known_origins()

    def _list(self) -> Iterator[Item]:
        # A folder's own name may hold brackets, which are no pattern.
        pattern = str(Path(glob.escape(str(self.root)), "*.tar")) if self.root.is_dir() else str(self.root)
        shards, seen = expand_patterns([pattern]), Seen()
        for shard in shards:
            listed = ShardSet([shard])
            for key, reason in listed.skipped.items():
                self.census.skip(f"{shard}: {key}", reason)
            named = _SPLIT.match(Path(shard).name)
            split = SPLIT_NAMES[named[1].lower()] if named else ""
            items: list[Item] = [*listed.samples, *listed.records]
            for item in items:
                if not seen.add(item.key) and (other := _holder(item.key, shards[: shards.index(shard)])):
                    raise DataError(f"{shard}: {item.key}", f"the key stands in {other} as well")
                yield _with_split(item, split)


def _holder(key: str, shards: list[str]) -> str | None:
    """The shard that really holds a key whose hash was met before."""
    for shard in shards:
        listed = ShardSet([shard])
        if any(item.key == key for items in (listed.samples, listed.records) for item in items):
            return shard
    return None


def _with_split(item: Item, split: str) -> Item:
    if isinstance(item, Record):
        real, *generated = (replace(sample, split=sample.split or split) for sample in item.samples)
        return replace(item, real=real, generated=tuple(generated))
    return replace(item, split=item.split or split)
