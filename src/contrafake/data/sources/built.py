"""What `contrafake generate` builds: real images, each with the images that generators made from it or its caption."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from contrafake.data.cells import arrow, parquet_file
from contrafake.data.index import INDEX_NAME, read_index
from contrafake.data.location import Member
from contrafake.data.sample import GENERATED, REAL, Record, Sample
from contrafake.data.sources.folders import origins_beside
from contrafake.data.sources.source import Source
from contrafake.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pyarrow as pa
    from numpy.typing import NDArray

    from contrafake.data.origins import OriginTable
    from contrafake.data.sources.source import Item

BUILD_NAME, RECORDS_NAME = "build.json", "records.parquet"
LAYOUT_MARK = "contrafake-built"
"""What `layout` says in the `build.json` of a finished set."""

RECORD_COLUMNS = ("key", "caption", "url", "split")
INDEX_COLUMNS = ("key", "label", "origin", "source", "group", "split", "shard", "member", "offset", "bytes")
RECORDS_AT_ONCE = 1024
_REPEATED = ("origin", "source", "group", "split", "shard")
_REBUILD = "give the command that built it again"
_HEX_KEY = re.compile(r"[0-9a-f]{24}")


def image_key(record: str, generator: str) -> str:
    """Key of an image of a built set: it tells neither the class nor the generator.

    Args:
        record: Key of the record; undecodable bytes are surrogate escapes.
        generator: Name of the generator, "real" for the real image.

    Returns:
        24 hex digits: BLAKE2b of both, with a zero byte between them.
    """
    return hashlib.blake2b(f"{record}\0{generator}".encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()


class Built(Source):
    """A finished set of `contrafake generate`: records of a real image and what was made for it.

    A record is called `<name of the set>__<split>__<key>`, its images `.real`, and `.gen_<n>` by the generator's place
    in the set: an image that was not made leaves its number free. Generated images keep their record's group.
    """

    layout = "built"

    @classmethod
    def recognises(cls, root: Path) -> bool:
        """Whether `build.json` in the folder says so; one that cannot be read is ours where records lie beside it."""
        if not (root / BUILD_NAME).is_file():
            return False
        try:
            return _read_json(root / BUILD_NAME).get("layout") == LAYOUT_MARK
        except DataError:
            return (root / RECORDS_NAME).is_file()

    @property
    def origins(self) -> OriginTable:
        """The table `origins.csv` of the set."""
        return origins_beside(self.root)

    @property
    def build(self) -> dict[str, Any]:
        """What `build.json` says.

        Raises:
            DataError: It is missing, damaged, or none of a built set.
        """
        path = self.root / BUILD_NAME
        build = _read_json(path)
        if build.get("layout") != LAYOUT_MARK:
            raise DataError(str(path), "is none of a built set", "use --layout shards for its shards alone")
        names = build.get("generators")
        if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
            raise DataError(str(path), "names no generators", _REBUILD)
        return build

    def _list(self) -> Iterator[Item]:
        if not self.root.is_dir():
            raise DataError(str(self.root), "no such folder")
        build = self.build
        generators, name = [name for name in build["generators"] if name != "real"], _plain(build.get("name"))
        images = _Images(self.root)
        for batch in _records(self.root / RECORDS_NAME):
            wanted = [[image_key(row["key"], g) for g in ("real", *generators)] for row in batch]
            for row, found in zip(batch, images.of(wanted), strict=True):
                if record := self._record(name, row, found):
                    yield record
        for key in images.unused():
            self.census.skip(f"{self.root / INDEX_NAME}: {key}", "an image of no record")

    def _record(self, name: str, row: dict[str, Any], found: list[dict[str, Any] | None]) -> Record | None:
        real, *others = found
        if real is None or not any(others):
            lost = "its real image is missing" if real is None else "it has no generated image"
            self.census.skip(f"{self.root / RECORDS_NAME}: {row['key']}", lost)
            return None
        key = f"{name}__{row['split']}__{row['key']}"

        def sample(slot: str, label: Literal[0, 1], image: dict[str, Any]) -> Sample:
            subject = f"{self.root / INDEX_NAME}: {image['key']}"
            if image["label"] != label:
                raise DataError(subject, "has the label of the other class", _REBUILD)
            place = Member(str(self.root / image["shard"]), image["member"], image["offset"], image["bytes"])
            group = image["group"] if image["group"] not in {"", row["key"]} else key
            known = {"record": row["key"], "image": image["key"]}
            return Sample(f"{key}.{slot}", label, image["origin"], image["source"], group, place, image["split"], known)

        made = tuple(sample(f"gen_{place}", GENERATED, image) for place, image in enumerate(others) if image)
        return Record(key, sample("real", REAL, real), made, row["caption"], row["url"])


class _Images:
    """The rows of the index by key: columns, and 16 bytes an image to find them."""

    def __init__(self, root: Path) -> None:
        self.path = root / INDEX_NAME
        self.table = _repeated_once(read_index(self.path, list(INDEX_COLUMNS)))
        keys = np.fromiter((self._number(key) for key in _texts(self.table["key"])), np.uint64, len(self.table))
        self._order = np.argsort(keys, kind="stable")
        self._sorted = keys[self._order]
        self._used = np.zeros(len(keys), np.bool_)
        same = np.flatnonzero(self._sorted[1:] == self._sorted[:-1])
        if len(same):  # 64 bits of a hash that is even over its 96: two images agree in them about never
            twice = self._key(int(self._order[same[0]]))
            raise DataError(f"{self.path}: {twice}", "the key stands there twice", _REBUILD)
        for shard in self.table["shard"].unique().to_pylist():
            if PurePath(str(shard)).name != shard:
                raise DataError(str(self.path), f"names a shard outside of its folder: {shard}", _REBUILD)

    def of(self, wanted: list[list[str]]) -> list[list[dict[str, Any] | None]]:
        """What the index says of some images, None for those that it does not know.

        Raises:
            DataError: A record stands there twice.
        """
        numbers = np.array([[int(key[:16], 16) for key in keys] for keys in wanted], np.uint64)
        at = np.minimum(np.searchsorted(self._sorted, numbers), max(len(self._sorted) - 1, 0))
        known = self._sorted[at] == numbers if len(self._sorted) else np.zeros(numbers.shape, np.bool_)
        rows: NDArray[np.int64] = self._order[at[known]] if known.any() else np.zeros(0, np.int64)
        if self._used[rows].any() or len(np.unique(rows)) < len(rows):
            raise DataError(str(self.path.with_name(RECORDS_NAME)), "a key stands there twice", _REBUILD)
        self._used[rows] = True
        images = iter(self.table.take(rows).to_pylist())
        return [[next(images) if there else None for there in line] for line in known.tolist()]

    def unused(self) -> Iterator[str]:
        """Keys of images that belong to no record."""
        for row in np.flatnonzero(~self._used).tolist():
            yield self._key(row)

    def _key(self, row: int) -> str:
        return str(self.table["key"][row].as_py())

    def _number(self, key: str) -> int:
        if not _HEX_KEY.fullmatch(key or ""):
            raise DataError(f"{self.path}: {key}", "is no key of a built set", _REBUILD)
        return int(key[:16], 16)


def _records(path: Path) -> Iterator[list[dict[str, Any]]]:
    """Key, caption, address and split of the records, some at a time."""
    library = arrow()
    try:
        with parquet_file(path) as file:
            if missing := [name for name in RECORD_COLUMNS if name not in file.schema_arrow.names]:
                raise DataError(str(path), f"the records have no column {', '.join(missing)}", _REBUILD)
            for batch in file.iter_batches(RECORDS_AT_ONCE, columns=list(RECORD_COLUMNS)):
                yield [{name: _text(value) for name, value in row.items()} for row in batch.to_pylist()]
    except (OSError, ValueError, library.ArrowException) as error:
        raise DataError(str(path), f"the records cannot be read: {error}", _REBUILD) from error


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(str(path), f"cannot be read: {error}", _REBUILD) from error
    if not isinstance(content, dict):
        raise DataError(str(path), "holds no table", _REBUILD)
    return content


def _plain(name: object) -> str:
    """The set's name as the first part of keys, which two underscores would end, and which files are named by."""
    return re.sub(r"(?:[^\w.+-]|_)+", "_", str(name or "")).strip("_") or "built"


def _text(value: str | None) -> str:
    """A text of the records; what UTF-8 cannot hold is written in hex there, after a zero byte."""
    text = value or ""
    return bytes.fromhex(text[1:]).decode("utf-8", "surrogatepass") if text.startswith("\0") else text


def _texts(column: pa.ChunkedArray) -> Iterator[str]:
    for chunk in column.iterchunks():
        yield from chunk.to_pylist()


def _repeated_once(table: pa.Table) -> pa.Table:
    """The table with texts that repeat kept once each, in one piece, since rows are taken from anywhere."""
    for name in _REPEATED:
        table = table.set_column(table.column_names.index(name), name, table[name].dictionary_encode())
    return table.unify_dictionaries().combine_chunks()
