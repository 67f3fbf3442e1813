"""The divided set as shards: one series for each split, bytes and keys as they were."""

from __future__ import annotations

from dataclasses import replace
from pathlib import PurePath
from typing import TYPE_CHECKING

from contrafake.data.location import Member, read_bytes
from contrafake.data.origins import SPLITS
from contrafake.data.packing.entries import SUFFIXES, lone_json, record_json
from contrafake.data.sample import Record
from contrafake.data.shard_writer import ShardWriter
from contrafake.data.sources import samples_of
from contrafake.data.splitting.columns import NO_SPLIT
from contrafake.errors import ContrafakeError
from contrafake.images.container import identify

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from contrafake.data.sample import Sample
    from contrafake.data.sources import Source

SHARD_BYTES = 2**28
"""A shard is closed once it holds this many bytes of images."""


def write_shards(
    source: Source, split: NDArray[np.int8], folder: Path, step: Callable[[int], None] = lambda _: None
) -> dict[str, str]:
    """Copies the images of each split into shards `train-0000.tar`, `val-0000.tar` ...

    A record of which images are left out stays one while it has its real image and a generated one; else the rest
    become lone samples, which name the record as their group. Where lone samples and records occur both, they go to
    shards of their own (`train-lone-0000.tar`, `train-paired-0000.tar`), since training takes one kind.

    Args:
        source: The set.
        split: (N,) places in `SPLITS` in the order of the listing, -1 for images to leave out.
        folder: An existing folder.
        step: Called with 1 after each image.

    Returns:
        Cause by key, for images that could not be read any more.

    Raises:
        DataError: A shard cannot be written.
    """
    broken: dict[str, str] = {}
    series: dict[tuple[int, str], _Series] = {}
    row = 0
    try:
        for item in source:
            by_split: dict[int, list[tuple[Sample, bytes]]] = {}
            for sample in samples_of(item):
                here, row = int(split[row]), row + 1
                if here == NO_SPLIT:
                    continue
                try:
                    by_split.setdefault(here, []).append((sample, read_bytes(sample.image)))
                except ContrafakeError as error:
                    broken[sample.key] = error.cause
                step(1)
            for here, members in by_split.items():
                both = len({sample.label for sample, _ in members}) == 2
                kind = "paired" if isinstance(item, Record) and both else "lone"
                where = series.setdefault((here, kind), _Series(folder, f"{SPLITS[here]}-{kind}"))
                if isinstance(item, Record) and kind == "paired":
                    where.write(_plain(item.key), _record(item, members, SPLITS[here]))
                    continue
                for sample, data in members:
                    where.write(_plain(sample.key), _lone(sample, data, SPLITS[here]))
    except BaseException as error:
        for one in series.values():
            one.close(error)
        raise
    for one in series.values():
        one.close()
    kinds = {kind for _, kind in series}
    for kind in kinds if len(kinds) == 1 else ():
        for path in sorted(folder.glob("*.tar")):
            path.rename(path.with_name(path.name.replace(f"-{kind}-", "-", 1)))
    return broken


class _Series:
    """Shards of one split and kind; only the one being written is open."""

    def __init__(self, folder: Path, prefix: str) -> None:
        self.folder, self.prefix = folder, prefix
        self.count = self.bytes = 0
        self.open: ShardWriter | None = None

    def write(self, key: str, members: Mapping[str, bytes]) -> None:
        if self.open is None or self.bytes >= SHARD_BYTES:
            self.close()
            self.open = ShardWriter(self.folder / f"{self.prefix}-{self.count:04d}.tar")
            self.count, self.bytes = self.count + 1, 0
        self.open.write(key, members)
        self.bytes += sum(map(len, members.values()))

    def close(self, error: BaseException | None = None) -> None:
        if self.open is not None:
            writer, self.open = self.open, None
            writer.__exit__(type(error) if error else None, error, None)


def _lone(sample: Sample, data: bytes, split: str) -> dict[str, bytes]:
    if isinstance(sample.image, Member):
        suffix = PurePath(sample.image.name).suffix.lstrip(".").lower()
    else:
        suffix = SUFFIXES.get(identify(data), "bin")
    return {suffix: data, "json": lone_json(replace(sample, split=split), "detection")}


def _record(record: Record, members: list[tuple[Sample, bytes]], split: str) -> dict[str, bytes]:
    known = all(sample.key.startswith(f"{record.key}.gen_") for sample in record.generated)
    # A record read from shards may lack some of its siblings; the others keep their numbers.
    names = [s.key.removeprefix(f"{record.key}.") if known else f"gen_{k}" for k, s in enumerate(record.generated)]
    slots = dict(zip((sample.key for sample in record.samples), ["real", *names], strict=True))
    written, kept = {}, []
    for sample, data in members:
        # The official code's readers look for .jpg whatever the bytes are.
        suffix = PurePath(sample.image.name).suffix if isinstance(sample.image, Member) else ".jpg"
        written[f"{slots[sample.key]}{suffix.lower()}"] = data
        kept.append(replace(sample, key=f"{record.key}.{slots[sample.key]}", split=split))
    if record.caption:
        written["caption.txt"] = record.caption.encode("utf-8", "replace")
    if record.url:
        written["url.txt"] = record.url.encode("utf-8", "replace")
    return {**written, "json": record_json(replace(record, real=replace(record.real, split=split)), kept)}


def _plain(key: str) -> str:
    """Undecodable bytes of a file name are spelled out, since a tar header is UTF-8."""
    return key.encode("utf-8", "backslashreplace").decode()
