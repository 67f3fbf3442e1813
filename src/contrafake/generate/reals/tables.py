"""Tables that lie beside images and say what is on them: CSV, tab-separated values, JSON Lines."""

from __future__ import annotations

import csv
import json
import os
from typing import TYPE_CHECKING, Any, TextIO

from contrafake.data.sources.manifest import LONGEST_LINE
from contrafake.errors import DataError
from contrafake.generate.reals.reader import find_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from contrafake.data.sources.source import Census

TABLE_SUFFIXES = {".csv": ",", ".tsv": "\t", ".jsonl": ""}
TABLE_NAMES = tuple(f"{stem}{suffix}" for stem in ("metadata", "captions") for suffix in TABLE_SUFFIXES)

Row = dict[str, Any]


def read_table(path: Path) -> Iterator[tuple[int, Row]]:
    """The rows of a table, each with the number of its line.

    Raises:
        DataError: It cannot be read, is no UTF-8, or a line is neither a row nor a JSON object.
    """
    delimiter = TABLE_SUFFIXES.get(path.suffix.lower(), ",")
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            yield from _csv_rows(path, file, delimiter) if delimiter else _json_rows(path, file)
    except OSError as error:
        raise DataError(str(path), f"cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise DataError(str(path), "not UTF-8 text", "save it as UTF-8") from error


class TablesBeside:
    """Looks up what the tables in an image's folder, and in those above it, say of it.

    A table is called ``metadata`` or ``captions`` (.csv, .tsv, .jsonl) and names images by their path from its own
    folder, as the image folders of model hubs do. Each is read once and kept.
    """

    def __init__(self, root: str, columns: Mapping[str, str], census: Census) -> None:
        """Begins at a folder.

        Args:
            root: Folder above which nothing is looked up.
            columns: Names that the configuration tells.
            census: Counts tables that name no images.
        """
        self._root = os.path.abspath(root)  # noqa: PTH100 - plain strings keep undecodable names
        self._columns = columns
        self._census = census
        self._tables: dict[str, dict[str, Row]] = {}

    def row(self, path: str) -> Row:
        """What is said of the image at a path; the nearest table counts; empty where none knows it.

        Raises:
            DataError: A table cannot be read.
        """
        path = os.path.abspath(path)  # noqa: PTH100 - as above
        folder = os.path.dirname(path)  # noqa: PTH120 - as above
        while True:
            if (row := self._table(folder).get(path)) is not None:
                return row
            if folder == self._root or len(folder) <= len(self._root):
                return {}
            folder = os.path.dirname(folder)  # noqa: PTH120 - as above

    def _table(self, folder: str) -> dict[str, Row]:
        if folder not in self._tables:
            from pathlib import Path  # noqa: PLC0415 - only tables need it

            rows: dict[str, Row] = {}
            for name in TABLE_NAMES:
                if (path := Path(folder, name)).is_file():
                    rows.update(self._by_path(path))
            self._tables[folder] = rows
        return self._tables[folder]

    def _by_path(self, table: Path) -> Iterator[tuple[str, Row]]:
        for _, row in read_table(table):
            name = find_name(row, "image", self._columns)
            if name is None:
                self._census.skip(str(table), "a table without a column that names the images")
                return
            rest = {column: value for column, value in row.items() if column != name}
            yield os.path.normpath(os.path.join(table.parent, str(row[name]))), rest  # noqa: PTH118 - as above


def _csv_rows(path: Path, file: TextIO, delimiter: str) -> Iterator[tuple[int, Row]]:
    reader = csv.reader(_lines(path, file), delimiter=delimiter)
    line = 1
    try:
        names = [name.strip() for name in next(reader, [])]
        line = reader.line_num + 1
        for cells in reader:
            if cells:
                if len(cells) != len(names):
                    cause = f"{len(cells)} cells, the header has {len(names)}"
                    raise DataError(f"{path}: line {line}", cause, "quote cells that hold the separator")
                yield line, dict(zip(names, cells, strict=True))
            line = reader.line_num + 1
    except csv.Error as error:
        raise DataError(f"{path}: line {line}", f"not readable as CSV: {error}") from error


def _json_rows(path: Path, file: TextIO) -> Iterator[tuple[int, Row]]:
    for line, text in enumerate(_lines(path, file), 1):
        if text.strip():
            try:
                row = json.loads(text)
            except (ValueError, RecursionError) as error:
                raise DataError(f"{path}: line {line}", f"not readable as JSON: {error}") from error
            if not isinstance(row, dict):
                raise DataError(f"{path}: line {line}", "not a JSON object", "write one object a line")
            yield line, row


def _lines(path: Path, file: TextIO) -> Iterator[str]:
    line = 0
    while text := file.readline(LONGEST_LINE + 1):
        line += 1
        if len(text) > LONGEST_LINE:
            raise DataError(f"{path}: line {line}", f"longer than {LONGEST_LINE:,} characters")
        yield text
