"""A table that names each image and its label: CSV, tab-separated values, or JSON Lines."""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from contrafake.data.location import File
from contrafake.data.sample import GENERATED, REAL, Sample, parse_label
from contrafake.data.seen import Seen
from contrafake.data.sources.folders import SPLIT_NAMES, origins_beside
from contrafake.data.sources.source import CLASS_NAMES, Source
from contrafake.data.text_table import DELIMITERS, LONGEST_LINE, read_rows
from contrafake.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from contrafake.data.origins import OriginTable
    from contrafake.data.text_table import Row

NEEDED = ("path", "label")
OPTIONAL = ("origin", "source", "group", "split", "key")


class Manifest(Source):
    """A .csv, .tsv or .jsonl file with the columns `path` and `label`, and perhaps `origin`, `source`, `group`,
    `split` and `key`; all others become metadata.

    A folder stands for its `manifest.csv` (.tsv, .jsonl). Paths are relative to the manifest. Without its column, an
    origin is the manifest's name, a source the image's folder, a key the path.
    """  # noqa: D205 - one sentence

    layout = "manifest"
    classes = ()  # one file for each class is common

    def __init__(self, root: Path) -> None:
        """Takes the file, or the folder that holds it."""
        super().__init__(_inside(root) or root)

    @classmethod
    def recognises(cls, root: Path) -> bool:
        """Whether it is a file with one of the three suffixes; what is wrong inside is said when it is read."""
        path = _inside(root) or root
        return path.suffix.lower() in DELIMITERS and path.is_file()

    @property
    def origins(self) -> OriginTable:
        """The table `origins.csv` beside the manifest, else what is known of public sets."""
        return origins_beside(self.root.parent)

    def _list(self) -> Iterator[Sample]:
        paths, labelled, keys = Seen(), Seen(), Seen()
        for line, row in self._rows():
            where = f"{self.root}: line {line}"
            sample = self._sample(where, row)
            path = sample.image.address
            new_path, new_label = paths.add(path), labelled.add(f"{sample.label} {path}")
            if not new_path and new_label:
                other = self._first_line(line, lambda row, path=path: self._path(row) == path)
                raise DataError(where, f"the label of {path} is another one in line {other}", "keep one of them")
            if not new_path:
                self.census.skip(f"line {line}: {path}", "the path stands there before, with the same label")
                continue
            if not keys.add(sample.key):
                other = self._first_line(line, lambda row, key=sample.key: self._key(row) == key)
                raise DataError(where, f"the key {sample.key!r} stands in line {other} as well", "make keys unique")
            if cause := _unusable(path):
                self.census.skip(f"line {line}: {path}", cause)
                continue
            yield sample
        for label in (REAL, GENERATED):
            if not self.census.of_class(label):
                self.census.notes.append(f"{self.root.name}: no {CLASS_NAMES[self.task][label]} image")

    def _sample(self, where: str, row: dict[str, Any]) -> Sample:
        for name in NEEDED:
            if _text(row, name) == "":
                raise DataError(where, f"no {name}")
        split = _text(row, "split").lower()
        if split and split not in SPLIT_NAMES:
            raise DataError(where, f"unknown split {row['split']!r}", "use train, val or test")
        written = PurePosixPath(str(row["path"]))  # spaces around it may belong to the name
        return Sample(
            key=self._key(row),
            label=parse_label(row["label"], where),
            origin=_text(row, "origin") or self.root.stem,
            source=_text(row, "source") or str(written.parent),
            group=_text(row, "group"),
            image=File(self._path(row)),
            split=SPLIT_NAMES[split] if split else "",
            metadata={name: value for name, value in row.items() if name not in {*NEEDED, *OPTIONAL}},
        )

    def _path(self, row: dict[str, Any]) -> str:
        return os.path.normpath(self.root.parent / str(row["path"]))

    @staticmethod
    def _key(row: dict[str, Any]) -> str:
        return _text(row, "key") or os.path.normpath(str(row["path"]))

    def _first_line(self, before: int, wanted: Any) -> int:
        """The line of the first row that is wanted; the file is read again, since nobody kept its lines."""
        return next(line for line, row in self._rows() if line < before and wanted(row))

    def _rows(self) -> Iterator[tuple[int, Row]]:
        """Each row with the number of its first line."""
        for line, row in read_rows(self.root, named=self._named, strict=True):
            for name in (*NEEDED, *OPTIONAL):
                if isinstance(row.get(name), dict | list):
                    raise DataError(f"{self.root}: line {line}", f"{name} is not a plain value")
            yield line, row

    def _named(self, header: list[str]) -> list[str]:
        """The columns of a header; those that are known in lower case."""
        names = [name.lower() if name.lower() in {*NEEDED, *OPTIONAL} else name for name in header]
        if missing := [name for name in NEEDED if name not in names]:
            raise DataError(str(self.root), f"a manifest needs the column {' and '.join(missing)}", _HEADER_REMEDY)
        if len(set(names)) < len(names):
            raise DataError(str(self.root), "two columns have the same name")
        return names


_HEADER_REMEDY = "the first line names the columns, separated by commas (.csv) or tabs (.tsv)"


def _text(row: dict[str, Any], name: str) -> str:
    value = row.get(name)
    return "" if value is None else str(value).strip()


def _unusable(path: str) -> str:
    """Why there is no image file at a path, "" where there may be one."""
    try:
        file = Path(path)
        if file.is_file():
            return "" if file.stat().st_size else "empty file"
        return "not a regular file" if file.exists() else "no such file"
    except (OSError, ValueError) as error:
        return f"cannot be read: {getattr(error, 'strerror', None) or error}"


def _inside(folder: Path) -> Path | None:
    """The manifest in a folder; other tables may bear that name, so its first line must speak of paths and labels."""
    for suffix in DELIMITERS:
        path = folder / f"manifest{suffix}"
        if path.is_file():
            with path.open(encoding="utf-8-sig", errors="replace") as file:
                head = file.readline(LONGEST_LINE)
            return path if all(name in head for name in NEEDED) else None
    return None
