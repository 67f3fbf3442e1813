"""A set as columns of small numbers, so that millions of images can be divided at once."""

from __future__ import annotations

import hashlib
from array import array
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from contrafake.data.index import INDEX_NAME, read_index
from contrafake.data.location import Member
from contrafake.data.origins import SPLITS
from contrafake.data.sample import GENERATED
from contrafake.data.sources import samples_of
from contrafake.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    import pyarrow as pa
    from numpy.typing import NDArray

    from contrafake.data.sources import Source

NO_SPLIT = -1
NO_GROUP = 0


@dataclass
class Columns:
    """One row an image, in the order of the listing; about 50 bytes each.

    Attributes:
        key: (N,) uint64 digests of the keys.
        label: (N,) int8, 0 = real, 1 = generated.
        origin: (N,) int32, place in `origins`.
        source: (N,) int32, place in `sources`.
        group: (N,) uint64 digests of the groups, `NO_GROUP` for none.
        split: (N,) int8 place in `SPLITS` as the set itself has it, `NO_SPLIT` for none.
        place: (N,) uint64 digests of where the bytes lie, for images that an index may know; else 0.
        origins: (label, name) of each origin.
        families: Family of each origin, "" for real ones.
        sources: Name of each source.
        indexed: Folders that hold an index.
    """

    key: NDArray[np.uint64]
    label: NDArray[np.int8]
    origin: NDArray[np.int32]
    source: NDArray[np.int32]
    group: NDArray[np.uint64]
    split: NDArray[np.int8]
    place: NDArray[np.uint64]
    origins: list[tuple[int, str]]
    families: list[str]
    sources: list[str]
    indexed: list[Path]

    def __len__(self) -> int:
        return len(self.key)

    @property
    def generated(self) -> NDArray[np.bool_]:
        """(N,) which images are generated."""
        generated: NDArray[np.bool_] = self.label == GENERATED
        return generated

    @property
    def family(self) -> NDArray[np.int32]:
        """(N,) place of the family in `family_names`, -1 for real images."""
        names = {name: place for place, name in enumerate(self.family_names)}
        of_origin = [names[self.families[i]] if label else -1 for i, (label, _) in enumerate(self.origins)]
        return np.asarray(of_origin, np.int32)[self.origin]

    @property
    def family_names(self) -> list[str]:
        """Families of the generated images, sorted."""
        return sorted({self.families[i] for i, (label, _) in enumerate(self.origins) if label})


def digest(text: str) -> int:
    """64 bits that stand for a text; never 0, which means none."""
    data = text.encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "big") or 1


def list_columns(source: Source, step: Callable[[int], None] = lambda _: None) -> Columns:
    """Lists a set; reads no pixels.

    Args:
        source: The set.
        step: Called with 1 after each image.

    Raises:
        DataError: The set holds no image, or two with one key.
    """
    keys, groups, places = array("Q"), array("Q"), array("Q")
    labels, splits = array("b"), array("b")
    origin_codes, source_codes = array("i"), array("i")
    origins: dict[tuple[int, str], int] = {}
    sources: dict[str, int] = {}
    indexed: dict[str, bool] = {}
    for item in source:
        for sample in samples_of(item):
            keys.append(digest(sample.key))
            labels.append(sample.label)
            origin_codes.append(origins.setdefault((sample.label, sample.origin), len(origins)))
            source_codes.append(sources.setdefault(sample.source, len(sources)))
            groups.append(digest(sample.group) if sample.group else NO_GROUP)
            splits.append(SPLITS.index(sample.split) if sample.split in SPLITS else NO_SPLIT)
            places.append(_place(sample.image, indexed) if isinstance(sample.image, Member) else 0)
            step(1)
    if not keys:
        raise DataError(str(source.root), "no image was found", "; ".join(source.census.describe_skipped()))
    table = source.origins
    columns = Columns(
        key=np.array(keys, np.uint64),
        label=np.array(labels, np.int8),
        origin=np.array(origin_codes, np.int32),
        source=np.array(source_codes, np.int32),
        group=np.array(groups, np.uint64),
        split=np.array(splits, np.int8),
        place=np.array(places, np.uint64),
        origins=list(origins),
        families=[table.get(*origin).family or (origin[1] if origin[0] else "") for origin in origins],
        sources=list(sources),
        indexed=[Path(folder) for folder, there in indexed.items() if there],
    )
    if len(np.unique(columns.key)) < len(columns):
        raise DataError(str(source.root), "a key stands there twice", "lists name images by their key")
    return columns


def from_index(columns: Columns, names: list[str]) -> Iterator[tuple[NDArray[np.int64], pa.Table]]:
    """What indexes know of the images, without reading any.

    Args:
        columns: The set.
        names: Columns of the index.

    Yields:
        For each folder with an index, the (M,) rows of the images that it knows, and its table of M rows for them.

    Raises:
        DataError: An index is damaged.
    """
    for folder in columns.indexed:
        table = read_index(folder / INDEX_NAME, ["shard", "offset", "bytes", *names])
        where = zip(*(table.column(name).to_pylist() for name in ("shard", "offset", "bytes")), strict=True)
        places = np.fromiter((digest(f"{folder}\0{s}\0{o}\0{b}") for s, o, b in where), np.uint64, len(table))
        if not len(places):
            continue
        order = np.argsort(places)
        at = order[np.minimum(np.searchsorted(places[order], columns.place), len(order) - 1)]
        # A shard that was written anew is not the one that the index tells of.
        rows = np.flatnonzero(places[at] == columns.place)
        yield rows, table.take(at[rows])


def keys_at(source: Source, rows: Iterable[int]) -> dict[int, str]:
    """The keys in some rows, found by listing the set once more."""
    wanted, found, row = set(rows), {}, 0
    for item in source:
        for sample in samples_of(item):
            if row in wanted:
                found[row] = sample.key
            row += 1
        if len(found) == len(wanted):
            break
    return found


def _place(image: Member, indexed: dict[str, bool]) -> int:
    shard = Path(image.shard)
    folder = str(shard.parent)
    if folder not in indexed:
        indexed[folder] = (shard.parent / INDEX_NAME).is_file()
    return digest(f"{folder}\0{shard.name}\0{image.offset}\0{image.size}") if indexed[folder] else 0
