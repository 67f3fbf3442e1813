"""A folder of images with their captions beside them: text files, JSON (img2dataset), or a table."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contrafake.data.location import File
from contrafake.data.sample import REAL
from contrafake.data.shards import IMAGE_SUFFIXES
from contrafake.data.sources.folders import SPLIT_NAMES, FolderSource, Place
from contrafake.data.sources.source import samples_of
from contrafake.data.tar_scan import LARGEST_TEXT
from contrafake.data.text_table import DELIMITERS, read_rows
from contrafake.errors import DataError
from contrafake.generate.reals.reader import (
    Reader,
    add_skipped,
    caption_beside,
    describe,
    find_name,
    host_of,
)
from contrafake.generate.reals.tables import TABLE_NAMES, TablesBeside
from contrafake.generate.record import CaptionedReal

if TYPE_CHECKING:
    from collections.abc import Iterator

_LOOKED_AT = 5000
# What lies beside images on purpose and is no loss.
_BESIDE = [f"no image by its suffix ({suffix})" for suffix in (".txt", ".caption", ".json", ".parquet", *DELIMITERS)]


class _Images(FolderSource):
    """All images below a folder; a folder called train, val or test is a split."""

    layout = "captioned-folder"
    classes = ()

    def place(self, folders: tuple[str, ...]) -> Place | None:
        origin = self.root.resolve().name
        split = next((SPLIT_NAMES[name.lower()] for name in folders if name.lower() in SPLIT_NAMES), "")
        return Place(REAL, origin, "/".join((origin, *folders)), split)


class CaptionedFolder(Reader):
    """Images at any depth, with ``<stem>.txt``, ``<stem>.caption`` or ``<stem>.json`` beside them, or a table above.

    A caption comes from the text file, else from the nearest table (see `TablesBeside`), else from the JSON. Instead
    of a folder the address can be a table: then it says which images there are, in its own order. A key is the path
    from the folder without its suffix, or with it where two images share the rest; rows of a table that is the
    address can have a column for it, if the configuration tells which.
    """

    layout = "captioned-folder"

    @classmethod
    def recognises(cls, address: str) -> bool:
        """Whether images or tables of captions lie in the folder, or it is such a table."""
        path = Path(address)
        if path.is_file():
            return path.suffix.lower() in DELIMITERS
        if not path.is_dir():
            return False
        looked = 0
        for _, _, names in os.walk(path):
            for name in names:
                if name in TABLE_NAMES or os.path.splitext(name)[1].lower().removeprefix(".") in IMAGE_SUFFIXES:  # noqa: PTH122
                    return True
                looked += 1
            if looked > _LOOKED_AT:
                return False
        return False

    def _list(self) -> Iterator[CaptionedReal]:
        path = Path(self.address)
        yield from self._of_table(path) if path.is_file() else self._of_folder(path)

    def _of_folder(self, root: Path) -> Iterator[CaptionedReal]:
        images, tables = _Images(root), TablesBeside(str(root), self.columns, self.census)
        for item in images:
            for sample in samples_of(item):
                path = sample.image.address
                row = {**_json_beside(path), **tables.row(path)}
                yield self._real(sample.key, path, row, origin=sample.origin, source=sample.source, split=sample.split)
        add_skipped(self.census, images.census, but=_BESIDE)

    def _of_table(self, table: Path) -> Iterator[CaptionedReal]:
        origin = table.parent.resolve().name
        for line, row in read_rows(table):
            name = find_name(row, "image", self.columns)
            if name is None or not isinstance(row[name], str):
                if find_name(row, "url", self.columns):
                    raise addresses_only(str(table))
                columns = ", ".join(row)
                raise DataError(
                    f"{table}: line {line}", f"no column names the image file ({columns})", "columns: {image: NAME}"
                )
            path = os.path.normpath(table.parent / row[name])
            if not os.path.isfile(path):  # noqa: PTH113 - plain strings keep undecodable names
                self.census.skip(f"line {line}: {row[name]}", "no such image file")
                continue
            key = os.path.splitext(os.path.normpath(row[name]))[0]  # noqa: PTH122 - as above
            if told := self.columns.get("key"):
                key = str(row.get(told) or "")
                if not key:
                    self.census.skip(f"line {line}: {row[name]}", "the row has no key")
                    continue
            rest = {column: value for column, value in row.items() if column != name}
            yield self._real(key, path, {**_json_beside(path), **rest}, origin=origin, source=origin, split="")

    def _real(self, key: str, path: str, row: dict[str, Any], *, origin: str, source: str, split: str) -> CaptionedReal:
        said = describe(row, self.columns)
        return CaptionedReal(
            key=key,
            caption=caption_beside(path) or said.caption,
            image=File(path),
            origin=origin,
            source=host_of(said.url) or source,
            split=said.split or split,
            url=said.url,
            metadata=said.metadata or {},
        )


def addresses_only(subject: str) -> DataError:
    """What to say of a list that has addresses of images, but no images."""
    remedy = "fetch them first, for example with img2dataset, and name the folder that it wrote"
    return DataError(subject, "holds addresses of images, but no images", remedy)


def _json_beside(path: str) -> dict[str, Any]:
    name = os.path.splitext(path)[0] + ".json"  # noqa: PTH122 - plain strings keep undecodable names
    try:
        if os.stat(name).st_size > LARGEST_TEXT:  # noqa: PTH116 - as above
            return {}
        with open(name, encoding="utf-8") as file:  # noqa: PTH123 - as above
            found = json.load(file)
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
