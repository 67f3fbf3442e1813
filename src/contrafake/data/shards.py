"""WebDataset shards: plain tar files, read by byte range; `shard_writer` writes them.

A key is a member's name up to its first dot, so dots inside keys are escaped (``%2E``); suffixes are read in lower
case. Members are only ever read as bytes: nothing is unpickled, whatever its suffix, and no ``pipe:`` address is
followed.
"""

from __future__ import annotations

import glob
import json
import os
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from contrafake.data.location import Member, read_bytes
from contrafake.data.sample import GENERATED, LABELS, REAL, Record, Sample, parse_label
from contrafake.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from contrafake.data.location import Location

# What may not stand in a key, and how it is written: "%" comes first, because the others are written with it.
_ESCAPES = {"%": "%25", ".": "%2E", "/": "%2F", "\0": "%00"}

MASK = "mask"
"""What the mask of an anomalous image is called: its member `<key>.mask.png`, and its place in a sample's metadata."""

IMAGE_SUFFIXES = frozenset({"jpg", "jpeg", "png", "webp", "bmp", "gif", "tif", "tiff", "ppm", "avif", "heic", "heif"})


def escape_key(key: str) -> str:
    """Makes any text a shard key; `unescape_key` gives it back."""
    for character, written in _ESCAPES.items():
        key = key.replace(character, written)
    return key


def unescape_key(key: str) -> str:
    """The inverse of `escape_key`."""
    for character, written in reversed(_ESCAPES.items()):
        key = key.replace(written, character)
    return key


def expand_patterns(patterns: Iterable[str]) -> list[str]:
    """Turns glob patterns into a sorted list of existing shard files.

    Raises:
        DataError: If a pattern names a pipe or matches nothing.
    """
    shards: list[str] = []
    for pattern in patterns:
        if pattern.startswith("pipe:"):
            raise DataError(pattern, "shards are never read through a command", "give a file or a glob pattern")
        literal = os.path.lexists(pattern)  # a file's own name may hold brackets
        found = [pattern] if literal else glob.glob(pattern)  # noqa: PTH207 (patterns are absolute as often as not)
        if not found:
            raise DataError(pattern, "no shard matches", "check the path and ${CONTRAFAKE_DATA}")
        shards.extend(found)
    return sorted(set(shards))


class ShardSet:
    """All samples and records of some shards, listed once and read by byte range.

    Listing reads the tar headers and the small JSON members only; images are read when asked for, so that any image
    can be drawn at any time at the cost of one `pread`.

    Attributes:
        samples: Lone samples, by key.
        records: Paired records, by key.
        skipped: Keys that hold no usable sample, with the reason.
    """

    def __init__(self, shards: Iterable[str], labels: Mapping[str, Literal[0, 1]] = LABELS) -> None:
        """Lists the shards.

        Args:
            shards: Paths or glob patterns of local tar files.
            labels: What labels mean; `ANOMALY_LABELS` reads sets of normal and anomalous images.

        Raises:
            DataError: If a shard is missing, truncated or no tar file, or a key stands in two places.
        """
        self.samples: list[Sample] = []
        self.records: list[Record] = []
        self.skipped: dict[str, str] = {}
        self._labels = labels
        seen: dict[str, str] = {}
        for shard in expand_patterns(shards):
            for key, members in _list_members(shard).items():
                if key in seen:
                    raise DataError(f"{shard}: {key}", f"the key stands in {seen[key]} as well")
                seen[key] = shard
                self._add(key, members)

    @staticmethod
    def read(location: Location) -> bytes:
        """The bytes of one image; nothing stays open between two calls.

        Raises:
            DataError: If the shard is gone, or shorter than its listing said.
        """
        return read_bytes(location)

    def _add(self, key: str, members: Mapping[str, Member]) -> None:
        if any(suffix.startswith(("real.", "gen_")) for suffix in members):
            self._add_record(key, members)
        else:
            self._add_sample(key, members)

    def _add_sample(self, key: str, members: Mapping[str, Member]) -> None:
        images = [member for suffix, member in members.items() if suffix in IMAGE_SUFFIXES]
        facts = _read_json(self, members.get("json"))
        if len(images) != 1:
            self.skipped[key] = "no image" if not images else f"{len(images)} images"
        elif facts is None:
            self.skipped[key] = "no readable .json beside the image"
        elif not (label := _text(facts, "label")):
            self.skipped[key] = "its .json has no label"
        else:
            mask = members.get(f"{MASK}.png")
            self.samples.append(
                Sample(
                    key=key,
                    label=parse_label(label, f"{images[0].shard}: {key}", self._labels),
                    origin=_text(facts, "origin"),
                    source=_text(facts, "source"),
                    group=_text(facts, "group"),
                    image=images[0],
                    split=_text(facts, "split"),
                    metadata=facts if mask is None else {**facts, MASK: mask},
                )
            )

    def _add_record(self, key: str, members: Mapping[str, Member]) -> None:
        images: dict[str, Member] = {}
        for suffix, member in members.items():
            name, _, kind = suffix.partition(".")
            if kind in IMAGE_SUFFIXES and images.setdefault(name, member) is not member:
                self.skipped[key] = f"several images are called {name}"
                return
        generated = sorted((name for name in images if name.startswith("gen_")), key=lambda name: (len(name), name))
        if "real" not in images or not generated:
            self.skipped[key] = "a paired record needs real.* and at least one gen_*.*"
            return
        dataset, split, _ = parts if len(parts := key.split("__", 2)) == 3 else (key.partition("__")[0], "", "")
        facts = _read_json(self, members.get("json")) or {}
        group = _text(facts, "group") or key

        def sample(name: str, label: Literal[0, 1]) -> Sample:
            origin = _text(_table(facts, "origins"), name) or (dataset if label == REAL else name)
            source = _text(_table(facts, "sources"), name) or _text(facts, "source") or dataset
            metadata = _table(_table(facts, "metadata"), name)
            where = _text(facts, "split") or split
            return Sample(f"{key}.{name}", label, origin, source, group, images[name], where, metadata)

        self.records.append(
            Record(
                key=key,
                real=sample("real", REAL),
                generated=tuple(sample(name, GENERATED) for name in generated),
                caption=self._member_text(members.get("caption.txt")),
                url=self._member_text(members.get("url.txt")),
            )
        )

    def _member_text(self, member: Member | None) -> str:
        return "" if member is None else self.read(member).decode("utf-8", "replace")


def _list_members(shard: str) -> dict[str, dict[str, Member]]:
    """Maps each key of a tar file to its members by suffix."""
    keys: dict[str, dict[str, Member]] = {}
    try:
        size = Path(shard).stat().st_size
        with Path(shard).open("rb") as file, tarfile.open(fileobj=file, mode="r:", encoding="utf-8") as tar:
            for info in tar:
                if not 0 <= info.size <= size - info.offset_data:
                    raise DataError(f"{shard}: {info.name}", "the shard ends inside this member", "copy it again")
                folder, slash, name = info.name.rpartition("/")
                stem, dot, suffix = name.partition(".")
                if not info.isfile() or not dot or not stem:
                    continue
                members = keys.setdefault(unescape_key(folder + slash + stem), {})
                member = Member(shard, info.name, info.offset_data, info.size)
                if members.setdefault(suffix.lower(), member) is not member:
                    raise DataError(f"{shard}: {info.name}", "this member stands there twice")
            # The library takes a damaged or cut header for the end; the true end is a block of zeros.
            file.seek(tar.offset)
            if file.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
                raise DataError(shard, f"cut off or damaged at byte {tar.offset}", "copy it again")
    except (tarfile.TarError, OSError) as error:
        raise DataError(shard, f"not a readable tar file: {error}") from error
    if not keys:
        raise DataError(shard, "the shard is empty")
    return keys


def _text(facts: dict[str, Any], name: str) -> str:
    """A text, or a number as one; anything else counts as missing."""
    value = facts.get(name)
    return str(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else ""


def _table(facts: dict[str, Any], name: str) -> dict[str, Any]:
    value = facts.get(name)
    return value if isinstance(value, dict) else {}


def _read_json(shards: ShardSet, member: Member | None) -> dict[str, Any] | None:
    if member is None:
        return None
    try:
        facts = json.loads(shards.read(member))
    except (ValueError, RecursionError):
        return None
    return facts if isinstance(facts, dict) else None
