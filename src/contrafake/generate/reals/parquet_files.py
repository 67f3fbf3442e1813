"""Parquet files with a column of captions and one of images, as CC3M, LAION and sets on model hubs come."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from contrafake.data.cells import arrow, parquet_file
from contrafake.data.location import Cell, File
from contrafake.data.sources.folders import SPLIT_NAMES
from contrafake.errors import DataError
from contrafake.generate.reals.folder import addresses_only
from contrafake.generate.reals.reader import Reader, describe, find_name, host_of
from contrafake.generate.record import CaptionedReal

if TYPE_CHECKING:
    from collections.abc import Iterator

_ROWS_AT_ONCE = 1024
_IMAGE_COLUMNS = ("image", "images", "jpg", "jpeg", "png", "webp", "img", "picture", "image_bytes", "bytes")


class _Part(NamedTuple):
    """One file and what its columns are for; `embedded` says whether the image column holds bytes, or else paths."""

    path: Path
    name: str
    origin: str
    split: str
    image: str
    embedded: bool
    key: str | None
    others: list[str]


class CaptionedParquet(Reader):
    """A Parquet file, or a folder of them (directly or one level below).

    An image is a struct with a field `bytes`, or binary, or a path relative to the file. All small columns that are
    neither image, caption nor address become metadata. A key is that of a column ``key``, ``uid``, ``id`` or
    ``sample_id``, else ``<file without suffix>/<number of the row>``.
    """

    layout = "captioned-parquet"

    @classmethod
    def recognises(cls, address: str) -> bool:
        """Whether Parquet files lie there."""
        return bool(_files(Path(address)))

    def _list(self) -> Iterator[CaptionedReal]:
        root = Path(self.address)
        files = _files(root)
        if not files:
            raise DataError(self.address, "no Parquet file", "give the file or the folder that holds them")
        origin = (root if root.is_dir() else root.with_suffix("")).resolve().name
        for path in files:
            relative = path.relative_to(root) if root.is_dir() else Path(path.name)
            try:
                with parquet_file(path) as file:
                    yield from self._of_file(path, file, relative.with_suffix("").as_posix(), origin)
            except (OSError, arrow().ArrowException):
                self.census.skip(str(path), "truncated, or no Parquet file")

    def _of_file(self, path: Path, file: Any, name: str, origin: str) -> Iterator[CaptionedReal]:
        split = next((SPLIT_NAMES[word] for word in _words(name) if word in SPLIT_NAMES), "")
        part = _Part(path, name, origin, split, *self._columns(path, file.schema_arrow))
        number = 0
        for row_group in range(file.num_row_groups):
            rows, before = file.metadata.row_group(row_group).num_rows, number
            number += rows
            try:
                for at, row in enumerate(_rows(file, row_group, part.others)):
                    yield from self._of_row(part, row, Cell(str(path), part.image, row_group, at), before + at)
            except (OSError, arrow().ArrowException):
                self.census.skip(f"{path}: row group {row_group}", "damaged row group")

    def _of_row(self, part: _Part, row: dict[str, Any], cell: Cell, number: int) -> Iterator[CaptionedReal]:
        where, key = f"{part.path}: row {number}", f"{part.name}/{number}"
        if part.key is not None:
            if row[part.key] is None or row[part.key] == "":
                self.census.skip(where, "the row has no key")
                return
            key = str(row[part.key])
        image: Cell | File = cell
        if not part.embedded:
            written = row.pop(part.image)
            image = File(os.path.normpath(part.path.parent / str(written or "")))
            if not written or not os.path.isfile(image.path):  # noqa: PTH113 - plain strings keep undecodable names
                self.census.skip(f"{where} ({written})", "no such image file")
                return
        said = describe(row, self.columns)
        yield CaptionedReal(
            key=key,
            caption=said.caption,
            image=image,
            origin=part.origin,
            source=host_of(said.url) or part.origin,
            split=said.split or part.split,
            url=said.url,
            metadata=said.metadata or {},
        )

    def _columns(self, path: Path, schema: Any) -> tuple[str, bool, str | None, list[str]]:
        names = list(schema.names)
        for what, told in self.columns.items():
            if told and told not in names:
                raise DataError(str(path), f"no column {told}", f"columns.{what} is one of {', '.join(names)}")
        image, embedded = self._image_column(names, schema)
        if image is None:
            if find_name(names, "url", self.columns):
                raise addresses_only(str(path))
            raise DataError(str(path), f"no column of images among {', '.join(names)}", "columns: {image: NAME}")
        small = [field.name for field in schema if _is_small(field.type)]
        key = find_name(small, "key", self.columns)
        if key is None and (wanted := self.columns.get("key")):
            raise DataError(str(path), f"its column {wanted} holds no keys", "columns.key is one of texts or numbers")
        return image, embedded, key, small

    def _image_column(self, names: list[str], schema: Any) -> tuple[str | None, bool]:
        """The column that was told, else one with the name and type of images, else one of paths."""
        if told := self.columns.get("image"):
            kind = schema.field(told).type
            return (told if _holds_bytes(kind) or _is_small(kind) else None), _holds_bytes(kind)
        holders = [name for name in names if _holds_bytes(schema.field(name).type)]
        known = [name for wanted in _IMAGE_COLUMNS for name in holders if name.lower() == wanted]
        if known or len(holders) == 1:
            return (known or holders)[0], True
        path = find_name(names, "image", {})
        texts = path is not None and _is_text(schema.field(path).type)
        return (path, False) if texts else (None, False)


def _files(root: Path) -> list[Path]:
    """Parquet files in the order of their paths; hidden ones are unfinished downloads."""
    if root.is_file():
        return [root] if root.suffix.lower() == ".parquet" else []
    found = (path for pattern in ("*.parquet", "*/*.parquet") for path in root.glob(pattern))
    return sorted(path for path in found if not path.name.startswith("."))


def _rows(file: Any, row_group: int, columns: list[str]) -> Iterator[dict[str, Any]]:
    if not columns:
        yield from ({} for _ in range(file.metadata.row_group(row_group).num_rows))
        return
    for batch in file.iter_batches(_ROWS_AT_ONCE, row_groups=[row_group], columns=columns):
        yield from batch.to_pylist()


def _words(name: str) -> list[str]:
    """The words of "data/train-00000-of-00003" in lower case."""
    return name.lower().replace("/", "-").replace("_", "-").replace(".", "-").split("-")


def _holds_bytes(kind: Any) -> bool:
    types = arrow().types
    if types.is_struct(kind):
        return any(kind.field(at).name == "bytes" for at in range(kind.num_fields))
    return bool(types.is_binary(kind) or types.is_large_binary(kind))


def _is_text(kind: Any) -> bool:
    types = arrow().types
    return bool(types.is_string(kind) or types.is_large_string(kind))


def _is_small(kind: Any) -> bool:
    """Whether a column is read for the listing: numbers, texts, times, and lists of texts, which may be captions."""
    types = arrow().types
    if types.is_dictionary(kind):
        return _is_small(kind.value_type)
    if types.is_list(kind) or types.is_large_list(kind):
        return _is_text(kind.value_type)
    return not (types.is_nested(kind) or types.is_binary(kind) or types.is_large_binary(kind))
