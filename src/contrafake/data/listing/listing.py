"""Labelled images of many shards, in columns."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from contrafake.data.listing.lister import list_shards
from contrafake.data.listing.merge import Columns, merge
from contrafake.data.listing.names import Names
from contrafake.data.location import Member, read_bytes
from contrafake.data.patterns import expand_patterns
from contrafake.data.remote import file_name, is_remote, shard_status
from contrafake.data.sample import GENERATED, REAL, Sample
from contrafake.data.tar_scan import key_and_suffix
from contrafake.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

    from numpy.typing import NDArray


def silent(done: int, total: int) -> None:
    """Reports nothing."""


class Listing:
    """Labelled images of many shards, N rows in numpy columns: about 55 bytes an image and its member's name.

    Rows stand in the order of the sorted shards, and in a shard in the order of its keys. Nothing of it is a Python
    object by image, so forked workers share it, and it can be pickled for others.

    Attributes:
        label: (N,) uint8, 0 = real, 1 = generated.
        origin: (N,) int32, codes into `origins`.
        source: (N,) int32, codes into `sources`.
        group: (N,) int32, codes into `groups`.
        shard: (N,) int32, codes into `shards`; rows of a shard are contiguous.
        record: (N,) int64, number of the paired record a row belongs to, counted from 0, and -1 for lone samples; rows
            of a record are contiguous, the real image first, then gen_0, gen_1 ... as far as they are there.
        origins: Data sets and generators by name.
        sources: Sources by name.
        groups: Groups by name; a sequence that is not held as Python objects.
        shards: Paths and addresses, sorted; also of those without a usable image.
        damage: Address of everything that was left out, with the cause.
    """

    def __init__(self, shards: list[str], columns: Columns) -> None:
        """Takes merged columns; use `Listing.of`."""
        self.shards = shards
        self.label = columns.label
        self.origin = columns.origin
        self.source = columns.source
        self.group = columns.group
        self.shard = columns.shard
        self.record = columns.record
        self.origins = columns.origins
        self.sources = columns.sources
        self.groups = columns.groups
        self.damage = columns.damage
        self._split = columns.split
        self._splits = columns.splits
        self._offset = columns.offset
        self._size = columns.size
        self._members = columns.members

    @classmethod
    def of(
        cls,
        patterns: Iterable[str],
        *,
        strict: bool = False,
        cache: bool = True,
        report: Callable[[int, int], None] = silent,
    ) -> Listing:
        """Lists shards from their index, a former listing, or their headers and JSON members; decodes nothing.

        Args:
            patterns: Paths, globs, brace ranges or fsspec addresses; see `expand_patterns`.
            strict: Stop at the first damage instead of leaving it out.
            cache: Keep each shard's listing in the user's cache folder, and use what stands there while the shard's
                size and time are the same.
            report: Called with the number of shards done and of all shards.

        Raises:
            DataError: A pattern matches nothing or names a pipe, a shard is not there or cannot be reached, or
                `strict` and something is damaged.
            MissingExtraError: An address needs a library that is not installed.
        """
        shards = expand_patterns(patterns)
        columns = merge(shards, list_shards(shards, strict=strict, cache=cache, report=report))
        if strict and columns.damage:  # a key in two shards
            raise DataError(*next(iter(columns.damage.items())), "repair it, or list what is left: not strict")
        return cls(shards, columns)

    def __len__(self) -> int:
        return len(self.label)

    def __getitem__(self, row: int) -> Sample:
        """The sample in a row; its metadata are empty.

        Raises:
            IndexError: There is no such row.
        """
        row = range(len(self))[row]
        member = self._members[row]
        key, suffix = key_and_suffix(member)
        return Sample(
            key=key if self.record[row] < 0 else f"{key}.{suffix.partition('.')[0]}",
            label=GENERATED if self.label[row] else REAL,
            origin=self.origins[self.origin[row]],
            source=self.sources[self.source[row]],
            group=self.groups[int(self.group[row])],
            image=Member(self.shards[self.shard[row]], member, int(self._offset[row]), int(self._size[row])),
            split=self._splits[self._split[row]],
        )

    def __iter__(self) -> Iterator[Sample]:
        return (self[row] for row in range(len(self)))

    def rows(
        self, label: int | None = None, origin: str | int | None = None, source: str | int | None = None
    ) -> NDArray[np.int64]:
        """The rows of a label, an origin and a source, each by name or code and None for any.

        Returns:
            (M,) int64, ascending; empty for a name that is not there.
        """
        fits = np.ones(len(self), bool)
        if label is not None:
            fits &= self.label == label
        for wanted, codes, names in ((origin, self.origin, self.origins), (source, self.source, self.sources)):
            if wanted is not None:
                code = wanted if isinstance(wanted, int) else _place(names, wanted)
                fits &= codes == code
        return np.flatnonzero(fits).astype(np.int64)

    def without(
        self, *, origins: Collection[tuple[int, str]] = (), sources: Collection[tuple[int, str]] = ()
    ) -> Listing:
        """The images that are left without some origins and sources; what is not there is no error.

        A paired record whose real image goes, or all of whose generated images go, goes whole. Otherwise it stays with
        the siblings that are left.

        Args:
            origins: Label (0 = real, 1 = generated) and name of each origin that goes.
            sources: Label and name of each source that goes.

        Returns:
            A listing of its own: rows in the same order, records numbered anew from 0, and the shards, the codes, what
            they mean and the damage as they are here.
        """
        keep = ~(_among(origins, self.origins)[self.label, self.origin])
        keep &= ~(_among(sources, self.sources)[self.label, self.source])
        paired = self.record >= 0
        number, kept, real = self.record[paired], keep[paired], self.label[paired] == REAL
        whole = (np.bincount(number, kept & real) > 0) & (np.bincount(number, kept & ~real) > 0)
        keep[paired] &= whole[number]
        record = self.record[keep]
        begins = (np.diff(record, prepend=-1) != 0) & (record >= 0)
        return Listing(
            self.shards,
            Columns(
                label=self.label[keep],
                origin=self.origin[keep],
                source=self.source[keep],
                group=self.group[keep],
                split=self._split[keep],
                shard=self.shard[keep],
                record=np.where(record >= 0, np.cumsum(begins) - 1, -1),
                offset=self._offset[keep],
                size=self._size[keep],
                members=_kept(self._members, keep),
                origins=self.origins,
                sources=self.sources,
                groups=self.groups,
                splits=self._splits,
                damage=self.damage,
            ),
        )

    def read(self, row: int) -> bytes:
        """The bytes of a row's image.

        Raises:
            DataError: Its shard is gone, out of reach, or shorter than it was.
        """
        return read_bytes(self[row].image)

    @property
    def nbytes(self) -> int:
        """Bytes that columns and names take."""
        columns = (self.label, self.origin, self.source, self.group, self.shard, self.record)
        own = (self._split, self._offset, self._size, self._members, self.groups)
        return sum(column.nbytes for column in (*columns, *own))

    def fingerprints(self, *, sha256: bool = False) -> list[dict[str, Any]]:
        """What tells which shards these are.

        Args:
            sha256: Read every local shard for its digest; remote ones have the version that their file system tells.

        Returns:
            For each shard its `name` and `bytes`, with `sha256` or `version` where they are known.

        Raises:
            DataError: A shard is gone or out of reach.
        """
        found = []
        for shard in self.shards:
            status = shard_status(shard)
            facts: dict[str, Any] = {"name": file_name(shard), "bytes": status.size}
            if is_remote(shard):
                facts |= {"version": status.version} if status.version else {}
            elif sha256:
                with Path(shard).open("rb") as file:
                    facts["sha256"] = hashlib.file_digest(file, "sha256").hexdigest()
            found.append(facts)
        return found


def _place(names: list[str], name: str) -> int:
    return names.index(name) if name in names else -1


def _among(wanted: Collection[tuple[int, str]], names: Sequence[str]) -> NDArray[np.bool_]:
    """(2, len(names)), by label and code: whether it is wanted."""
    pairs = set(wanted)
    return np.array([[(label, name) in pairs for name in names] for label in (REAL, GENERATED)], bool)


def _kept(names: Names, keep: NDArray[np.bool_]) -> Names:
    """The names in the places that are kept; a byte a byte of them, where `Names.take` needs sixteen."""
    blob, ends = names.arrays
    lengths = np.diff(ends, prepend=0)
    return Names(blob[np.repeat(keep, lengths)], np.cumsum(lengths[keep], dtype=np.int64))
