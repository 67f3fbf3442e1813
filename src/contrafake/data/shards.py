"""WebDataset shards as objects: plain tar files, read by byte range; `shard_writer` writes them, `listing` scales.

Members are only ever read as bytes: nothing is unpickled, whatever its suffix, and no ``pipe:`` address is followed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from contrafake.data.interpret import CAPTION, FACTS, IMAGE_SUFFIXES, MASK, URL, interpret
from contrafake.data.location import read_bytes
from contrafake.data.patterns import expand_patterns
from contrafake.data.remote import open_shard
from contrafake.data.sample import LABELS, Record, Sample
from contrafake.data.tar_scan import escape_key, scan_tar, unescape_key
from contrafake.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from contrafake.data.location import Location

__all__ = ["IMAGE_SUFFIXES", "MASK", "ShardSet", "escape_key", "expand_patterns", "unescape_key"]


class ShardSet:
    """All samples and records of some shards, listed once and read by byte range.

    Listing reads the tar headers and the small JSON members only; images are read when asked for, so that any image
    can be drawn at any time at the cost of one `pread`. It holds about 2 kB for each image; `Listing` holds columns.

    Attributes:
        samples: Lone samples, by key.
        records: Paired records, by key.
        skipped: Keys that hold no usable sample, with the reason.
    """

    def __init__(self, shards: Iterable[str], labels: Mapping[str, Literal[0, 1]] = LABELS) -> None:
        """Lists the shards.

        Args:
            shards: Paths, glob patterns or addresses of tar files; see `expand_patterns`.
            labels: What labels mean; `ANOMALY_LABELS` reads sets of normal and anomalous images.

        Raises:
            DataError: If a shard is missing, truncated or no tar file, or a key stands in two places.
        """
        self.samples: list[Sample] = []
        self.records: list[Record] = []
        self.skipped: dict[str, str] = {}
        seen: dict[str, str] = {}
        for shard in expand_patterns(shards):
            with open_shard(shard) as (file, size):
                contents = scan_tar(file, size, shard, {FACTS, CAPTION, URL})
            if contents.damage:
                raise contents.damage[0]
            for key, members in contents.keys.items():
                if key in seen:
                    raise DataError(f"{shard}: {key}", f"the key stands in {seen[key]} as well")
                seen[key] = shard
                found = interpret(key, members, contents, labels)
                if isinstance(found, Sample):
                    self.samples.append(found)
                elif isinstance(found, Record):
                    self.records.append(found)
                else:
                    self.skipped[key] = found

    @staticmethod
    def read(location: Location) -> bytes:
        """The bytes of one image; nothing stays open between two calls.

        Raises:
            DataError: If the shard is gone, or shorter than its listing said.
        """
        return read_bytes(location)
