"""The listing of one shard: its usable images in columns, and everything that was left out, with the cause."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np

from contrafake.data.interpret import FACTS, IMAGE_SUFFIXES, NO_IMAGE, facts_of, interpret, is_record
from contrafake.data.listing.names import Names, hash_of
from contrafake.data.location import Member
from contrafake.data.remote import open_shard
from contrafake.data.sample import Record, Sample
from contrafake.data.tar_scan import TarContents, scan_tar
from contrafake.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

ROW: Final = np.dtype(
    [
        ("offset", np.int64),
        ("size", np.int64),
        ("unit", np.int32),
        ("origin", np.int32),
        ("source", np.int32),
        ("group", np.int32),
        ("split", np.int32),
        ("label", np.uint8),
        ("paired", np.uint8),
    ]
)
"""One image: `unit` numbers the keys of the shard (a lone sample or a record), the other names are codes."""

_CODED: Final = ("origin", "source", "group", "split")


@dataclass(frozen=True)
class ShardListing:
    """One shard in columns.

    Attributes:
        rows: (n,) of `ROW`; those of a record follow each other, the real image first.
        members: Name of each row's member.
        origins: What the codes in the column `origin` mean.
        sources: As above.
        groups: As above; there may be as many as rows.
        splits: As above.
        units: (u,) uint64 hash of the key of each unit.
        group_hashes: (g,) uint64 hash of each group.
        damage: Address and cause of all that was left out.
    """

    rows: NDArray[np.void]
    members: Names
    origins: list[str]
    sources: list[str]
    groups: Names
    splits: list[str]
    units: NDArray[np.uint64]
    group_hashes: NDArray[np.uint64]
    damage: list[tuple[str, str]]


@dataclass
class ShardColumns:
    """Collects a shard's rows."""

    damage: list[tuple[str, str]] = field(default_factory=list)
    _rows: list[tuple[int, ...]] = field(default_factory=list)
    _members: list[str] = field(default_factory=list)
    _units: list[int] = field(default_factory=list)
    _codes: dict[str, dict[str, int]] = field(default_factory=lambda: {name: {} for name in _CODED})

    def add(self, key: str, samples: Sequence[Sample], *, paired: bool) -> None:
        """Adds a lone sample, or the samples of a record, real first."""
        unit = len(self._units)
        self._units.append(hash_of(key))
        for sample in samples:
            image = sample.image
            if not isinstance(image, Member):
                raise TypeError(image)
            codes = [self._code(name, getattr(sample, name)) for name in _CODED]
            self._rows.append((image.offset, image.size, unit, *codes, sample.label, paired))
            self._members.append(image.name)

    def listing(self) -> ShardListing:
        """What was collected."""
        origins, sources, groups, splits = (list(self._codes[name]) for name in _CODED)
        return ShardListing(
            rows=np.array(self._rows, ROW),
            members=Names.of(self._members),
            origins=origins,
            sources=sources,
            groups=Names.of(groups),
            splits=splits,
            units=np.array(self._units, np.uint64),
            group_hashes=np.array([hash_of(group) for group in groups], np.uint64),
            damage=self.damage,
        )

    def _code(self, name: str, text: str) -> int:
        codes = self._codes[name]
        return codes.setdefault(text, len(codes))


def list_tar(shard: str) -> ShardListing:
    """Lists a shard from its headers and JSON members.

    Raises:
        DataError: It is not there or cannot be reached; whatever is wrong inside is damage.
    """
    with open_shard(shard) as (file, size):
        contents = scan_tar(file, size, shard, {FACTS})
    return list_contents(shard, contents)


def list_contents(shard: str, contents: TarContents) -> ShardListing:
    """The usable images of a scanned tar file, in the order in which their keys stand there."""
    columns = ShardColumns([(error.subject, error.cause) for error in contents.damage])
    described = any(is_record(members) and FACTS in members for members in contents.keys.values())
    for key, members in contents.keys.items():
        kept, damage = _without_unusable(members)
        columns.damage += damage
        found = _read_key(shard, key, kept, contents, described)
        if isinstance(found, Sample):
            columns.add(key, [found], paired=False)
        elif isinstance(found, Record):
            columns.add(key, found.samples, paired=True)
        elif found != NO_IMAGE:
            columns.damage.append((f"{shard}: {key}", found))
        elif not damage:  # else that says it already
            columns.damage.append((f"{shard}: {key}", f"no image, only {', '.join(f'.{name}' for name in members)}"))
    return columns.listing()


def _read_key(
    shard: str, key: str, members: Mapping[str, Member], contents: TarContents, described: bool
) -> Sample | Record | str:
    if is_record(members):
        if FACTS in members and facts_of(members, contents) is None:
            return "its .json cannot be read"
        if key == contents.cut and described and FACTS not in members:
            # Its siblings would go by the names of their places, not by those of their generators.
            return "its .json lies behind the end of the shard"
    try:
        return interpret(key, members, contents)
    except DataError as error:
        return error.cause


def _without_unusable(members: Mapping[str, Member]) -> tuple[dict[str, Member], list[tuple[str, str]]]:
    """The members without empty images, and without what stands in an image's place but is none by its suffix."""
    kept: dict[str, Member] = {}
    damage: list[tuple[str, str]] = []
    pictured = {suffix.partition(".")[0] for suffix in members if suffix.partition(".")[2] in IMAGE_SUFFIXES}
    for suffix, member in members.items():
        slot, _, kind = suffix.rpartition(".")
        if kind in IMAGE_SUFFIXES and not member.size and (not slot or is_record({suffix: member})):
            damage.append((member.address, "the image is empty (0 bytes)"))
            continue
        kept[suffix] = member
        name = suffix.partition(".")[0]
        if (name == "real" or name.startswith("gen_")) and slot and name not in pictured:
            damage.append((member.address, f"no image by its suffix .{kind}"))
    return kept, damage
